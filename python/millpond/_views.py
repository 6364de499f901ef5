"""What looks like a collection and is read from the store each time it is used."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from .errors import InvalidArgumentError, KeyNotFound, NotFoundError

if TYPE_CHECKING:
    from ._info import Snapshot
    from ._millpond import Container, Dict, OrderedMap

__all__ = ["Attributes", "DictItems", "DictKeys", "DictValues", "Dicts", "Maps", "Properties", "Snapshots"]

_KeyT = TypeVar("_KeyT")


class DictKeys(KeysView[_KeyT]):
    """The keys of a dictionary or a map, in order: a live view, with the operations of a set."""

    _mapping: Dict | OrderedMap

    def __iter__(self) -> Iterator[_KeyT]:
        return cast("Iterator[_KeyT]", iter(self._mapping))

    def __reversed__(self) -> Iterator[_KeyT]:
        return cast("Iterator[_KeyT]", reversed(self._mapping))

    def __repr__(self) -> str:
        return f"<keys of {self._mapping!r}>"


class DictItems(ItemsView[_KeyT, bytes]):
    """The entries of a dictionary or a map as pairs, in the order of their keys: a live view."""

    _mapping: Dict | OrderedMap

    def __iter__(self) -> Iterator[tuple[_KeyT, bytes]]:
        return cast("Iterator[tuple[_KeyT, bytes]]", self._mapping.range().items())

    def __reversed__(self) -> Iterator[tuple[_KeyT, bytes]]:
        return cast("Iterator[tuple[_KeyT, bytes]]", self._mapping.range(reverse=True).items())

    def __contains__(self, item: object) -> bool:
        if not (isinstance(item, tuple) and len(item) == 2):
            return False
        key, value = item
        return key in self._mapping and bool(self._mapping.get(key) == value)

    def __repr__(self) -> str:
        return f"<items of {self._mapping!r}>"


class DictValues(ValuesView[bytes]):
    """The values of a dictionary or a map, in the order of their keys: a live view."""

    _mapping: Dict | OrderedMap

    def __iter__(self) -> Iterator[bytes]:
        return self._mapping.range().values()

    def __reversed__(self) -> Iterator[bytes]:
        return self._mapping.range(reverse=True).values()

    def __contains__(self, value: object) -> bool:
        return any(value == mine for mine in self)

    def __repr__(self) -> str:
        return f"<values of {self._mapping!r}>"


class Dicts(Mapping[str, "Dict"]):
    """The dictionaries of a container by name. Deleting one destroys it, with all that it holds."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def __getitem__(self, name: str) -> Dict:
        try:
            return self._container.dict(name)
        except NotFoundError:
            raise KeyNotFound(name, f"the dictionaries of {self._container.url}") from None

    def __delitem__(self, name: str) -> None:
        try:
            self._container.destroy_dict(name)
        except NotFoundError:
            raise KeyNotFound(name, f"the dictionaries of {self._container.url}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._container._dict_names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._container._dict_names())

    def __len__(self) -> int:
        return len(self._container._dict_names())

    def __repr__(self) -> str:
        return f"<dictionaries of {self._container.url}: {', '.join(self) or 'none'}>"


class Maps(Mapping[str, "OrderedMap"]):
    """The ordered maps of a container by name. Deleting one destroys it, with all that it holds."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def __getitem__(self, name: str) -> OrderedMap:
        if name not in self:
            raise KeyNotFound(name, f"the ordered maps of {self._container.url}")
        return self._container.map(name)

    def __delitem__(self, name: str) -> None:
        try:
            self._container.destroy_map(name)
        except NotFoundError:
            raise KeyNotFound(name, f"the ordered maps of {self._container.url}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._container._map_names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._container._map_names())

    def __len__(self) -> int:
        return len(self._container._map_names())

    def __repr__(self) -> str:
        return f"<ordered maps of {self._container.url}: {', '.join(self) or 'none'}>"


class Snapshots(Mapping[str, "Snapshot"]):
    """The snapshots of a container by name, the oldest first. Deleting one destroys it."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def __getitem__(self, name: str) -> Snapshot:
        try:
            return self._container._snapshots()[name]
        except KeyError:
            raise KeyNotFound(name, f"the snapshots of {self._container.url}") from None

    def __delitem__(self, name: str) -> None:
        try:
            self._container.destroy_snapshot(name)
        except NotFoundError:
            raise KeyNotFound(name, f"the snapshots of {self._container.url}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._container._snapshots())

    def __len__(self) -> int:
        return len(self._container._snapshots())

    def sizes(self) -> dict[str, int]:
        """About how many bytes would come back if a snapshot alone were destroyed, by name.

        Reads all that was changed since the oldest one.
        """
        return self._container._snapshot_sizes()

    def __repr__(self) -> str:
        return f"<snapshots of {self._container.url}: {', '.join(self) or 'none'}>"


class _Described(Protocol):
    """A pool or a container."""

    @property
    def url(self) -> str: ...
    def _properties(self) -> dict[str, str]: ...
    def _set_property(self, name: str, value: str, /) -> None: ...
    def _attributes(self) -> dict[str, str]: ...
    def _set_attribute(self, name: str, value: str, /) -> None: ...
    def _delete_attribute(self, name: str, /) -> None: ...


class Attributes(MutableMapping[str, str]):
    """What users note on a pool or a container: any names, any texts."""

    def __init__(self, owner: _Described) -> None:
        self._owner = owner

    def __getitem__(self, name: str) -> str:
        try:
            return self._owner._attributes()[name]
        except KeyError:
            raise KeyNotFound(name, f"the attributes of {self._owner.url}") from None

    def __setitem__(self, name: str, value: str) -> None:
        self._owner._set_attribute(name, value)

    def __delitem__(self, name: str) -> None:
        try:
            self._owner._delete_attribute(name)
        except NotFoundError:
            raise KeyNotFound(name, f"the attributes of {self._owner.url}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner._attributes())

    def __len__(self) -> int:
        return len(self._owner._attributes())

    def __repr__(self) -> str:
        return f"<attributes of {self._owner.url}: {self._owner._attributes()!r}>"


class Properties(Mapping[str, str]):
    """The settings of a pool or a container that the product knows. Those that may change are set
    by assignment; none is ever deleted."""

    def __init__(self, owner: _Described) -> None:
        self._owner = owner

    def __getitem__(self, name: str) -> str:
        try:
            return self._owner._properties()[name]
        except KeyError:
            raise KeyNotFound(name, f"the properties of {self._owner.url}") from None

    def __setitem__(self, name: str, value: object) -> None:
        self._owner._set_property(name, str(value))

    def __delitem__(self, name: str) -> None:
        raise InvalidArgumentError(f"{name!r} is a property, which can be set but not deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner._properties())

    def __len__(self) -> int:
        return len(self._owner._properties())

    def __repr__(self) -> str:
        return f"<properties of {self._owner.url}: {self._owner._properties()!r}>"

"""The class ``DDict``."""

from __future__ import annotations

from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    MutableMapping,
    ValuesView,
)
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar, overload

import millpond

from ._errors import translated

if TYPE_CHECKING:
    from ._container import DCont

__all__ = ["DDict", "KeyLike", "ValueLike"]

KeyLike: TypeAlias = str | bytes
ValueLike: TypeAlias = str | bytes | bytearray | memoryview

_T = TypeVar("_T")
_K = TypeVar("_K", bound=KeyLike)

_MISSING: Any = object()


class DDict(MutableMapping[Any, Any]):
    """A dictionary of a container.

    A key is a str or bytes (``"a"`` and ``b"a"`` are one key), and comes back as a str. A value is a
    str or bytes, and comes back as bytes. Storing None, ``""`` or ``b""`` deletes the key. Iteration
    is lazy, in the order of the keys' bytes.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    # Kept for programs that set it; a value is read in one go whatever its size is.
    value_size = 1024 * 1024

    def __init__(self, name: str, native: millpond.Dict, cont: DCont) -> None:
        self.name = name
        self.cont = cont
        self._native = native

    # ---- one key

    @overload
    def get(self, key: KeyLike) -> bytes: ...
    @overload
    def get(self, key: KeyLike, default: _T) -> bytes | _T: ...
    def get(self, key: KeyLike, default: Any = _MISSING) -> Any:
        """The value of a key; the default, if one is given, when there is no such key.

        Raises:
            KeyError: If there is no such key and no default.
        """
        encoded = _key(key)
        try:
            value = self._native.get(encoded)
        except millpond.Error as error:
            raise translated("failed to retrieve KV value", error) from error
        if value is not None:
            return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __getitem__(self, key: KeyLike) -> bytes:
        return self.get(key)

    def __contains__(self, key: object) -> bool:
        try:
            return _key(key) in self._native
        except millpond.Error as error:
            raise translated("failed to retrieve KV value", error) from error

    def put(self, key: KeyLike, val: ValueLike | None) -> None:
        """Set the value of a key; delete the key if the value is None or empty."""
        encoded, value = _key(key), _value(val)
        try:
            if value:
                self._native.put(encoded, value)
            else:
                self._native.discard(encoded)
        except millpond.Error as error:
            raise translated("failed to store KV value", error) from error

    def __setitem__(self, key: KeyLike, val: ValueLike | None) -> None:
        self.put(key, val)

    def __delitem__(self, key: KeyLike) -> None:
        self.put(key, None)

    @overload
    def pop(self, key: KeyLike) -> None: ...
    @overload
    def pop(self, key: KeyLike, default: _T) -> bytes | _T: ...
    def pop(self, key: KeyLike, default: Any = _MISSING) -> Any:
        """Delete a key, if it is there, and answer None; with a default, answer the value that it had,
        or the default."""
        if default is _MISSING:
            self.put(key, None)
            return None
        encoded = _key(key)
        try:
            return self._native.pop(encoded, default)
        except millpond.Error as error:
            raise translated("failed to delete KV value", error) from error

    def popitem(self) -> tuple[str, bytes]:
        """Delete the greatest key and answer it with its value.

        Raises:
            KeyError: If the dictionary is empty.
        """
        try:
            key, value = self._native.popitem()
        except millpond.KeyNotFound:
            raise KeyError(f"popitem(): {self.name} is empty") from None
        except millpond.Error as error:
            raise translated("failed to delete KV value", error) from error
        return _text(key), value

    def setdefault(self, key: KeyLike, default: ValueLike | None = None) -> bytes | None:
        """The value of a key, which is first set to the default if there is none; an empty default
        is answered, but not stored."""
        encoded, value = _key(key), _value(default)
        try:
            if value:
                return self._native.setdefault(encoded, value)
            return self._native.get(encoded, None if default is None else b"")
        except millpond.Error as error:
            raise translated("failed to store KV value", error) from error

    # ---- many keys

    @overload
    def bget(self, d: None, value_size: int | None = None) -> None: ...
    @overload
    def bget(self, d: dict[_K, Any], value_size: int | None = None) -> dict[_K, bytes | None]: ...
    def bget(self, d: dict[Any, Any] | None, value_size: int | None = None) -> dict[Any, bytes | None] | None:
        """Fill a dict with the values of its keys, and answer it; None where there is no such key."""
        if d is None:
            return None
        encoded = [_key(key) for key in d]
        try:
            found = self._native.bget(encoded)
        except millpond.Error as error:
            raise translated("failed to retrieve KV value", error) from error
        for key, form in zip(d, encoded, strict=True):
            d[key] = found[form]
        return d

    def bput(self, d: Mapping[Any, ValueLike | None] | None) -> None:
        """Put every entry of a dict, and delete the keys whose value is None or empty, in one atomic
        commit."""
        if d is None:
            return
        self._apply(d.items())

    def update(self, other: Any = (), /, **keywords: ValueLike | None) -> None:
        """Put every entry of a mapping or of pairs, and the keywords, in one atomic commit."""
        pairs = other.items() if hasattr(other, "items") else other
        self._apply([*pairs, *keywords.items()])

    def _apply(self, pairs: Iterable[tuple[KeyLike, ValueLike | None]]) -> None:
        changes = {_key(key): _value(value) or None for key, value in pairs}
        try:
            self._native.apply(changes)
        except millpond.Error as error:
            raise translated("failed to store KV value", error) from error

    def dump(self) -> dict[str, bytes]:
        """Everything, as a plain dict."""
        try:
            return {_text(key): value for key, value in self._native.items()}
        except millpond.Error as error:
            raise translated("failed to enumerate Dictionary", error) from error

    def copy(self) -> dict[str, bytes]:
        """Everything, as a plain dict."""
        return self.dump()

    def clear(self) -> None:
        """Delete everything."""
        try:
            self._native.clear()
        except millpond.Error as error:
            raise translated("failed to clear Dictionary", error) from error

    def __len__(self) -> int:
        try:
            return len(self._native)
        except millpond.Error as error:
            raise translated("failed to enumerate Dictionary", error) from error

    def __bool__(self) -> bool:
        return len(self) > 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        theirs = {_key(key): value for key, value in other.items() if isinstance(key, str | bytes)}
        if len(theirs) != len(other):
            return False
        try:
            return self._native == theirs
        except millpond.Error as error:
            raise translated("failed to enumerate Dictionary", error) from error

    # ---- in order

    def __iter__(self) -> Iterator[str]:
        return map(_text, _iterate(self._native.range().keys))

    def __reversed__(self) -> Iterator[str]:
        return map(_text, _iterate(self._native.range(reverse=True).keys))

    def keys(self) -> KeysView[Any]:
        """The keys, in order: a live view."""
        return KeysView(self)

    def items(self) -> ItemsView[Any, Any]:
        """The entries, in the order of their keys: a live view."""
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        """The values, in the order of their keys: a live view."""
        return _Values(self)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"DDict({self.name!r} of {self.cont!r})"


class _Items(ItemsView[KeyLike, Any]):
    _mapping: DDict

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return ((_text(key), value) for key, value in _iterate(self._mapping._native.range().items))


class _Values(ValuesView[Any]):
    _mapping: DDict

    def __iter__(self) -> Iterator[bytes]:
        return _iterate(self._mapping._native.range().values)


def _iterate(begin: Callable[[], Iterator[_T]]) -> Iterator[_T]:
    """Begins now, and walks lazily."""
    try:
        return _walk(begin())
    except millpond.Error as error:
        raise translated("failed to enumerate Dictionary", error) from error


def _walk(entries: Iterator[_T]) -> Iterator[_T]:
    try:
        yield from entries
    except millpond.Error as error:
        raise translated("failed to enumerate Dictionary", error) from error


def _key(key: object) -> bytes:
    """A key as bytes: PyDAOS would cut it at a NUL without a word, so that is refused here."""
    if isinstance(key, str):
        encoded = key.encode("utf-8", "surrogateescape")
    elif isinstance(key, bytes):
        encoded = key
    else:
        raise TypeError(f"a key is str or bytes, not {type(key).__name__}")
    if b"\0" in encoded:
        raise ValueError(f"a key can't contain a NUL: {key!r}")
    return encoded


def _value(value: ValueLike | None) -> bytes:
    """A value as bytes; empty for what deletes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if value is None:
        return b""
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"a value is str or bytes, not {type(value).__name__}")


def _text(key: bytes) -> str:
    """A key as PyDAOS yields it; what isn't UTF-8 becomes surrogates, which lead back to the key."""
    return key.decode("utf-8", "surrogateescape")

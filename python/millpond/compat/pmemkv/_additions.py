"""What pmemkv's bindings for Python never had: batches, swaps, iterators, transactions, views.

Each method is the engine's own. What an engine can't do in pmemkv it can't do here: then the exception is
:class:`~millpond.compat.pmemkv.NotSupported`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from ._calls import Calls, Key, Shown

if TYPE_CHECKING:
    from millpond._millpond import NativeEngineIterator, NativeEngineTransaction

__all__ = ["Additions"]

_K = TypeVar("_K", bound=Key)


class Additions(Calls[Shown]):
    """Methods that only Millpond has."""

    @property
    def name(self) -> str:
        """The engine's name, such as ``"cmap"``."""
        return self._engine.name

    @property
    def traits(self) -> dict[str, bool]:
        """What the engine is and can: ``persistent``, ``sorted``, ``transactions`` and so on."""
        return self._engine.traits

    def get_view(self, key: Key) -> memoryview | None:
        """The value without a copy of it, or None; valid for as long as one keeps it."""
        return self._engine.get_view(key)

    def put_many(self, entries: Mapping[_K, Key] | Iterable[tuple[_K, Key]]) -> None:
        """Store many records; in a persistent engine all of them or, if it fails, none."""
        self._engine.put_many(entries)

    def get_many(self, keys: Iterable[Key]) -> dict[bytes, bytes | None]:
        """The values of many keys; None where there is none."""
        return self._engine.get_many(keys)

    def update_in_place(self, key: Key, offset: int, data: Key) -> bool:
        """Overwrite part of a value, from the byte at `offset`; whether there is such a key.

        Raises:
            InvalidArgument: The value ends before the part does.
        """
        return self._engine.update(key, offset, data)

    def compare_and_swap(self, key: Key, expected: Key | None, new: Key | None) -> bool:
        """Store `new` if the value is `expected`, and say whether it was; None means no record."""
        return self._engine.compare_and_swap(key, expected, new)

    def iterator(self, write: bool = False) -> NativeEngineIterator:
        """An iterator that seeks and steps both ways; with `write` it changes values, too."""
        return self._engine.iterator(write)

    def transaction(self) -> NativeEngineTransaction:
        """A transaction: its puts and removes take effect together when it is committed, or never."""
        return self._engine.transaction()

    def defrag(self, start: float = 0, amount: float = 100) -> None:
        """Give back space that nothing needs, in `amount` percent of the store from `start` percent on."""
        self._engine.defrag(start, amount)

"""What the methods of a database have in common: the engine, and how a callback is told of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from millpond._millpond import NativeEngine

from ._errors import NotFound

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Calls", "Key", "Shown", "Which"]

Key: TypeAlias = "str | Buffer"
"""A key or a value as it is given: text is stored as UTF-8, bytes as they are."""

Which: TypeAlias = Literal["all", "above", "equal_above", "below", "equal_below", "between"]
"""The records that a call is about."""

Shown = TypeVar("Shown", memoryview, str)
"""As what a callback gets keys and values: memoryviews in the interface of 1.0, text in the older one."""


class Calls(Generic[Shown]):
    """An engine, and which of pmemkv-python's two interfaces it is called by."""

    _engine: NativeEngine
    _as_text: bool

    def __init__(self, engine: str, config: Mapping[str, object] | str, *, as_text: bool) -> None:
        self._engine = NativeEngine(engine, config)
        self._as_text = as_text

    def _each_key(self, which: Which, key: Key | None, key2: Key | None, func: Callable[..., object]) -> int:
        """Shows the callback keys until there are no more or it raises; answers the status, OK."""
        if self._as_text:
            for name in self._keys(which, key, key2):
                func(name.decode())
        else:
            self._engine.each(which, key, key2, "keys", func)
        return 0

    def _each(self, which: Which, key: Key | None, key2: Key | None, func: Callable[..., object]) -> int:
        """Shows the callback records until there are no more or it raises; answers the status, OK."""
        if self._as_text:
            for name, value in self._items(which, key, key2):
                func(name.decode(), value.decode())
        else:
            self._engine.each(which, key, key2, "items", func)
        return 0

    def _keys(self, which: Which = "all", key: Key | None = None, key2: Key | None = None) -> Iterator[bytes]:
        """Keys one after the other; none where the engine has none to show, as blackhole."""
        try:
            return self._engine.entries(which, key, key2, "keys")
        except NotFound:
            return iter(())

    def _items(
        self, which: Which = "all", key: Key | None = None, key2: Key | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Records one after the other; none where the engine has none to show."""
        try:
            return self._engine.entries(which, key, key2, "items")
        except NotFound:
            return iter(())

"""The class that programs for pmemkv use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self, overload

from millpond.errors import KeyNotFound

from ._additions import Additions
from ._calls import Key, Shown
from ._ranges import Ranges
from ._strings import Strings, encoder

__all__ = ["Database"]


class Database(Ranges[Shown], Strings[Shown], Additions[Shown]):
    """A key-value store: one of pmemkv's engines, by its name.

    The configuration decides which of pmemkv-python's two interfaces the methods have. With a dict it is that
    of version 1.0: callbacks get read-only memoryviews, and a key that isn't there is a KeyError. With JSON
    it is the one before: callbacks get text, and :meth:`get` answers the value, or None. All else is the same
    in both, and each has the other's methods.

    Any number of threads may use a database. `with` stops it at the end.

    Args:
        engine: ``cmap``, ``csmap``, ``radix``, ``stree``, ``tree3``, ``robinhood``, ``vsmap``, ``vcmap`` or
            ``blackhole``.
        config: A dict, or a JSON object as text. ``path`` is a directory: that of the store for a persistent
            engine. ``size`` is in bytes. docs/pmemkv.md has the list.

    Raises:
        WrongEngineName: There is no such engine.
        ConfigParsingError: The text isn't JSON.
        ConfigTypeError: An item is of the wrong type.
        InvalidArgument: An item is missing or impossible, or another engine made what is at the path.
        ComparatorMismatch: The keys there are in the order of another comparator.
        TypeError: `config` is neither a dict nor text.
    """

    @overload
    def __init__(self: Database[memoryview], engine: str, config: Mapping[str, object]) -> None: ...
    @overload
    def __init__(self: Database[str], engine: str, config: str) -> None: ...
    def __init__(self, engine: str, config: Mapping[str, object] | str) -> None:
        if not isinstance(config, str | Mapping):
            raise TypeError(f"a configuration is a dict, or JSON as text, not {type(config).__name__}")
        super().__init__(engine, config, as_text=isinstance(config, str))

    def stop(self) -> None:
        """Stop the engine; once more does nothing. What is called afterwards is an InvalidArgument."""
        self._engine.stop()

    @property
    def stopped(self) -> bool:
        """Whether the engine is stopped."""
        return self._engine.is_stopped

    def put(self, key: Key, value: Key) -> int:
        """Store a record, in the place of one that there is; the status, which is 0.

        Raises:
            MemoryError: The engine's size is used up.
        """
        self._engine.put(key, value)
        return 0

    @overload
    def get(self: Database[str], key: Key) -> str | None: ...
    @overload
    def get(self, key: Key, func: Callable[[Shown], object]) -> int: ...
    def get(self, key: Key, func: Callable[..., object] | None = None) -> str | int | None:
        """The value as text, None if there is none; with a callback, ``func(value)``.

        With a dict as configuration the callback is needed, gets a memoryview, and a key that isn't there is
        a KeyError. The view is valid for as long as one keeps it, whatever becomes of the record.

        Raises:
            KeyError: There is no such key, and a callback was given.
            UnicodeDecodeError: The value is to be text, and isn't UTF-8.
        """
        if func is None:
            if not self._as_text:
                raise TypeError("get() needs a callback, as in pmemkv-python 1.0: get_string() has the value")
            value = self._engine.get(key)
            return None if value is None else value.decode()
        view = self._engine.get_view(key)
        if view is None:
            raise self._missing(key)
        func(str(view, "utf-8") if self._as_text else view)
        return 0

    @overload
    def get_string(self: Database[memoryview], key: Key) -> str: ...
    @overload
    def get_string(self: Database[str], key: Key, encoding: str = "utf-8") -> bytes | None: ...
    def get_string(self, key: Key, encoding: str = "utf-8") -> str | bytes | None:
        """A copy of the value: with a dict as configuration as text, with JSON as bytes in an encoding.

        A key that isn't there is a KeyError in the former, None in the latter.

        Raises:
            KeyError: There is no such key.
            UnicodeDecodeError: The value isn't UTF-8. In that encoding, JSON's default, any bytes are right.
        """
        value = self._engine.get(key)
        if self._as_text:
            encoded = encoder(encoding)
            return encoded(value) if value is not None and encoded else value
        if value is None:
            raise self._missing(key)
        return value.decode()

    def exists(self, key: Key) -> bool:
        """Whether there is such a key."""
        return self._engine.exists(key)

    def remove(self, key: Key) -> bool:
        """Remove a record; whether there was one."""
        return self._engine.remove(key)

    def __getitem__(self, key: Key) -> str:
        value = self._engine.get(key)
        if value is None:
            raise self._missing(key)
        return value.decode()

    def __setitem__(self, key: Key, value: Key) -> None:
        self._engine.put(key, value)

    def __delitem__(self, key: Key) -> None:
        if not self._engine.remove(key):
            raise self._missing(key)

    def __contains__(self, key: Key) -> bool:
        return self._engine.exists(key)

    def __len__(self) -> int:
        return self._engine.count("all")

    def __iter__(self) -> Iterator[str]:
        return (key.decode() for key in self._keys())

    def keys(self) -> Iterator[str]:
        """The keys as text: in order, if the engine is sorted."""
        return iter(self)

    def values(self) -> Iterator[str]:
        """The values as text, in the order of their keys."""
        return (value for _, value in self.items())

    def items(self) -> Iterator[tuple[str, str]]:
        """Keys and values as text."""
        return ((key.decode(), value.decode()) for key, value in self._items())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Database {self.name}{', stopped' if self.stopped else ''}>"

    def _missing(self, key: Key) -> KeyNotFound:
        return KeyNotFound(key, f"the {self.name}")

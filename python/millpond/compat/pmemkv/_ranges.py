"""Iterating over a range of keys and counting it.

Every method is about the records whose keys are *above* (greater than), *below* (less than) or *between*
others, by the engine's comparator; a bound itself is part of the range only where the name says ``equal``.
Keys come in ascending order, also from below, and those between two keys of which the second isn't greater
are none. An engine that isn't sorted answers :class:`~millpond.compat.pmemkv.NotSupported` to all but
``get_keys``, ``get_all`` and ``count_all``.

A callback may use the database, also to change it. What it returns is ignored; what it raises ends the
iteration, and arrives unchanged. The methods answer 0, pmemkv's status of success.
"""

from __future__ import annotations

from collections.abc import Callable

from ._calls import Calls, Key, Shown

__all__ = ["Ranges"]


class Ranges(Calls[Shown]):
    """``get_keys*``, ``get_*`` and ``count_*``."""

    def get_keys(self, func: Callable[[Shown], object]) -> int:
        """Call ``func(key)`` for every key."""
        return self._each_key("all", None, None, func)

    def get_keys_above(self, key: Key, func: Callable[[Shown], object]) -> int:
        """Call ``func(key)`` for every key greater than ``key``."""
        return self._each_key("above", key, None, func)

    def get_keys_equal_above(self, key: Key, func: Callable[[Shown], object]) -> int:
        """Call ``func(key)`` for ``key``, if it is there, and every key greater than it."""
        return self._each_key("equal_above", key, None, func)

    def get_keys_below(self, key: Key, func: Callable[[Shown], object]) -> int:
        """Call ``func(key)`` for every key less than ``key``."""
        return self._each_key("below", key, None, func)

    def get_keys_equal_below(self, key: Key, func: Callable[[Shown], object]) -> int:
        """Call ``func(key)`` for every key less than ``key``, and for that, if it is there."""
        return self._each_key("equal_below", key, None, func)

    def get_keys_between(self, key1: Key, key2: Key, func: Callable[[Shown], object]) -> int:
        """Call ``func(key)`` for every key greater than ``key1`` and less than ``key2``."""
        return self._each_key("between", key1, key2, func)

    def get_all(self, func: Callable[[Shown, Shown], object]) -> int:
        """Call ``func(key, value)`` for every record."""
        return self._each("all", None, None, func)

    def get_above(self, key: Key, func: Callable[[Shown, Shown], object]) -> int:
        """Call ``func(key, value)`` for every record whose key is greater than ``key``."""
        return self._each("above", key, None, func)

    def get_equal_above(self, key: Key, func: Callable[[Shown, Shown], object]) -> int:
        """Call ``func(key, value)`` for every record whose key is ``key`` or greater."""
        return self._each("equal_above", key, None, func)

    def get_below(self, key: Key, func: Callable[[Shown, Shown], object]) -> int:
        """Call ``func(key, value)`` for every record whose key is less than ``key``."""
        return self._each("below", key, None, func)

    def get_equal_below(self, key: Key, func: Callable[[Shown, Shown], object]) -> int:
        """Call ``func(key, value)`` for every record whose key is ``key`` or less."""
        return self._each("equal_below", key, None, func)

    def get_between(self, key1: Key, key2: Key, func: Callable[[Shown, Shown], object]) -> int:
        """Call ``func(key, value)`` for every record with a key greater than ``key1``, less than ``key2``."""
        return self._each("between", key1, key2, func)

    def count_all(self) -> int:
        """How many records there are."""
        return self._engine.count("all")

    def count_above(self, key: Key) -> int:
        """How many keys are greater than ``key``."""
        return self._engine.count("above", key)

    def count_equal_above(self, key: Key) -> int:
        """How many keys are ``key`` or greater."""
        return self._engine.count("equal_above", key)

    def count_below(self, key: Key) -> int:
        """How many keys are less than ``key``."""
        return self._engine.count("below", key)

    def count_equal_below(self, key: Key) -> int:
        """How many keys are ``key`` or less."""
        return self._engine.count("equal_below", key)

    def count_between(self, key1: Key, key2: Key) -> int:
        """How many keys are greater than ``key1`` and less than ``key2``."""
        return self._engine.count("between", key1, key2)

"""Iterating with keys and values as bytes in an encoding: what pmemkv-python had before 1.0.

Text is stored as UTF-8. In that encoding, which is the default, any bytes are handed out as they are; in
another one what isn't UTF-8 is a :class:`UnicodeDecodeError`.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

from ._calls import Calls, Key, Shown, Which

__all__ = ["Strings", "encoder"]

_KeyCallback = Callable[[bytes], object]
_Callback = Callable[[bytes, bytes], object]


class Strings(Calls[Shown]):
    """``get_keys_strings*``, ``get_all_strings`` and ``get_string_*``; the ranges are those of ``get_*``."""

    def get_keys_strings(self, func: _KeyCallback, encoding: str = "utf-8") -> int:
        """Call ``func(key)`` for every key."""
        return self._each_key_encoded("all", None, None, func, encoding)

    def get_keys_strings_above(self, key: Key, func: _KeyCallback, encoding: str = "utf-8") -> int:
        """Call ``func(key)`` for every key greater than ``key``."""
        return self._each_key_encoded("above", key, None, func, encoding)

    def get_keys_strings_below(self, key: Key, func: _KeyCallback, encoding: str = "utf-8") -> int:
        """Call ``func(key)`` for every key less than ``key``."""
        return self._each_key_encoded("below", key, None, func, encoding)

    def get_keys_strings_between(
        self, key1: Key, key2: Key, func: _KeyCallback, encoding: str = "utf-8"
    ) -> int:
        """Call ``func(key)`` for every key greater than ``key1`` and less than ``key2``."""
        return self._each_key_encoded("between", key1, key2, func, encoding)

    def get_all_strings(self, func: _Callback, encoding: str = "utf-8") -> int:
        """Call ``func(key, value)`` for every record."""
        return self._each_encoded("all", None, None, func, encoding)

    def get_all_string(self, func: _Callback, encoding: str = "utf-8") -> int:
        """Call ``func(key, value)`` for every record: another name of :meth:`get_all_strings`."""
        return self._each_encoded("all", None, None, func, encoding)

    def get_string_above(self, key: Key, func: _Callback, encoding: str = "utf-8") -> int:
        """Call ``func(key, value)`` for every record whose key is greater than ``key``."""
        return self._each_encoded("above", key, None, func, encoding)

    def get_string_below(self, key: Key, func: _Callback, encoding: str = "utf-8") -> int:
        """Call ``func(key, value)`` for every record whose key is less than ``key``."""
        return self._each_encoded("below", key, None, func, encoding)

    def get_string_between(self, key1: Key, key2: Key, func: _Callback, encoding: str = "utf-8") -> int:
        """Call ``func(key, value)`` for every record with a key greater than ``key1``, less than ``key2``."""
        return self._each_encoded("between", key1, key2, func, encoding)

    def _each_key_encoded(
        self, which: Which, key: Key | None, key2: Key | None, func: _KeyCallback, encoding: str
    ) -> int:
        encoded = encoder(encoding)
        for name in self._keys(which, key, key2):
            func(encoded(name) if encoded else name)
        return 0

    def _each_encoded(
        self, which: Which, key: Key | None, key2: Key | None, func: _Callback, encoding: str
    ) -> int:
        encoded = encoder(encoding)
        for name, value in self._items(which, key, key2):
            if encoded:
                func(encoded(name), encoded(value))
            else:
                func(name, value)
        return 0


def encoder(encoding: str) -> Callable[[bytes], bytes] | None:
    """What makes of stored bytes those of the same text in `encoding`; None for UTF-8: they are those.

    Raises:
        LookupError: There is no such encoding.
    """
    if encoding == "utf-8" or codecs.lookup(encoding).name == "utf-8":
        return None
    return lambda stored: stored.decode().encode(encoding)

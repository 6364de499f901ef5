"""Orders of maps that a program brings along."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

from ._millpond import register_comparator as _register

__all__ = ["register_comparator"]

_KeyFunction = Callable[[bytes], bytes]


@overload
def register_comparator(name: str, key: _KeyFunction, /) -> _KeyFunction: ...
@overload
def register_comparator(name: str, /) -> Callable[[_KeyFunction], _KeyFunction]: ...


def register_comparator(
    name: str, key: _KeyFunction | None = None, /
) -> _KeyFunction | Callable[[_KeyFunction], _KeyFunction]:
    """Registers an order of maps in this process, under the name by which they keep it.

    Maps under it are sorted by the bytes that ``key`` makes of each key, as :func:`sorted` does with its
    ``key``; keys of which it makes the same, by their own bytes. It has to make the same of a key for
    ever, in every process that opens such a map, or entries are not found again. Also a decorator::

        @millpond.register_comparator("caseless")
        def caseless(key: bytes) -> bytes:
            return key.lower()

        words = container.create_map("words", "caseless")

    A function of two keys can't be an order: data is merged by whatever process comes by.

    Args:
        name: 1 to 128 bytes, and not that of a built-in order.
        key: Makes at most 1,024 bytes of a key. What it raises arrives where the map was used.

    Raises:
        InvalidArgumentError: If the name can't be taken.
    """
    if key is None:
        return lambda function: register_comparator(name, function)
    _register(name, key)
    return key

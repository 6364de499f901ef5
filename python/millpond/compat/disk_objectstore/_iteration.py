"""Walking over sorted iterators side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext as _nullcontext
from enum import Enum
from itertools import islice
from typing import Any

__all__ = [
    "Location",
    "chunk_iterator",
    "detect_where_sorted",
    "merge_sorted",
    "nullcontext",
    "yield_first_element",
]

_END = object()


class Location(Enum):
    """Which of two iterators has an element."""

    LEFTONLY = -1
    BOTH = 0
    RIGHTONLY = 1


def nullcontext(enter_result: Any) -> AbstractContextManager[Any]:
    """A block that answers what it is given, and does nothing else."""
    return _nullcontext(enter_result)


def chunk_iterator(iterator: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """The elements in tuples of that many; the last may have fewer."""
    elements = iter(iterator)
    while chunk := tuple(islice(elements, size)):
        yield chunk


def yield_first_element(iterator: Iterable[Sequence[Any]]) -> Iterator[Any]:
    """The first part of each element."""
    return (element[0] for element in iterator)


def _ascending(elements: Iterable[Any], key: Callable[[Any], Any], side: str) -> Iterator[tuple[Any, Any]]:
    """Pairs of keys and elements; ValueError where a key isn't larger than the one before it."""
    last = _END
    for element in elements:
        now = key(element)
        if last is not _END and now <= last:
            raise ValueError(f"the {side} iterator isn't sorted, or has one twice: {now!r} after {last!r}")
        yield now, element
        last = now


def detect_where_sorted(
    left_iterator: Iterable[Any],
    right_iterator: Iterable[Any],
    left_key: Callable[[Any], Any] | None = None,
) -> Iterator[tuple[Any, Location]]:
    """All elements of two sorted iterators, in order, each with where it is: that of the left one where both
    have it.

    Args:
        left_iterator: Sorted, each element once.
        right_iterator: The same.
        left_key: What of an element on the left is compared with those on the right.

    Raises:
        ValueError: Where one isn't sorted, as soon as that shows.
    """
    left = _ascending(left_iterator, left_key or (lambda element: element), "left")
    right = _ascending(right_iterator, lambda element: element, "right")
    on_left, on_right = next(left, None), next(right, None)
    while on_left is not None or on_right is not None:
        if on_right is None or (on_left is not None and on_left[0] < on_right[0]):
            assert on_left is not None
            yield on_left[1], Location.LEFTONLY
            on_left = next(left, None)
        elif on_left is None or on_right[0] < on_left[0]:
            yield on_right[1], Location.RIGHTONLY
            on_right = next(right, None)
        else:
            yield on_left[1], Location.BOTH
            on_left, on_right = next(left, None), next(right, None)


def merge_sorted(iterator1: Iterable[Any], iterator2: Iterable[Any]) -> Iterator[Any]:
    """The elements of both, sorted, each once."""
    return (element for element, _ in detect_where_sorted(iterator1, iterator2))

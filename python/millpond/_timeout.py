"""How long to wait for one lock that another process holds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._millpond import _set_own_timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["timeout"]


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Has the calls that this thread makes in the block wait so long for one lock that another process holds.

    They raise :class:`~millpond.errors.LockTimeoutError` then, naming the process. It bounds one wait and
    never an operation as a whole. :func:`millpond.set_timeout` is for all threads::

        with millpond.timeout(0.5):
            results["answer"] = b"42"

    Args:
        seconds: Zero doesn't wait at all.
    """
    before = _set_own_timeout(seconds)
    try:
        yield
    finally:
        _set_own_timeout(before)

"""The exceptions of Millpond.

Every one derives from :class:`Error`, and also from the built-in exception that a Python program
would expect in its place, so that ``except KeyError`` and ``except millpond.Error`` both work.
``str`` of an exception is its message: it names the thing and, where there is one, the remedy.
"""

from __future__ import annotations

import errno as _errno
from typing import Any, ClassVar

__all__ = [
    "AlreadyExistsError",
    "BusyError",
    "ClosedError",
    "ComparatorMismatchError",
    "ConflictError",
    "CorruptError",
    "DataLossError",
    "EpochGoneError",
    "Error",
    "ForkedError",
    "IncompatibleError",
    "InputOutputError",
    "InvalidArgumentError",
    "KeyNotFound",
    "KeyTooLongError",
    "LaggedError",
    "LockTimeoutError",
    "NoSpaceError",
    "NotFoundError",
    "NotSupportedError",
    "PermissionDeniedError",
    "PoisonedError",
    "ReadOnlyError",
    "ValueTooLongError",
]


class Error(Exception):
    """The base of all exceptions of Millpond."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


class _SystemError(Error, OSError):
    """What the operating system would report with an error number."""

    _number: ClassVar[int | None] = None

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.errno = self._number
        self.strerror = message


class InvalidArgumentError(Error, ValueError):
    """An argument is malformed: a label, a URL, a size, a mode."""


class ComparatorMismatchError(InvalidArgumentError):
    """An ordered map has its keys in another order than the one it was to be opened with."""


class KeyTooLongError(InvalidArgumentError):
    """A key is longer than the store takes: 1,024 bytes."""


class ValueTooLongError(InvalidArgumentError):
    """A value, a name or an attribute is longer than the store takes."""


class NotFoundError(_SystemError, FileNotFoundError):
    """A pool, a container or a dictionary doesn't exist."""

    _number = _errno.ENOENT


class KeyNotFound(Error, KeyError):  # noqa: N818 (named like what it is, as KeyError is)
    """A mapping has no such key.

    Attributes:
        key: The key, as it was given; None if any would have done.
        place: The mapping, as people read it.
    """

    def __init__(self, key: Any, place: str = "the mapping") -> None:
        super().__init__(key, place)
        self.key = key
        self.place = place

    def __str__(self) -> str:
        return f"{self.place} is empty" if self.key is None else f"{self.key!r} is not in {self.place}"


class AlreadyExistsError(_SystemError, FileExistsError):
    """A thing of that name exists already."""

    _number = _errno.EEXIST


class BusyError(_SystemError):
    """Others have it open, so it can't be destroyed."""

    _number = _errno.EBUSY


class ConflictError(Error, RuntimeError):
    """A transaction met another one, too often to go on by itself."""


class NoSpaceError(_SystemError):
    """The pool's quota or the disk is full. Nothing was changed; deleting still works."""

    _number = _errno.ENOSPC


class CorruptError(_SystemError):
    """Stored bytes fail their checksum, or are missing."""

    _number = _errno.EIO


class DataLossError(_SystemError):
    """What was stored there is lost, and a repair has noted that: put it again, or delete it."""

    _number = _errno.EIO


class IncompatibleError(Error, RuntimeError):
    """A file of a newer or unknown format, or one that isn't Millpond's."""


class PermissionDeniedError(_SystemError, PermissionError):
    """The operating system denies access."""

    _number = _errno.EACCES


class ReadOnlyError(_SystemError, PermissionError):
    """The container was opened for reading only."""

    _number = _errno.EROFS


class ClosedError(Error, ValueError):
    """The handle was closed, or its container destroyed."""


class ForkedError(Error, RuntimeError):
    """An iterator or a stream was carried across a fork."""


class LockTimeoutError(_SystemError, TimeoutError):
    """Another process held a lock for too long."""

    _number = _errno.ETIMEDOUT


class EpochGoneError(Error, LookupError):
    """The state at that epoch is no longer kept."""


class LaggedError(Error, LookupError):
    """A watch has fallen behind what is kept for it.

    What was committed before ``restart_epoch`` can only be found by comparing states: that of a snapshot of
    before with the newest one, say.

    Attributes:
        restart_epoch: The epoch after which a new watch can begin.
    """

    restart_epoch: int = 0


class NotSupportedError(Error, NotImplementedError):
    """This backend can't do that."""


class PoisonedError(_SystemError):
    """A sync failed earlier: what wasn't durable then can't be trusted to this file system."""

    _number = _errno.EIO


class InputOutputError(_SystemError):
    """The operating system failed to read or write."""

    _number = _errno.EIO

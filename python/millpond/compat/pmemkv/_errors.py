"""pmemkv's statuses, and the exceptions by which pmemkv-python tells of them.

The names are pmemkv-python's. Each exception derives from :class:`millpond.errors.Error` and from the
built-in one that a program would expect, too. What pmemkv-python tells by a built-in one alone, a key that
isn't there and a full store, isn't an :class:`Error` of this module here either, so that the handlers of a
program are tried in the same order.
"""

# The names are pmemkv-python's.
# ruff: noqa: N818

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, NoReturn

from millpond import errors

__all__ = [
    "ComparatorMismatch",
    "ConfigParsingError",
    "ConfigTypeError",
    "DefragError",
    "Error",
    "InvalidArgument",
    "NotFound",
    "NotSupported",
    "OutOfMemory",
    "Status",
    "StoppedByCallback",
    "TransactionScopeError",
    "UnknownError",
    "WrongEngineName",
    "raise_for",
]


class Status(IntEnum):
    """What a call of pmemkv answers, as its C interface numbers it."""

    OK = 0
    UNKNOWN_ERROR = 1
    NOT_FOUND = 2
    NOT_SUPPORTED = 3
    INVALID_ARGUMENT = 4
    CONFIG_PARSING_ERROR = 5
    CONFIG_TYPE_ERROR = 6
    STOPPED_BY_CB = 7
    OUT_OF_MEMORY = 8
    WRONG_ENGINE_NAME = 9
    TRANSACTION_SCOPE_ERROR = 10
    DEFRAG_ERROR = 11
    COMPARATOR_MISMATCH = 12


class Error(errors.Error):
    """The base of pmemkv-python's exceptions.

    Attributes:
        status: pmemkv's status, of the class.
    """

    status: ClassVar[Status] = Status.UNKNOWN_ERROR


class UnknownError(Error, RuntimeError):
    """The store failed: its own words are the message."""


class NotFound(errors.Error, KeyError):
    """There is no such record. A KeyError, as pmemkv-python has it."""

    status: ClassVar[Status] = Status.NOT_FOUND


class NotSupported(Error, errors.NotSupportedError):
    """The engine can't do that; docs/pmemkv.md has a table of which can."""

    status = Status.NOT_SUPPORTED


class InvalidArgument(Error, errors.InvalidArgumentError):
    """An argument or an item of the configuration is missing or impossible, or the engine is stopped."""

    status = Status.INVALID_ARGUMENT


class ConfigParsingError(Error, ValueError):
    """The configuration isn't JSON."""

    status = Status.CONFIG_PARSING_ERROR


class ConfigTypeError(Error, TypeError, ValueError):
    """An item of the configuration is of another type than it has to be."""

    status = Status.CONFIG_TYPE_ERROR


class StoppedByCallback(Error, RuntimeError):
    """A callback stopped an iteration."""

    status = Status.STOPPED_BY_CB


class OutOfMemory(errors.Error, MemoryError):
    """The engine's size is used up. A MemoryError, as pmemkv-python has it. Removing still works."""

    status: ClassVar[Status] = Status.OUT_OF_MEMORY


class WrongEngineName(Error, ValueError):
    """There is no engine of that name."""

    status = Status.WRONG_ENGINE_NAME


class TransactionScopeError(Error, RuntimeError):
    """A transaction was used after its end, or where there can be none."""

    status = Status.TRANSACTION_SCOPE_ERROR


class DefragError(Error, RuntimeError):
    """Space could not be given back."""

    status = Status.DEFRAG_ERROR


class ComparatorMismatch(Error, ValueError):
    """The keys are in the order of another comparator than the configuration names."""

    status = Status.COMPARATOR_MISMATCH


_EXCEPTIONS: dict[int, type[errors.Error]] = {
    kind.status: kind
    for kind in (
        UnknownError,
        NotFound,
        NotSupported,
        InvalidArgument,
        ConfigParsingError,
        ConfigTypeError,
        StoppedByCallback,
        OutOfMemory,
        WrongEngineName,
        TransactionScopeError,
        DefragError,
        ComparatorMismatch,
    )
}


def raise_for(status: int, message: str) -> NoReturn:
    """Raises the exception for a status; for a number that pmemkv doesn't have, :class:`UnknownError`."""
    raise _EXCEPTIONS.get(status, UnknownError)(message)

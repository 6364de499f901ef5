"""pmemkv's Python interface, over Millpond: so far its statuses and exceptions."""

from ._errors import (
    ComparatorMismatch,
    ConfigParsingError,
    ConfigTypeError,
    DefragError,
    Error,
    InvalidArgument,
    NotFound,
    NotSupported,
    OutOfMemory,
    Status,
    StoppedByCallback,
    TransactionScopeError,
    UnknownError,
    WrongEngineName,
)

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
]

"""pmemkv-python's top-level names; the code is in :mod:`millpond.compat.pmemkv`."""

from millpond.compat.pmemkv import (
    ComparatorMismatch,
    ConfigParsingError,
    ConfigTypeError,
    Database,
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
    "Database",
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

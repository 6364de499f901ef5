"""pmemkv's Python interface, over Millpond.

A program that was written for pmemkv-python changes its import, or nothing at all with the package in
``shims/pmemkv``::

    from millpond.compat.pmemkv import Database

    with Database("vsmap", {"path": "/dev/shm", "size": 1 << 30}) as db:
        db.put("key1", "value1")
        db.get_all(lambda key, value: print(bytes(key), bytes(value)))

:class:`Database` has both interfaces that pmemkv-python had: with a dict as configuration that of version
1.0, with JSON the older one, in which ``get`` answers the value. docs/pmemkv.md has the engines, and what
behaves differently. In short:

- Any number of threads may use a database, whatever the engine, and others run while a call waits.
- What callbacks are shown stays valid for as long as they keep it.
- A persistent engine's path is a directory, that of a pool, which any number of processes may have open; what
  is put is durable when the call returns.
- "above" is greater than the key and "below" less, as pmemkv's manual has it.
"""

from ._database import Database
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

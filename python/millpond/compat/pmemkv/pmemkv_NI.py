"""The extension module of pmemkv-python: ``pmemkv_NI``.

Some programs called it without the class :class:`~millpond.compat.pmemkv.Database` around it. Its functions
work on one database of the process, which ``start`` opens, in the interface from before 1.0: callbacks get
text. The class ``pmemkv_NI`` has the same names as methods, each instance has a database of its own, and
it has the interface of 1.0: callbacks get memoryviews. Configurations are JSON in both.
"""

# The names are pmemkv-python's.
# ruff: noqa: N801, N999

from __future__ import annotations

from millpond._millpond import NativeEngine

from ._calls import Calls, Shown
from ._database import Database
from ._errors import (
    ConfigParsingError,
    ConfigTypeError,
    Error,
    InvalidArgument,
    NotSupported,
    StoppedByCallback,
    TransactionScopeError,
    UnknownError,
    WrongEngineName,
)

__all__ = [
    "ConfigParsingError",
    "ConfigTypeError",
    "Error",
    "InvalidArgument",
    "NotSupported",
    "Start",
    "StoppedByCallback",
    "TransactionScopeError",
    "UnknownError",
    "WrongEngineName",
    "count_above",
    "count_all",
    "count_below",
    "count_between",
    "exists",
    "get",
    "get_above",
    "get_all",
    "get_below",
    "get_between",
    "get_keys",
    "get_keys_above",
    "get_keys_below",
    "get_keys_between",
    "pmemkv_NI",
    "put",
    "remove",
    "start",
    "stop",
]


class _Extension(Database[Shown]):
    """A database that is opened by ``start``, and before that is as one that was stopped."""

    def __init__(self, *, as_text: bool) -> None:
        Calls.__init__(self, "blackhole", {}, as_text=as_text)
        self.stop()

    def start(self, engine: str, config: str) -> None:
        """Open a database; `config` is JSON. One that was open is stopped."""
        earlier, self._engine = self._engine, NativeEngine(engine, config)
        earlier.stop()


class pmemkv_NI(_Extension[memoryview]):
    """A database of its own: :meth:`start` opens it."""

    def __init__(self) -> None:
        super().__init__(as_text=False)


_process: _Extension[str] = _Extension(as_text=True)

Start = start = _process.start
stop = _process.stop
put = _process.put
get = _process.get
exists = _process.exists
remove = _process.remove
get_keys = _process.get_keys
get_keys_above = _process.get_keys_above
get_keys_below = _process.get_keys_below
get_keys_between = _process.get_keys_between
get_all = _process.get_all
get_above = _process.get_above
get_below = _process.get_below
get_between = _process.get_between
count_all = _process.count_all
count_above = _process.count_above
count_below = _process.count_below
count_between = _process.count_between

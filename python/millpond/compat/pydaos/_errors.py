"""DAOS's error codes, and Millpond's errors as PyDAOS's."""

from __future__ import annotations

from enum import IntEnum

from millpond import errors

__all__ = ["DObjNotFound", "DaosErrorCode", "Der", "InvalidModeError", "PyDError", "translated"]


class Der(IntEnum):
    """The codes that can come up here, as DAOS numbers them; an error carries their negative."""

    NO_PERM = 1001
    NO_HDL = 1002
    INVAL = 1003
    EXIST = 1004
    NONEXIST = 1005
    NOSPACE = 1007
    NOSYS = 1010
    TIMEDOUT = 1011
    BUSY = 1012
    AGAIN = 1013
    MISC = 1025
    IO = 2001
    KEY2BIG = 2012
    REC2BIG = 2013
    CSUM = 2021
    TX_RESTART = 2025
    DATA_LOSS = 2026
    NOTSUPPORTED = 2037


_MEANINGS = {
    Der.NO_PERM: "Operation not permitted",
    Der.NO_HDL: "Invalid handle",
    Der.INVAL: "Invalid parameters",
    Der.EXIST: "Entity already exists",
    Der.NONEXIST: "The specified entity does not exist",
    Der.NOSPACE: "No space on storage target",
    Der.NOSYS: "Function not implemented",
    Der.TIMEDOUT: "Time out",
    Der.BUSY: "Device or resource busy",
    Der.AGAIN: "Try again",
    Der.MISC: "Miscellaneous error",
    Der.IO: "I/O error",
    Der.KEY2BIG: "Key is too large",
    Der.REC2BIG: "Record is too large",
    Der.CSUM: "Checksum error",
    Der.TX_RESTART: "Transaction should restart",
    Der.DATA_LOSS: "Data lost or not recoverable",
    Der.NOTSUPPORTED: "Operation not supported",
}

# The first class that an error is an instance of decides.
_CODES: tuple[tuple[type[errors.Error], Der], ...] = (
    (errors.KeyTooLongError, Der.KEY2BIG),
    (errors.ValueTooLongError, Der.REC2BIG),
    (errors.InvalidArgumentError, Der.INVAL),
    (errors.NotFoundError, Der.NONEXIST),
    (errors.AlreadyExistsError, Der.EXIST),
    (errors.BusyError, Der.BUSY),
    (errors.ConflictError, Der.TX_RESTART),
    (errors.NoSpaceError, Der.NOSPACE),
    (errors.CorruptError, Der.CSUM),
    (errors.DataLossError, Der.DATA_LOSS),
    (errors.IncompatibleError, Der.NOTSUPPORTED),
    (errors.ReadOnlyError, Der.NO_PERM),
    (errors.PermissionDeniedError, Der.NO_PERM),
    (errors.ClosedError, Der.NO_HDL),
    (errors.ForkedError, Der.NO_HDL),
    (errors.LockTimeoutError, Der.TIMEDOUT),
    (errors.EpochGoneError, Der.NONEXIST),
    (errors.NotSupportedError, Der.NOTSUPPORTED),
    (errors.PoisonedError, Der.DATA_LOSS),
    (errors.InputOutputError, Der.IO),
)


class DaosErrorCode:
    """An error code of DAOS.

    Attributes:
        err: The code, negative.
        name: The code by name, such as ``DER_NONEXIST``.
        message: What it means.
    """

    def __init__(self, err: int) -> None:
        self.err = err
        try:
            code = Der(-err)
        except ValueError:
            self.name, self.message = "DER_UNKNOWN", f"Unknown error code {err}"
        else:
            self.name, self.message = f"DER_{code.name}", _MEANINGS[code]

    def __str__(self) -> str:
        return f'DAOS error code {self.err} ({self.name}): "{self.message}"'


class PyDError(Exception):
    """An operation that can't be completed.

    Attributes:
        error: The code, with its name and meaning.
        message: What was tried, and the code.
    """

    def __init__(self, message: str, rc: int) -> None:
        super().__init__(message, rc)
        self.error = DaosErrorCode(rc)
        self.message = f"{message}: {self.error}"

    def __str__(self) -> str:
        return self.message


class DObjNotFound(Exception):  # noqa: N818 (PyDAOS's name)
    """A container has no object of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"Failed to open '{self.name}'"


class InvalidModeError(ValueError):
    """A container was to be opened in a mode that is neither RW nor RO."""


def translated(doing: str, error: errors.Error) -> PyDError:
    """The error of the store as PyDAOS reports it; the store's own words stay in the message."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Der.MISC)
    return PyDError(f"{doing}: {error}", -code)

"""PyDAOS's top-level names; the code is in :mod:`millpond.compat.pydaos`."""

from millpond.compat.pydaos import (
    DaosErrorCode,
    DCont,
    DDict,
    DObjNotFound,
    InvalidModeError,
    ObjClassID,
    PyDError,
    check,
)

__all__ = [
    "DCont",
    "DDict",
    "DObjNotFound",
    "DaosErrorCode",
    "InvalidModeError",
    "ObjClassID",
    "PyDError",
    "check",
]

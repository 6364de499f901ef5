"""The module that PyDAOS's classes live in; some programs import them from here."""

from . import DCont, DDict, DObjNotFound, InvalidModeError, ObjClassID, PyDError, check

__all__ = ["DCont", "DDict", "DObjNotFound", "InvalidModeError", "ObjClassID", "PyDError", "check"]

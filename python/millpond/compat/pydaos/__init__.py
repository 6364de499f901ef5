"""PyDAOS over Millpond: ``DCont``, ``DDict`` and what belongs to them.

A program written for PyDAOS runs by changing its import, or unmodified with the distribution in
``shims/pydaos``. It behaves as PyDAOS does, quirks included: values come back as bytes, storing
nothing deletes, deleting what isn't there is silent. Where PyDAOS fails, this doesn't: any bytes
without a NUL are a key (a NUL is a ValueError, not a truncated key), a ``bput`` is one atomic commit,
and the methods of a dict that PyDAOS lacks are here.
"""

from ._container import DCont, check
from ._dict import DDict
from ._errors import DaosErrorCode, DObjNotFound, InvalidModeError, PyDError
from ._object_class import ObjClassID

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

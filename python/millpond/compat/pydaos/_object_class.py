"""The object classes of DAOS by name.

They say how an object is spread and protected over servers. Here a container's backend decides that,
so a class is checked and then changes nothing. The numbers are not DAOS's.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from ._errors import Der, PyDError

__all__ = ["ObjClassID", "check_class"]

_GROUPS = ("1", "2", "4", "6", "8", "12", "16", "32", "X")
_CODES = ("2P1", "2P2", "4P1", "4P2", "4P3", "8P1", "8P2", "8P3", "16P1", "16P2", "16P3")


def _names() -> Iterator[str]:
    yield from ("OC_TINY", "OC_SMALL", "OC_LARGE", "OC_MAX")
    yield from (f"OC_S{groups}" for groups in _GROUPS)
    yield from (f"OC_RP_{copies}G{groups}" for copies in range(2, 7) for groups in _GROUPS)
    yield from (f"OC_EC_{code}G{groups}" for code in _CODES for groups in _GROUPS)


ObjClassID = Enum("ObjClassID", {name: number for number, name in enumerate(_names(), 1)})  # type: ignore[misc]
ObjClassID.__doc__ = "Enumeration of the object classes."


def check_class(name: str) -> None:
    """Refuse what isn't the full name of a class; "0" leaves the choice to the store."""
    if name != "0" and name not in ObjClassID.__members__:
        raise PyDError(f"unknown object class {name!r}", -Der.INVAL)

"""What disk-objectstore raises beside built-in exceptions."""

__all__ = [
    "ClosingNotAllowed",
    "InconsistentContent",
    "ModificationNotAllowed",
    "NotExistent",
    "NotInitialised",
]


class NotExistent(Exception):  # noqa: N818 (the names are the interface)
    """There is no such object."""


class NotInitialised(Exception):  # noqa: N818
    """The folder has to be initialised first."""


class ModificationNotAllowed(Exception):  # noqa: N818
    """An object that was stored can't be changed."""


class ClosingNotAllowed(Exception):  # noqa: N818
    """The file of a new object closes itself at the end of its block, and not before."""


class InconsistentContent(Exception):  # noqa: N818
    """What is stored isn't what was stored: a disk failed, or somebody changed a file."""

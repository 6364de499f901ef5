"""The native half of the package: its classes are documented beside this file, one stub a class."""

from pathlib import Path
from typing import final

from typing_extensions import Buffer

from ._container import Container as Container
from ._dict import Dict as Dict
from ._dict import DictIterator as DictIterator
from ._dict import DictRange as DictRange
from ._pool import Pool as Pool

__all__ = [
    "Container",
    "Dict",
    "DictIterator",
    "DictRange",
    "NativeReader",
    "NativeWriter",
    "Pool",
    "format_size",
    "home",
    "parse_size",
    "run_cli",
    "version",
]

def home() -> Path:
    """The directory that holds the pools known by label alone.

    It is ``MILLPOND_HOME``, else ``$XDG_DATA_HOME/millpond``, else ``~/.local/share/millpond``.
    """

def parse_size(text: int | str, /) -> int:
    """The number of bytes that a size such as "1GiB", "10 MB" or "4096" stands for.

    Raises:
        InvalidArgumentError: If it isn't a size.
    """

def format_size(count: int, /) -> str:
    """A number of bytes as people read it: "1.0 GiB"."""

def version() -> str:
    """The version of Millpond."""

def run_cli(arguments: list[str], /) -> int:
    """Runs the command line on the given arguments, the program's name first, and answers its exit code."""

@final
class NativeReader:
    """A value, read in pieces: what :class:`millpond.ValueReader` reads from."""

    @property
    def length(self) -> int:
        """Bytes in the value."""

    def readinto(self, buffer: Buffer, /) -> int:
        """Fills the buffer from the value, and answers how many bytes it took; 0 at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Moves to an offset from the start (0), from here (1) or from the end (2); answers the new place."""

    def tell(self) -> int:
        """The place in the value."""

@final
class NativeWriter:
    """A value, written in pieces: what :class:`millpond.ValueWriter` writes to."""

    def write(self, data: Buffer, /) -> int:
        """Appends to the value."""

    def commit(self) -> bool:
        """Makes the value what was written; answers whether the key had one before."""

    def discard(self) -> None:
        """Forgets what was written."""

"""Streams of objects: real binary files, and what opens them later."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal

from millpond._streams import ValueReader
from millpond.errors import CorruptError

from .exceptions import InconsistentContent

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from millpond._millpond import NativeReader

    from ._storing import Storing

__all__ = ["LazyLooseStream", "LazyOpener", "ObjectStream"]

_BUFFER_BYTES = 64 << 10


class _ObjectReader(ValueReader):
    """An object that isn't what was stored raises what programs expect."""

    mode = "rb"

    def readinto(self, buffer: Buffer, /) -> int:
        try:
            return super().readinto(buffer)
        except CorruptError as error:
            raise InconsistentContent(str(error)) from error

    def readall(self) -> bytes:
        try:
            return super().readall()
        except CorruptError as error:
            raise InconsistentContent(str(error)) from error

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        # A plain file says so of a place before its beginning.
        place = offset + (0, self.tell(), self.length)[whence] if whence in (0, 1, 2) else 0
        if place < 0:
            raise OSError(errno.EINVAL, f"there is no place {place}, before the beginning")
        return super().seek(offset, whence)


class ObjectStream(io.BufferedReader):
    """A stream of an object, as a context manager."""

    def __init__(self, native: NativeReader) -> None:
        super().__init__(_ObjectReader(native), min(max(native.length, 1), _BUFFER_BYTES))

    def flush(self) -> None:
        """Nothing: what is read needs no flush."""


class LazyOpener:
    """A file that is opened when its block begins: ``with LazyOpener(path) as file: …``. So one hands out
    thousands of files to be stored without opening them all at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def mode(self) -> Literal["rb"]:
        return "rb"

    def tell(self) -> int:
        """The place in the file, which has to be open."""
        if self._file is None:
            raise ValueError(f"{self._path} isn't open")
        return self._file.tell()

    def __enter__(self) -> BinaryIO:
        if self._file is not None:
            raise OSError(f"{self._path} is open already")
        self._file = open(self._path, mode=self.mode)
        return self._file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class LazyLooseStream:
    """An object that is opened as a plain file when its block begins, for which it gets a loose file."""

    mode = "rb"

    def __init__(self, container: Storing, hashkey: str) -> None:
        self._container = container
        self._hashkey = hashkey
        self._stream: BinaryIO | None = None

    @property
    def closed(self) -> bool:
        return self._stream is None or self._stream.closed

    @staticmethod
    def seekable() -> bool:
        return True

    def open_stream(self) -> None:
        """Open it, unless it is open."""
        if not self.closed:
            return
        for _ in range(3):
            try:
                self._stream = open(self._container.loosen_object(self._hashkey), "rb")  # noqa: SIM115
                return
            except FileNotFoundError:
                # Somebody cleans at this moment, and what is packed needn't be loose.
                continue
        raise RuntimeError(f"the loose file of {self._hashkey} is removed again and again: clean less often")

    def close_stream(self) -> None:
        """Close it, if it is open."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, or the rest."""
        return self._open_one().read(size)

    def seek(self, target: int, whence: int = 0) -> int:
        """Move to another place; answer it."""
        return self._open_one().seek(target, whence)

    def tell(self) -> int:
        """The place in the object."""
        return self._open_one().tell()

    def _open_one(self) -> BinaryIO:
        if self._stream is None or self._stream.closed:
            raise ValueError("the stream isn't open")
        return self._stream

    def __enter__(self) -> LazyLooseStream:
        self.open_stream()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close_stream()

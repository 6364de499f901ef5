"""Streams: real binary files, of whatever is read."""

from __future__ import annotations

import errno
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from millpond._streams import ValueReader
from millpond.errors import CorruptError

from .exceptions import InconsistentContent

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from millpond._millpond import NativeReader

    from .container import Container

__all__ = [
    "LazyLooseStream",
    "LazyOpener",
    "ObjectStream",
    "PackedObjectReader",
    "ZeroStream",
    "ZlibLikeBaseStreamDecompresser",
    "ZlibStreamDecompresser",
]

_CHUNK_BYTES = 256 << 10
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

    def __init__(self, container: Container, hashkey: str) -> None:
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


class _Reader(io.RawIOBase):
    """A raw file over another stream, which it doesn't close."""

    mode = "rb"

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        part = self._read(len(view))
        view[: len(part)] = part
        return len(part)

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, fewer only at the end; or the rest."""
        if self.closed:
            raise ValueError("the stream is closed")
        if size is not None and size >= 0:
            return self._read(size)
        parts = []
        while part := self._read(_CHUNK_BYTES):
            parts.append(part)
        return b"".join(parts)

    def readall(self) -> bytes:
        return self.read()

    def _read(self, size: int) -> bytes:
        raise NotImplementedError


class PackedObjectReader(_Reader):
    """A part of a file, as a file of its own.

    Args:
        fhandle: The file.
        offset: Where the part begins.
        length: Bytes in it.
    """

    def __init__(self, fhandle: Any, offset: int, length: int) -> None:
        super().__init__()
        self._file = fhandle
        self._offset = offset
        self._length = length
        self._place = 0
        self._file.seek(offset)

    @property
    def closed(self) -> bool:
        return super().closed or bool(self._file.closed)

    def tell(self) -> int:
        """The place in the part."""
        return self._place

    def seek(self, target: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a place of the part; ValueError for one outside of it."""
        if whence not in (0, 1, 2):
            raise ValueError(f"whence is 0, 1 or 2, not {whence}")
        place = (0, self._place, self._length)[whence] + target
        if not 0 <= place <= self._length:
            raise ValueError(f"{place} is outside of the object, which has {self._length} bytes")
        self._place = place
        return place

    def _read(self, size: int) -> bytes:
        # Others may have moved the file's own place since.
        self._file.seek(self._offset + self._place)
        part: bytes = self._file.read(max(min(size, self._length - self._place), 0))
        self._place += len(part)
        return part


class ZlibLikeBaseStreamDecompresser(_Reader):
    """Decompresses a stream as it is read. A step back decompresses it again from its beginning.

    Args:
        compressed_stream: What is decompressed. It has to seek to its beginning for a step back.
        lazy_uncompressed_stream: The same object as a file, from which it is read after a seek from the end.
    """

    decompressobj_class: Callable[[], Any]
    """Makes what decompresses, as of zlib."""
    decompress_error: type[Exception] | tuple[type[Exception], ...]
    """What that raises where it can't."""

    def __init__(
        self, compressed_stream: Any, lazy_uncompressed_stream: LazyLooseStream | None = None
    ) -> None:
        super().__init__()
        self._compressed = compressed_stream
        self._plain = lazy_uncompressed_stream
        self._is_plain = False
        self._restart()

    def tell(self) -> int:
        """The place in the object."""
        return self._plain.tell() if self._plain is not None and self._is_plain else self._place

    def seek(self, target: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a place of the object."""
        if whence not in (0, 1, 2):
            raise ValueError(f"whence is 0, 1 or 2, not {whence}")
        if whence == io.SEEK_END and not self._is_plain:
            if self._plain is None:
                raise NotImplementedError("where a compressed stream ends isn't known before it was read")
            self._plain.open_stream()
            self._is_plain = True
        if self._plain is not None and self._is_plain:
            return self._plain.seek(target, whence)
        place = target + (self._place if whence == io.SEEK_CUR else 0)
        if place < 0:
            raise ValueError(f"there is no place {place}, before the beginning")
        if place < self._place:
            self._compressed.seek(0)
            self._restart()
        while self._place < place and self._read(min(place - self._place, _CHUNK_BYTES)):
            pass
        return self._place

    def _restart(self) -> None:
        self._decompressor = self.decompressobj_class()
        self._ready = b""
        self._place = 0

    def _read(self, size: int) -> bytes:
        if self._plain is not None and self._is_plain:
            return self._plain.read(size)
        while len(self._ready) < size and not self._decompressor.eof:
            rest = self._decompressor.unconsumed_tail
            taken = b"" if rest else self._compressed.read(_CHUNK_BYTES)
            if not rest and not taken:
                raise ValueError("the compressed stream ends too early")
            try:
                self._ready += self._decompressor.decompress(rest or taken, size - len(self._ready))
            except self.decompress_error as error:
                raise ValueError("the stream can't be decompressed") from error
        part, self._ready = self._ready[:size], self._ready[size:]
        self._place += len(part)
        return part


class ZlibStreamDecompresser(ZlibLikeBaseStreamDecompresser):
    """Decompresses a stream of zlib's."""

    decompressobj_class = staticmethod(zlib.decompressobj)
    decompress_error = zlib.error


class ZeroStream:
    """So many zeros."""

    mode = "rb"

    def __init__(self, length: int) -> None:
        self._rest = length

    def read(self, size: int | None = -1) -> bytes:
        """At most so many of them, or the rest."""
        count = self._rest if size is None or size < 0 else min(size, self._rest)
        self._rest -= count
        return bytes(count)

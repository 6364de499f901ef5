"""Files over parts of files, over compressed ones, and over nothing."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._streams import LazyLooseStream

__all__ = ["PackedObjectReader", "ZeroStream", "ZlibLikeBaseStreamDecompresser", "ZlibStreamDecompresser"]

_CHUNK_BYTES = 256 << 10


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

"""Values as files, for those that are too large to hold in memory."""

from __future__ import annotations

import io
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from .errors import ClosedError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._millpond import NativeReader, NativeWriter

__all__ = ["BinaryReader", "BinaryWriter", "ValueReader", "ValueWriter"]

_COPY_BYTES = 1 << 20


class BinaryReader(Protocol):
    """What a blob is read from: anything with the ``read`` of a binary file."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


class BinaryWriter(Protocol):
    """What a blob is written to: anything with the ``write`` of a binary file."""

    def write(self, data: bytes, /) -> object:
        """Take the bytes; answer how many, or None for all of them."""
        ...


class ValueReader(io.RawIOBase):
    """A value, open for reading: a binary file that seeks. It shows the value as it was when it
    was opened, whatever is put since.

    Attributes:
        length: Bytes in the value.
    """

    def __init__(self, native: NativeReader) -> None:
        super().__init__()
        self._native = native

    @property
    def length(self) -> int:
        return self._native.length

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a writable buffer; answer how many bytes it took, 0 at the end."""
        self._check_open()
        return self._native.readinto(memoryview(buffer).cast("B"))

    def readall(self) -> bytes:
        """The rest of the value."""
        self._check_open()
        rest = bytearray(max(self.length - self.tell(), 0))
        view, filled = memoryview(rest), 0
        while filled < len(rest) and (count := self._native.readinto(view[filled:])):
            filled += count
        return bytes(view[:filled])

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to an offset; answer the new place."""
        self._check_open()
        return self._native.seek(offset, whence)

    def tell(self) -> int:
        """The place in the value."""
        self._check_open()
        return self._native.tell()

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError("the reader was closed; take a new one")


class ValueWriter(io.RawIOBase):
    """A value, open for writing. It replaces the key's value, all at once, when the ``with`` block
    ends or ``commit()`` (or ``close()``) is called; nothing changes if the block raises, if
    ``discard()`` is called, or if the writer is simply dropped.
    """

    _finished = False

    def __init__(self, native: NativeWriter) -> None:
        super().__init__()
        self._native = native

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        """Append to the value; answer how many bytes that was: all of them."""
        if self._finished:
            raise ClosedError("the value was committed or discarded; take a new writer")
        view = memoryview(data).cast("B")
        # In pieces, since a buffer that others could change meanwhile is copied.
        for start in range(0, len(view), _COPY_BYTES):
            self._native.write(view[start : start + _COPY_BYTES])
        return len(view)

    def commit(self) -> bool:
        """Make the value what was written; answer whether the key had one before."""
        if self._finished:
            raise ClosedError("the value was committed or discarded already")
        self._finished = True
        try:
            return self._native.commit()
        finally:
            super().close()

    def discard(self) -> None:
        """Forget what was written. Nothing happens if it was committed already."""
        if not self._finished:
            self._finished = True
            self._native.discard()
        super().close()

    def close(self) -> None:
        """Commit, unless that was done or the value discarded."""
        if not self._finished:
            self.commit()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        # A file closes itself here; a value half written must not become the key's value.
        if hasattr(self, "_native") and not self._finished:
            warnings.warn(
                f"{self!r} was dropped before its commit", ResourceWarning, stacklevel=2, source=self
            )
            self.discard()

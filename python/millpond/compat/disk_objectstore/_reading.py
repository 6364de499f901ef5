"""Reading objects, and asking for them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from millpond.errors import CorruptError

from ._base import Base, meta_of, no_object, translated
from ._streams import ObjectStream
from .dataclasses import ObjectCount, ObjectMeta, TotalSize
from .exceptions import InconsistentContent

__all__ = ["Reading"]

_Triple = tuple[str, BinaryIO | None, ObjectMeta]


class Reading(Base):
    """Reads objects."""

    def get_object_content(self, hashkey: str) -> bytes:
        """An object.

        Raises:
            NotExistent: If there is none of that key.
            InconsistentContent: If it is damaged.
        """
        try:
            content = self._opened().read(hashkey)
        except CorruptError as error:
            raise InconsistentContent(str(error)) from error
        if content is None:
            raise no_object(hashkey)
        return content

    def get_objects_content(
        self, hashkeys: Iterable[str], skip_if_missing: bool = True
    ) -> dict[str, bytes | None]:
        """Many objects, by their keys; None for missing ones, which are left out unless they are asked
        for."""
        with translated():
            return dict(self._opened().contents(hashkeys, skip_if_missing))

    @contextmanager
    def get_object_stream(self, hashkey: str) -> Iterator[BinaryIO]:
        """A stream of an object, which closes at the end of the block."""
        stream, _ = self._open(hashkey)
        with stream:
            yield stream

    @contextmanager
    def get_object_stream_and_meta(self, hashkey: str) -> Iterator[tuple[BinaryIO, ObjectMeta]]:
        """A stream of an object, and what is known of it."""
        stream, meta = self._open(hashkey)
        with stream:
            yield stream, meta

    @contextmanager
    def get_objects_stream_and_meta(
        self, hashkeys: Iterable[str], skip_if_missing: bool = True
    ) -> Iterator[Iterator[tuple[str, BinaryIO | None, ObjectMeta]]]:
        """Streams of many objects, each once, in the order in which they lie. A stream is open until the
        next is taken; that of a missing object is None."""
        objects = self._streams(hashkeys, skip_if_missing)
        try:
            yield objects
        finally:
            objects.close()

    def get_object_meta(self, hashkey: str) -> ObjectMeta:
        """What is known of an object.

        Raises:
            NotExistent: If there is none of that key.
        """
        row = self._opened().meta(hashkey)
        if row[0] == "missing":
            raise no_object(hashkey)
        return meta_of(row)

    def get_objects_meta(
        self, hashkeys: Iterable[str], skip_if_missing: bool = True
    ) -> Iterator[tuple[str, ObjectMeta]]:
        """What is known of many objects, each once, in the order in which they lie."""
        for key, _, row in self._opened().objects(hashkeys, skip_if_missing, False):
            yield key, meta_of(row)

    def has_object(self, hashkey: str) -> bool:
        """Whether there is such an object."""
        return self._opened().has((hashkey,))[0]

    def has_objects(self, hashkeys: Iterable[str]) -> list[bool]:
        """Which of the objects there are, in the order of the keys."""
        return self._opened().has(hashkeys)

    def list_all_objects(self) -> Iterator[str]:
        """The keys of all objects, each once."""
        yield from self._opened().ids()

    def count_objects(self) -> ObjectCount:
        """How many objects there are."""
        packed, loose, pack_files = self._opened().count()
        return ObjectCount(packed=packed, loose=loose, pack_files=pack_files)

    def get_total_size(self) -> TotalSize:
        """How large everything is."""
        return TotalSize(*self._opened().sizes())

    def _open(self, hashkey: str) -> tuple[ObjectStream, ObjectMeta]:
        with translated():
            opened = self._opened().open(hashkey)
        if opened is None:
            raise no_object(hashkey)
        return ObjectStream(opened[0]), meta_of(opened[1])

    def _streams(
        self, hashkeys: Iterable[str], skip_if_missing: bool
    ) -> Generator[tuple[str, BinaryIO | None, ObjectMeta], None, None]:
        objects = iter(self._opened().objects(hashkeys, skip_if_missing, True))
        while True:
            with translated():
                found = next(objects, None)
            if found is None:
                return
            key, reader, row = found
            if reader is None:
                yield key, None, meta_of(row)
                continue
            with ObjectStream(reader) as stream:
                yield key, stream, meta_of(row)

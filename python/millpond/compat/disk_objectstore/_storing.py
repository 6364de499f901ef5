"""Storing objects, and deleting them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from millpond._millpond import NativeFolder

from ._base import Base, no_object, translated
from ._callbacks import Callback, CallbackStreamWrapper
from ._native_import import import_objects
from ._streams import LazyLooseStream
from ._writing import ObjectWriter

__all__ = ["Storing"]


class Storing(Base):
    """Stores objects."""

    def add_object(self, content: bytes) -> str:
        """Store an object; answer its key."""
        if not isinstance(content, bytes):
            content = bytes(memoryview(content))
        return self._add(content)

    def add_streamed_object(self, stream: Any) -> str:
        """Store what is left of a stream as an object; answer its key."""
        # Bytes aren't read from.
        stream.read  # noqa: B018
        return self._add(stream)

    def add_streamed_object_to_pack(
        self,
        stream: Any,
        compress: bool = False,
        open_streams: bool = False,
        no_holes: bool = False,
        no_holes_read_twice: bool = True,
        callback: Callback | None = None,
        callback_size_hint: int = 0,
        do_fsync: bool = True,
        do_commit: bool = True,
    ) -> str:
        """Store an object in a pack; the callback is told of its bytes. See
        :meth:`add_streamed_objects_to_pack`."""
        if callback is None:
            streams: list[Any] = [stream]
            return self._add_to_pack(
                streams, compress, open_streams, no_holes, no_holes_read_twice, None, do_fsync, do_commit
            )[0]
        told = CallbackStreamWrapper(stream, callback, callback_size_hint)
        keys = self._add_to_pack(
            [told], compress, open_streams, no_holes, no_holes_read_twice, None, do_fsync, do_commit
        )
        told.close_callback()
        return keys[0]

    def add_streamed_objects_to_pack(
        self,
        stream_list: Iterable[Any],
        compress: bool = False,
        open_streams: bool = False,
        no_holes: bool = False,
        no_holes_read_twice: bool = True,
        callback: Callback | None = None,
        do_fsync: bool = True,
        do_commit: bool = True,
    ) -> list[str]:
        """Store objects in packs; answer their keys, in the order of the streams.

        Args:
            stream_list: What is read, each from where it stands.
            compress: Whether to compress all of them.
            open_streams: Whether they are context managers that open a stream, as :class:`LazyOpener` does.
            no_holes: Tell the callback of the look for known objects. Those never leave holes here.
            no_holes_read_twice: With ``no_holes``, read a stream once for its key and again only if that is
                new.
            callback: Is told of objects.
            do_fsync: Whether they are durable when this returns.
            do_commit: Whether others see them then; without it, a later call through this container takes
                them along.
        """
        return self._add_to_pack(
            list(stream_list),
            compress,
            open_streams,
            no_holes,
            no_holes_read_twice,
            callback,
            do_fsync,
            do_commit,
        )

    def add_objects_to_pack(
        self,
        content_list: Iterable[bytes],
        compress: bool = False,
        no_holes: bool = False,
        no_holes_read_twice: bool = True,
        callback: Callback | None = None,
        do_fsync: bool = True,
        do_commit: bool = True,
    ) -> list[str]:
        """Store objects in packs; answer their keys, in their order. See
        :meth:`add_streamed_objects_to_pack`."""
        contents = [
            content if isinstance(content, bytes) else bytes(memoryview(content)) for content in content_list
        ]
        return self._add_to_pack(
            contents, compress, False, no_holes, no_holes_read_twice, callback, do_fsync, do_commit
        )

    def import_objects(
        self,
        hashkeys: Iterable[str],
        source_container: Base,
        compress: bool = False,
        target_memory_bytes: int = 100 * 1024**2,
        callback: Callback | None = None,
        do_fsync: bool = True,
    ) -> dict[str, str]:
        """Take over objects of another container, whose keys may be of another hash; answer which key has
        which here.

        Args:
            hashkeys: Keys there; missing ones are passed over.
            source_container: The other container.
            compress: Whether to compress all of them.
            target_memory_bytes: How the callback is told of the last of them depends on it; it bounds
                nothing that isn't bounded anyway.
            callback: Is told of objects.
            do_fsync: Whether they are durable when this returns.
        """
        here, there = self._opened(), source_container._opened()
        with translated():
            if isinstance(here, NativeFolder) and isinstance(there, NativeFolder):
                return here.import_objects(
                    hashkeys, there, (bool(compress), target_memory_bytes, bool(do_fsync)), callback
                )
            return import_objects(here, there, hashkeys, bool(compress), bool(do_fsync), callback)

    def delete_objects(self, hashkeys: Iterable[str]) -> list[str]:
        """Delete objects; answer the keys of those that there were. Packs shrink by a repack."""
        return self._opened().delete(hashkeys)

    def get_lazy_loose_stream(self, hashkey: str) -> LazyLooseStream:
        """A stream that gets the object a file of its own when it is opened."""
        return LazyLooseStream(self, hashkey)

    def loosen_object(self, hashkey: str) -> Path:
        """Have an object also in a file of its own; answer where. It is there until somebody cleans."""
        with translated():
            path = self._ready().loosen(hashkey)
        if path is None:
            raise no_object(hashkey)
        return Path(path)

    def _add(self, source: Any) -> str:
        return self._ready().add(source)

    def _add_to_pack(
        self,
        sources: list[Any],
        compress: bool,
        open_streams: bool,
        no_holes: bool,
        read_twice: bool,
        callback: Callback | None,
        do_fsync: bool,
        do_commit: bool,
    ) -> list[str]:
        backend = self._opened()
        if self._backend is None and not backend.is_initialised:
            raise ValueError(str(self._not_initialised()))
        if not do_commit:
            self._identity = None
        adding = bool(compress), bool(open_streams), bool(no_holes), bool(read_twice)
        flags = (*adding, bool(do_fsync), bool(do_commit))
        return backend.add_to_pack(sources, flags, callback)

    def _new_object_writer(self) -> ObjectWriter:
        folders = self._get_sandbox_folder(), self._get_loose_folder()
        return ObjectWriter(*folders, self.loose_prefix_len, self._get_duplicates_folder(), self.hash_type)

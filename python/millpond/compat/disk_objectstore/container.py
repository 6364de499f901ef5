"""The container: what disk-objectstore calls a folder of objects."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from millpond._millpond import NativeFolder
from millpond.errors import AlreadyExistsError, CorruptError, Error, NotFoundError

from . import _idle, _legacy_paths, _native
from ._callbacks import Callback, CallbackStreamWrapper
from ._compression import CompressMode, get_compressobj_instance, get_stream_decompresser
from ._streams import LazyLooseStream, ObjectStream, ZlibStreamDecompresser
from ._writing import ObjectWriter, is_known_hash
from .dataclasses import ObjectCount, ObjectMeta, ObjectType, TotalSize, ValidationIssues
from .exceptions import InconsistentContent, NotExistent, NotInitialised

__all__ = ["CompressMode", "Container", "ObjectType"]

_Triple = tuple[str, BinaryIO | None, ObjectMeta]
_TYPES = {kind.value: kind for kind in ObjectType}
_Row = tuple[str, int | None, int | None, bool | None, int | None, int | None]


class Container(_legacy_paths.LegacyPaths):
    """Immutable objects, each named by the hash of its content.

    Making one costs nothing: what is on disk is looked at when it is needed. It may be used after
    ``close()``, which only gives back what was open.

    Args:
        folder: A folder of disk-objectstore; or the directory of a pool with one container of type BLOB, or
            one that stands for such a container.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        # Neither the present directory nor the file system shall matter later on.
        self._folder = os.path.abspath(folder)
        self._backend: NativeFolder | _native.NativeStore | None = None
        # Which files the backend has open; None where it can't be used again once it was closed.
        self._identity: _idle.Identity | None = None

    # -- Life
    # ---------------------------------------------------------------------------------------------------

    def get_folder(self) -> Path:
        """Where it is."""
        return Path(self._folder).resolve()

    @property
    def is_initialised(self) -> bool:
        """Whether there is a container at that place."""
        return self._opened().is_initialised

    def init_container(
        self,
        clear: bool = False,
        pack_size_target: int = 4 * 1024**3,
        loose_prefix_len: int = 2,
        hash_type: str = "sha256",
        compression_algorithm: str = "zlib+1",
        *,
        native: bool | None = None,
    ) -> None:
        """Make the container.

        Args:
            clear: Delete first whatever is there.
            pack_size_target: Bytes from which on a pack is full.
            loose_prefix_len: Digits of a key that name the directory of a loose object; 0 for none.
            hash_type: What makes the keys: ``sha256`` or ``sha1``.
            compression_algorithm: ``zlib+1`` to ``zlib+9``.
            native: Make a store of Millpond's own, in which nothing is ever loose. None asks the environment
                variable ``MILLPOND_DISK_OBJECTSTORE``, whose value ``native`` means that; otherwise it is a
                folder of disk-objectstore.

        Raises:
            FileExistsError: If there is something already.
            ValueError: For what a container can't be.
        """
        if loose_prefix_len < 0:
            raise ValueError(
                f"the prefix of loose objects can't have {loose_prefix_len} digits: take 0 or more"
            )
        if pack_size_target <= 0:
            raise ValueError(f"packs can't have {pack_size_target} bytes: take 1 or more")
        if not is_known_hash(hash_type):
            raise ValueError(f"there is no hash {hash_type!r}: take sha256 or sha1")
        get_compressobj_instance(compression_algorithm)
        if native is None:
            native = os.environ.get("MILLPOND_DISK_OBJECTSTORE") == "native"
        # Whatever is there now decides what has to be cleared.
        before, self._backend = self._opened(), None
        before.close()
        _idle.forget(self._folder)
        settings = pack_size_target, loose_prefix_len, hash_type, compression_algorithm
        try:
            if native or isinstance(before, _native.NativeStore):
                _native.clear_or_refuse(self._folder, before, clear)
            if native:
                self._backend = _native.NativeStore.init(self._folder, *settings)
            else:
                self._backend = NativeFolder.init(self._folder, clear, *settings)
            self._identity = _idle.identity(self._folder)
        except AlreadyExistsError as error:
            raise FileExistsError(str(error)) from error

    def close(self) -> None:
        """Give back what is open. What was stored without a commit is forgotten."""
        backend, self._backend = self._backend, None
        if backend is None:
            return
        if self._identity is None:
            backend.close()
        else:
            _idle.give(self._folder, self._identity, backend)

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def loose_prefix_len(self) -> int:
        """Digits of a key that name the directory of a loose object."""
        return self._settings()[0]

    @property
    def pack_size_target(self) -> int:
        """Bytes from which on a pack is full."""
        return self._settings()[1]

    @property
    def hash_type(self) -> str:
        """What makes the keys."""
        return self._settings()[2]

    @property
    def container_id(self) -> str:
        """What identifies it: 32 hexadecimal digits."""
        return self._settings()[3]

    @property
    def compression_algorithm(self) -> str:
        """How objects are compressed that are."""
        return self._settings()[4]

    # -- Reading
    # ------------------------------------------------------------------------------------------------

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
            raise _no_object(hashkey)
        return content

    def get_objects_content(
        self, hashkeys: Iterable[str], skip_if_missing: bool = True
    ) -> dict[str, bytes | None]:
        """Many objects, by their keys; None for missing ones, which are left out unless they are asked
        for."""
        with self.get_objects_stream_and_meta(hashkeys, skip_if_missing) as objects:
            return {key: None if stream is None else stream.read() for key, stream, _ in objects}

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

    def get_lazy_loose_stream(self, hashkey: str) -> LazyLooseStream:
        """A stream that gets the object a file of its own when it is opened."""
        return LazyLooseStream(self, hashkey)

    def get_object_meta(self, hashkey: str) -> ObjectMeta:
        """What is known of an object.

        Raises:
            NotExistent: If there is none of that key.
        """
        row = self._opened().meta(hashkey)
        if row[0] == "missing":
            raise _no_object(hashkey)
        return _meta(row)

    def get_objects_meta(
        self, hashkeys: Iterable[str], skip_if_missing: bool = True
    ) -> Iterator[tuple[str, ObjectMeta]]:
        """What is known of many objects, each once, in the order in which they lie."""
        for key, _, row in self._opened().objects(hashkeys, skip_if_missing, False):
            yield key, _meta(row)

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

    # -- Writing
    # ------------------------------------------------------------------------------------------------

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
        source_container: Container,
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
        with _translated():
            if isinstance(here, NativeFolder) and isinstance(there, NativeFolder):
                return here.import_objects(
                    hashkeys, there, bool(compress), target_memory_bytes, bool(do_fsync), callback
                )
            return _native.import_objects(here, there, hashkeys, bool(compress), bool(do_fsync), callback)

    def delete_objects(self, hashkeys: Iterable[str]) -> list[str]:
        """Delete objects; answer the keys of those that there were. Packs shrink by a repack."""
        return self._opened().delete(hashkeys)

    def loosen_object(self, hashkey: str) -> Path:
        """Have an object also in a file of its own; answer where. It is there until somebody cleans."""
        with _translated():
            path = self._ready().loosen(hashkey)
        if path is None:
            raise _no_object(hashkey)
        return Path(path)

    # -- Maintenance
    # --------------------------------------------------------------------------------------------

    def pack_all_loose(
        self,
        compress: bool | CompressMode = CompressMode.NO,
        validate_objects: bool = True,
        do_fsync: bool = True,
        callback: Callback | None = None,
        clean_loose_per_pack: bool = False,
    ) -> None:
        """Put all loose objects into packs. Their files stay until :meth:`clean_storage`.

        Args:
            compress: Which of them.
            validate_objects: Compare each with its key.
            do_fsync: Whether packs are durable before the index names what is in them.
            callback: Is told of bytes.
            clean_loose_per_pack: Remove the files of a pack's objects as soon as it is done.

        Raises:
            InconsistentContent: Where an object isn't the one of its key.
        """
        mode = _mode(compress)
        with _translated():
            self._ready().pack_all_loose(
                mode, bool(validate_objects), bool(do_fsync), bool(clean_loose_per_pack), callback
            )

    def clean_storage(self, vacuum: bool = False) -> None:
        """Remove the loose files of packed objects, and what killed programs left; compact the index, if
        asked to."""
        self._opened().clean_storage(bool(vacuum))

    def repack(
        self, compress_mode: CompressMode = CompressMode.KEEP, callback: Callback | None = None
    ) -> None:
        """Write all packs anew, without what was deleted, and compact the index. The callback is told of
        bytes."""
        with _translated():
            self._opened().repack(None, _mode(compress_mode), callback)

    def repack_pack(
        self,
        pack_id: str | int,
        compress_mode: CompressMode = CompressMode.KEEP,
        callback: Callback | None = None,
    ) -> None:
        """Write a pack anew, without what was deleted."""
        number = _legacy_paths.pack_number(pack_id)
        with _translated():
            self._opened().repack(number, _mode(compress_mode), callback)

    def validate(self, callback: Callback | None = None) -> ValidationIssues:
        """Read every object and compare it with its key. The callback is told of objects."""
        return ValidationIssues(*self._opened().validate(callback))

    # -- Within
    # -------------------------------------------------------------------------------------------------

    def _opened(self) -> NativeFolder | _native.NativeStore:
        """What does the work: that of a folder, or that of a store of Millpond's own."""
        if self._backend is not None:
            return self._backend
        idle = _idle.take(self._folder)
        if idle is not None:
            self._identity, self._backend = idle
            return self._backend
        # Before anything is opened: what is opened after it can only be newer.
        self._identity = _idle.identity(self._folder)
        folder = NativeFolder(self._folder)
        try:
            folder.settings()
        except NotFoundError:
            store = _native.find(self._folder)
            if store is None:
                # It may be made by somebody else yet.
                return folder
            self._backend = store
            return store
        except Error:
            # It is damaged, or of another version; whoever works on it is told so.
            return folder
        self._backend = folder
        return folder

    def _ready(self) -> NativeFolder | _native.NativeStore:
        """The same, for what disk-objectstore refuses with an exception of its own."""
        backend = self._opened()
        if self._backend is None and not backend.is_initialised:
            raise self._not_initialised()
        return backend

    def _settings(self) -> tuple[int, int, str, str, str]:
        try:
            return self._opened().settings()
        except (NotFoundError, CorruptError) as error:
            raise self._not_initialised() from error

    def _not_initialised(self) -> NotInitialised:
        return NotInitialised(f"there is no container at {self._folder}: call init_container() first")

    def _open(self, hashkey: str) -> tuple[ObjectStream, ObjectMeta]:
        with _translated():
            opened = self._opened().open(hashkey)
        if opened is None:
            raise _no_object(hashkey)
        return ObjectStream(opened[0]), _meta(opened[1])

    def _streams(
        self, hashkeys: Iterable[str], skip_if_missing: bool
    ) -> Generator[tuple[str, BinaryIO | None, ObjectMeta], None, None]:
        objects = iter(self._opened().objects(hashkeys, skip_if_missing, True))
        while True:
            with _translated():
                found = next(objects, None)
            if found is None:
                return
            key, reader, row = found
            if reader is None:
                yield key, None, _meta(row)
                continue
            with ObjectStream(reader) as stream:
                yield key, stream, _meta(row)

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
        flags = bool(compress), bool(open_streams), bool(no_holes), bool(read_twice)
        return backend.add_to_pack(sources, *flags, callback, bool(do_fsync), bool(do_commit))

    def _new_object_writer(self) -> ObjectWriter:
        folders = self._get_sandbox_folder(), self._get_loose_folder()
        return ObjectWriter(*folders, self.loose_prefix_len, self._get_duplicates_folder(), self.hash_type)

    def _get_stream_decompresser(self) -> type[ZlibStreamDecompresser]:
        return get_stream_decompresser(self.compression_algorithm)

    def _get_compressobj_instance(self) -> Any:
        return get_compressobj_instance(self.compression_algorithm)


def _meta(row: _Row) -> ObjectMeta:
    return ObjectMeta(_TYPES[row[0]], *row[1:])


def _mode(compress: bool | CompressMode) -> str:
    if isinstance(compress, bool):
        return "yes" if compress else "no"
    if not isinstance(compress, CompressMode):
        raise NotImplementedError(f"{compress!r} is no CompressMode")
    return compress.value


def _no_object(hashkey: str) -> NotExistent:
    return NotExistent(f"No object with hash key {hashkey}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CorruptError as error:
        raise InconsistentContent(str(error)) from error

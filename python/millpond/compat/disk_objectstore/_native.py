"""A store of blobs of Millpond's own as what a container works on: the same methods as those of a folder of
disk-objectstore. Nothing is ever loose, and all of it counts as one pack."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import millpond
from millpond.errors import AlreadyExistsError, NotFoundError

from ._callbacks import Callback
from ._native_progress import Steps, ToldProgress

if TYPE_CHECKING:
    from millpond._millpond import NativeFolder, NativeReader

__all__ = ["NativeStore", "clear_or_refuse", "find"]

_LABEL = "objects"
_POOL_FILE = "pool.json"
_ATTRIBUTE = "disk_objectstore."
_PACK = 0
_TOGETHER = 1000
_DIGITS = {
    "sha1": re.compile("[0-9a-f]{40}"),
    "sha256": re.compile("[0-9a-f]{64}"),
    "blake3": re.compile("[0-9a-f]{64}"),
}

_Row = tuple[str, int | None, int | None, bool | None, int | None, int | None]
_MISSING: _Row = ("missing", None, None, None, None, None)


def find(folder: str) -> NativeStore | None:
    """The store that a directory holds or stands for, if it does."""
    if os.path.exists(os.path.join(folder, _POOL_FILE)):
        with millpond.Pool.open(Path(folder)) as pool:
            names = [str(summary.uuid) for summary in pool.containers() if summary.type == "BLOB"]
            if len(names) != 1:
                message = (
                    f"the pool at {folder} has {len(names)} containers of type BLOB, and has to have one"
                )
                raise ValueError(
                    f"{message}: give the path of a directory that stands for the one that is meant"
                )
            return NativeStore(folder, names[0])
    if not os.path.isdir(folder):
        return None
    try:
        millpond.Container.open_path(folder, read_only=True).close()
    except NotFoundError:
        return None
    return NativeStore(folder, None)


def clear_or_refuse(folder: str, before: NativeFolder | NativeStore, clear: bool) -> None:
    """Have nothing at a place, or raise FileExistsError."""
    if clear and isinstance(before, NativeStore):
        before.destroy()
    elif clear and os.path.isdir(folder):
        shutil.rmtree(folder)
    if os.path.isdir(folder) and os.listdir(folder):
        raise FileExistsError(f"there is something in {folder} already: take an empty directory, or clear it")


class NativeStore:
    """A store of blobs.

    Args:
        folder: The directory of its pool, or one that stands for its container.
        container: The container in that pool; None for a directory that stands for one.
    """

    def __init__(self, folder: str, container: str | None) -> None:
        self._folder = folder
        self._name = container
        self._container: millpond.Container | None = None
        self._blobs: millpond.Blobs | None = None
        self._loosened: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def init(
        cls,
        folder: str,
        pack_size_target: int,
        loose_prefix_len: int,
        hash_type: str,
        compression_algorithm: str,
    ) -> NativeStore:
        """Makes a pool at the folder, with a container in it."""
        with (
            millpond.Pool.create(Path(folder)) as pool,
            pool.create_container(_LABEL, type="BLOB") as container,
        ):
            container.create_blobs(hash_type=hash_type)  # type: ignore[arg-type]
            container.attributes.update(
                {
                    f"{_ATTRIBUTE}pack_size_target": str(pack_size_target),
                    f"{_ATTRIBUTE}loose_prefix_len": str(loose_prefix_len),
                    f"{_ATTRIBUTE}compression_algorithm": compression_algorithm,
                }
            )
            return cls(folder, str(container.uuid))

    def destroy(self) -> None:
        """Delete all of it."""
        self.close()
        if self._name is None:
            what = f"{self._folder} stands for a container elsewhere"
            raise AlreadyExistsError(f"{what}: destroy that, and the directory goes with it")
        millpond.Pool.destroy(Path(self._folder), force=True)

    @property
    def is_initialised(self) -> bool:
        return True

    def settings(self) -> tuple[int, int, str, str, str]:
        blobs = self._open()
        attributes = blobs.container.attributes
        return (
            int(attributes.get(f"{_ATTRIBUTE}loose_prefix_len", "2")),
            int(attributes.get(f"{_ATTRIBUTE}pack_size_target", str(4 << 30))),
            blobs.hash_type,
            blobs.container.uuid.hex,
            attributes.get(f"{_ATTRIBUTE}compression_algorithm", "zlib+1"),
        )

    def close(self) -> None:
        self._blobs = None
        container, self._container = self._container, None
        if container is not None:
            container.close()
        loosened, self._loosened = self._loosened, None
        if loosened is not None:
            loosened.cleanup()

    def read(self, key: str) -> bytes | None:
        blobs = self._open()
        if not self._is_key(key):
            return None
        try:
            return blobs.extract(key)
        except NotFoundError:
            return None

    def open(self, key: str) -> tuple[NativeReader, _Row] | None:
        row = self.meta(key)
        if row is _MISSING:
            return None
        try:
            return self._open().open(key)._native, row
        except NotFoundError:
            return None

    def objects(
        self, keys: Iterable[str], skip_if_missing: bool, with_streams: bool
    ) -> Iterator[tuple[str, NativeReader | None, _Row]]:
        missing = []
        for batch in _batches(dict.fromkeys(keys)):
            rows = self._rows(batch)
            missing += [key for key in batch if key not in rows]
            if not with_streams:
                yield from ((key, None, row) for key, row in rows.items())
                continue
            for key, stream in self._open().open_many(rows):
                if stream is None:
                    missing.append(key)
                else:
                    yield key, stream._native, rows[key]
        if not skip_if_missing:
            yield from ((key, None, _MISSING) for key in sorted(missing))

    def contents(self, keys: Iterable[str], skip_if_missing: bool) -> Iterator[tuple[str, bytes | None]]:
        for batch in _batches(dict.fromkeys(keys)):
            known = [key for key in batch if self._is_key(key)]
            missing = [] if len(known) == len(batch) else [key for key in batch if not self._is_key(key)]
            for key, content in self._open().extract_many(known):
                if content is None:
                    missing.append(key)
                else:
                    yield key, content
            if not skip_if_missing:
                yield from ((key, None) for key in missing)

    def meta(self, key: str) -> _Row:
        return self._rows([key]).get(key, _MISSING)

    def has(self, keys: Iterable[str]) -> list[bool]:
        keys = list(keys)
        known = [key for key in keys if self._is_key(key)]
        there = {key for key, has in zip(known, self._open().has_many(known), strict=True) if has}
        return [key in there for key in keys]

    def ids(self) -> Iterator[str]:
        return iter(self._open())

    def count(self) -> tuple[int, int, int]:
        count = len(self._open())
        return count, 0, int(count > 0)

    def sizes(self) -> tuple[int, int, int, int, int]:
        blobs = self._open()
        status = blobs.status()
        # What the index takes is of the same files.
        return status.raw_size, status.size, status.size, 0, 0

    def add(self, source: Any) -> str:
        return self._open().insert(source)

    def add_to_pack(
        self, sources: list[Any], flags: tuple[bool, bool, bool, bool, bool, bool], callback: Callback | None
    ) -> list[str]:
        # Of the flags, only how streams are opened matters here.
        open_streams = flags[1]
        steps = Steps(callback, len(sources), "Bulk storing")
        keys = self.add_each(_opened(sources, open_streams, steps))
        steps.end()
        return keys

    def add_each(self, streams: Iterator[Any]) -> list[str]:
        """Store streams, each of which is read before the next is taken."""
        return list(self._open().insert_many(streams))

    def delete(self, keys: Iterable[str]) -> list[str]:
        return self._open().delete([key for key in keys if self._is_key(key)])

    def loosen(self, key: str) -> str | None:
        if self.meta(key) is _MISSING:
            return None
        if self._loosened is None:
            self._loosened = tempfile.TemporaryDirectory(prefix="millpond-loose-")
        path = os.path.join(self._loosened.name, key)
        if not os.path.exists(path):
            with open(f"{path}.new", "wb") as file:
                self._open().extract(key, into=file)
            os.replace(f"{path}.new", path)
        return path

    def pack_all_loose(
        self, compress: str, validate: bool, do_fsync: bool, clean_per_pack: bool, callback: Callback | None
    ) -> None:
        # Nothing is loose.
        Steps(callback, 0, "Packing loose objects").end()

    def clean_storage(self, vacuum: bool) -> None:
        """Nothing: it cleans itself."""

    def repack(self, pack: int | None, compress: str, callback: Callback | None) -> None:
        codec = {"no": "none", "yes": "zstd"}.get(compress)
        if pack not in (None, _PACK):
            return
        progress = callback and ToldProgress(callback, f"Repack {_PACK}")
        self._open().optimize(compression=codec, recompress=codec is not None, progress=progress or None)
        if progress:
            progress.end()

    def copy_to(self, path: Path) -> None:
        """Make a pool at a path, with a copy of the container in it, as of one moment."""
        with tempfile.TemporaryDirectory(dir=path.parent) as backups:
            self._open().container.backup(backups)
            with millpond.Pool.create(path) as pool:
                pool.restore(backups, label=_LABEL).close()

    def validate(self, callback: Callback | None) -> tuple[list[str], list[str], list[str], list[str]]:
        progress = callback and ToldProgress(callback, f"Pack {_PACK}")
        validated = self._open().validate(full=True, progress=progress or None)
        if progress:
            progress.end()
        return [], sorted({*validated.invalid, *validated.unreadable}), [], []

    def _open(self) -> millpond.Blobs:
        if self._blobs is None:
            if self._name is None:
                container = millpond.Container.open_path(self._folder)
            else:
                # The container keeps its pool open.
                with millpond.Pool.open(Path(self._folder)) as pool:
                    container = pool.container(self._name)
            self._container = container
            self._blobs = container.blobs()
        return self._blobs

    def _is_key(self, key: str) -> bool:
        return _DIGITS[self._open().hash_type].fullmatch(key) is not None

    def _rows(self, keys: list[str]) -> dict[str, _Row]:
        known = [key for key in keys if self._is_key(key)]
        metas = self._open().meta_many(known)
        return {
            meta.id: ("packed", meta.raw_size, _PACK, meta.codec != "none", 0, meta.size)
            for meta in metas
            if meta is not None
        }


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, _TOGETHER)):
        yield batch


def _opened(sources: list[Any], open_streams: bool, steps: Steps) -> Iterator[Any]:
    for source in sources:
        steps.advance()
        if open_streams:
            # It is read before the next one is asked for.
            with source as stream:
                yield stream
        else:
            yield source

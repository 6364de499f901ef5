"""What a container is: where it is, what it works on, and its settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from millpond._millpond import NativeFolder
from millpond.errors import AlreadyExistsError, CorruptError, Error, NotFoundError

from . import _idle, _native
from ._compression import CompressMode, get_compressobj_instance
from ._legacy_paths import LegacyPaths
from ._writing import is_known_hash
from .dataclasses import ObjectMeta, ObjectType
from .exceptions import InconsistentContent, NotExistent, NotInitialised

__all__ = ["Base", "meta_of", "mode_of", "no_object", "translated"]

_TYPES = {kind.value: kind for kind in ObjectType}
_Row = tuple[str, int | None, int | None, bool | None, int | None, int | None]


class Base(LegacyPaths):
    """Opens, makes and closes what a container works on."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        # Neither the present directory nor the file system shall matter later on.
        self._folder = os.path.abspath(folder)
        self._backend: NativeFolder | _native.NativeStore | None = None
        # Which files the backend has open; None where it can't be used again once it was closed.
        self._identity: _idle.Identity | None = None

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

    def __enter__(self) -> Self:
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


def meta_of(row: _Row) -> ObjectMeta:
    return ObjectMeta(_TYPES[row[0]], *row[1:])


def mode_of(compress: bool | CompressMode) -> str:
    if isinstance(compress, bool):
        return "yes" if compress else "no"
    if not isinstance(compress, CompressMode):
        raise NotImplementedError(f"{compress!r} is no CompressMode")
    return compress.value


def no_object(hashkey: str) -> NotExistent:
    return NotExistent(f"No object with hash key {hashkey}")


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except CorruptError as error:
        raise InconsistentContent(str(error)) from error

"""Hashes, and writing a loose object part by part."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from .exceptions import ClosingNotAllowed, ModificationNotAllowed

__all__ = [
    "HashWriterWrapper",
    "ObjectWriter",
    "compute_hash_and_size",
    "get_hash_cls",
    "is_known_hash",
    "safe_flush_to_disk",
]

_CHUNK_BYTES = 512 << 10
_HASHES: dict[str, Callable[[], Any]] = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}


def is_known_hash(hash_type: str) -> bool:
    """Whether keys can be of that hash."""
    return hash_type in _HASHES


def get_hash_cls(hash_type: str) -> Callable[[], Any]:
    """What makes the keys: ``sha1`` or ``sha256`` of hashlib."""
    if hash_type not in _HASHES:
        raise ValueError(f"there is no hash {hash_type!r}: take sha256 or sha1")
    return _HASHES[hash_type]


def compute_hash_and_size(stream: Any, hash_type: str) -> tuple[str, int]:
    """The hash of what is left of a stream, and how many bytes that is."""
    digest, size = get_hash_cls(hash_type)(), 0
    while part := stream.read(_CHUNK_BYTES):
        digest.update(part)
        size += len(part)
    return digest.hexdigest(), size


def safe_flush_to_disk(fhandle: Any, real_path: Path, use_fullsync: bool = False) -> None:
    """Make a file durable, and its name. ``use_fullsync`` is for other systems."""
    fhandle.flush()
    os.fsync(fhandle.fileno())
    _sync_directory(Path(real_path).parent)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class HashWriterWrapper:
    """A file that knows the hash of what was written to it."""

    def __init__(self, write_stream: Any, hash_type: str) -> None:
        if "b" not in write_stream.mode:
            raise AssertionError("the file has to be open in binary mode")
        self._stream = write_stream
        self._hash_type = hash_type
        self._digest = get_hash_cls(hash_type)()
        self._place = write_stream.tell()

    @property
    def hash_type(self) -> str:
        """The hash."""
        return self._hash_type

    @property
    def mode(self) -> str:
        return str(self._stream.mode)

    @property
    def closed(self) -> bool:
        return bool(self._stream.closed)

    def write(self, data: bytes) -> int:
        """Append; answer the place after that."""
        if self._stream.tell() != self._place:
            raise AssertionError("a write failed half way, so that the hash isn't known: begin anew")
        self._stream.write(data)
        self._place += len(data)
        self._digest.update(data)
        return int(self._place)

    def hexdigest(self) -> str:
        """The hash of all that was written."""
        return str(self._digest.hexdigest())

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return int(self._stream.fileno())

    def close(self) -> None:
        self._stream.close()


class ObjectWriter:
    """Stores a loose object of what is written in its block.

    Args:
        sandbox_folder: Where it is written before it has its name.
        loose_folder: Where it lies after that.
        loose_prefix_len: Digits of the key that name the directory there; 0 for none.
        duplicates_folder: Not needed here: a file is replaced while others read it.
        hash_type: What makes the key.
        trust_existing: Leave a loose file of that key as it is, instead of replacing it.
    """

    def __init__(
        self,
        sandbox_folder: Path,
        loose_folder: Path,
        loose_prefix_len: int,
        duplicates_folder: Path,
        hash_type: str,
        trust_existing: bool = False,
    ) -> None:
        self._sandbox = Path(sandbox_folder)
        self._loose = Path(loose_folder)
        self._prefix_len = loose_prefix_len
        self._hash_type = hash_type
        self._trusts = trust_existing
        self._path: Path | None = None
        self._file: HashWriterWrapper | None = None
        self._key: str | None = None

    @property
    def hash_type(self) -> str:
        """The hash."""
        return self._hash_type

    def get_hashkey(self) -> str | None:
        """The object's key, once it is stored."""
        return self._key

    def __enter__(self) -> HashWriterWrapper:
        if self._file is not None:
            raise OSError("this writer is open already")
        if self._path is not None:
            raise ModificationNotAllowed(f"this writer has stored its object {self._key}: take a new one")
        self._path = self._sandbox / uuid.uuid4().hex
        self._file = HashWriterWrapper(open(self._path, "wb"), self._hash_type)
        return self._file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        path, file, self._file = self._path, self._file, None
        if path is None or file is None:
            return
        try:
            if kind is None:
                self._key = self._store(file, path)
        finally:
            file.close()
            path.unlink(missing_ok=True)

    def _store(self, file: HashWriterWrapper, path: Path) -> str:
        if file.closed:
            raise ClosingNotAllowed("the file of a new object closes itself: leave that out")
        file.flush()
        os.fsync(file.fileno())
        key = file.hexdigest()
        folder = self._loose / key[: self._prefix_len] if self._prefix_len else self._loose
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            _sync_directory(self._loose)
        target = folder / key[self._prefix_len :]
        if not (self._trusts and target.exists()):
            path.replace(target)
            _sync_directory(folder)
        return key

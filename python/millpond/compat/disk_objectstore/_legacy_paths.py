"""Where things are in a folder of disk-objectstore, for programs that look there themselves, and locks of
packs between such programs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["LegacyPaths", "pack_number"]

_REPACKING = -1
_NUMBER = re.compile("0|[1-9][0-9]*")


def pack_number(pack_id: str | int, allow_repack_pack: bool = False) -> int:
    """The number of a pack; AssertionError for what is none."""
    text = str(pack_id)
    if text == str(_REPACKING) and allow_repack_pack:
        return _REPACKING
    if not _NUMBER.fullmatch(text):
        raise AssertionError(f"there can be no pack {text!r}: packs are numbered from 0 on")
    return int(text)


class LegacyPaths:
    """The places in a folder."""

    _folder: str

    def get_folder(self) -> Path:
        """Where the folder is."""
        raise NotImplementedError

    @property
    def loose_prefix_len(self) -> int:
        """Digits of a key that name the directory of a loose object."""
        raise NotImplementedError

    def _get_sandbox_folder(self) -> Path:
        return self.get_folder() / "sandbox"

    def _get_loose_folder(self) -> Path:
        return self.get_folder() / "loose"

    def _get_pack_folder(self) -> Path:
        return self.get_folder() / "packs"

    def _get_duplicates_folder(self) -> Path:
        return self.get_folder() / "duplicates"

    def _get_config_file(self) -> Path:
        return self.get_folder() / "config.json"

    def _get_pack_index_path(self) -> Path:
        return self.get_folder() / "packs.idx"

    def _get_loose_path_from_hashkey(self, hashkey: str) -> Path:
        prefix = self.loose_prefix_len
        loose = self._get_loose_folder()
        return loose / hashkey[:prefix] / hashkey[prefix:] if prefix else loose / hashkey

    def _get_pack_path_from_pack_id(self, pack_id: str | int, allow_repack_pack: bool = False) -> Path:
        return self._get_pack_folder() / str(pack_number(pack_id, allow_repack_pack))

    def _list_packs(self) -> Iterator[str]:
        names = (name for name in os.listdir(self._get_pack_folder()) if _NUMBER.fullmatch(name))
        yield from sorted(names, key=int)

    @contextmanager
    def lock_pack(self, pack_id: str | int, allow_repack_pack: bool = False) -> Iterator[BinaryIO]:
        """A pack, open for appending, of which others are kept away that ask for this lock.

        Raises:
            FileExistsError: If somebody else has it.
        """
        pack = self._get_pack_path_from_pack_id(pack_id, allow_repack_pack)
        lock = pack.with_name(f"{pack.name}.lock")
        os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        # From here on it is ours to remove.
        try:
            with open(pack, "ab") as file:
                yield file
        finally:
            lock.unlink(missing_ok=True)

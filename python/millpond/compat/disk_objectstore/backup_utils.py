"""Backups of a container: each in a directory of its own, in which what hasn't changed is a hard link to the
one before. They are made with rsync, also to other machines."""

from __future__ import annotations

import logging
import re
import shutil
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import millpond

from ._native import NativeStore
from .container import Container

__all__ = ["BackupError", "BackupManager", "backup_container", "is_exe_found", "split_remote_and_path"]

LOGGER = logging.getLogger("disk_objectstore.disk_objectstore.backup_utils")

_COPY = """
import sqlite3, sys
source, target = map(sqlite3.connect, sys.argv[1:])
source.backup(target)
target.close()
source.close()
"""
_LETTERS = string.digits + string.ascii_lowercase
_LIVE = "live-backup"
_LAST = "last-backup"
_PATTERN = "backup_*_*"


class BackupError(Exception):
    """A backup couldn't be made."""


def split_remote_and_path(dest: str) -> tuple[str | None, Path]:
    """The parts of ``[[user@]host:]path``."""
    remote, colon, path = dest.partition(":")
    if ":" in path:
        raise ValueError(f"{dest!r} is no place for a backup: take a path, or HOST:PATH")
    return (remote, Path(path)) if colon else (None, Path(dest))


def is_exe_found(exe: str) -> bool:
    """Whether there is such a program."""
    return shutil.which(exe) is not None


class BackupManager:
    """Makes backups in a directory, here or on another machine, and keeps so many of them.

    Args:
        dest: The directory: a path, or ``[user@]host:path``, which is reached by ssh.
        keep: How many backups to keep beside the newest; None for all of them.
        rsync_exe: The program ``rsync``.

    Raises:
        ValueError: For what can't be.
        BackupError: Where the other machine can't be reached.
    """

    def __init__(self, dest: str, keep: int | None = None, rsync_exe: str | None = None) -> None:
        self.dest = dest
        self.keep = keep
        self.remote, self.path = split_remote_and_path(str(dest))
        self.rsync_exe = "rsync" if rsync_exe is None else rsync_exe
        if keep is not None and keep < 0:
            raise ValueError(f"{keep} backups can't be kept: take 0 or more")
        if self.remote:
            self.check_if_remote_accessible()
        if not is_exe_found(self.rsync_exe):
            raise ValueError(f"there is no program {self.rsync_exe!r}, which makes backups: install rsync")
        if not self.check_path_exists(self.path) and not self.run_cmd(["mkdir", str(self.path)])[0]:
            raise ValueError(f"the directory {self.path} can't be made, in which backups shall be")
        self.rsync_version = self.get_rsync_major_version()

    def check_if_remote_accessible(self) -> None:
        """Raise BackupError where the other machine can't be reached."""
        if not self.run_cmd(["exit"])[0]:
            raise BackupError(f"{self.remote} can't be reached by ssh")
        LOGGER.info("%s can be reached", self.remote)

    def check_path_exists(self, path: Path) -> bool:
        """Whether there is something at a path, where backups are made."""
        return self.run_cmd(["[", "-e", str(path), "]"])[0]

    def run_cmd(self, args: Sequence[str]) -> tuple[bool, str]:
        """Run a command where backups are made; answer whether it succeeded, and what it printed."""
        command = ["ssh", self.remote, *args] if self.remote else list(args)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        LOGGER.debug("%s: exit code %d\n%s%s", command, done.returncode, done.stdout, done.stderr)
        return done.returncode == 0, done.stdout

    def get_rsync_major_version(self) -> int | None:
        """The 3 of rsync 3.2.7, if it says so."""
        done = subprocess.run([self.rsync_exe, "--version"], capture_output=True, text=True, check=False)
        found = re.search(r"\bversion\s+v?(\d+)\.", done.stdout)
        return int(found[1]) if found else None

    def call_rsync(
        self,
        src: Path,
        dest: Path,
        link_dest: Path | None = None,
        src_trailing_slash: bool = False,
        dest_trailing_slash: bool = False,
        extra_args: Sequence[str] | None = None,
    ) -> None:
        """Copy with rsync.

        Args:
            src: A file or directory of this machine.
            dest: Where to, in the place of the backups.
            link_dest: What is the same there becomes a hard link.
            src_trailing_slash: Copy what is in the directory, not itself.
            dest_trailing_slash: The destination is a directory, and is made.
            extra_args: More options.

        Raises:
            BackupError: If rsync fails.
        """
        is_shown = LOGGER.isEnabledFor(logging.INFO)
        command = [self.rsync_exe, "-azh", "--no-whole-file"]
        if is_shown:
            command += ["--info=progress2,stats1"] if (self.rsync_version or 0) >= 3 else ["--progress"]
        if LOGGER.isEnabledFor(logging.DEBUG):
            command.append("-vv")
        command += extra_args or []
        if link_dest is not None:
            command.append(f"--link-dest={link_dest if self.remote else link_dest.resolve()}")
        target = f"{dest}/" if dest_trailing_slash else str(dest)
        command += [f"{src}/" if src_trailing_slash else str(src)]
        command += [f"{self.remote}:{target}" if self.remote else target]
        LOGGER.info("Running %s", " ".join(command))
        done = subprocess.run(command, capture_output=not is_shown, text=True, check=False)
        if done.returncode != 0:
            raise BackupError(
                f"rsync failed with exit code {done.returncode}: {src} to {dest}\n{done.stderr or ''}"
            )

    def get_existing_backup_folders(self) -> list[str]:
        """The backups that there are."""
        command = ["find", str(self.path), "-maxdepth", "1", "-type", "d", "-name", _PATTERN, "-print"]
        succeeded, printed = self.run_cmd(command)
        if not succeeded:
            raise BackupError(f"the backups in {self.path} can't be listed")
        return printed.splitlines()

    def get_last_backup_folder(self) -> Path | None:
        """The newest of them, if there is any."""
        newest = max(self.get_existing_backup_folders(), default=None)
        return None if newest is None else Path(newest)

    def delete_old_backups(self) -> None:
        """Delete those that aren't to be kept."""
        if self.keep is None:
            return
        for folder in sorted(self.get_existing_backup_folders())[: -(self.keep + 1)]:
            if self.run_cmd(["rm", "-rf", folder])[0]:
                LOGGER.info("Deleted the backup %s", folder)
            else:
                LOGGER.warning("The backup %s can't be deleted", folder)

    def backup_auto_folders(self, backup_func: Callable[[Path, Path | None], object]) -> None:
        """Make a backup, and delete those that aren't to be kept.

        Args:
            backup_func: Makes it, at the path that it is called with; the second argument is the backup
                before.

        Raises:
            BackupError: If it can't be made. What was copied stays in ``live-backup``, and the next one goes
                on there.
        """
        live, before = self.path / _LIVE, self.get_last_backup_folder()
        LOGGER.info("The backup before is %s", before)
        backup_func(live, before)
        name = _name(datetime.now(UTC))
        if not self.run_cmd(["mv", str(live), str(self.path / name)])[0]:
            raise BackupError(f"{live} can't be renamed to {name}")
        LOGGER.info("The backup is %s", self.path / name)
        if not self.run_cmd(["ln", "-sfn", name, str(self.path / _LAST)])[0]:
            LOGGER.warning("There can be no link %s: the file system may have none", self.path / _LAST)
        self.delete_old_backups()


def backup_container(
    manager: BackupManager, container: Container, path: Path, prev_backup: Path | None = None
) -> None:
    """Make a backup of a container, which may be in use meanwhile.

    Loose objects are copied first, then the index, then packs: whatever the index of the backup names is in
    it.

    Args:
        manager: Copies.
        container: What is copied.
        path: Where to.
        prev_backup: The backup before, to which what hasn't changed is linked.

    Raises:
        BackupError: If it can't be made.
    """
    store = container._opened()
    if isinstance(store, NativeStore):
        _backup_native(manager, store, path)
        return
    folder = container.get_folder()
    if not container._get_config_file().exists():
        raise BackupError(f"there is no container at {folder}, of which there could be a backup")
    loose, packs, index = (
        container._get_loose_folder(),
        container._get_pack_folder(),
        container._get_pack_index_path(),
    )
    manager.call_rsync(loose, path, link_dest=prev_backup)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / index.name
        _copy_index(index, copy)
        manager.call_rsync(copy, path, link_dest=prev_backup)
    manager.call_rsync(packs, path, link_dest=prev_backup)
    # The files beside the index are those of a moment that is past.
    parts = [loose.name, packs.name, *(f"{index.name}{suffix}" for suffix in ("", "-wal", "-shm"))]
    excluded = [argument for part in parts for argument in ("--exclude", f"/{part}")]
    manager.call_rsync(folder, path, link_dest=prev_backup, src_trailing_slash=True, extra_args=excluded)


def _name(now: datetime) -> str:
    """The name of a backup. Its last four letters tell backups of one second apart, in their order."""
    letters, rest = "", now.microsecond
    for _ in range(4):
        rest, letter = divmod(rest, len(_LETTERS))
        letters = _LETTERS[letter] + letters
    return f"backup_{now:%Y%m%d%H%M%S}_{letters}"


def _copy_index(index: Path, copy: Path) -> None:
    """Copy an index as of one moment, in a process of its own: Python's SQLite isn't the one that this
    process may have the index open with, and where one of two in a process closes a file, the locks of the
    other are gone."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _COPY, str(index), str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not copy.is_file():
        raise BackupError(f"the index {index} can't be copied: {done.stderr}")


def _backup_native(manager: BackupManager, store: NativeStore, path: Path) -> None:
    """A backup of a store of Millpond's own is a whole copy, which is used as it is."""
    place = None if manager.remote else path.parent
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as directory:
        copy = Path(directory) / "pool"
        try:
            store.copy_to(copy)
            if place is not None:
                # What an earlier attempt left.
                shutil.rmtree(path, ignore_errors=True)
                copy.rename(path)
        except (millpond.Error, OSError) as error:
            raise BackupError(f"{path} can't be written: {error}") from error
        if manager.remote:
            manager.call_rsync(copy, path, src_trailing_slash=True, dest_trailing_slash=True)

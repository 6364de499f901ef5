"""Backups by the interface of disk-objectstore, with rsync or, where there is none, with a stand-in."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from millpond.compat.disk_objectstore import Container, cli
from millpond.compat.disk_objectstore.backup_utils import (
    BackupError,
    BackupManager,
    backup_container,
    split_remote_and_path,
)

# Of rsync, what these backups need of it: links to an earlier copy, and exclusions of parts at the top.
STAND_IN = """#!{python}
import filecmp, os, pathlib, shutil, sys

if "--version" in sys.argv:
    sys.exit(print("rsync  version 3.2.7  protocol version 31"))
arguments, excluded, link = [], set(), None
words = iter(sys.argv[1:])
for word in words:
    if word == "--exclude":
        excluded.add(next(words).strip("/"))
    elif word.startswith("--link-dest="):
        link = pathlib.Path(word.partition("=")[2])
    elif not word.startswith("-"):
        arguments.append(word)
source, target = arguments
root = pathlib.Path(source)
base = root if source.endswith("/") else root.parent
files = [root] if root.is_file() else [path for path in root.rglob("*")]
for path in files:
    part = path.relative_to(base)
    if part.parts[0] in excluded and source.endswith("/"):
        continue
    to = pathlib.Path(target) / part
    if path.is_dir():
        to.mkdir(parents=True, exist_ok=True)
        continue
    to.parent.mkdir(parents=True, exist_ok=True)
    to.unlink(missing_ok=True)
    if link and (link / part).is_file() and filecmp.cmp(link / part, path, shallow=False):
        os.link(link / part, to)
    else:
        shutil.copy2(path, to)
"""


@pytest.fixture
def rsync(tmp_path: Path) -> str:
    found = shutil.which("rsync")
    if found:
        return found
    program = tmp_path / "rsync"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("native", [False, True])
def test_a_backup_is_a_container(tmp_path: Path, rsync: str, native: bool) -> None:
    container = Container(tmp_path / "container")
    container.init_container(native=native)
    manager = BackupManager(str(tmp_path / "backups"), keep=1, rsync_exe=rsync)
    keys: list[str] = []
    for number in range(3):
        keys += container.add_objects_to_pack([f"packed {number}".encode()])
        keys.append(container.add_object(f"loose {number}".encode()))
        manager.backup_auto_folders(lambda path, before: backup_container(manager, container, path, before))
        last = tmp_path / "backups" / "last-backup"
        # A copy of it, since what is in a backup stays as it is.
        restored = Path(shutil.copytree(last.resolve(), tmp_path / f"restored-{number}"))
        with Container(restored) as again:
            assert sorted(again.list_all_objects()) == sorted(keys)
            assert again.validate().is_valid()
            assert again.container_id == container.container_id
    assert len(manager.get_existing_backup_folders()) == 2
    assert not (tmp_path / "backups" / "live-backup").exists()


def test_what_did_not_change_is_linked(tmp_path: Path, rsync: str) -> None:
    with Container(tmp_path / "container") as container:
        container.init_container()
        key = container.add_object(b"the same for ever")
    for _ in range(2):
        arguments = ["-p", str(tmp_path / "container"), "backup", str(tmp_path / "b"), "--rsync-exe", rsync]
        assert cli.main([*arguments, "--verbosity", "silent"]) == 0
    newest = tmp_path / "b" / "last-backup" / "loose" / key[:2] / key[2:]
    assert newest.stat().st_nlink == 2


def test_what_can_not_be_backed_up(tmp_path: Path, rsync: str) -> None:
    for wrong in ({"keep": -1}, {"rsync_exe": "there-is-no-such-program"}):
        with pytest.raises(ValueError, match=r"take|install"):
            BackupManager(str(tmp_path / "b"), **wrong)
    with pytest.raises(ValueError, match="can't be made"):
        BackupManager(os.path.join(tmp_path, "none", "deep"), rsync_exe=rsync)
    manager = BackupManager(str(tmp_path / "b"), rsync_exe=rsync)
    with pytest.raises(BackupError, match="no container"):
        backup_container(manager, Container(tmp_path / "none"), tmp_path / "b" / "live")
    assert split_remote_and_path("ada@host:/b") == ("ada@host", Path("/b"))
    with pytest.raises(ValueError, match="HOST:PATH"):
        split_remote_and_path("a:b:c")

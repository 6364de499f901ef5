"""Backups: made while others write, restored to another pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import millpond
import pytest

if TYPE_CHECKING:
    from pathlib import Path


def make(tmp_path: Path) -> tuple[millpond.Container, millpond.Pool]:
    pool = millpond.Pool.create(f"file://{tmp_path}/pool")
    container = pool.create_container("results", type="KV")
    with container.create_dict("d") as entries:
        for number in range(200):
            entries[f"key {number}"] = b"value" * number
    return container, millpond.Pool.create(f"file://{tmp_path}/other")


def test_a_container_comes_back(tmp_path: Path) -> None:
    container, other = make(tmp_path)
    seen: list[tuple[int, int]] = []
    backup = container.backup(tmp_path / "backups", progress=lambda done, total: seen.append((done, total)))
    assert backup.path.parent == tmp_path / "backups"
    assert (backup.uuid, backup.label, backup.type) == (container.uuid, "results", "KV")
    assert backup.bytes_linked == 0 < backup.bytes
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1]
    container.dict("d")["later"] = b"1"
    again = container.backup(tmp_path / "backups", keep=1)
    assert again.bytes_linked > 0
    assert not backup.path.exists()

    restored = other.restore(tmp_path / "backups", label="copy")
    assert restored.label == "copy"
    assert restored.uuid == container.uuid
    assert dict(restored.dict("d")) == dict(container.dict("d"))
    with pytest.raises(millpond.AlreadyExistsError, match="another pool"):
        other.restore(again.path, label="more")


def test_what_the_callable_raises_ends_it(tmp_path: Path) -> None:
    container, other = make(tmp_path)

    def refuse(done: int, total: int) -> None:
        raise KeyboardInterrupt(f"{done} of {total}")

    with pytest.raises(KeyboardInterrupt, match="0 of"):
        container.backup(tmp_path / "backups", progress=refuse)
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["lock"]
    container.backup(tmp_path / "backups")
    with pytest.raises(KeyboardInterrupt):
        other.restore(tmp_path / "backups", progress=refuse)
    assert other.containers() == []


def test_damage_is_named(tmp_path: Path) -> None:
    container, other = make(tmp_path)
    backup = container.backup(tmp_path / "backups")
    run = next((backup.path / "runs").iterdir())
    content = bytearray(run.read_bytes())
    content[len(content) // 2] ^= 1
    assert millpond.verify_backup(backup.path).damages == {}
    run.write_bytes(content)
    with pytest.raises(millpond.CorruptError, match=run.name):
        other.restore(backup.path)
    verified = millpond.verify_backup(tmp_path / "backups")
    assert verified.backup == backup
    assert list(verified.damages) == [f"runs/{run.name}"]
    with pytest.raises(millpond.NotFoundError):
        millpond.verify_backup(tmp_path)

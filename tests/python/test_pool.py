"""The class Pool."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import millpond
import pytest
from millpond import Pool


def test_a_pool_is_found_by_label_uuid_and_url(pool: Pool, home: Path) -> None:
    assert pool.label == "lab"
    assert isinstance(pool.uuid, UUID)
    assert pool.url == f"file://{home}/lab"
    for location in ("lab", str(pool.uuid), pool.url, home / "lab"):
        assert Pool.open(location).uuid == pool.uuid


def test_a_pool_may_be_anywhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "else" / "where"
    created = Pool.create(elsewhere)
    assert created.url == f"file://{elsewhere}"
    assert Pool.open(f"file://{elsewhere}").uuid == created.uuid
    assert Pool.list() == []


def test_list_shows_the_pools_of_the_home(pool: Pool) -> None:
    Pool.create("archive", size="10 MiB")
    archive, lab = Pool.list()
    assert (archive.label, archive.size) == ("archive", 10 << 20)
    assert (lab.label, lab.size, lab.uuid, lab.url) == ("lab", None, pool.uuid, pool.url)
    assert lab.containers == 0
    assert lab.problem is None


def test_list_shows_what_is_wrong_with_a_pool(pool: Pool, home: Path) -> None:
    (home / "lab" / "pool.json").write_text("{")
    (lab,) = Pool.list()
    assert lab.problem is not None
    assert "pool.json" in lab.problem


def test_there_are_no_pools_before_the_first() -> None:
    assert Pool.list() == []


def test_query(pool: Pool) -> None:
    pool.create_container("kv").close()
    info = pool.query()
    assert (info.label, info.uuid, info.url, info.size) == ("lab", pool.uuid, pool.url, None)
    assert abs((datetime.now(UTC) - info.created).total_seconds()) < 60
    (kv,) = info.containers
    assert (kv.label, kv.type, kv.path) == ("kv", "PYTHON", None)
    assert [entry.uuid for entry in pool.containers()] == [kv.uuid]


@pytest.mark.parametrize(("size", "count"), [("1GiB", 1 << 30), (4096, 4096), ("10 MB", 10_000_000)])
def test_a_size_is_a_number_or_a_text(size: int | str, count: int) -> None:
    assert millpond.parse_size(size) == count
    assert Pool.create("sized", size=1 << 26).query().size == 1 << 26


@pytest.mark.parametrize("size", ["many", "-1", "1 XB", ""])
def test_what_isnt_a_size_is_refused(size: str) -> None:
    with pytest.raises(millpond.InvalidArgumentError):
        millpond.parse_size(size)
    with pytest.raises(ValueError, match="not negative"):
        millpond.parse_size(-1)
    with pytest.raises(TypeError, match="float"):
        millpond.parse_size(1.5)  # type: ignore[arg-type]


def test_format_size() -> None:
    assert millpond.format_size(1 << 30) == "1.0 GiB"


def test_the_quota_can_be_changed(pool: Pool) -> None:
    pool.properties["size"] = "2GiB"
    assert pool.properties["size"] == str(2 << 30)
    assert pool.query().size == 2 << 30
    assert set(pool.properties) == {"label", "size"}
    with pytest.raises(KeyError, match="properties"):
        pool.properties["colour"]
    with pytest.raises(millpond.InvalidArgumentError):
        pool.properties["colour"] = "blue"
    with pytest.raises(millpond.InvalidArgumentError, match="can be set but not deleted"):
        del pool.properties["size"]


def test_attributes_are_a_mapping(pool: Pool) -> None:
    notes = pool.attributes
    assert dict(notes) == {}
    notes["owner"] = "Zoë"
    notes.update(project="weir", phase="2")
    assert dict(Pool.open("lab").attributes) == {"owner": "Zoë", "phase": "2", "project": "weir"}
    del notes["phase"]
    assert "phase" not in notes
    assert len(notes) == 2
    assert notes.pop("phase", "none") == "none"
    with pytest.raises(millpond.KeyNotFound, match="attributes of file://"):
        notes["phase"]
    with pytest.raises(KeyError):
        del notes["phase"]


def test_destroy(pool: Pool, home: Path) -> None:
    pool.create_container("kv").close()
    with pytest.raises(millpond.BusyError, match="by force"):
        Pool.destroy("lab")
    Pool.destroy("lab", force=True)
    assert Pool.list() == []
    assert not (home / "lab").exists()
    with pytest.raises(millpond.NotFoundError):
        pool.query()


def test_a_pool_in_memory() -> None:
    scratch = Pool.create("mem:scratch-of-test-pool")
    kv = scratch.create_container("kv").create_dict("d")
    kv["a"] = b"1"
    assert millpond.Container.open("mem:scratch-of-test-pool/kv").dict("d")["a"] == b"1"
    del kv
    Pool.destroy("mem:scratch-of-test-pool", force=True)


def test_a_pool_is_open_until_it_is_closed(pool: Pool) -> None:
    with pytest.raises(millpond.BusyError, match="is open"):
        Pool.destroy("lab")
    with pool as same:
        assert same is pool
        assert repr(pool) == f"<millpond.Pool lab at {pool.url}>"
    assert repr(pool) == f"<millpond.Pool at {pool.url}, closed>"
    for use in (lambda: pool.label, pool.query, pool.containers, lambda: pool.create_container("kv")):
        with pytest.raises(millpond.ClosedError, match="open it again"):
            use()
    pool.close()
    Pool.destroy("lab")


def test_a_container_outlives_the_handle_of_its_pool(pool: Pool) -> None:
    container = pool.create_container("kv")
    pool.close()
    assert container.create_dict("d") == {}
    assert container.pool.label == "lab"


@pytest.mark.parametrize("label", ["", "a/b", "a b", "ü", "x" * 128, ".."])
def test_a_label_has_its_alphabet(label: str) -> None:
    with pytest.raises(millpond.InvalidArgumentError):
        Pool.create(label)


def test_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert millpond.home() == home
    monkeypatch.delenv("MILLPOND_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert millpond.home() == Path("/somewhere/millpond")

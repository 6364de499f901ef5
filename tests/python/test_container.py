"""The class Container."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import millpond
import pytest
from millpond import Container, Pool


def test_a_container_is_found_by_name_uuid_and_url(pool: Pool) -> None:
    created = pool.create_container("kv")
    assert created.label == "kv"
    assert isinstance(created.uuid, UUID)
    assert created.url == f"{pool.url}/kv"
    assert created.pool.uuid == pool.uuid
    for name in ("lab/kv", f"lab/{created.uuid}", f"{pool.uuid}/kv", created.url):
        assert Container.open(name).uuid == created.uuid
    assert pool.container("kv").uuid == created.uuid
    assert pool.container(str(created.uuid)).label == "kv"


def test_a_container_needs_no_label(pool: Pool) -> None:
    created = pool.create_container()
    assert created.label is None
    assert str(created.uuid) in repr(created)
    assert Container.open(created.url).uuid == created.uuid


def test_a_path_of_the_unified_namespace(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stand-in"
    created = pool.create_container("kv", path=path, type="posix")
    assert path.is_dir()
    assert created.query().path == str(path)
    assert Container.open_path(path).uuid == created.uuid
    assert Container.open(path).uuid == created.uuid
    assert Container.open(str(path)).uuid == created.uuid
    monkeypatch.chdir(tmp_path)
    assert Container.open("./stand-in").uuid == created.uuid
    with pytest.raises(millpond.NotFoundError):
        Container.open_path(tmp_path)


def test_type_and_durability(pool: Pool) -> None:
    plain = pool.create_container("plain")
    assert (plain.type, plain.durability, plain.read_only) == ("PYTHON", "sync", False)
    fast = pool.create_container("fast", type="hdf5", durability="async", log_size="4MiB")
    assert (fast.type, fast.durability) == ("HDF5", "async")
    assert fast.properties["log-size"] == str(4 << 20)
    assert (plain.properties["inline-size"], fast.properties["inline-size"]) == ("2048", "512")
    assert pool.container("fast", durability="sync").durability == "sync"
    with pytest.raises(ValueError, match='"sync" or "async"'):
        pool.container("fast", durability="later")  # type: ignore[arg-type]
    with pytest.raises(millpond.InvalidArgumentError, match="POSIX"):
        pool.create_container("odd", type="ODD")


def test_dictionaries_are_a_mapping_of_names(container: Container) -> None:
    first = container.create_dict("b")
    container.create_dict("a")["k"] = b"v"
    names = container.dicts
    assert list(names) == ["a", "b"]
    assert len(names) == 2
    assert "a" in names
    assert "c" not in names
    assert 3 not in names
    assert names["a"]["k"] == b"v"
    assert {name: len(kv) for name, kv in names.items()} == {"a": 1, "b": 0}
    del names["b"]
    assert list(names) == ["a"]
    with pytest.raises(KeyError, match="dictionaries of file://"):
        names["b"]
    with pytest.raises(KeyError):
        del names["b"]
    with pytest.raises(millpond.NotFoundError):
        len(first)


def test_create_and_open_dictionaries(container: Container) -> None:
    with pytest.raises(millpond.NotFoundError, match="create it first"):
        container.dict("d")
    assert container.open_or_create_dict("d") == {}
    container.dict("d")["a"] = b"1"
    assert container.open_or_create_dict("d") == {b"a": b"1"}
    with pytest.raises(millpond.AlreadyExistsError):
        container.create_dict("d")
    container.destroy_dict("d")
    assert container.create_dict("d") == {}


def test_query(container: Container) -> None:
    container.create_dict("d").bput({f"{number}": b"x" * 10_000 for number in range(10)})
    info = container.query()
    assert (info.label, info.uuid, info.pool, info.type) == ("kv", container.uuid, "lab", "PYTHON")
    assert (info.durability, info.dicts) == ("async", 1)
    assert info.statistics.bytes_segments >= 100_000
    assert info.statistics.processes == 1
    assert info.properties["durability"] == "async"


def test_properties_and_attributes(container: Container) -> None:
    container.properties["durability"] = "sync"
    assert Container.open("lab/kv").durability == "sync"
    with pytest.raises(millpond.InvalidArgumentError):
        container.properties["type"] = "POSIX"
    container.attributes["note"] = "dry season"
    assert dict(Container.open("lab/kv").attributes) == {"note": "dry season"}
    container.attributes.clear()
    assert not container.attributes


def test_what_was_put_is_there_after_a_reopen(pool: Pool) -> None:
    entries = {b"%d" % number: bytes([number % 256]) * number for number in range(0, 5000, 7)}
    with pool.create_container("kv") as container:
        container.create_dict("d").bput(entries)
    with Container.open("lab/kv") as container:
        assert container.dict("d") == entries


def test_scrub(container: Container) -> None:
    container.create_dict("d").bput({f"{number}": b"y" * 3000 for number in range(100)})
    assert container.query().last_scrub is None
    told: list[tuple[int, int]] = []
    report = container.scrub(rate=1 << 30, progress=lambda done, total: told.append((done, total)))
    assert report.healthy
    assert told[-1] == (report.bytes, report.bytes)
    last = container.query().last_scrub
    assert last is not None
    assert (last.bytes, last.damages) == (report.bytes, 0)
    assert [one.container for one in container.pool.scrub()] == [container.url]


def test_progress_ends_a_scrub(container: Container) -> None:
    def stop(_done: int, _total: int) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        container.scrub(progress=stop)
    assert container.query().last_scrub is None
    with pytest.raises(millpond.InvalidArgumentError):
        container.scrub(rate=0)


def test_flush_compact_and_check(container: Container) -> None:
    kv = container.create_dict("d")
    for _ in range(3):
        kv.bput({f"{number}": b"y" * 3000 for number in range(100)})
    container.flush()
    assert container.query().statistics.epoch_synced == container.query().statistics.epoch
    container.compact()
    report = container.check()
    assert report.healthy
    assert report.bytes > 0
    assert (report.damages, report.leaked, report.relinked) == ([], [], [])
    assert len(kv) == 100


def test_read_only(container: Container) -> None:
    container.create_dict("d")["a"] = b"1"
    reader = Container.open("lab/kv", read_only=True)
    assert reader.read_only
    kv = reader.dict("d")
    assert kv["a"] == b"1"
    for change in (
        lambda: kv.put("a", b"2"),
        lambda: kv.bput({"a": b"2"}),
        lambda: kv.pop("a"),
        lambda: kv.popitem(),
        lambda: kv.discard("b"),
        lambda: kv.setdefault("b", b"2"),
        lambda: kv.clear(),
        lambda: kv.writer("a"),
        lambda: reader.create_dict("e"),
        lambda: reader.destroy_dict("d"),
    ):
        with pytest.raises(millpond.ReadOnlyError) as caught:
            change()
        assert isinstance(caught.value, PermissionError)
    assert container.dict("d") == {b"a": b"1"}


def test_a_closed_container_says_so(container: Container) -> None:
    kv = container.create_dict("d")
    kv["a"] = b"1"
    entries = iter(kv)
    container.close()
    container.close()
    for use in (
        lambda: kv["a"],
        lambda: kv.put("a", b"2"),
        lambda: len(kv),
        lambda: list(kv),
        lambda: container.dict("d"),
        lambda: container.query(),
        lambda: list(container.dicts),
    ):
        with pytest.raises(millpond.ClosedError, match="open it again"):
            use()
    del entries
    assert Container.open("lab/kv").dict("d")["a"] == b"1"


def test_a_container_in_use_is_destroyed_by_force_alone(pool: Pool) -> None:
    container = pool.create_container("kv")
    kv = container.create_dict("d")
    with pytest.raises(millpond.BusyError, match="force"):
        pool.destroy_container("kv")
    pool.destroy_container("kv", force=True)
    for use in (lambda: kv.put("a", b"2"), lambda: container.create_dict("e")):
        with pytest.raises(millpond.Error) as caught:
            use()
        assert isinstance(caught.value, (millpond.ClosedError, millpond.NotFoundError))
    assert pool.containers() == []


def test_destroy(pool: Pool) -> None:
    pool.create_container("kv").close()
    pool.destroy_container("kv")
    with pytest.raises(millpond.NotFoundError):
        Container.open("lab/kv")


def test_repr(container: Container) -> None:
    assert repr(container) == "<millpond.Container lab/kv, PYTHON, async>"
    assert "read-only" in repr(Container.open("lab/kv", read_only=True))

"""PyDAOS's DCont and check, behaviour by behaviour."""

from __future__ import annotations

from pathlib import Path

import millpond
import pytest
from millpond.compat.pydaos import DCont, DDict, DObjNotFound, InvalidModeError, PyDError, check


@pytest.fixture
def store(pool: millpond.Pool, tmp_path: Path) -> DCont:
    pool.create_container("kvstore", durability="async", path=tmp_path / "path").close()
    return DCont("lab", "kvstore")


def test_opening_by_labels_uuids_and_keywords(store: DCont, pool: millpond.Pool) -> None:
    (summary,) = pool.containers()
    store.dict("d").put("a", "1")
    for other in (
        DCont("lab", "kvstore", None),
        DCont(pool="lab", cont="kvstore"),
        DCont(str(pool.uuid), str(summary.uuid)),
    ):
        assert other.get("d")["a"] == b"1"
        assert other["d"]["a"] == b"1"


def test_a_path_wins_over_labels(store: DCont, tmp_path: Path) -> None:
    store.dict("d")
    for path in (tmp_path / "path", str(tmp_path / "path")):
        by_path = DCont("no pool", "no container", path)
        assert by_path.get("d") == {}
        assert str(by_path) == "lab/kvstore"


def test_str_and_repr(store: DCont) -> None:
    assert str(store) == "lab/kvstore"
    assert repr(store) == "daos://lab/kvstore"


def test_open_mode(store: DCont) -> None:
    store.dict("d", {"a": "1"})
    reader = DCont("lab", "kvstore", open_mode="RO")
    assert reader.get("d")["a"] == b"1"
    with pytest.raises(PyDError) as caught:
        reader.get("d")["a"] = "2"
    assert caught.value.error.name == "DER_NO_PERM"
    for mode in ("R", "ro", "WR", ""):
        with pytest.raises(InvalidModeError):
            DCont("lab", "kvstore", open_mode=mode)
    with pytest.raises(ValueError, match="'RW' or 'RO'"):
        DCont("lab", "kvstore", open_mode="x")


def test_what_cant_be_opened(pool: millpond.Pool, tmp_path: Path) -> None:
    for arguments in (("lake", "kv"), ("lab", "kv"), (None, None, tmp_path)):
        with pytest.raises(PyDError) as caught:
            DCont(*arguments)
        assert caught.value.error.err == -1005
        assert caught.value.error.name == "DER_NONEXIST"
        assert "failed to access container" in str(caught.value)
    for nothing in ((), ("lab",), (None, "kv")):
        with pytest.raises(PyDError, match="DER_INVAL"):
            DCont(*nothing)


def test_an_object_that_isnt_there(store: DCont) -> None:
    with pytest.raises(DObjNotFound) as caught:
        store.get("d")
    assert caught.value.name == "d"
    assert str(caught.value) == "Failed to open 'd'"
    with pytest.raises(DObjNotFound):
        store["d"]
    with pytest.raises(DObjNotFound):
        store.destroy("d")


def test_creating(store: DCont) -> None:
    created = store.dict("d", {"a": "1", b"b": b"2", "nothing": ""})
    assert isinstance(created, DDict)
    assert created.dump() == {"a": b"1", "b": b"2"}
    assert store.dict("large", {"a": "1"}, "OC_S1").name == "large"
    assert store.dict("replicated", cid="OC_RP_2G1") == {}
    with pytest.raises(PyDError) as caught:
        store.dict("d")
    assert (caught.value.error.err, caught.value.error.name) == (-1004, "DER_EXIST")
    with pytest.raises(PyDError, match="DER_INVAL"):
        store.dict("e", cid="S1")
    with pytest.raises(DObjNotFound):
        store.get("e")


def test_a_dictionary_whose_content_is_refused_isnt_created(store: DCont) -> None:
    with pytest.raises(TypeError):
        store.dict("d", {"a": 1})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="NUL"):
        store.dict("d", {"a\0": "1"})
    assert store.dict("d") == {}


def test_arrays_dont_exist_yet(store: DCont) -> None:
    with pytest.raises(PyDError) as caught:
        store.array("a", [1, 2])
    assert (caught.value.error.err, caught.value.error.name) == (-1010, "DER_NOSYS")


def test_destroying(store: DCont) -> None:
    store.dict("d", {"a": "1"})
    store.destroy("d")
    with pytest.raises(DObjNotFound):
        store.get("d")
    assert store.dict("d") == {}


def test_it_is_open_as_long_as_it_is_in_use(store: DCont, pool: millpond.Pool) -> None:
    store.dict("d")
    mapping = DCont("lab", "kvstore").get("d")
    del store
    mapping["a"] = "1"
    assert mapping["a"] == b"1"


def test_check(store: DCont) -> None:
    store.dict("d", {"a": "1"})
    assert check("lab", "kvstore") == []
    with pytest.raises(PyDError, match="DER_NONEXIST"):
        check("lab", "nothing")


def test_check_names_damage(pool: millpond.Pool, home: Path) -> None:
    with pool.create_container("kvstore") as container:
        container.create_dict("d")["a"] = b"x" * 100_000
        directory = home / "lab" / "containers" / str(container.uuid)
    (segment,) = (directory / "segments").iterdir()
    content = bytearray(segment.read_bytes())
    content[50_000] ^= 1
    segment.write_bytes(content)
    with pytest.raises(PyDError) as caught:
        DCont("lab", "kvstore").get("d")["a"]
    assert caught.value.error.name == "DER_CSUM"
    with pytest.raises(PyDError, match="DER_DATA_LOSS"):
        check("lab", "kvstore")
    with pytest.raises(PyDError) as caught:
        DCont("lab", "kvstore").get("d")["a"]
    assert caught.value.error.name == "DER_DATA_LOSS"

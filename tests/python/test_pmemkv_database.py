"""The interface of pmemkv-python 1.0: a dict in, memoryviews to callbacks, KeyError, the mapping protocol."""

from __future__ import annotations

from pathlib import Path

import millpond
import pytest
from millpond.compat import pmemkv
from millpond.compat.pmemkv import Database
from pmemkv_engines import ANY_BYTES, PERSISTENT, VOLATILE, buffers, configuration

ENGINES = pytest.mark.parametrize("engine", ANY_BYTES)


@ENGINES
def test_records_of_any_bytes(engine: str, tmp_path: Path) -> None:
    records: dict[str | bytes, str | bytes] = {
        "key1": "value1",
        "": "empty",
        "A\0B\0\0C": "A\0B\0\0C",
        "\t\t": "",
        "记": "记 means to remember, note, record",
        "k" * 1024: "one\\ttwo or <p>three</p>\n {four}   and ^five",
        b"bytes": bytearray(b"array").decode(),
    }
    with buffers(engine, tmp_path) as db:
        for count, (key, value) in enumerate(records.items()):
            assert not db.exists(key)
            db.put(key, value)
            assert db.exists(key)
            assert db.count_all() == count + 1
        for key, value in records.items():
            assert db.get_string(key) == value
        db.put("key1", "another, longer value")
        assert db.get_string("key1") == "another, longer value"
        assert db.count_all() == len(records)


@ENGINES
def test_a_key_that_is_missing(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        called: list[object] = []
        with pytest.raises(KeyError):
            db.get("nothing", called.append)
        with pytest.raises(KeyError, match="'nothing' is not in the " + engine) as caught:
            db.get_string("nothing")
        assert isinstance(caught.value, millpond.Error)
        assert called == []
        assert db.remove("nothing") is False
        db["key"] = "value"
        assert db.remove("key") is True
        assert db.remove("key") is False


@ENGINES
def test_the_mapping_protocol(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        assert len(db) == 0
        db["b"] = "2"
        db["a"] = b"1"
        assert (len(db), db["a"], "a" in db, "c" in db) == (2, "1", True, False)
        assert sorted(db) == ["a", "b"]
        assert dict(db) == dict(db.items()) == {"a": "1", "b": "2"}
        assert sorted(db.values()) == ["1", "2"]
        del db["a"]
        for missing in (lambda: db["a"], lambda: db.__delitem__("a")):
            with pytest.raises(KeyError) as caught:
                missing()
            assert caught.value.args[0] == "a"


def test_a_callback_sees_the_value(tmp_path: Path) -> None:
    seen: list[bytes] = []
    with buffers("vsmap", tmp_path) as db:
        db["key"] = "123"
        db.get("key", lambda value: seen.append(memoryview(value)[0:2].tobytes()))
        key = "key"
        db.get(key, lambda value: seen.append(key.encode() + bytes(value)))
        with pytest.raises(IndexError):
            db.get("key", lambda value: memoryview(value)[4])
        with pytest.raises(TypeError):
            db.get("key")  # type: ignore[call-arg]
    assert seen == [b"12", b"key123"]


def test_blackhole_takes_everything_and_has_nothing(tmp_path: Path) -> None:
    with Database("blackhole", {}) as db:
        db.put("key1", "value123")
        assert db.count_all() == 0
        assert not db.exists("key1")
        assert db.remove("key1")
        with pytest.raises(KeyError):
            db.get_string("key1")
        with pytest.raises(KeyError):
            db.get_all(print)
        assert list(db) == []


@pytest.mark.parametrize("engine", VOLATILE)
def test_volatile_databases_have_nothing_in_common_and_leave_nothing(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as one, buffers(engine, tmp_path) as other:
        one["1"] = "A"
        other["2"] = "B"
        assert "1" not in other
    with buffers(engine, tmp_path) as again:
        assert len(again) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", [engine for engine in PERSISTENT if engine in ANY_BYTES])
def test_persistent_databases_are_found_again(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        db.put_many({f"key{n}": f"value{n}" for n in range(100)})
    with Database(engine, {"path": str(tmp_path / "store")}) as db:
        assert len(db) == 100
        assert db["key99"] == "value99"


@ENGINES
def test_a_stopped_database_says_so(engine: str, tmp_path: Path) -> None:
    db = buffers(engine, tmp_path)
    db["key"] = "value"
    assert repr(db) == f"<Database {engine}>"
    db.stop()
    db.stop()
    assert db.stopped
    assert repr(db) == f"<Database {engine}, stopped>"
    for call in (
        lambda: db.put("key", "value"),
        lambda: db.get_string("key"),
        lambda: db.exists("key"),
        lambda: db.count_all(),
        lambda: db.get_all(print),
        lambda: list(db),
    ):
        with pytest.raises(pmemkv.InvalidArgument):
            call()


def test_with_stops_it_whatever_happens(tmp_path: Path) -> None:
    db = buffers("vsmap", tmp_path)
    with pytest.raises(ZeroDivisionError), db:
        raise ZeroDivisionError
    assert db.stopped


@pytest.mark.parametrize(
    ("engine", "config", "kind"),
    [
        ("vsmap", {}, pmemkv.InvalidArgument),
        ("nope.nope", {"path": "/dev/shm", "size": 1 << 30}, pmemkv.WrongEngineName),
        ("vsmap", {"path": 1234, "size": 1 << 30}, pmemkv.ConfigTypeError),
        ("vsmap", {"path": "/tmp/1/2/3/nope", "size": 1 << 30}, pmemkv.Error),
        ("vsmap", {"path": "/dev/shm", "size": "much"}, pmemkv.ConfigTypeError),
    ],
)
def test_what_cannot_be_opened(engine: str, config: dict[str, object], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Database(engine, config)


@pytest.mark.parametrize("config", [None, 3, ["path"], b"{}"])
def test_a_configuration_is_a_dict_or_text(config: object) -> None:
    with pytest.raises(TypeError, match="a configuration is a dict, or JSON as text"):
        Database("vsmap", config)  # type: ignore[call-overload]


@pytest.mark.parametrize("wrong", [None, 3, 1.5, ["key"]])
def test_keys_and_values_are_text_or_bytes(tmp_path: Path, wrong: object) -> None:
    with buffers("vsmap", tmp_path) as db:
        with pytest.raises(TypeError):
            db.put(wrong, "value")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            db.put("key", wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            wrong in db  # type: ignore[operator]  # noqa: B015
        assert len(db) == 0


def test_programs_derive_classes_from_it(tmp_path: Path) -> None:
    class Cache(Database[memoryview]):
        def __init__(self, directory: Path) -> None:
            super().__init__("vcmap", configuration("vcmap", directory))

        def visits(self, name: str) -> int:
            self.put(name, str(int(self[name]) + 1 if name in self else 1))
            return int(self[name])

    with Cache(tmp_path) as cache:
        assert [cache.visits("page") for _ in range(3)] == [1, 2, 3]

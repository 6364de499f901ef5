"""The interface that the article on pmemkv's Python bindings describes: JSON in, text and bytes out."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from millpond.compat import pmemkv
from millpond.compat.pmemkv import Database
from pmemkv_engines import text

# Every method, with its parameters as the article has them.
METHODS = {
    "stop": [],
    "get_keys": ["func"],
    "get_keys_above": ["key", "func"],
    "get_keys_below": ["key", "func"],
    "get_keys_between": ["key1", "key2", "func"],
    "get_keys_strings": ["func", "encoding"],
    "get_keys_strings_above": ["key", "func", "encoding"],
    "get_keys_strings_below": ["key", "func", "encoding"],
    "get_keys_strings_between": ["key1", "key2", "func", "encoding"],
    "count_all": [],
    "count_above": ["key"],
    "count_below": ["key"],
    "count_between": ["key1", "key2"],
    "get_all": ["func"],
    "get_above": ["key", "func"],
    "get_below": ["key", "func"],
    "get_between": ["key1", "key2", "func"],
    "get_all_string": ["func", "encoding"],
    "get_all_strings": ["func", "encoding"],
    "get_string_above": ["key", "func", "encoding"],
    "get_string_below": ["key", "func", "encoding"],
    "get_string_between": ["key1", "key2", "func", "encoding"],
    "exists": ["key"],
    "get": ["key"],
    "get_string": ["key", "encoding"],
    "put": ["key", "value"],
    "remove": ["key"],
}

RECORDS = {"A": "1", "AB": "2", "AC": "3", "B": "4", "BB": "5", "BC": "6", "é": "ü"}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database[str]]:
    with text("vsmap", tmp_path) as db:
        for key, value in RECORDS.items():
            db.put(key, value)
        yield db


def test_the_usage_line() -> None:
    db = Database("vsmap", '{"path":"/dev/shm/","size":1073741824}')
    assert not db.stopped
    db.put("key1", "value1")
    assert db.get("key1") == "value1"
    db.stop()
    assert db.stopped
    db.stop()


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_the_articles_parameters(name: str) -> None:
    parameters = list(inspect.signature(getattr(Database, name)).parameters.values())[1:]
    assert [parameter.name for parameter in parameters][: len(METHODS[name])] == METHODS[name]
    # What comes behind them, and an encoding, may be left out.
    assert all(
        parameter.default is not inspect.Parameter.empty
        for parameter in parameters
        if parameter.name == "encoding" or parameter.name not in METHODS[name]
    )


def test_values_are_text_and_none_where_there_is_none(db: Database[str]) -> None:
    assert db.get("A") == "1"
    assert db.get("é") == "ü"
    assert db.get("nothing") is None
    assert db.get_string("nothing") is None
    assert db.exists("A") is True
    assert db.exists("nothing") is False
    assert db.remove("A") is True
    assert db.remove("A") is False
    assert db.get("A") is None
    assert db.put("A", "again") == 0


def test_strings_are_bytes_in_an_encoding(db: Database[str]) -> None:
    assert db.get_string("é") == "ü".encode()
    assert db.get_string("é", "utf-8") == "ü".encode()
    assert db.get_string("é", encoding="latin-1") == b"\xfc"
    assert db.get_string("é", "utf-16-le") == b"\xfc\0"
    with pytest.raises(LookupError):
        db.get_string("é", "no-such-encoding")
    with pytest.raises(UnicodeEncodeError):
        db.get_string("é", "ascii")


def test_bytes_that_are_no_text(db: Database[str]) -> None:
    db.put(b"\xff", b"\xfe\0")
    assert db.get_string(b"\xff") == b"\xfe\0"
    with pytest.raises(UnicodeDecodeError):
        db.get(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        db.get_string(b"\xff", "utf-16")


# Which records a range has, and with what it is asked for.
RANGES = [
    ("", (), list(RECORDS)),
    ("_above", ("B",), ["BB", "BC", "é"]),
    ("_below", ("B",), ["A", "AB", "AC"]),
    ("_between", ("A", "B"), ["AB", "AC"]),
    ("_between", ("B", "A"), []),
    ("_between", ("A", "A"), []),
    ("_above", ("",), list(RECORDS)),
]


@pytest.mark.parametrize(("suffix", "bounds", "keys"), RANGES)
def test_keys(db: Database[str], suffix: str, bounds: tuple[str, ...], keys: list[str]) -> None:
    seen: list[object] = []
    assert getattr(db, f"get_keys{suffix}")(*bounds, seen.append) == 0
    assert seen == keys
    seen.clear()
    assert getattr(db, f"get_keys_strings{suffix}")(*bounds, seen.append) == 0
    assert seen == [key.encode() for key in keys]
    seen.clear()
    getattr(db, f"get_keys_strings{suffix}")(*bounds, seen.append, "latin-1")
    assert seen == [key.encode("latin-1") for key in keys]
    assert getattr(db, f"count{suffix or '_all'}")(*bounds) == len(keys)


@pytest.mark.parametrize(("suffix", "bounds", "keys"), RANGES)
def test_records(db: Database[str], suffix: str, bounds: tuple[str, ...], keys: list[str]) -> None:
    seen: list[tuple[object, object]] = []

    def func(key: object, value: object) -> None:
        seen.append((key, value))

    assert getattr(db, f"get{suffix or '_all'}")(*bounds, func) == 0
    assert seen == [(key, RECORDS[key]) for key in keys]
    for name in [f"get_string{suffix}"] if suffix else ["get_all_string", "get_all_strings"]:
        seen.clear()
        assert getattr(db, name)(*bounds, func) == 0
        assert seen == [(key.encode(), RECORDS[key].encode()) for key in keys]
        seen.clear()
        getattr(db, name)(*bounds, func=func, encoding="utf-16-le")
        assert seen == [(key.encode("utf-16-le"), RECORDS[key].encode("utf-16-le")) for key in keys]


@pytest.mark.parametrize(
    ("engine", "config", "kind"),
    [
        ("vsmap", "{", "ConfigParsingError"),
        ("vsmap", "“quoted”", "ConfigParsingError"),
        ("vsmap", "{}", "InvalidArgument"),
        ("vsmap", '{"path":1234,"size":1073741824}', "ConfigTypeError"),
        ("nope.nope", '{"path":"/dev/shm","size":1073741824}', "WrongEngineName"),
    ],
)
def test_what_cannot_be_opened_is_a_value_error(engine: str, config: str, kind: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (its message is the engine's)
        Database(engine, config)
    assert type(caught.value) is getattr(pmemkv, kind)
    assert str(caught.value)


def test_blackhole_shows_nothing() -> None:
    db = Database("blackhole", "{}")
    seen: list[object] = []
    assert db.put("key", "value") == 0
    assert db.get("key") is None
    assert db.get_keys(seen.append) == db.get_keys_strings(seen.append) == 0
    assert db.get_all(lambda *record: seen.append(record)) == 0
    assert db.get_all_strings(lambda *record: seen.append(record)) == 0
    assert seen == []
    db.stop()

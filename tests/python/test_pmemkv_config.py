"""The configuration of engines, as a dict and as JSON: what is made, opened and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import millpond
import pytest
from millpond.compat import pmemkv
from millpond.compat.pmemkv import Database
from pmemkv_engines import PERSISTENT, SIZE

Open = Callable[..., Database[Any]]


def by_dict(engine: str, **items: object) -> Database[memoryview]:
    return Database(engine, items)


def by_json(engine: str, **items: object) -> Database[str]:
    return Database(engine, json.dumps(items))


@pytest.fixture(params=[by_dict, by_json])
def opened(request: pytest.FixtureRequest) -> Open:
    function: Open = request.param
    return function


@pytest.mark.parametrize("engine", PERSISTENT)
def test_the_flags_say_whether_a_store_may_be_there(opened: Open, engine: str, tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    for items in (
        {"size": SIZE},
        {"create_if_missing": 1},
        {"size": SIZE, "create_if_missing": 1, "create_or_error_if_exists": 1},
        {"size": 1 << 20, "create_if_missing": 1},
    ):
        with pytest.raises(pmemkv.InvalidArgument):
            opened(engine, path=path, **items)
    assert not (tmp_path / "store").exists()
    with opened(engine, path=path, size=SIZE, create_or_error_if_exists=True) as db:
        db.put(b"8 bytes.", b"value...")
    for flag in ("create_or_error_if_exists", "force_create"):
        with pytest.raises(pmemkv.InvalidArgument):
            opened(engine, path=path, size=SIZE, **{flag: 1})
    for flags in ({}, {"create_if_missing": 1}, {"create_if_missing": 0, "durability": "async"}):
        with opened(engine, path=path, **flags) as db:
            assert db["8 bytes."] == "value..."


def test_another_engine_does_not_open_it(opened: Open, tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    opened("cmap", path=path, size=SIZE, create_if_missing=1).stop()
    with pytest.raises(pmemkv.InvalidArgument, match="by the engine cmap"):
        opened("stree", path=path, size=SIZE, create_if_missing=1)


@pytest.mark.parametrize("engine", ["csmap", "stree", "vsmap"])
@pytest.mark.parametrize(
    ("comparator", "keys"),
    [
        (None, ["B", "a", "bb", "c"]),
        ("bytes", ["B", "a", "bb", "c"]),
        ("reverse", ["c", "bb", "a", "B"]),
        ("tests.caseless", ["a", "B", "bb", "c"]),
    ],
)
def test_keys_are_in_the_order_of_a_comparator(
    opened: Open, engine: str, comparator: str | None, keys: list[str], tmp_path: Path
) -> None:
    millpond.register_comparator("tests.caseless", bytes.lower)
    path = str(tmp_path if engine == "vsmap" else tmp_path / "store")
    items = {"path": path, "size": SIZE, "create_if_missing": 1}
    order = {} if comparator is None else {"comparator": comparator}
    with opened(engine, **items, **order) as db:
        db.put_many(dict.fromkeys(sorted(keys), "value"))
        assert list(db) == keys
        seen: list[str] = []
        db.get_keys_strings_between(keys[0], keys[-1], lambda key: seen.append(key.decode()))
        assert seen == keys[1:-1]
        assert db.count_above(keys[1]) == 2
    if engine != "vsmap":
        with pytest.raises(pmemkv.ComparatorMismatch):
            opened(engine, path=path, comparator="integer")
        with opened(engine, path=path, **order) as db:
            assert list(db) == keys


@pytest.mark.parametrize(
    ("items", "kind"),
    [
        ({"size": SIZE}, pmemkv.InvalidArgument),
        ({"path": 7, "size": SIZE}, pmemkv.ConfigTypeError),
        ({"path": "store", "size": -1, "create_if_missing": 1}, pmemkv.ConfigTypeError),
        ({"path": "store", "size": "64", "create_if_missing": 1}, pmemkv.ConfigTypeError),
        ({"path": "store", "size": SIZE, "create_if_missing": "1"}, pmemkv.ConfigTypeError),
        ({"path": "/dev/null", "size": SIZE, "create_if_missing": 1}, pmemkv.InvalidArgument),
        (
            {"path": "store", "size": SIZE, "create_if_missing": 1, "durability": "?"},
            pmemkv.InvalidArgument,
        ),
        ({"oid": {"offset": 1}}, pmemkv.NotSupported),
        ({"path": 1.5, "size": SIZE}, pmemkv.ConfigParsingError),
        ({"path": None, "size": SIZE}, pmemkv.ConfigParsingError),
    ],
)
def test_what_is_impossible_is_refused(
    opened: Open,
    items: dict[str, object],
    kind: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind):
        opened("stree", **items)
    assert list(tmp_path.iterdir()) == []


def test_a_comparator_has_to_be_registered_where_an_engine_takes_one(opened: Open, tmp_path: Path) -> None:
    items = {"path": str(tmp_path / "store"), "size": SIZE, "create_if_missing": 1}
    with pytest.raises(pmemkv.InvalidArgument, match="nobody registered this"):
        opened("stree", **items, comparator="nobody registered this")
    with pytest.raises(pmemkv.NotSupported):
        opened("radix", **items, comparator="reverse")


def test_what_an_engine_does_not_know_is_ignored(opened: Open, tmp_path: Path) -> None:
    with opened("vcmap", path=str(tmp_path), size=SIZE, colour="blue", create_if_missing=1) as db:
        assert len(db) == 0


def test_a_path_may_be_a_path(tmp_path: Path) -> None:
    with Database("vsmap", {"path": tmp_path, "size": SIZE}) as db:
        assert db.name == "vsmap"

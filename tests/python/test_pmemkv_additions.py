"""What a database has beyond pmemkv-python: batches, swaps, writes in place, iterators, transactions."""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from millpond.compat import pmemkv
from millpond.compat.pmemkv import Database
from pmemkv_engines import ANY_BYTES, PERSISTENT, VOLATILE, buffers, text

ENGINES = pytest.mark.parametrize("engine", ANY_BYTES)

# What the manual says of each engine.
TRAITS = {
    "cmap": {"persistent", "concurrent"},
    "csmap": {"persistent", "concurrent", "sorted"},
    "radix": {"persistent", "sorted", "transactions"},
    "stree": {"persistent", "sorted"},
    "tree3": {"persistent"},
    "robinhood": {"persistent", "concurrent"},
    "vsmap": {"sorted"},
    "vcmap": {"concurrent"},
}


@pytest.mark.parametrize("engine", [*PERSISTENT, *VOLATILE])
def test_traits_are_the_manuals(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        assert db.name == engine
        traits = db.traits
        asked = ("persistent", "concurrent", "sorted", "transactions")
        assert {name for name in asked if traits[name]} == TRAITS[engine]


@ENGINES
def test_batches(engine: str, tmp_path: Path) -> None:
    mapping: dict[str, str | bytes] = {"a": "1", "b": b"2"}
    pairs: list[tuple[Any, Any]] = [(b"c", "3"), (bytearray(b"d"), memoryview(b"4"))]
    wrong: Any = ("f", 6)
    with text(engine, tmp_path) as db:
        db.put_many(mapping)
        db.put_many(iter(pairs))
        db.put_many(dict[str, str]())
        assert db.get_many(["a", b"c", "nothing"]) == {b"a": b"1", b"c": b"3", b"nothing": None}
        assert db.get_many([]) == {}
        assert dict(db) == {"a": "1", "b": "2", "c": "3", "d": "4"}
        with pytest.raises(TypeError):
            db.put_many([*pairs, ("e", "5"), wrong])
        assert "e" not in db


@ENGINES
def test_a_range_of_a_value_is_written_in_place(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        db["key"] = "0123456789"
        before = db.get_view("key")
        assert db.update_in_place("key", 3, b"---") is True
        assert db["key"] == "012---6789"
        assert db.update_in_place("key", 9, "!") is True
        assert db.update_in_place("nothing", 0, "!") is False
        for offset in (8, 10, 1 << 40):
            with pytest.raises(pmemkv.InvalidArgument):
                db.update_in_place("key", offset, "---")
        assert db["key"] == "012---678!"
        assert before == b"0123456789"
        assert db.get_view("nothing") is None


@ENGINES
def test_numpy_takes_a_view_as_it_is(engine: str, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    field = numpy.linspace(0, 1, 10_000)
    with buffers(engine, tmp_path) as db:
        db.put("field", field)
        view = db.get_view("field")
        assert view is not None
        seen = numpy.frombuffer(view)
        assert not seen.flags.owndata
        db.remove("field")
    assert (seen == field).all()


@ENGINES
def test_swaps(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        assert db.compare_and_swap("key", None, "1")
        assert not db.compare_and_swap("key", None, "2")
        assert not db.compare_and_swap("key", "2", "3")
        assert db.compare_and_swap("key", b"1", "3")
        assert db["key"] == "3"
        assert not db.compare_and_swap("key", "1", None)
        assert db.compare_and_swap("key", "3", None)
        assert "key" not in db


@pytest.mark.parametrize("engine", ["cmap", "vsmap", "vcmap"])
def test_sixteen_threads_that_swap_lose_nothing(engine: str, tmp_path: Path) -> None:
    number = struct.Struct("<q")
    threads, turns = 16, 25
    with buffers(engine, tmp_path) as db:
        db.put("count", number.pack(0))

        def count() -> None:
            for _ in range(turns):
                while True:
                    seen = db.get_view("count")
                    assert seen is not None
                    if db.compare_and_swap("count", seen, number.pack(number.unpack(seen)[0] + 1)):
                        break

        running = [threading.Thread(target=count) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        assert db.get_view("count") == number.pack(threads * turns)


@pytest.mark.parametrize("engine", ["radix", "stree", "vsmap"])
def test_iterators_seek_and_step_both_ways(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        db.put_many({"a": "0", "b": "1", "d": "22", "e": "333"})
        steps = db.iterator()
        assert steps.seek("b")
        assert bytes(steps.key()) == b"b"
        assert steps.seek_higher("b")
        assert bytes(steps.key()) == b"d"
        assert steps.seek_lower_eq("c")
        assert bytes(steps.key()) == b"b"
        assert not steps.seek("c")
        steps.to_last()
        assert bytes(steps.key()) == b"e"
        assert not steps.is_next()
        assert bytes(steps.read_range(1, 2)) == b"33"
        assert steps.prev()
        assert bytes(steps.key()) == b"d"
        steps.to_first()
        assert bytes(steps.key()) == b"a"
        assert steps.is_next()
        assert steps.next()
        assert bytes(steps.key()) == b"b"


@pytest.mark.parametrize("engine", ["csmap", "stree", "vsmap", "vcmap", "cmap"])
def test_an_iterator_that_writes_commits_or_aborts(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        db["key"] = "0123456789"
        steps = db.iterator(write=True)
        assert steps.seek("key")
        steps.write_range(0, b"ab")
        assert db["key"] == "0123456789"
        steps.abort()
        assert db["key"] == "0123456789"
        steps.write_range(0, b"ab")
        steps.write_range(8, b"yz")
        steps.commit()
        assert db["key"] == "ab234567yz"


def test_what_an_engine_does_not_do(tmp_path: Path) -> None:
    with buffers("tree3", tmp_path) as db:
        for call in (db.iterator, db.transaction, db.defrag):
            with pytest.raises(pmemkv.NotSupported, match="tree3"):
                call()
    with buffers("vcmap", tmp_path) as db, pytest.raises(NotImplementedError):
        db.iterator().to_last()


def test_a_transaction_is_invisible_until_it_is_committed(tmp_path: Path) -> None:
    with buffers("radix", tmp_path) as db:
        db["gone"] = "before"
        transaction = db.transaction()
        transaction.put("key", "value")
        transaction.remove("gone")
        assert dict(db) == {"gone": "before"}
        transaction.commit()
        assert dict(db) == {"key": "value"}
        undone = db.transaction()
        undone.put("other", "value")
        undone.abort()
        assert dict(db) == {"key": "value"}


def test_defrag_changes_nothing_that_is_seen(tmp_path: Path) -> None:
    with buffers("cmap", tmp_path) as db:
        records = {f"key{n}": f"value{n}" for n in range(500)}
        db.put_many(records)
        for n in range(0, 500, 2):
            del db[f"key{n}"]
        db.defrag()
        db.defrag(start=10, amount=40)
        with pytest.raises(pmemkv.InvalidArgument):
            db.defrag(start=90, amount=20)
        assert dict(db) == {f"key{n}": f"value{n}" for n in range(1, 500, 2)}


def test_robinhoods_keys_and_values_are_of_eight_bytes(tmp_path: Path) -> None:
    with buffers("robinhood", tmp_path) as db:
        db.put_many((struct.pack("<q", n), struct.pack("<q", n * n)) for n in range(100))
        assert db.count_all() == 100
        seen: list[memoryview] = []
        db.get(struct.pack("<q", 9), seen.append)
        assert seen == [struct.pack("<q", 81)]
        for key, value in (("short", b"8 bytes."), (b"8 bytes.", "too long for it")):
            with pytest.raises(pmemkv.InvalidArgument, match="8 bytes"):
                db.put(key, value)


@ENGINES
def test_the_size_is_enforced(engine: str, tmp_path: Path) -> None:
    path = tmp_path / "store" if engine in PERSISTENT else tmp_path
    config = {"path": str(path), "size": 16 << 20, "create_if_missing": 1}
    with Database(engine, config) as db:
        value = bytes(1 << 20)
        with pytest.raises(MemoryError) as caught:
            for number in range(64):
                db.put(f"key{number}", value)
        assert isinstance(caught.value, pmemkv.OutOfMemory)
        stored = len(db)
        assert 4 <= stored <= 16
        for number in range(stored):
            assert db.remove(f"key{number}")
        db.put("key", b"there is room again")
        assert dict(db) == {"key": "there is room again"}

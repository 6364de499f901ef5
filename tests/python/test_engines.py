"""``NativeEngine``: pmemkv's engines as ``millpond.compat.pmemkv`` finds them."""

from __future__ import annotations

import array
import gc
import json
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import millpond
import pytest
from hypothesis import given
from hypothesis import strategies as st
from millpond._millpond import NativeEngine
from millpond.compat.pmemkv import _errors as errors

PERSISTENT = ["cmap", "csmap", "radix", "stree", "tree3", "robinhood"]
VOLATILE = ["vsmap", "vcmap", "dram_vcmap"]
SORTED = ["csmap", "radix", "stree", "vsmap"]
ENGINES = [*PERSISTENT, *VOLATILE]
# Engines that take keys and values of any length.
ANY_LENGTH = [name for name in ENGINES if name != "robinhood"]

Open = Callable[..., NativeEngine]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def opened(name: str, **items: object) -> NativeEngine:
        place = tmp_path / name if name in PERSISTENT else tmp_path
        config = {"path": str(place), "size": 1 << 28, "create_if_missing": 1, **items}
        return NativeEngine(name, config)

    return opened


def eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


@pytest.mark.parametrize("name", ENGINES)
def test_records_are_put_read_and_removed(opened: Open, name: str) -> None:
    engine = opened(name)
    one, two = eight(1), eight(2)
    assert engine.get(one) is None
    assert engine.get_view(one) is None
    assert not engine.exists(one)
    assert not engine.remove(one)
    engine.put(one, two)
    engine.put(one, one)
    assert engine.get(one) == one
    assert engine.exists(one)
    assert engine.count("all") == 1
    assert engine.update(one, 6, b"ab")
    assert engine.get(one) == b"\0\0\0\0\0\0ab"
    assert not engine.update(two, 0, b"a")
    assert engine.compare_and_swap(two, None, one)
    assert not engine.compare_and_swap(two, None, one)
    assert engine.compare_and_swap(two, one, two)
    assert engine.compare_and_swap(two, two, None)
    assert engine.remove(one)
    assert list(engine.entries("all")) == []


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_text_stands_for_its_utf_8_and_buffers_for_their_bytes(opened: Open, name: str) -> None:
    engine = opened(name)
    engine.put("schlüssel", "wert €")
    assert engine.get("schlüssel".encode()) == "wert €".encode()
    engine.put(bytearray(b"key"), memoryview(b"value"))
    engine.put(b"numbers", array.array("d", [1.0, 2.0]))
    assert engine.get(memoryview(b"key")) == b"value"
    assert engine.get("numbers") == array.array("d", [1.0, 2.0]).tobytes()
    engine.put("", "")
    assert engine.get(b"") == b""
    engine.put(b"\0", b"\0\0")
    assert engine.get_many(["", b"\0", "none"]) == {b"": b"", b"\0": b"\0\0", b"none": None}
    for wrong in (1, None, 1.5, ["a"]):
        with pytest.raises(TypeError):
            engine.put(wrong, b"")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            engine.put(b"", wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ENGINES)
def test_many_records_are_put_and_read_at_once(opened: Open, name: str) -> None:
    engine = opened(name)
    records = {eight(number): eight(number + 1) for number in range(5000)}
    engine.put_many(records)
    assert engine.count("all") == 5000
    assert dict(engine.entries("all")) == records
    assert set(engine.entries("all", shape="keys")) == set(records)
    engine.put_many((key, key) for key in list(records)[:3])
    assert engine.get_many(list(records)[:4]) == {
        eight(0): eight(0),
        eight(1): eight(1),
        eight(2): eight(2),
        eight(3): eight(4),
    }


@pytest.mark.parametrize("name", ANY_LENGTH)
@pytest.mark.parametrize("length", [0, 5, 100_000])
def test_views_outlive_everything(opened: Open, name: str, length: int) -> None:
    engine = opened(name)
    value = b"x" * length
    engine.put("key", value)
    view = engine.get_view("key")
    assert view is not None
    assert view.readonly
    seen: list[memoryview] = []
    engine.each("all", None, None, "items", lambda key, value: seen.extend([key, value]))
    engine.put("key", b"y" * length)
    engine.remove("key")
    engine.stop()
    del engine
    gc.collect()
    assert view == value
    assert seen == [b"key", value]
    assert all(view.readonly for view in seen)
    with pytest.raises(TypeError):
        view[0:1] = b"z"


@pytest.mark.parametrize("name", SORTED)
def test_ranges(opened: Open, name: str) -> None:
    engine: Any = opened(name)
    keys = [b"", b"a", b"a\0", b"ab", b"b", b"c" * 1024]
    engine.put_many(dict.fromkeys(reversed(keys), b"value"))
    for which, asked, expected in (
        ("all", (), keys),
        ("above", ("a",), keys[2:]),
        ("equal_above", ("a",), keys[1:]),
        ("below", ("ab",), keys[:3]),
        ("equal_below", ("ab",), keys[:4]),
        ("between", ("a", "b"), keys[2:4]),
        ("between", ("b", "a"), []),
        ("between", ("a", "a"), []),
    ):
        assert list(engine.entries(which, *asked, shape="keys")) == expected
        backwards = list(engine.entries(which, *asked, reverse=True))
        assert backwards == [(key, b"value") for key in reversed(expected)]
        assert engine.count(which, *asked) == len(expected)
        called: list[memoryview] = []
        padded = (*asked, None, None)[:2]
        engine.each(which, *padded, "keys", called.append)
        assert [bytes(key) for key in called] == expected
    for wrong in (("all", "a"), ("above",), ("between", "a"), ("beyond", "a")):
        with pytest.raises(ValueError, match="is no range"):
            engine.count(*wrong)
    with pytest.raises(ValueError, match="the shape is"):
        engine.entries("all", shape="values")


@given(
    numbers=st.lists(st.integers(0, 2**40), unique=True),
    low=st.integers(0, 2**40),
    high=st.integers(0, 2**40),
)
def test_ranges_of_numbers(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], low: int, high: int
) -> None:
    place = str(tmp_path_factory.getbasetemp())
    engine: Any = NativeEngine("vsmap", {"path": place, "size": 1 << 24, "comparator": "integer"})
    engine.put_many({number.to_bytes(8, "little", signed=True): b"" for number in numbers})
    asked = [number.to_bytes(8, "little", signed=True) for number in (low, high)]
    found = [
        int.from_bytes(key, "little", signed=True) for key in engine.entries("between", *asked, shape="keys")
    ]
    assert found == sorted(number for number in numbers if low < number < high)


@pytest.mark.parametrize("name", ENGINES)
def test_an_exception_of_a_callback_ends_it_and_arrives_unchanged(opened: Open, name: str) -> None:
    engine = opened(name)
    engine.put_many({eight(number): eight(number) for number in range(10)})
    raised = LookupError("mine")
    seen = []

    def callback(key: memoryview) -> None:
        seen.append(key)
        if len(seen) == 4:
            raise raised

    with pytest.raises(LookupError) as caught:
        engine.each("all", None, None, "keys", callback)
    assert caught.value is raised
    assert len(seen) == 4
    # What a callback answers is ignored, and it may use the engine.
    engine.each("all", None, None, "items", lambda key, _: engine.remove(key) or "stop")
    assert engine.count("all") == 0


def test_a_callback_may_stop_the_engine(opened: Open) -> None:
    for name in ("stree", "vsmap", "vcmap"):
        engine = opened(name)
        engine.put_many({eight(number): b"" for number in range(500)})
        seen: list[memoryview] = []

        def callback(key: memoryview, engine: NativeEngine = engine, seen: list[memoryview] = seen) -> None:
            seen.append(key)
            engine.stop()

        if name == "stree":
            engine.each("all", None, None, "keys", callback)
            assert len(seen) == 500
        else:
            with pytest.raises(errors.InvalidArgument, match="stopped"):
                engine.each("all", None, None, "keys", callback)


@pytest.mark.parametrize("name", SORTED)
def test_iterators(opened: Open, name: str) -> None:
    engine = opened(name)
    engine.put_many({"b": "two", "d": "four", "f": "six"})
    iterator = engine.iterator(write=True)
    assert iterator.seek("d")
    assert (iterator.key(), iterator.read_range(), iterator.read_range(1, 2)) == (b"d", b"four", b"ou")
    assert not iterator.seek("c")
    with pytest.raises(errors.InvalidArgument):
        iterator.key()
    assert iterator.seek_lower("d")
    assert iterator.key() == b"b"
    assert iterator.seek_lower_eq("e")
    assert iterator.key() == b"d"
    assert iterator.seek_higher("d")
    assert iterator.key() == b"f"
    assert not iterator.is_next()
    assert iterator.seek_higher_eq("d")
    assert iterator.is_next()
    assert iterator.next()
    assert iterator.key() == b"f"
    iterator.write_range(1, "I")
    assert engine.get("f") == b"six"
    iterator.abort()
    iterator.commit()
    iterator.write_range(1, "I")
    iterator.commit()
    assert engine.get("f") == b"sIx"
    assert iterator.to_first()
    assert iterator.key() == b"b"
    if engine.traits["steps_back"]:
        assert iterator.to_last()
        assert iterator.prev()
        assert iterator.key() == b"d"
    else:
        for refused in (iterator.to_last, iterator.prev):
            with pytest.raises(errors.NotSupported):
                refused()


def test_transactions(opened: Open) -> None:
    engine = opened("radix")
    engine.put("a", "1")
    transaction = engine.transaction()
    transaction.put("b", "2")
    transaction.remove("a")
    assert list(engine.entries("all")) == [(b"a", b"1")]
    transaction.commit()
    assert list(engine.entries("all")) == [(b"b", b"2")]
    transaction.put("c", "3")
    transaction.abort()
    transaction.commit()
    assert list(engine.entries("all")) == [(b"b", b"2")]


def test_what_an_engine_is_not_it_refuses(opened: Open) -> None:
    for name in ("cmap", "tree3", "robinhood", "vcmap", "dram_vcmap"):
        engine = opened(name)
        assert not engine.traits["sorted"]
        with pytest.raises(errors.NotSupported):
            engine.count("above", eight(1))
        with pytest.raises(errors.NotSupported):
            engine.entries("below", eight(1))
        with pytest.raises(errors.NotSupported):
            engine.entries("all", reverse=True)
        with pytest.raises(errors.NotSupported):
            engine.transaction()
    for name in ("tree3", "robinhood", "blackhole"):
        with pytest.raises(errors.NotSupported):
            opened(name).iterator()
    with pytest.raises(errors.InvalidArgument):
        opened("robinhood").put("short", "short")
    opened("cmap").defrag()
    opened("cmap").defrag(0, 50.5)
    with pytest.raises(errors.InvalidArgument):
        opened("cmap").defrag(60, 60)
    with pytest.raises(errors.NotSupported):
        opened("stree").defrag()


def test_a_blackhole_takes_everything_and_has_nothing() -> None:
    engine = NativeEngine("blackhole", "{}")
    engine.put("key", "value")
    assert engine.get("key") is None
    assert engine.remove("key")
    assert engine.count("above", "a") == 0
    with pytest.raises(KeyError):
        engine.entries("all")


def test_configurations(tmp_path: Path) -> None:
    config = {"path": str(tmp_path), "size": 1 << 24}
    for given_as in (config, json.dumps(config), {**config, "path": tmp_path, "unknown": {"a": b"b"}}):
        engine = NativeEngine("vsmap", given_as)
        assert (engine.name, engine.is_stopped) == ("vsmap", False)
        assert engine.traits["sorted"]
        engine.stop()
        engine.stop()
        assert engine.is_stopped
        with pytest.raises(errors.InvalidArgument, match="stopped"):
            engine.get("a")
        with pytest.raises(errors.InvalidArgument, match="stopped"):
            engine.count("all")
    for wrong, error in (
        ("{", errors.ConfigParsingError),
        ("[]", errors.ConfigParsingError),
        ({**config, "size": 1.5}, errors.ConfigParsingError),
        ({**config, "size": None}, errors.ConfigParsingError),
        ({**config, "size": 2**64}, errors.ConfigParsingError),
        ({**config, "size": "16777216"}, errors.ConfigTypeError),
        ({**config, "size": -1}, errors.ConfigTypeError),
        ({**config, "path": 7}, errors.ConfigTypeError),
        ({**config, "size": 1}, errors.InvalidArgument),
        ({"size": 1 << 24}, errors.InvalidArgument),
        ({"path": str(tmp_path)}, errors.InvalidArgument),
        ({**config, "path": str(tmp_path / "absent")}, errors.InvalidArgument),
    ):
        with pytest.raises(error):
            NativeEngine("vsmap", wrong)
    with pytest.raises(errors.WrongEngineName, match="nope"):
        NativeEngine("nope", config)
    with pytest.raises(TypeError):
        NativeEngine("vsmap", 7)  # type: ignore[arg-type]
    with pytest.raises(errors.ComparatorMismatch):
        place = {"path": tmp_path / "pool", "size": 1 << 26, "create_if_missing": True}
        NativeEngine("stree", {**place, "comparator": "reverse"}).stop()
        NativeEngine("stree", place)


@pytest.mark.parametrize("name", ["csmap", "stree", "vsmap"])
def test_a_comparator_of_python_orders_the_keys(opened: Open, name: str) -> None:
    raised = LookupError("no such key")

    def by_last_byte(key: bytes) -> bytes:
        if key == b"":
            raise raised
        return key[-1:]

    millpond.register_comparator("by the last byte", by_last_byte)
    engine = opened(name, comparator="by the last byte")
    engine.put_many({"az": "", "bz": "", "ca": "", "b": ""})
    keys = [b"ca", b"b", b"az", b"bz"]
    assert list(engine.entries("all", shape="keys")) == keys
    assert list(engine.entries("above", "b", shape="keys")) == keys[2:]
    assert engine.count("below", "zz") == 4
    calls: list[tuple[Callable[..., object], tuple[str, ...]]] = [
        (engine.put, ("", "")),
        (engine.get, ("",)),
        (engine.count, ("above", "")),
    ]
    for call, arguments in calls:
        with pytest.raises(LookupError) as caught:
            call(*arguments)
        assert caught.value is raised
    assert engine.count("all") == 4
    threads = [
        threading.Thread(target=engine.put_many, args=({eight(number): "" for number in range(200)},))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.count("all") == 204


def test_a_full_engine_is_a_memory_error(tmp_path: Path) -> None:
    engine = NativeEngine("vcmap", {"path": tmp_path, "size": 1 << 24})
    engine.put("first", bytes(1 << 23))
    with pytest.raises(MemoryError):
        engine.put("second", bytes(1 << 23))
    assert engine.get("second") is None
    engine.remove("first")
    engine.put("second", bytes(1 << 23))


@pytest.mark.parametrize("name", PERSISTENT)
def test_what_is_persistent_is_there_again(opened: Open, name: str) -> None:
    with_records = opened(name)
    with_records.put_many({eight(number): eight(number) for number in range(100)})
    with_records.stop()
    del with_records
    again = opened(name, create_if_missing=0)
    assert again.count("all") == 100
    assert again.get(eight(7)) == eight(7)


def test_volatile_engines_leave_nothing(tmp_path: Path) -> None:
    for name in ("vsmap", "vcmap"):
        engine = NativeEngine(name, {"path": str(tmp_path), "size": 1 << 24})
        engine.put("key", "value")
        assert list(tmp_path.iterdir()) == []
        engine.stop()
        assert NativeEngine(name, {"path": str(tmp_path), "size": 1 << 24}).count("all") == 0


@pytest.mark.parametrize("name", ENGINES)
def test_threads(opened: Open, name: str) -> None:
    engine = opened(name, durability="async")
    engine.put(eight(0), eight(0))

    def count_up() -> None:
        for number in range(50):
            engine.put(eight(threading.get_ident()), eight(number))
            while True:
                now = engine.get(eight(0))
                assert now is not None
                if engine.compare_and_swap(eight(0), now, eight(int.from_bytes(now, "big") + 1)):
                    break
            assert sum(1 for _ in engine.entries("all")) >= 2

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.get(eight(0)) == eight(400)


def test_an_iteration_may_be_shared_by_threads(opened: Open) -> None:
    engine = opened("vsmap")
    engine.put_many({eight(number): b"" for number in range(20_000)})
    records = engine.entries("all", shape="keys")
    taken: list[list[bytes]] = [[], []]
    threads = [threading.Thread(target=lambda keys=keys: keys.extend(records)) for keys in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken[0] + taken[1]) == [eight(number) for number in range(20_000)]


def _child(engine: NativeEngine, answers: Any) -> None:
    try:
        answers.put(("answered", engine.get("key")))
    except errors.UnknownError as error:
        engine.stop()
        del engine
        gc.collect()
        answers.put(("refused", str(error)))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_forked_child_has_persistent_engines_alone(opened: Open) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    for name, answer in (("stree", "answered"), ("vcmap", "refused"), ("vsmap", "refused")):
        engine = opened(name)
        engine.put("key", "value")
        child = context.Process(target=_child, args=(engine, answers))
        child.start()
        what, told = answers.get(timeout=60)
        child.join()
        assert (what, child.exitcode) == (answer, 0)
        assert told == b"value" if what == "answered" else "parent process" in told
        assert engine.get("key") == b"value"
    answers.close()
    answers.join_thread()

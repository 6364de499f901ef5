"""Ordered maps, one behaviour at a time, and beside a sorted list."""

from __future__ import annotations

import gc
import math
import multiprocessing
import pickle
import threading
from collections.abc import Callable, MutableMapping
from typing import Any

import millpond
import pytest
from hypothesis import given
from hypothesis import strategies as st

ORDERS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], Any], bool]] = {
    "bytes": (st.binary(max_size=4), lambda key: key, False),
    "reverse": (st.binary(max_size=4), lambda key: key, True),
    "integer": (st.one_of(st.integers(-9, 9), st.integers(-(2**63), 2**63 - 1)), lambda key: key, False),
    "float": (st.floats(allow_nan=False).map(lambda number: number + 0.0), lambda key: key, False),
    "caseless-test": (st.binary(max_size=4), lambda key: (key.lower(), key), False),
}


@pytest.fixture(autouse=True)
def caseless() -> None:
    millpond.register_comparator("caseless-test", bytes.lower)


@pytest.fixture
def words(container: millpond.Container) -> millpond.OrderedMap:
    words = container.create_map("words")
    words.update({"a": b"1", "b": b"2", "c": b"3", "d": b"4"})
    return words


@pytest.mark.parametrize("comparator", ORDERS)
@given(data=st.data())
def test_every_range_is_that_of_a_sorted_list(
    container: millpond.Container, comparator: str, data: st.DataObject
) -> None:
    keys, rank, descending = ORDERS[comparator]
    entries = data.draw(st.dictionaries(keys, st.binary(max_size=4), max_size=12))
    first, second = data.draw(st.tuples(keys, keys))
    readings = container.open_or_create_map(f"map-{comparator}", comparator)
    readings.clear()
    readings.bput(entries)

    def behind(key: Any, other: Any) -> bool:
        return bool(rank(key) < rank(other) if descending else rank(key) > rank(other))

    ordered = sorted(entries, key=rank, reverse=descending)
    expected = {
        readings.range(): ordered,
        readings.range(first, second): [
            key for key in ordered if not behind(first, key) and behind(second, key)
        ],
        readings.above(first): [key for key in ordered if behind(key, first)],
        readings.equal_above(first): [key for key in ordered if not behind(first, key)],
        readings.below(first): [key for key in ordered if behind(first, key)],
        readings.equal_below(first): [key for key in ordered if not behind(key, first)],
        readings.between(first, second): [
            key for key in ordered if behind(key, first) and behind(second, key)
        ],
    }
    for part, wanted in expected.items():
        assert list(part) == wanted, part
        assert list(reversed(part)) == wanted[::-1]
        assert list(part.reversed().items()) == [(key, entries[key]) for key in reversed(wanted)]
        assert list(part.values()) == [entries[key] for key in wanted]
        assert part.count() == len(wanted)
    assert list(readings.items()) == [(key, entries[key]) for key in ordered]
    assert readings.dump() == entries == readings
    assert readings.first() == (None if not ordered else (ordered[0], entries[ordered[0]]))
    assert readings.last() == (None if not ordered else (ordered[-1], entries[ordered[-1]]))


def test_it_is_a_mutable_mapping(words: millpond.OrderedMap) -> None:
    assert isinstance(words, MutableMapping)
    assert words["a"] == b"1"
    assert words.get("z") is None
    assert words.get("z", 7) == 7
    assert "a" in words
    assert 3.5 not in words
    assert len(words) == 4
    assert words
    with pytest.raises(KeyError, match="words"):
        words["z"]
    with pytest.raises(millpond.KeyNotFound):
        del words["z"]
    assert words.setdefault("e", b"5") == b"5"
    assert words.setdefault("e", b"6") == b"5"
    assert words.pop("e") == b"5"
    assert words.pop("e", None) is None
    assert words.popitem() == (b"d", b"4")
    assert words.popitem(last=False) == (b"a", b"1")
    assert words.put("b", b"22")
    assert not words.put("x", b"")
    assert words.discard("x")
    assert not words.discard("x")
    words |= {"y": b"9"}
    words.apply({"y": None, "z": b"10"})
    assert words == {b"b": b"22", b"c": b"3", b"z": b"10"}
    assert words != {b"b": b"22"}
    assert words != 5
    assert words.keys() & {b"b", b"q"} == {b"b"}
    assert (b"b", b"22") in words.items()
    assert b"3" in words.values()
    assert list(reversed(words.keys())) == [b"z", b"c", b"b"]
    assert words.bget(["b", "nope"]) == {"b": b"22", "nope": None}
    assert words.value_length("b") == 2
    words.clear()
    assert not words
    assert list(words) == []
    assert words.first() is None
    with pytest.raises(KeyError):
        words.popitem()


def test_numbers_are_keys_under_their_orders(container: millpond.Container) -> None:
    whole = container.create_map("whole", "integer")
    whole.update({3: b"c", -2: b"a", 0: b"b"})
    assert list(whole) == [-2, 0, 3]
    assert all(type(key) is int for key in whole)
    with pytest.raises(TypeError, match="an int, not str"):
        whole["3"] = b""
    with pytest.raises(ValueError, match=r"2\*\*63"):
        whole[2**63] = b""
    assert 2**63 not in whole
    assert "3" not in whole
    assert repr(whole.above(-2)) == "<millpond.MapRange of whole: above -2>"

    real = container.create_map("real", "float")
    real.update({2.5: b"c", -math.inf: b"a", 0.0: b"b", 3: b"d"})
    assert list(real) == [-math.inf, 0.0, 2.5, 3.0]
    assert real[-0.0] == b"b"
    with pytest.raises(TypeError, match="a float, not bytes"):
        real[b"x"]


def test_an_order_is_kept_and_asked_for(container: millpond.Container) -> None:
    container.create_map("m", "reverse").update({"a": b"", "b": b""})
    assert list(container.map("m")) == [b"b", b"a"] == list(container.map("m", "reverse"))
    assert container.map("m").comparator == "reverse"
    for open_it in (container.map, container.open_or_create_map):
        with pytest.raises(millpond.ComparatorMismatchError, match="reverse") as caught:
            open_it("m", "integer")
        assert isinstance(caught.value, ValueError)
    with pytest.raises(millpond.NotFoundError, match="register it"):
        container.create_map("n", "nobody's")
    with pytest.raises(millpond.AlreadyExistsError):
        container.create_map("m")
    assert list(container.maps) == ["m"]
    assert "m" in container.maps
    assert len(container.maps) == 1
    assert container.query().maps == 1
    del container.maps["m"]
    with pytest.raises(KeyError):
        container.maps["m"]
    with pytest.raises(KeyError):
        del container.maps["m"]


def test_a_registered_function_sorts(container: millpond.Container) -> None:
    @millpond.register_comparator("by-length-test")
    def by_length(key: bytes) -> bytes:
        if key == b"no":
            raise LookupError("not this one")
        return len(key).to_bytes(2, "big")

    words = container.create_map("words", "by-length-test")
    words.update({"ccc": b"", "a": b"", "bb": b"", "b": b""})
    assert list(words) == [b"a", b"b", b"bb", b"ccc"]
    assert list(words.above("b")) == [b"bb", b"ccc"]
    with pytest.raises(LookupError, match="not this one"):
        words["no"] = b""
    with pytest.raises(millpond.InvalidArgumentError, match="built-in"):
        millpond.register_comparator("bytes", by_length)
    millpond.register_comparator("wrong-test", lambda key: 5)  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="bytes-like"):
        container.create_map("other", "wrong-test")["a"] = b""


def test_a_view_stays_valid_whatever_becomes_of_the_entry(words: millpond.OrderedMap) -> None:
    words["long"] = long = bytes(range(256)) * 1000
    short_view, long_view = words.get_view("a"), words.get_view("long")
    assert words.get_view("z") is None
    assert short_view is not None
    assert long_view is not None
    assert short_view.readonly
    words.clear()
    words.container.compact()
    del words
    gc.collect()
    assert short_view == b"1"
    assert long_view == long
    with pytest.raises(TypeError):
        short_view[0] = 0


def test_swaps_and_changes_in_place(words: millpond.OrderedMap) -> None:
    assert words.compare_and_swap("a", b"1", b"one")
    assert words["a"] == b"one"
    assert not words.compare_and_swap("a", b"1", b"uno")
    assert not words.compare_and_swap("a", None, b"uno")
    assert words.compare_and_swap("new", None, b"x")
    assert words.compare_and_swap("new", b"x", None)
    assert "new" not in words
    words.update_in_place("a", 1, b"NE")
    assert words["a"] == b"oNE"
    with pytest.raises(millpond.InvalidArgumentError, match="3 bytes"):
        words.update_in_place("a", 2, b"xx")
    with pytest.raises(KeyError):
        words.update_in_place("z", 0, b"")


def test_threads_that_swap_lose_nothing(container: millpond.Container) -> None:
    counters = container.create_map("counters")
    counters["all"] = b"0"

    def add() -> None:
        for _ in range(20):
            while True:
                before = counters["all"]
                try:
                    if counters.compare_and_swap("all", before, b"%d" % (int(before) + 1)):
                        break
                except millpond.ConflictError:
                    pass

    threads = [threading.Thread(target=add) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters["all"] == b"320"


def test_a_seeker_goes_both_ways_and_writes(words: millpond.OrderedMap) -> None:
    seeker = words.seeker()
    assert seeker.key is None
    with pytest.raises(millpond.InvalidArgumentError, match="seek"):
        seeker.to_next()
    assert seeker.seek("b")
    assert seeker.key == b"b"
    assert seeker.value == b"2"
    assert seeker.to_next()
    assert seeker.key == b"c"
    assert seeker.to_prev()
    assert seeker.to_prev()
    assert seeker.key == b"a"
    assert not seeker.to_prev()
    assert seeker.key == b"a"
    assert seeker.seek_lower("c")
    assert seeker.key == b"b"
    assert seeker.seek_lower_eq("bb")
    assert seeker.key == b"b"
    assert seeker.seek_higher("b")
    assert seeker.key == b"c"
    assert seeker.seek_higher_eq("b")
    assert seeker.key == b"b"
    assert seeker.to_last()
    assert seeker.key == b"d"
    assert not seeker.to_next()
    assert not seeker.seek("z")
    assert seeker.to_first()
    assert seeker.read_range(0, 9) == b"1"
    seeker.write_range(0, b"!")
    assert words["a"] == b"1"
    seeker.commit()
    assert words["a"] == b"!" == seeker.value
    seeker.write_range(0, b"?")
    seeker.abort()
    seeker.commit()
    assert words["a"] == b"!"
    with pytest.raises(millpond.InvalidArgumentError):
        seeker.write_range(1, b"?")
    seeker.write_range(0, b"?")
    words["a"] = b"2"
    with pytest.raises(millpond.ConflictError):
        seeker.commit()


def test_transactions_snapshots_and_watches_know_maps(
    container: millpond.Container, words: millpond.OrderedMap
) -> None:
    container.snapshot("before")
    with container.watch(durable=False) as watch:
        with container.transaction() as tx:
            tx[words]["a"] = b"changed"
            tx.map("words").pop("b")
            assert words["a"] == b"1"
        assert words["a"] == b"changed"
        assert "b" not in words
        changes = {change.key: change for change in next(watch)}
    assert {change.map for change in changes.values()} == {"words"}
    assert changes[b"b"].kind == "delete"
    differences = {difference.key: difference for difference in container.diff("before")}
    assert {difference.map for difference in differences.values()} == {"words"}
    assert set(differences) == {b"a", b"b"}
    assert container.at("before").map("words")["a"] == b"1"
    container.rollback("before")
    assert len(words) == 4


def test_keys_that_are_numbers_are_told_as_numbers(container: millpond.Container) -> None:
    real = container.create_map("real", "float")
    container.snapshot("before")
    with container.watch(durable=False) as watch:
        real[-1.5] = b"x"
        assert [change.key for change in next(watch)] == [-1.5]
    assert [difference.key for difference in container.diff("before")] == [-1.5]


def test_long_values_are_streamed(words: millpond.OrderedMap) -> None:
    with words.writer("long") as file:
        for _ in range(50):
            file.write(b"x" * 1000)
    with words.reader("long") as file:
        file.seek(49_999)
        assert file.read() == b"x"
    with pytest.raises(KeyError):
        words.reader("none")


def read_first(words: millpond.OrderedMap, queue: Any) -> None:
    queue.put((words.first(), words.comparator))


def test_another_process_opens_a_pickled_map(container: millpond.Container) -> None:
    words = container.create_map("words", "reverse")
    words.update({"a": b"1", "b": b"2"})
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=read_first, args=(words, queue))
    child.start()
    assert queue.get(timeout=60) == ((b"b", b"2"), "reverse")
    child.join()
    with container.transaction() as tx, pytest.raises(millpond.NotSupportedError):
        pickle.dumps(tx.map("words"))


def test_it_shows_itself(words: millpond.OrderedMap) -> None:
    assert "OrderedMap words" in repr(words)
    assert "by bytes, 4 keys" in repr(words)
    assert "<table>" in words._repr_html_()
    assert repr(words.range()) == "<millpond.MapRange of words: all>"
    assert "above b'a', below b'c', reversed" in repr(words.between("a", "c").reversed())
    assert "ordered maps of" in repr(words.container.maps)

"""Many keys at once: bput, apply, update, bget, dump."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import millpond
import pytest
from hypothesis import given
from hypothesis import strategies as st
from millpond import Dict


@given(entries=st.dictionaries(st.binary(max_size=16), st.binary(max_size=64), max_size=50))
def test_what_is_put_in_bulk_comes_back(container: millpond.Container, entries: dict[bytes, bytes]) -> None:
    kv = container.create_dict(f"d{len(container.dicts)}")
    kv.bput(entries)
    assert kv.dump() == entries
    assert kv.copy() == entries
    assert kv.bget(entries) == entries
    assert len(kv) == len(entries)


def test_bput_takes_mappings_and_pairs(kv: Dict, container: millpond.Container) -> None:
    kv.bput({"a": b"1"})
    kv.bput([("b", b"2"), (b"b", b"3")])
    kv.bput((f"{number}", b"") for number in range(3))
    other = container.create_dict("other")
    other.bput(kv)
    assert other == {b"0": b"", b"1": b"", b"2": b"", b"a": b"1", b"b": b"3"}
    kv.bput({})
    assert len(kv) == 5


def test_bput_is_one_commit(kv: Dict) -> None:
    epoch = kv.container.query().statistics.epoch
    kv.bput({f"{number}": b"x" * number for number in range(1000)})
    assert kv.container.query().statistics.epoch == epoch + 1


@pytest.mark.parametrize(
    "entries",
    [
        {"a": b"1", "b": "text"},
        {"a": b"1", 2: b"2"},
        {"a": b"1", "b" * 1025: b"2"},
        [("a", b"1"), ("b",)],
        [("a", b"1"), 7],
        7,
    ],
)
def test_bad_entries_change_nothing(kv: Dict, entries: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        kv.bput(entries)
    with pytest.raises((TypeError, ValueError)):
        kv.apply(entries)
    assert len(kv) == 0


def test_an_exception_among_the_entries_is_the_callers(kv: Dict) -> None:
    def entries() -> Iterator[tuple[str, bytes]]:
        yield "a", b"1"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kv.bput(entries())
    assert len(kv) == 0


def test_long_values_in_bulk(kv: Dict) -> None:
    entries = {b"%d" % number: bytes([number]) * (number << 14) for number in range(64)}
    kv.bput(entries)
    assert kv == entries
    assert kv.bget(list(entries)) == entries


def test_update(kv: Dict) -> None:
    kv.update({"a": b"1"}, b=b"2")
    kv.update([("c", b"3")])
    kv.update(d=b"4")
    kv.update()
    kv.update({"a": b"0"}, a=b"the keyword wins")
    assert kv == {"a": b"the keyword wins", "b": b"2", "c": b"3", "d": b"4"}
    same = kv
    kv |= {"e": b"5"}
    assert kv is same
    assert kv["e"] == b"5"
    with pytest.raises(TypeError):
        kv.update({}, {})  # type: ignore[call-arg]


def test_apply_puts_and_removes_in_one_commit(kv: Dict) -> None:
    kv.bput({"a": b"1", "b": b"2"})
    epoch = kv.container.query().statistics.epoch
    kv.apply({"a": None, "missing": None, "c": b"3"})
    kv.apply([("c", None), ("c", b"4")])
    assert kv == {"b": b"2", "c": b"4"}
    assert kv.container.query().statistics.epoch == epoch + 2


def test_bget(kv: Dict) -> None:
    kv.bput({"a": b"1", "b": b""})
    mixed: list[str | bytes] = ["a", b"b", "c"]
    assert kv.bget(mixed) == {"a": b"1", b"b": b"", "c": None}
    assert kv.bget(key for key in ("a", "a")) == {"a": b"1"}
    wanted: dict[str, Any] = {"a": 0, "c": 0}
    assert kv.bget(wanted) is wanted
    assert wanted == {"a": b"1", "c": None}
    assert kv.bget([]) == {}
    with pytest.raises(TypeError, match="a key is"):
        kv.bget([1])  # type: ignore[type-var]


def test_dump_is_in_order(kv: Dict) -> None:
    kv.bput({f"{number}": b"" for number in range(100)})
    assert list(kv.dump()) == sorted(b"%d" % number for number in range(100))

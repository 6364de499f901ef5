"""Every method of ranges, on every engine that is sorted, against a sorted list of Python's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millpond.compat import pmemkv
from millpond.compat.pmemkv import Database
from pmemkv_engines import SORTED, buffers, text

Records = dict[bytes, bytes]
Holds = Callable[..., bool]

# The name of a range, how many bounds it has, and whether a key is in it.
RANGES: list[tuple[str, int, Holds]] = [
    ("all", 0, lambda key: True),
    ("above", 1, lambda key, bound: key > bound),
    ("equal_above", 1, lambda key, bound: key >= bound),
    ("below", 1, lambda key, bound: key < bound),
    ("equal_below", 1, lambda key, bound: key <= bound),
    ("between", 2, lambda key, low, high: low < key < high),
]

# Few bytes, so that keys meet and are each other's beginnings; and keys as long as they may be.
keys = st.one_of(
    st.binary(max_size=4).map(lambda key: bytes(byte % 3 for byte in key)),
    st.binary(max_size=3),
    st.text(max_size=3).map(str.encode),
    st.integers(0, 255).map(lambda byte: bytes([byte]) * 1024),
)
records = st.dictionaries(keys, st.binary(max_size=5), max_size=12)


@pytest.fixture(params=SORTED)
def sorted_db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database[memoryview]]:
    with buffers(request.param, tmp_path) as db:
        yield db


def fill(db: Database[memoryview], records: Records) -> None:
    left: list[bytes] = []
    db.get_keys(lambda key: left.append(bytes(key)))
    for key in left:
        db.remove(key)
    for key, value in records.items():
        db.put(key, value)


@given(records=records, bounds=st.tuples(keys, keys))
def test_ranges_are_those_of_a_model(
    sorted_db: Database[memoryview], records: Records, bounds: tuple[bytes, bytes]
) -> None:
    fill(sorted_db, records)
    # Bounds that are there, too.
    for pair in [bounds, *itertools.islice(itertools.product(records, repeat=2), 3)]:
        for name, count, holds in RANGES:
            given_bounds = pair[:count]
            expected = [(key, records[key]) for key in sorted(records) if holds(key, *given_bounds)]
            seen: list[tuple[bytes, bytes]] = []
            getattr(sorted_db, f"get_{name}")(
                *given_bounds, lambda key, value, seen=seen: seen.append((bytes(key), bytes(value)))
            )
            assert seen == expected
            names: list[bytes] = []
            method = "get_keys" if name == "all" else f"get_keys_{name}"
            getattr(sorted_db, method)(*given_bounds, lambda key, names=names: names.append(bytes(key)))
            assert names == [key for key, _ in expected]
            assert getattr(sorted_db, f"count_{name}")(*given_bounds) == len(expected)


@pytest.mark.parametrize("engine", SORTED)
@given(
    records=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=8),
    bounds=st.tuples(*[st.text(max_size=3)] * 2),
)
def test_text_is_in_the_order_of_its_bytes(
    engine: str, tmp_path: Path, records: dict[str, str], bounds: tuple[str, str]
) -> None:
    with text(engine, tmp_path) as db:
        for key in list(db):
            db.remove(key)
        for key, value in records.items():
            db.put(key, value)
        low, high = bounds
        between = [
            key for key in sorted(records, key=str.encode) if low.encode() < key.encode() < high.encode()
        ]
        seen: list[tuple[object, object]] = []
        db.get_between(low, high, lambda key, value: seen.append((key, value)))
        assert seen == [(key, records[key]) for key in between]
        seen.clear()
        db.get_string_between(low, high, lambda key, value: seen.append((key, value)), "utf-16")
        assert seen == [(key.encode("utf-16"), records[key].encode("utf-16")) for key in between]
        assert list(db) == sorted(records, key=str.encode)


@pytest.mark.parametrize("engine", ["cmap", "tree3", "vcmap"])
def test_what_is_not_sorted_has_no_ranges(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        db["key"] = "value"
        for name, count, _ in RANGES[1:]:
            with pytest.raises(pmemkv.NotSupported):
                getattr(db, f"count_{name}")(*"az"[:count])
            for method in (f"get_{name}", f"get_keys_{name}"):
                with pytest.raises(pmemkv.NotSupported):
                    getattr(db, method)(*"az"[:count], print)
        assert db.count_all() == 1

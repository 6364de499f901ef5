"""The views that keys(), items() and values() answer."""

from __future__ import annotations

import pytest
from millpond import Dict


@pytest.fixture
def letters(kv: Dict) -> Dict:
    kv.bput({"a": b"1", "b": b"2", "c": b"3"})
    return kv


def test_views_are_live_and_in_order(letters: Dict) -> None:
    keys, values, items = letters.keys(), letters.values(), letters.items()
    letters["B"] = b"0"
    assert list(keys) == [b"B", b"a", b"b", b"c"]
    assert list(values) == [b"0", b"1", b"2", b"3"]
    assert next(iter(items)) == (b"B", b"0")
    assert len(keys) == len(values) == len(items) == 4
    assert list(reversed(keys)) == [b"c", b"b", b"a", b"B"]
    assert next(iter(reversed(values))) == b"3"
    assert next(iter(reversed(items))) == (b"c", b"3")


def test_keys_are_a_set(letters: Dict) -> None:
    keys = letters.keys()
    assert keys & {b"a", b"z"} == {b"a"}
    assert keys | {b"z"} == {b"a", b"b", b"c", b"z"}
    assert keys - {b"a"} == {b"b", b"c"}
    assert keys ^ {b"a", b"z"} == {b"b", b"c", b"z"}
    assert keys == {b"a", b"b", b"c"}
    assert keys <= {b"a", b"b", b"c", b"d"}
    assert keys > {b"a"}
    assert keys.isdisjoint({b"z"})
    assert b"a" in keys
    assert "a" in keys
    assert 1 not in keys


def test_items_are_a_set(letters: Dict) -> None:
    items = letters.items()
    assert items & {(b"a", b"1"), (b"b", b"1")} == {(b"a", b"1")}
    assert (b"a", b"1") in items
    assert ("a", b"1") in items
    assert (b"a", b"2") not in items
    assert (b"z", b"1") not in items
    assert (b"z", None) not in items
    assert b"a" not in items
    assert items == {(b"a", b"1"), (b"b", b"2"), (b"c", b"3")}


def test_values_can_be_searched(letters: Dict) -> None:
    assert b"3" in letters.values()
    assert b"4" not in letters.values()


def test_views_say_what_they_are_of(letters: Dict) -> None:
    assert repr(letters.keys()) == "<keys of <millpond.Dict readings of lab/kv, 3 keys>>"
    assert repr(letters.items()).startswith("<items of ")
    assert repr(letters.values()).startswith("<values of ")
    assert "readings" in repr(letters.container.dicts)
    assert "lab" in repr(letters.container.pool.properties)
    assert "attributes of" in repr(letters.container.attributes)

"""The classes DictRange and DictIterator: parts of a dictionary, in order, and resumed."""

from __future__ import annotations

import millpond
import pytest
from millpond import Dict

MONTHS = [f"2024-{month:02}" for month in range(1, 13)]


@pytest.fixture
def months(kv: Dict) -> Dict:
    kv.bput({month: month[-2:].encode() for month in MONTHS})
    return kv


def texts(part: millpond.DictRange) -> list[str]:
    return [key.decode() for key in part]


def test_bounds(months: Dict) -> None:
    assert texts(months.range("2024-03", "2024-05")) == ["2024-03", "2024-04"]
    assert texts(months.range(stop="2024-03")) == ["2024-01", "2024-02"]
    assert texts(months.range("2024-11")) == ["2024-11", "2024-12"]
    assert texts(months.range("2024-05", "2024-03")) == []
    assert texts(months.range()) == MONTHS


def test_prefix(months: Dict) -> None:
    assert texts(months.range(prefix="2024-1")) == ["2024-10", "2024-11", "2024-12"]
    assert texts(months.range("2024-11", prefix=b"2024-1")) == ["2024-11", "2024-12"]
    assert texts(months.range(prefix="2025")) == []
    assert texts(months.range(prefix="")) == MONTHS


def test_count(months: Dict) -> None:
    assert months.range("2024-03", "2024-05").count() == 2
    assert months.range(prefix="2024-1", reverse=True).count() == 3
    assert months.range("2024-05", "2024-03").count() == 0
    assert months.range().count() == len(MONTHS)


def test_reverse(months: Dict) -> None:
    assert texts(months.range(reverse=True)) == MONTHS[::-1]
    assert texts(months.range("2024-03", "2024-05", reverse=True)) == ["2024-04", "2024-03"]
    assert [key.decode() for key in reversed(months)] == MONTHS[::-1]
    assert [key.decode() for key in reversed(months.range(prefix="2024-1"))] == MONTHS[:-4:-1]


@pytest.mark.parametrize("reverse", [False, True])
def test_resuming_behind_the_last_key_seen(months: Dict, reverse: bool) -> None:
    seen: list[bytes] = []
    while page := [
        key for key, _ in zip(months.range(after=_last(seen), reverse=reverse), range(5), strict=False)
    ]:
        seen += page
    assert seen == sorted((month.encode() for month in MONTHS), reverse=reverse)


def _last(seen: list[bytes]) -> bytes | None:
    return seen[-1] if seen else None


def test_after_and_bounds_apply_together(months: Dict) -> None:
    assert texts(months.range("2024-03", "2024-06", after="2024-03")) == ["2024-04", "2024-05"]
    assert texts(months.range("2024-03", "2024-06", after="2024-01")) == MONTHS[2:5]
    assert texts(months.range("2024-03", "2024-06", after="2024-05", reverse=True)) == ["2024-04", "2024-03"]
    assert texts(months.range("2024-03", "2024-06", after="2024-09", reverse=True)) == MONTHS[4:1:-1]


def test_keys_values_and_items(months: Dict) -> None:
    part = months.range(prefix="2024-1")
    assert list(part.keys()) == [b"2024-10", b"2024-11", b"2024-12"]
    assert list(part.values()) == [b"10", b"11", b"12"]
    assert dict(part.items()) == {b"2024-10": b"10", b"2024-11": b"11", b"2024-12": b"12"}


def test_contains(months: Dict) -> None:
    part = months.range("2024-03", "2024-05")
    assert "2024-03" in part
    assert "2024-05" not in part
    assert "2024-03x" not in part
    assert 3 not in part


def test_a_range_is_read_anew_each_time(months: Dict) -> None:
    part = months.range(prefix="2025")
    assert texts(part) == []
    months["2025-01"] = b""
    assert texts(part) == ["2025-01"]


def test_an_iterator_shows_one_moment(kv: Dict) -> None:
    kv.bput({f"{number:05}": b"old" for number in range(5000)})
    entries = iter(kv.items())
    first = next(entries)
    kv.bput({f"{number:05}x": b"new" for number in range(5000)})
    for number in range(0, 5000, 2):
        del kv[f"{number:05}"]
    kv["00001"] = b"new"
    rest = list(entries)
    assert [first, *rest] == [(b"%05d" % number, b"old") for number in range(5000)]
    with pytest.raises(StopIteration):
        next(entries)


def test_iterators_of_large_values_and_many_entries(kv: Dict) -> None:
    entries = {b"%05d" % number: b"z" * (number % 97) for number in range(20_000)}
    entries |= {b"large-%d" % number: bytes([number]) * 3_000_000 for number in range(4)}
    kv.bput(entries)
    assert list(kv.items()) == sorted(entries.items())
    assert list(kv.values()) == [value for _, value in sorted(entries.items())]


def test_an_iterator_may_be_left_alone(months: Dict) -> None:
    entries = iter(months)
    assert iter(entries) is entries
    assert next(entries) == b"2024-01"
    del entries
    months.clear()
    assert len(months) == 0


def test_repr(months: Dict) -> None:
    assert repr(months.range("a", prefix=b"\0", reverse=True)) == (
        r'<millpond.DictRange of readings: start=b"a", prefix=b"\x00", reverse=True>'
    )

"""Snapshots, as Python sees them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import millpond
import pytest


def told(diff: millpond.DiffIterator) -> list[tuple[str, str | None, bytes | None]]:
    return [(difference.change, difference.dict, difference.key) for difference in diff]


def test_a_snapshot_shows_what_was(container: millpond.Container, kv: millpond.Dict) -> None:
    kv["a"] = b"1"
    snapshot = container.snapshot("then")
    assert (snapshot.name, snapshot.rule) == ("then", None)
    assert abs((datetime.now(UTC) - snapshot.created).total_seconds()) < 600
    kv["a"] = b"2"
    kv["b"] = bytes(100_000)
    container.compact()
    for moment in ("then", snapshot.epoch):
        then = container.at(moment)
        assert then.read_only
        assert dict(then.dicts["readings"]) == {b"a": b"1"}
        with pytest.raises(millpond.ReadOnlyError):
            then.dict("readings")["a"] = b"3"
    assert dict(kv)[b"a"] == b"2"
    with container.transaction(at=snapshot.epoch) as tx:
        assert dict(tx[kv]) == {b"a": b"1"}


def test_snapshots_are_a_mapping(container: millpond.Container, kv: millpond.Dict) -> None:
    assert len(container.snapshots) == 0
    first = container.snapshot("first")
    kv["a"] = bytes(50_000)
    container.snapshot("second")
    assert list(container.snapshots) == ["first", "second"]
    assert container.snapshots["first"] == first
    assert "second" in repr(container.snapshots)
    kv["a"] = b""
    sizes = container.snapshots.sizes()
    assert sizes["second"] >= 50_000 > sizes["first"]
    with pytest.raises(millpond.AlreadyExistsError):
        container.snapshot("first")
    with pytest.raises(millpond.InvalidArgumentError):
        container.snapshot("17")
    then = container.at("first")
    del container.snapshots["first"]
    assert "first" not in container.snapshots
    for gone in (lambda: then.dict("readings"), lambda: container.at("first")):
        with pytest.raises(millpond.NotFoundError, match="first"):
            gone()
    with pytest.raises(KeyError):
        del container.snapshots["first"]
    with pytest.raises(KeyError):
        container.snapshots["first"]


def test_a_rule_keeps_some(container: millpond.Container) -> None:
    with pytest.raises(millpond.InvalidArgumentError, match="snapshot-keep"):
        container.snapshot()
    container.properties["snapshot-keep"] = "last:2"
    container.snapshot("by hand")
    made = [container.snapshot() for _ in range(4)]
    assert all(snapshot.rule == "last:2" for snapshot in made)
    assert list(container.snapshots) == ["by hand", made[2].name, made[3].name]


def test_two_states_are_compared(container: millpond.Container, kv: millpond.Dict) -> None:
    kv.bput({"same": b"1", "changed": b"1", "removed": b"1"})
    epoch = container.snapshot("one").epoch
    kv.bput({"changed": b"2", "added": b"2"})
    del kv["removed"]
    container.snapshot("two")
    container.create_dict("new")
    expected = [
        ("added", "readings", b"added"),
        ("changed", "readings", b"changed"),
        ("removed", "readings", b"removed"),
    ]
    assert told(container.diff("one", "two")) == expected
    assert told(container.diff(epoch, "two")) == expected
    assert told(container.diff("two")) == [("added", "new", None)]
    difference = next(container.diff("one", "two"))
    assert repr(difference) == "<millpond.Difference + readings added>"
    assert (difference.object, difference.dkey, difference.akey, difference.records) == (None,) * 4
    with pytest.raises(millpond.NotFoundError):
        container.diff("none")


def test_a_rollback_gives_everything_back(container: millpond.Container, kv: millpond.Dict) -> None:
    kv.bput({"a": b"1", "long": bytes(100_000)})
    container.snapshot("good")
    kv["a"] = b"2"
    del kv["long"]
    container.create_dict("other")["x"] = b"y"
    container.snapshot("bad")
    assert container.rollback("good") > 0
    assert dict(kv) == {b"a": b"1", b"long": bytes(100_000)}
    assert list(container.dicts) == ["readings"]
    assert list(container.snapshots) == ["good", "bad"]
    assert told(container.diff("good")) == []
    container.rollback("bad")
    assert dict(container.dicts["other"]) == {b"x": b"y"}
    with pytest.raises(millpond.NotFoundError):
        container.rollback("none")


def test_a_handle_at_a_snapshot_is_not_pickled(container: millpond.Container, kv: millpond.Dict) -> None:
    container.snapshot("then")
    then = container.at("then")
    for handle in (then, then.dict("readings")):
        with pytest.raises(millpond.NotSupportedError, match=r"at\(\)"):
            pickle.dumps(handle)
    assert pickle.loads(pickle.dumps(kv)) is not None

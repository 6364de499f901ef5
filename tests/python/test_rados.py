"""Pools in a Ceph cluster; without one, what is said about it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import millpond
import pytest
from millpond import Container, Dict, Pool

CONF = os.environ.get("MILLPOND_TEST_CEPH_CONF")
on_a_cluster = pytest.mark.skipif(CONF is None, reason="there is no cluster: `make test-rados` starts one")
URL = "rados://millpond-test"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    assert CONF is not None
    monkeypatch.setenv("CEPH_CONF", CONF)
    with contextlib.suppress(millpond.NotFoundError):
        Pool.destroy(URL, force=True)
    yield Pool.create(URL)
    Pool.destroy(URL, force=True)


def test_a_missing_cluster_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEPH_CONF", str(tmp_path / "ceph.conf"))
    # Where Ceph's library isn't installed, that is what is told.
    with pytest.raises(
        (millpond.InvalidArgumentError, millpond.NotSupportedError), match=r"CEPH_CONF|librados2"
    ):
        Pool.open(URL)


@on_a_cluster
def test_a_dictionary(cluster: Pool) -> None:
    entries = {b"k%d" % at: bytes([at]) * (at * 97 % 5000) for at in range(200)}
    with cluster.create_container("kv") as container:
        kv = container.create_dict("d")
        kv.bput(entries)
        kv[b"big"] = b"x" * 9_000_000
        del kv[b"k7"]
    entries.pop(b"k7")
    with Container.open(f"{URL}/kv") as container:
        kv = container.dict("d")
        assert len(kv) == len(entries) + 1
        assert kv[b"big"] == b"x" * 9_000_000
        assert {key: value for key, value in kv.items() if key != b"big"} == entries
        assert pickle.loads(pickle.dumps(kv))[b"k8"] == entries[b"k8"]


@on_a_cluster
def test_an_ordered_map(cluster: Pool) -> None:
    with cluster.create_container("kv") as container:
        readings = container.create_map("readings", "integer")
        readings.bput({time: b"%d" % time for time in range(-50, 50)})
        assert list(readings.between(-3, 3)) == [-2, -1, 0, 1, 2]
        assert list(readings.above(46).reversed()) == [49, 48, 47]
        assert readings.below(0).count() == 50
        assert readings.compare_and_swap(0, b"0", b"zero")
        assert not readings.compare_and_swap(0, b"0", b"none")
        readings.update_in_place(0, 0, b"Z")
        seeker = readings.seeker()
        assert seeker.seek_higher(-1)
        assert (seeker.key, seeker.value) == (0, b"Zero")
        assert readings.popitem(last=False) == (-50, b"-50")
    with Container.open(f"{URL}/kv") as container:
        assert len(container.map("readings")) == 99
        with pytest.raises(millpond.ComparatorMismatchError):
            container.map("readings", "bytes")


def _add(kv: Dict, worker: int) -> None:
    for at in range(50):
        kv[b"%d.%d" % (worker, at)] = b"value"


@on_a_cluster
def test_processes_share_a_dictionary(cluster: Pool) -> None:
    with cluster.create_container("kv") as container:
        kv = container.create_dict("d")
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=_add, args=(kv, worker)) for worker in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
            assert worker.exitcode == 0
        assert len(kv) == 150

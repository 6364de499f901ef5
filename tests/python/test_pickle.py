"""Pickles of handles: the place, not the content."""

from __future__ import annotations

import copy
import pickle

import millpond
import pytest
from millpond import Container, Dict, Pool


def test_a_pool(pool: Pool) -> None:
    assert pickle.loads(pickle.dumps(pool)).uuid == pool.uuid


def test_a_container(container: Container) -> None:
    again = pickle.loads(pickle.dumps(container))
    assert (again.uuid, again.durability, again.read_only) == (container.uuid, "async", False)
    reader = pickle.loads(pickle.dumps(Container.open("lab/kv", read_only=True, durability="sync")))
    assert (reader.durability, reader.read_only) == ("sync", True)


def test_a_dictionary(kv: Dict) -> None:
    kv["a"] = b"1" * 100_000
    pickled = pickle.dumps(kv)
    assert len(pickled) < 500
    kv["b"] = b"2"
    again = pickle.loads(pickled)
    assert again == kv
    again["c"] = b"3"
    assert kv["c"] == b"3"
    assert copy.copy(kv) == kv


def test_a_pickle_of_what_is_gone_says_so(kv: Dict) -> None:
    pickled = pickle.dumps(kv)
    kv.container.destroy_dict("readings")
    with pytest.raises(millpond.NotFoundError, match="readings"):
        pickle.loads(pickled)


def test_what_lives_in_memory_has_no_pickle() -> None:
    pool = Pool.create("mem:scratch-of-test-pickle")
    container = pool.create_container("kv")
    for handle in (pool, container, container.create_dict("d")):
        with pytest.raises(millpond.NotSupportedError, match="lives in the memory of this process"):
            pickle.dumps(handle)
    container.close()
    Pool.destroy("mem:scratch-of-test-pickle", force=True)


def test_iterators_and_streams_have_no_pickle(kv: Dict) -> None:
    kv["a"] = b"1"
    for thing in (iter(kv), kv.range(), kv.reader("a")):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(thing)

"""Measures a dictionary in a Ceph cluster beside the cluster's own floor: raw operations on one object.

CEPH_CONF=… python benchmarks/python/rados.py rados://CEPHPOOL [SECONDS]

The Ceph pool must hold no Millpond pool yet. The floor is measured through librados by ctypes, one
operation at a time: a set of one omap key under a guard (what a commit is, without its read), and a read
of one key. Everything is measured in turns, ROUNDS times, and the median counts, so that a machine that is
busy for a while is as busy for the floor.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from millpond import Container, Pool

VALUE = b"v" * 64
BATCH = 100
THREADS = 16
LONG = 4 << 20
ROUNDS = 5


class Raw:
    """One object of a Ceph pool, by way of librados."""

    def __init__(self, ceph_pool: str) -> None:
        self.lib = ctypes.CDLL("librados.so.2")
        for name in ("rados_create_write_op", "rados_create_read_op"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.cluster, self.io = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(self.lib.rados_create(ctypes.byref(self.cluster), b"admin"))
        self.check(self.lib.rados_conf_read_file(self.cluster, os.environ["CEPH_CONF"].encode()))
        self.check(self.lib.rados_connect(self.cluster))
        self.check(self.lib.rados_ioctx_create(self.cluster, ceph_pool.encode(), ctypes.byref(self.io)))
        self.lib.rados_ioctx_set_namespace(self.io, b"millpond-benchmark")
        self.set(0, guarded=False)

    def check(self, answer: int) -> None:
        if answer < 0:
            raise OSError(-answer, os.strerror(-answer))

    def set(self, number: int, *, guarded: bool = True) -> None:
        op = ctypes.c_void_p(self.lib.rados_create_write_op())
        key, size = b"k%d" % number, ctypes.c_size_t
        if guarded:
            self.lib.rados_write_op_omap_cmp2(
                op, b"k0", ctypes.c_uint8(1), VALUE, size(2), size(len(VALUE)), None
            )
        keys, values = (ctypes.c_char_p * 1)(key), (ctypes.c_char_p * 1)(VALUE)
        lengths = (size * 1)(len(key)), (size * 1)(len(VALUE))
        self.lib.rados_write_op_omap_set2(op, keys, values, *lengths, size(1))
        self.check(self.lib.rados_write_op_operate(op, self.io, b"floor", None, 0))
        self.lib.rados_release_write_op(op)

    def get(self, number: int) -> None:
        op, iterator, answer = (
            ctypes.c_void_p(self.lib.rados_create_read_op()),
            ctypes.c_void_p(),
            ctypes.c_int(),
        )
        key, size = b"k%d" % number, ctypes.c_size_t
        self.lib.rados_read_op_omap_get_vals_by_keys2(
            op,
            (ctypes.c_char_p * 1)(key),
            size(1),
            (size * 1)(len(key)),
            ctypes.byref(iterator),
            ctypes.byref(answer),
        )
        self.check(self.lib.rados_read_op_operate(op, self.io, b"floor", 0))
        self.lib.rados_omap_get_end(iterator)
        self.lib.rados_release_read_op(op)

    def close(self) -> None:
        self.lib.rados_remove(self.io, b"floor")
        self.lib.rados_ioctx_destroy(self.io)
        self.lib.rados_shutdown(self.cluster)


def rate(act: Callable[[int], object], seconds: float, numbers: Iterator[int]) -> float:
    """How often `act` is done in a second, with the next number each time."""
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        act(next(numbers))
        count += 1
    return count / took


def rate_of_threads(act: Callable[[int], object], seconds: float, numbers: Iterator[int]) -> float:
    with ThreadPoolExecutor(THREADS) as threads:
        # Drawing the next number of a count is one step, which no other thread interrupts.
        return sum(threads.map(lambda _: rate(act, seconds, numbers), range(THREADS)))


def medians(container: Container, raw: Raw, seconds: float) -> dict[str, float]:
    kv, long = container.create_dict("d"), os.urandom(LONG)
    batch = {b"b%d" % key: VALUE for key in range(BATCH)}
    kv.put(b"there", VALUE)
    kv.put(b"l0", long)
    measures: dict[str, tuple[Callable[..., float], Callable[[int], object]]] = {
        "floor of writes": (rate, lambda at: raw.set(at % 1000 + 1)),
        "floor of reads": (rate, lambda at: raw.get(0)),
        "put": (rate, lambda at: kv.put(b"p%d" % at, VALUE)),
        "put over a value": (rate, lambda at: kv.put(b"there", VALUE)),
        "get": (rate, lambda at: kv[b"there"]),
        f"put, {THREADS} threads": (rate_of_threads, lambda at: kv.put(b"t%d" % at, VALUE)),
        f"batches of {BATCH} puts": (
            rate,
            lambda at: kv.bput({b"%d.%b" % (at, key): VALUE for key in batch}),
        ),
        "put of 4 MiB": (rate, lambda at: kv.put(b"l%d" % (at % 10), long)),
        "get of 4 MiB": (rate, lambda at: kv[b"l0"]),
    }
    counts = {name: itertools.count() for name in measures}
    found: dict[str, list[float]] = {name: [] for name in measures}
    short, lengthy = list(measures)[:-2], list(measures)[-2:]
    # Long values last: a cluster goes on writing them for a while.
    for name in short * ROUNDS + lengthy * ROUNDS:
        how, act = measures[name]
        found[name].append(how(act, seconds / ROUNDS, counts[name]))
    begun = time.perf_counter()
    walked = sum(1 for _ in kv)
    result = {name: statistics.median(rates) for name, rates in found.items()}
    return result | {"keys walked": walked / (time.perf_counter() - begun)}


def main() -> None:
    url = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    raw = Raw(url.rpartition("/")[2].rpartition("@")[2])
    pool = Pool.create(url)
    try:
        with pool.create_container("benchmark") as container:
            found = medians(container, raw, seconds)
    finally:
        Pool.destroy(url, force=True)
        raw.close()
    for name, value in found.items():
        floor = found[
            "floor of reads" if name.startswith(("get", "floor of reads", "keys")) else "floor of writes"
        ]
        print(f"{name:24} {value:9.0f} /s  {value / floor:6.2f} × its floor")


if __name__ == "__main__":
    main()

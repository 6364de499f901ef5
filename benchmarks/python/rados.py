"""Measures a dictionary in a Ceph cluster beside the cluster's own floor: raw operations on one object.

CEPH_CONF=… python benchmarks/rados.py rados://CEPHPOOL [SECONDS]

The Ceph pool must hold no Millpond pool yet. The floor is measured through librados by ctypes, one
operation at a time: a set of one omap key under a guard (what a commit is, without its read), and a read
of one key.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from millpond import Pool

VALUE = b"v" * 64
BATCH = 100
THREADS = 16
LONG = 4 << 20


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


def rate(act: Callable[[int], object], seconds: float) -> float:
    """How often `act` is done in a second, with a number that grows."""
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        act(count)
        count += 1
    return count / took


def rate_of_threads(act: Callable[[int], object], seconds: float) -> float:
    numbers, lock = iter(range(10**9)), threading.Lock()

    def one(_: int) -> float:
        def step(_: int) -> None:
            with lock:
                number = next(numbers)
            act(number)

        return rate(step, seconds)

    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(one, range(THREADS)))


def main() -> None:
    url = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    raw = Raw(url.rpartition("/")[2].rpartition("@")[2])
    set_floor = rate(lambda at: raw.set(at % 1000 + 1), seconds)
    get_floor = rate(lambda at: raw.get(at % 1000), seconds)
    raw.close()
    pool = Pool.create(url)
    try:
        with pool.create_container("benchmark") as container:
            kv = container.create_dict("d")

            def batch(at: int) -> None:
                kv.bput({b"b%d.%d" % (at, key): VALUE for key in range(BATCH)})

            results = {
                "floor: guarded set of a key": (set_floor, set_floor),
                "floor: read of a key": (get_floor, get_floor),
                "put": (rate(lambda at: kv.put(b"p%d" % at, VALUE), seconds), set_floor),
                "put over another value": (
                    rate(lambda at: kv.put(b"p%d" % (at % 10), VALUE), seconds),
                    set_floor,
                ),
                "get": (rate(lambda at: kv[b"p%d" % (at % 10)], seconds), get_floor),
                f"put of {THREADS} threads": (
                    rate_of_threads(lambda at: kv.put(b"t%d" % at, VALUE), seconds),
                    set_floor,
                ),
                f"puts in batches of {BATCH}": (BATCH * rate(batch, seconds), set_floor),
            }
            long = os.urandom(LONG)
            write = rate(lambda at: kv.put(b"l%d" % (at % 10), long), seconds)
            read = rate(lambda at: kv[b"l%d" % (at % 10)] if write * seconds >= 10 else kv[b"l0"], seconds)
            count = len(kv)
            begun = time.perf_counter()
            walked = sum(1 for _ in kv)
            scan = walked / (time.perf_counter() - begun)
        for name, (found, floor) in results.items():
            print(f"{name:32} {found:8.0f} /s  {found / floor:6.2f} × its floor")
        print(f"{'values of 4 MiB, written':32} {write * LONG / 1e6:8.0f} MB/s")
        print(f"{'values of 4 MiB, read':32} {read * LONG / 1e6:8.0f} MB/s")
        print(f"{'keys walked':32} {scan:8.0f} /s  of {count}")
    finally:
        Pool.destroy(url, force=True)


if __name__ == "__main__":
    main()

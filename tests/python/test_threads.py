"""Threads: they share handles, and the interpreter is free while a call waits."""

from __future__ import annotations

import _thread
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import millpond
import pytest
import workers
from millpond import Dict


def test_threads_share_a_dictionary(kv: Dict) -> None:
    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(workers.put_range, kv, worker, 300) for worker in range(6)]:
            done.result()
    assert len(kv) == 6 * 300 + 1
    assert len(list(kv)) == len(kv)


def test_threads_share_an_iterator(kv: Dict) -> None:
    kv.bput((b"%05d" % number, b"") for number in range(10_000))
    entries = iter(kv)
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda _: list(entries), range(4)))
    assert sorted(key for part in parts for key in part) == [b"%05d" % number for number in range(10_000)]


def test_setdefault_and_pop_are_one_step(kv: Dict) -> None:
    barrier = threading.Barrier(4)

    def race(worker: int) -> tuple[bytes, bytes | None]:
        barrier.wait()
        answered = kv.setdefault("once", b"%d" % worker)
        barrier.wait()
        return answered, kv.pop("once", None)

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(race, range(4)))
    assert len({answered for answered, _ in outcomes}) == 1
    assert sum(taken is not None for _, taken in outcomes) == 1


def test_the_interpreter_is_free_during_a_long_call(kv: Dict) -> None:
    """While one thread compacts and another puts large values, a third one goes on counting."""
    ticks = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    large = b"x" * (64 << 20)
    counter.start()
    began = time.monotonic()
    before = ticks
    kv["large"] = large
    assert len(kv["large"]) == len(large)
    during, took = ticks - before, time.monotonic() - began
    stop.set()
    counter.join()
    # Two calls that held it would let the counter run between them alone.
    assert during >= min(5, took / 0.05)


def test_the_interpreter_is_free_while_a_put_waits_for_a_sync(pool: millpond.Pool) -> None:
    """Durable puts of several threads are synced together: holding the interpreter would part them."""
    kv = pool.create_container("durable", durability="sync").create_dict("d")
    inside = 0
    most = 0
    lock = threading.Lock()

    def put(worker: int) -> None:
        nonlocal inside, most
        for number in range(100):
            with lock:
                inside += 1
                most = max(most, inside)
            kv[f"{worker}-{number}"] = b"x" * 1000
            with lock:
                inside -= 1

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(put, worker) for worker in range(4)]:
            done.result()
    assert len(kv) == 400
    assert most > 1


def test_a_signal_ends_a_walk(kv: Dict) -> None:
    """Each batch of an iteration goes back to the interpreter, which then sees signals."""
    kv.bput((b"%05d" % number, b"") for number in range(10_000))
    seen = 0
    interrupt = threading.Timer(0.05, _thread.interrupt_main)
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            for _ in kv:
                seen += 1
    interrupt.join()
    assert seen > 0

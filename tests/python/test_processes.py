"""Several processes on one dictionary: forked, spawned, and killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import Any

import millpond
import pytest
import workers
from millpond import Container, Dict


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_several_processes_write_one_dictionary(pool: millpond.Pool, method: str, durability: str) -> None:
    kv = pool.create_container("kv", durability=durability).create_dict("d")  # type: ignore[arg-type]
    kv["before"] = b""
    context: Any = multiprocessing.get_context(method)
    count = 300
    processes = [context.Process(target=workers.put_range, args=(kv, worker, count)) for worker in range(3)]
    for process in processes:
        process.start()
    workers.put_range(kv, 9, count)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(kv) == 4 * count + 2
    expected = {f"{worker}-{number:04}".encode() for worker in (0, 1, 2, 9) for number in range(count)}
    assert set(kv) == expected | {b"before", b"shared"}
    assert kv.container.check().healthy


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes_takes_each_key_once(kv: Dict, method: str) -> None:
    kv.bput((b"%04d" % number, b"x") for number in range(400))
    with multiprocessing.get_context(method).Pool(3) as processes:
        taken = processes.starmap(workers.claim, [(kv, 400)] * 3)
        assert sorted(key for part in taken for key in part) == [b"%04d" % number for number in range(400)]
        assert len(kv) == 0
        kv["after"] = b"1"
        assert processes.apply(workers.read_all, (kv,)) == {b"after": b"1"}
        processes.close()
        processes.join()


def test_a_forked_child_goes_on_with_every_handle(kv: Dict, container: Container) -> None:
    kv["a"] = b"1"

    def work() -> object:
        kv["b"] = b"2"
        kv["large"] = b"L" * 500_000
        container.create_dict("of the child")["x"] = b"y"
        return len(kv), kv["a"], container.pool.label

    assert workers.in_child(work) == "(3, b'1', 'lab')"
    assert kv["b"] == b"2"
    assert kv["large"] == b"L" * 500_000
    kv["c"] = b"3"
    assert workers.in_child(lambda: len(kv)) == "4"
    assert workers.in_child(lambda: workers.in_child(lambda: kv["c"])) == "b'3'"
    assert container.dict("of the child") == {"x": b"y"}
    assert container.check().healthy


def test_iterators_and_streams_stay_with_their_process(kv: Dict) -> None:
    kv.bput((f"{number:05}", b"") for number in range(5000))
    kv["large"] = b"L" * 5_000_000
    entries = iter(kv)
    assert next(entries) == b"00000"
    writer = kv.writer("written")
    writer.write(b"a" * 100_000)
    assert workers.in_child(lambda: list(entries)).startswith("ForkedError: ")
    reader = kv.reader("large")
    assert workers.in_child(lambda: writer.write(b"b" * 5_000_000)).startswith("ForkedError: ")
    assert workers.in_child(lambda: writer.discard()) == "None"
    assert workers.in_child(lambda: reader.read(10)).startswith("ForkedError: a reader was carried across")
    assert workers.in_child(lambda: next(iter(kv))) == "b'00000'"
    assert len(list(entries)) == 5000
    assert writer.commit() is False
    assert kv["written"] == b"a" * 100_000


def test_a_child_that_just_ends_disturbs_nobody(kv: Dict) -> None:
    kv["a"] = b"1"
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert workers.in_child(lambda: kv.container.close()) == "None"
    kv["b"] = b"2"
    assert kv == {"a": b"1", "b": b"2"}


WRITE_FOR_EVER = """
import sys, millpond
kv = millpond.Container.open(sys.argv[1]).dict("readings")
number = 0
while True:
    kv.bput({f"{number:06}-{part}": b"x" * 3000 for part in range(4)})
    print(number, flush=True)
    number += 1
"""


def test_a_killed_writer_leaves_whole_commits(kv: Dict) -> None:
    for _ in range(3):
        kv.clear()
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, kv.container.url], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = -1
        while acknowledged < 100:
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        rest = writer.stdout.read().splitlines(keepends=True)
        acknowledged += sum(line.endswith("\n") for line in rest)
        writer.wait()
        writer.stdout.close()
        keys = list(kv)
        assert len(kv) == len(keys)
        assert len(keys) % 4 == 0
        assert len(keys) // 4 in (acknowledged + 1, acknowledged + 2)
        assert kv.container.check().healthy


def test_another_process_sees_a_commit_at_once(kv: Dict) -> None:
    source = "import sys, millpond; print(millpond.Container.open(sys.argv[1]).dict('readings').dump())"
    kv["a"] = b"1"
    assert workers.run_python(source, kv.container.url) == "{b'a': b'1'}\n"
    workers.run_python(source.replace("print(", "").replace(".dump())", "['b'] = b'2'"), kv.container.url)
    assert kv["b"] == b"2"


def test_an_interpreter_that_ends_with_open_handles_ends_at_once(kv: Dict) -> None:
    source = (
        "import sys, millpond; kv = millpond.Container.open(sys.argv[1]).dict('readings'); kv['a'] = b'1'; "
        "entries = iter(kv); next(entries)"
    )
    began = time.monotonic()
    workers.run_python(source, kv.container.url)
    assert time.monotonic() - began < 20
    assert kv["a"] == b"1"

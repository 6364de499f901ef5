"""Watching a container: from loops, threads, processes and coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import millpond
import pytest


def told(commit: millpond.Commit | None) -> list[tuple[str, bytes | None, bytes | None]]:
    assert commit is not None
    return sorted((change.kind, change.key, change.value) for change in commit)


def test_each_commit_is_told(container: millpond.Container, kv: millpond.Dict) -> None:
    with container.watch(dict="readings") as watch:
        kv["a"] = b"1"
        kv.update({"b": b"2", "c": b"3" * 10_000})
        del kv["a"]
        first = watch.next(timeout=10)
        assert told(first) == [("put", b"a", b"1")]
        second = watch.next(timeout=10)
        assert first is not None
        assert second is not None
        assert second.epoch > first.epoch
        assert watch.epoch == second.epoch
        assert told(second) == [("put", b"b", b"2"), ("put", b"c", b"3" * 10_000)]
        assert told(second) == told(second), "a commit can be looked at again"
        assert [change.dict for change in second] == ["readings"] * 2
        assert sorted(change.length for change in second if change.length is not None) == [1, 10_000]
        assert told(watch.next(timeout=10)) == [("delete", b"a", None)]
        assert watch.next(timeout=0) is None
        with container.watch(after=first.epoch, prefix="b") as again:
            assert told(again.next(timeout=10)) == [("put", b"b", b"2")]
    with pytest.raises(millpond.ClosedError):
        watch.next(timeout=0)


def test_dictionaries_come_and_go(container: millpond.Container) -> None:
    with container.watch() as watch:
        container.create_dict("d")
        container.destroy_dict("d")
        kinds = []
        for commit in watch:
            kinds += [(change.kind, change.dict, change.key) for change in commit]
            if len(kinds) == 2:
                break
        assert kinds == [("create", "d", None), ("destroy", "d", None)]


def test_a_huge_commit_is_taken_once(container: millpond.Container, kv: millpond.Dict) -> None:
    with container.watch() as watch:
        kv.update({f"{number:06}": b"v" * 400 for number in range(5000)})
        commit = watch.next(timeout=10)
        assert commit is not None
        assert sum(1 for _ in commit) == 5000
        with pytest.raises(millpond.InvalidArgumentError):
            commit.changes  # noqa: B018


def test_a_cursor_keeps_what_it_needs(container: millpond.Container, kv: millpond.Dict) -> None:
    with container.watch(cursor="plots") as watch:
        kv["a"] = b"1"
        kv["b"] = b"2"
        assert told(watch.next(timeout=10)) == [("put", b"a", b"1")]
        watch.acknowledge()
        assert list(container.watch_cursors()) == ["plots"]
        assert container.watch_cursors()["plots"] == watch.epoch
    container.compact()
    with container.watch(cursor="plots") as watch:
        assert told(watch.next(timeout=10)) == [("put", b"b", b"2")]
    container.remove_watch_cursor("plots")
    with pytest.raises(millpond.NotFoundError):
        container.remove_watch_cursor("plots")


def test_who_falls_behind_is_told_where_to_go_on(pool: millpond.Pool) -> None:
    properties = {"watch-retention": "100KiB,1day"}
    with pool.create_container("small", durability="async", properties=properties) as container:
        kv = container.create_dict("d")
        begun = container.watch().epoch
        for number in range(300):
            kv[f"{number}"] = os.urandom(1500)
        container.compact()
        with pytest.raises(millpond.LaggedError) as lagged:
            container.watch(after=begun)
        assert lagged.value.restart_epoch > begun
        assert isinstance(lagged.value, LookupError)
        kv["behind"] = b""
        with container.watch(after=lagged.value.restart_epoch) as watch:
            commit = watch.next(timeout=10)
            assert commit is not None
            assert commit.epoch > lagged.value.restart_epoch


def test_a_thread_waits_while_others_go_on(container: millpond.Container, kv: millpond.Dict) -> None:
    seen: list[bytes | None] = []

    def consume() -> None:
        for commit in watch:
            seen.extend(change.key for change in commit)
            if len(seen) == 20:
                return

    with container.watch(dict="readings") as watch:
        thread = threading.Thread(target=consume)
        thread.start()
        for number in range(20):
            kv[f"{number:02}"] = b""
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert seen == [b"%02d" % number for number in range(20)]


def write(url: str, count: int) -> None:
    with millpond.Container.open(url) as container:
        readings = container.dict("readings")
        for number in range(count):
            readings.update({f"{number:03}/{part}": b"v" for part in "ab"})


def test_another_process_is_seen(container: millpond.Container, kv: millpond.Dict) -> None:
    with container.watch(dict="readings") as watch:
        process = multiprocessing.get_context("spawn").Process(target=write, args=(container.url, 30))
        process.start()
        for number in range(30):
            assert [key for _, key, _ in told(watch.next(timeout=60))] == [
                b"%03d/a" % number,
                b"%03d/b" % number,
            ]
        process.join()


def test_coroutines_wait_without_blocking_the_loop(container: millpond.Container, kv: millpond.Dict) -> None:
    async def consume(watch: millpond.Watch, count: int) -> list[bytes | None]:
        keys: list[bytes | None] = []
        async for commit in watch:
            keys += [change.key for change in commit]
            if len(keys) == count:
                break
        return keys

    async def both() -> None:
        ticks = 0
        with container.watch(dict="readings") as one, container.watch(prefix="1") as two:
            waiting = asyncio.gather(consume(one, 20), consume(two, 10))
            for number in range(20):
                await asyncio.sleep(0.005)
                ticks += 1
                kv[f"{number:02}"] = b""
            first, second = await asyncio.wait_for(waiting, 30)
        assert first == [b"%02d" % number for number in range(20)]
        assert second == [b"%02d" % number for number in range(10, 20)]
        assert ticks == 20

    asyncio.run(both())


def test_a_cancelled_wait_loses_nothing(container: millpond.Container, kv: millpond.Dict) -> None:
    async def consume() -> list[bytes | None]:
        keys: list[bytes | None] = []
        chance = random.Random(1)
        with container.watch(dict="readings") as watch:
            for number in range(20):
                waiting = asyncio.ensure_future(anext(watch))
                await asyncio.sleep(chance.random() / 50)
                kv[f"{number:02}"] = b""
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    keys += [change.key for change in await waiting]
            while len(keys) < 20:
                keys += [change.key for change in await asyncio.wait_for(anext(watch), 30)]
            assert watch.next(timeout=0.2) is None
        return keys

    assert asyncio.run(consume()) == [b"%02d" % number for number in range(20)]


WAIT = """
import sys, millpond
with millpond.Container.open(sys.argv[1]) as container, container.watch() as watch:
    print("waiting", flush=True)
    try:
        watch.next()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_wait(container: millpond.Container) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAIT, container.url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(timeout=30) == 0


def test_the_command_line_watches_until_it_is_interrupted(
    container: millpond.Container, kv: millpond.Dict, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "millpond", "container", "watch", container.url, "--json"]
    with subprocess.Popen([*command, "--cursor", "cli"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not container.watch_cursors():
            time.sleep(0.01)
        kv["a"] = b"1"
        line = process.stdout.readline()
        assert '"key":"a"' in line
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


def test_a_watch_is_of_its_process(container: millpond.Container) -> None:
    with container.watch() as watch:
        pid = os.fork()
        if pid == 0:
            try:
                watch.next(timeout=0)
            except millpond.ForkedError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        assert watch.next(timeout=0) is None

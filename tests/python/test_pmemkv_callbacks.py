"""What callbacks may do: keep what they are shown, change the database, raise; and what goes on meanwhile."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from millpond.compat import pmemkv
from pmemkv_engines import ANY_BYTES, PERSISTENT, SORTED, buffers, text

ENGINES = pytest.mark.parametrize("engine", ANY_BYTES)
LONG = bytes(range(256)) * 64


@pytest.fixture(autouse=True)
def patient_switches() -> Iterator[None]:
    yield
    sys.setswitchinterval(0.005)


@ENGINES
def test_views_outlive_the_callback_the_record_and_the_database(engine: str, tmp_path: Path) -> None:
    kept: list[memoryview] = []
    db = buffers(engine, tmp_path)
    db.put("key", LONG)
    db.get("key", kept.append)
    db.get_all(lambda key, value: kept.extend([key, value]))
    db.get_keys(kept.append)
    inner = kept[0][100:200]
    db.put("key", LONG[::-1])
    db.remove("key")
    db.put_many({f"key{n}": LONG for n in range(100)})
    db.stop()
    del db
    gc.collect()
    assert kept == [LONG, b"key", LONG, b"key"]
    assert inner == LONG[100:200]
    assert all(view.readonly for view in kept)
    with pytest.raises(TypeError):
        kept[0][0] = 1


@ENGINES
def test_an_exception_ends_the_iteration_and_arrives_unchanged(engine: str, tmp_path: Path) -> None:
    class EnoughError(Exception):
        pass

    raised = EnoughError("that will do", 7)
    for database in (buffers, text):
        seen: list[object] = []

        def func(*record: object, seen: list[object] = seen) -> None:
            seen.append(record)
            if len(seen) == 3:
                raise raised

        with database(engine, tmp_path) as db:
            for n in range(10):
                db.put(f"key{n}", "value")
            calls: list[Callable[[Any], object]] = [db.get_all, db.get_keys, db.get_all_strings]
            calls += [db.get_keys_strings]
            if engine in SORTED:
                calls += [partial(db.get_above, ""), partial(db.get_keys_between, "", "z")]
            for call in calls:
                seen.clear()
                with pytest.raises(EnoughError) as caught:
                    call(func)
                assert caught.value is raised
                assert len(seen) == 3
            seen.clear()
            seen.extend("ab")
            with pytest.raises(EnoughError) as caught:
                db.get("key3", func)
            assert caught.value is raised
            # The database is as good as before.
            assert len(db) == 10


@ENGINES
def test_what_a_callback_returns_is_ignored(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        db.put_many({f"key{n}": "value" for n in range(10)})
        seen: set[bytes] = set()

        def told(*record: memoryview) -> int:
            seen.update(map(bytes, record))
            return 1

        db.get_keys(told)
        assert len(seen) == 10
        db.get_all(told)
        assert len(seen) == 11


@ENGINES
def test_a_callback_may_change_the_database(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        db.put_many({f"key{n}": "value" for n in range(100)})
        db.get_keys(lambda key: db.remove(key) and None)
        assert len(db) == 0
        db["key"] = "value"
        db.get("key", lambda value: db.put("other", value))
        assert db["other"] == "value"


@ENGINES
def test_a_callback_may_stop_the_engine(engine: str, tmp_path: Path) -> None:
    """The iteration ends then, or goes on with what it shows; it does no harm."""
    db = buffers(engine, tmp_path)
    db.put_many({f"key{n}": "value" for n in range(10_000)})
    kept: list[memoryview] = []

    def func(key: memoryview) -> None:
        kept.append(key)
        db.stop()

    with contextlib.suppress(pmemkv.InvalidArgument):
        db.get_keys(func)
    assert db.stopped
    assert 1 <= len(kept) <= 10_000
    assert all(bytes(key).startswith(b"key") for key in kept)


def lets_others_run(call: Callable[[], object]) -> bool:
    """Whether another thread gets to run during a call, in an interpreter that never switches by itself."""
    running, turns = threading.Event(), 0
    stop = False

    def count() -> None:
        nonlocal turns
        running.set()
        while not stop:
            turns += 1
            time.sleep(0)

    sys.setswitchinterval(1000)
    thread = threading.Thread(target=count)
    thread.start()
    running.wait()
    before, deadline = turns, time.monotonic() + 20
    while turns == before and time.monotonic() < deadline:
        call()
    after, stop = turns, True
    sys.setswitchinterval(0.005)
    thread.join()
    return after > before


@ENGINES
def test_other_threads_run_while_a_call_is_under_way(engine: str, tmp_path: Path) -> None:
    with buffers(engine, tmp_path) as db:
        entries = {f"{n:08}": b"value" * 20 for n in range(20_000)}
        assert lets_others_run(partial(db.put_many, entries))
        assert lets_others_run(db.count_all)
        if engine in PERSISTENT:
            assert lets_others_run(partial(db.put, "key", "value"))


def test_a_call_that_keeps_the_interpreter_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 1000, 7))
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    assert not lets_others_run(lambda: sum(range(100_000)))


@ENGINES
def test_threads_share_a_database(engine: str, tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with buffers(engine, tmp_path) as db:

        def work(number: int) -> None:
            try:
                for turn in range(50):
                    key = f"{number}-{turn}"
                    db[key] = key * 10
                    assert db[key] == key * 10
                    if turn % 10 == 0:
                        db.get_all(lambda key, value: bytes(value)[: len(key)] == bytes(key) or 1 / 0)
                    if turn % 2:
                        del db[key]
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(db) == 8 * 25

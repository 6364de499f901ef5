"""The example of sessions that expire, on pmemkv's engine vcmap."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parent.parent.parent / "examples" / "session_cache.py"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="this copy has no examples/")


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def example() -> ModuleType:
    specification = importlib.util.spec_from_file_location("session_cache", PROGRAM)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_sessions_last_until_they_are_not_visited(example: ModuleType, tmp_path: Path) -> None:
    clock = Clock()
    cache = example.SessionCache(str(tmp_path), 16 << 20, 10, clock)
    cache.store("a", {"user": "ann"})
    cache.store("b", {"user": "bob"})
    for clock.now in (5, 10, 15):
        assert cache.visit("a") == {"user": "ann"}
    assert cache.visit("b") is None
    assert len(cache) == 1
    clock.now = 26
    assert cache.sweep() == 1
    assert len(cache) == 0
    cache.store("c", {"user": "cyd"})
    assert cache.end("c")
    assert not cache.end("c")
    assert cache.visit("c") is None
    cache.close()


def test_a_full_cache_lets_those_go_that_expire_next(example: ModuleType, tmp_path: Path) -> None:
    clock = Clock()
    cache = example.SessionCache(str(tmp_path), 16 << 20, 10, clock)
    session = {"notes": "x" * 100_000}
    for number in range(400):
        clock.now = number / 1000
        cache.store(str(number), session)
    assert 0 < len(cache) < 400
    assert cache.visit("399") == session
    assert cache.visit("0") is None
    cache.close()


def test_the_program(tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), "--visitors", "400", "--lifetime", "0.01"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^400 visitors, \d+ sessions$", done.stdout, re.M)
    assert re.search(r"^\d+ expired, 0 sessions$", done.stdout, re.M)

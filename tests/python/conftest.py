"""Every test has a home of its own for its pools, and leaves no process behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import millpond
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "millpond",
    deadline=None,
    max_examples=50,
    # The container is shared by the examples of a test; each example has its own dictionary.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("millpond")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the pools that are known by their label."""
    home = tmp_path / "home"
    monkeypatch.setenv("MILLPOND_HOME", str(home))
    return home


@pytest.fixture
def pool(home: Path) -> millpond.Pool:
    return millpond.Pool.create("lab")


@pytest.fixture
def container(pool: millpond.Pool) -> Iterator[millpond.Container]:
    with pool.create_container("kv", durability="async") as container:
        yield container


@pytest.fixture
def kv(container: millpond.Container) -> millpond.Dict:
    """An empty dictionary."""
    return container.create_dict("readings")


@pytest.fixture(autouse=True, scope="session")
def no_process_is_left() -> Iterator[None]:
    yield
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    commands = [_command(pid) for pid in children.read_text().split()]
    # Python's own servants of multiprocessing end with this process.
    left = [command for command in commands if "from multiprocessing." not in command]
    assert left == []


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except FileNotFoundError:
        return "(ended)"

"""What the tests run in other processes: a spawned process imports it from here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import millpond


def put_range(kv: millpond.Dict, worker: int, count: int) -> None:
    """Puts keys of the worker's own and, over and over, one that all workers share."""
    for number in range(count):
        kv[f"{worker}-{number:04}"] = b"%d" % number
        kv["shared"] = b"%d" % worker


def read_all(kv: millpond.Dict) -> dict[bytes, bytes]:
    return kv.dump()


def claim(kv: millpond.Dict, count: int) -> list[bytes]:
    """Takes what it can get; of several processes, one gets each key."""
    return [key for number in range(count) if kv.pop(key := b"%04d" % number, None) is not None]


def in_child(work: Callable[[], object]) -> str:
    """Forks, and answers what `work` answered there, or the exception that it raised."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = str(work())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write_end, text.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"
    return text


def run_python(source: str, *arguments: str) -> str:
    """Runs a program in a new interpreter, and answers what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

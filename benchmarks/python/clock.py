"""Wall time, processor time and bytes written, of this process."""

import time
from collections.abc import Callable
from pathlib import Path

from job import Figure

# How often to look whether a store is still busy, and how long at the most.
LOOK_S = 0.1
IDLE_LOOKS = 2
LOOKS_MAX = 100


def timed(operations: int, settle: bool, work: Callable[[], object]) -> Figure:
    """Times some work.

    With `settle`, the processor time includes what the store still does afterwards in the background:
    it was caused by this work, and must not burden the next.
    """
    start, cpu = time.monotonic(), time.process_time()
    work()
    return figure(operations, settle, start, cpu, time.monotonic())


def figure(operations: int, settle: bool, start: float, cpu: float, end: float) -> Figure:
    """What was done since `start`, when the process had taken `cpu`, until `end`."""
    if settle:
        wait_until_idle()
    return Figure(operations, end - start, time.process_time() - cpu, start)


def wait_until_idle() -> None:
    idle = 0
    for _ in range(LOOKS_MAX):
        before = time.process_time()
        time.sleep(LOOK_S)
        idle = 0 if time.process_time() - before > LOOK_S / 50 else idle + 1
        if idle == IDLE_LOOKS:
            return


def written_bytes() -> int:
    """What this process has caused to be written to storage so far."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise RuntimeError("/proc/self/io has no line of write_bytes: the kernel was built without it")

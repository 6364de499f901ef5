"""Synced puts and the machine's floor by turns.

What a sync costs changes by the second, more than stores differ. So the floor is measured between the
puts, on the same disk in the same seconds, and of either the median operation counts.
"""

import os
import statistics
import tempfile
import time
from dataclasses import replace

from clock import figure
from job import Figure, Job
from peers import Entries, Session, batches

# Operations of one kind before it is the other's turn.
TURNS = 25

# Bytes that a store's log adds to a key and a value, about.
OVERHEAD_BYTES = 34


def run(job: Job, session: Session, entries: Entries) -> tuple[Figure, Figure]:
    """The figures of the puts and of the floor."""
    record = b"x" * (job.value_bytes + 16 + OVERHEAD_BYTES)
    put = session.put
    now = time.monotonic
    puts, floors = [], []
    with tempfile.TemporaryFile(dir=job.directory, buffering=0) as file:
        # As a log does it: into space that is zeroed and synced ahead.
        for _ in entries:
            file.write(bytes(len(record)))
        descriptor = file.fileno()
        os.fsync(descriptor)
        at = 0
        start, cpu = now(), time.process_time()
        for batch in batches(entries, TURNS):
            for _ in batch:
                begun = now()
                os.pwrite(descriptor, record, at)
                os.fdatasync(descriptor)
                floors.append(now() - begun)
                at += len(record)
            for key, value in batch:
                begun = now()
                put(key, value)
                puts.append(now() - begun)
    both = figure(len(entries), False, start, cpu, now())
    return (
        replace(both, wall_s=statistics.median(puts) * len(entries)),
        replace(both, wall_s=statistics.median(floors) * len(entries)),
    )

"""A large load of random keys in large batches: its pace, and the bytes that it writes."""

import random
import time

from clock import wait_until_idle, written_bytes
from job import Figure, Job, Report
from peers import PEERS

BATCH = 100_000
POOL_BYTES = 1 << 20


def run(job: Job) -> Report:
    """Loads; batches are made while the clock stands still."""
    chance = random.Random(job.seed)
    pool = random.Random(0).randbytes(POOL_BYTES + job.value_bytes)
    store = PEERS[job.peer](job.place, job.synced)
    session = store.session()
    written = written_bytes()
    walls, making = [], 0.0
    begun = time.process_time()
    for _ in range(job.count // BATCH):
        made = time.thread_time()
        keys = chance.randbytes(16 * BATCH)
        entries = []
        for turn in range(BATCH):
            at = (turn * 7919 + keys[16 * turn]) % POOL_BYTES
            entries.append((keys[16 * turn : 16 * turn + 16], pool[at : at + job.value_bytes]))
        making += time.thread_time() - made
        wall = time.monotonic()
        session.put_many(entries)
        walls.append(time.monotonic() - wall)
    # What they have left to do in the background belongs to the load.
    wait_until_idle()
    store.close()
    cpu_s = time.process_time() - begun - making
    million = 1_000_000 // BATCH
    report = Report()
    report.figures["load"] = Figure(job.count, sum(walls), cpu_s)
    report.figures["load_second_million"] = Figure(1_000_000, sum(walls[million : 2 * million]), 0)
    report.figures["load_last_million"] = Figure(1_000_000, sum(walls[-million:]), 0)
    payload = job.count * (16 + job.value_bytes)
    report.facts["load_written_ratio"] = (written_bytes() - written) / payload
    return report

"""The workloads, as Python programs do them; each by all threads of a process, each with its share."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import alternate
from clock import figure, timed
from job import Figure, Job, Report
from peers import PEERS, Entries, Millpond, Ordered, Peer, Session, batches

BATCH = 1000
# Records in a range that is counted.
RANGE = 100
POOL_BYTES = 1 << 20


class Part:
    """A thread's share of the keys, and what it does with them; made before the clock runs."""

    def __init__(self, job: Job, thread: int) -> None:
        share = job.count // (job.threads * job.processes)
        chance = random.Random(job.seed * 1000 + job.member * job.threads + thread)
        # Values don't compress, so that no peer wins by compression.
        pool = random.Random(0).randbytes(POOL_BYTES + job.value_bytes)
        self.entries: Entries = []
        for _ in range(share):
            at = chance.randrange(POOL_BYTES)
            self.entries.append((chance.randbytes(16), pool[at : at + job.value_bytes]))
        self.shuffled = chance.sample(self.entries, share)
        self.keys = [key for key, _ in self.shuffled]
        self.batches = list(batches(self.entries, BATCH))
        ordered = sorted(key for key, _ in self.entries)
        self.ranges = list(zip(ordered[:: RANGE + 1], ordered[RANGE + 1 :: RANGE + 1], strict=False))
        self.key_batches = [[key for key, _ in batch] for batch in batches(self.shuffled, BATCH)]

    def work(self, session: Session, workload: str) -> None:
        getattr(self, workload)(session)

    def put(self, session: Session) -> None:
        put = session.put
        for key, value in self.entries:
            put(key, value)

    def overwrite(self, session: Session) -> None:
        put = session.put
        for key, value in self.shuffled:
            put(key, value)

    def get(self, session: Session) -> None:
        get = session.get
        for key in self.keys:
            if get(key) is None:
                raise RuntimeError(f"key {key.hex()} is missing")

    def put_many(self, session: Session) -> None:
        put_many = session.put_many
        for batch in self.batches:
            put_many(batch)

    def get_many(self, session: Session) -> None:
        get_many = session.get_many
        for batch in self.key_batches:
            get_many(batch)

    def scan(self, session: Session) -> None:
        # Consumes the iterator without a loop of the interpreter, which would cost more than a record.
        last = deque(enumerate(session.scan(), 1), maxlen=1)
        if last[0][0] != len(self.entries):
            raise RuntimeError(f"{last[0][0]} of {len(self.entries)} records were found")

    scan_compacted = scan

    def count(self, session: Session) -> None:
        ordered = cast("Ordered", session)
        for low, high in self.ranges:
            found = ordered.count(low, high)
            if found != RANGE:
                raise RuntimeError(f"{found} of {RANGE} records were counted")


def measure(job: Job, store: Peer, parts: list[Part], workload: str) -> Figure:
    """One workload, by all threads of this process: from the first one's beginning to the last one's end."""
    # Where a sync is part of it, time on the clock counts, and nothing is to be waited for.
    settle = workload in ("put", "overwrite", "put_many") and not job.synced
    ready = threading.Barrier(len(parts))
    spans: list[tuple[float, float, float]] = []
    failed: list[BaseException] = []

    def work(part: Part) -> None:
        try:
            session = store.session()
            ready.wait()
            # By the thread itself: whoever waits for it may be late.
            start, cpu = time.monotonic(), time.process_time()
            part.work(session, workload)
            spans.append((start, cpu, time.monotonic()))
        except BaseException as error:
            failed.append(error)
            ready.abort()

    threads = [threading.Thread(target=work, args=(part,)) for part in parts[1:]]
    for thread in threads:
        thread.start()
    work(parts[0])
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    counted = sum(len(part.ranges) * RANGE for part in parts)
    operations = counted if workload == "count" else sum(len(part.entries) for part in parts)
    start, cpu, _ = min(spans)
    return figure(operations, settle, start, cpu, max(end for _, _, end in spans))


def run(job: Job, stores: Mapping[str, Callable[[Path, bool], Peer]] = PEERS) -> Report:
    """Does the job's workloads in this process."""
    parts = [Part(job, thread) for thread in range(job.threads)]
    store = stores[job.peer](job.place, job.synced)
    report = Report()
    for workload in job.workloads:
        if workload == "compact":
            store.compact()
        elif workload in ("timed_put", "timed_overwrite"):
            again = workload == "timed_overwrite"
            entries = parts[0].shuffled if again else parts[0].entries
            puts, floor = alternate.run(job, store.session(), entries)
            report.figures.update({workload: puts, f"{workload}_floor": floor})
        else:
            report.figures[workload] = measure(job, store, parts, workload)
    if isinstance(store, Millpond) and len(store) != job.count:
        raise RuntimeError(f"millpond counts {len(store)} records, and holds {job.count}")
    store.close()
    return report


def floors(job: Job) -> Report:
    """What Python itself costs for each operation."""
    turns = range(job.count)
    empty: Callable[[], object] = b"".__len__

    def function() -> None:
        return None

    def call(what: Callable[[], object]) -> None:
        for _ in turns:
            what()

    return Report(
        {
            "empty_call": timed(job.count, False, lambda: call(empty)),
            "empty_function": timed(job.count, False, lambda: call(function)),
        }
    )

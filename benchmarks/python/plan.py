"""What is measured: sections of jobs, which all their peers do in turn, round after round."""

from dataclasses import dataclass, replace

from job import Job

RUST = ["millpond", "heed", "fjall", "redb", "rusqlite"]
# Ordered maps, engines by pmemkv's names, and what else has ordered keys; then those without an order.
ORDERED = ["millpond", "stree", "csmap", "radix", "vsmap", "lmdb", "rocksdict", "sqlite3"]
UNORDERED = ["cmap", "tree3", "vcmap", "dict"]
# Content-addressed stores, and what any of them has to do.
BLOBS = ["millpond", "disk-objectstore", "rsdos", "plain"]
PYTHON = ["millpond", "lmdb", "rocksdict", "diskcache", "sqlite3", "dict"]

SINGLE = ["put", "overwrite", "get", "scan", "compact", "scan_compacted"]
BULK = ["put_many", "get_many"]
SYNCED = ["timed_put", "timed_overwrite"]
MAP_WORKLOADS = ["put", "get", "scan"]
BLOB_WORKLOADS = ["many", "compressed", "single", "optimize", "maintain", "stream"]

# Bytes in a value, and how many records of them there are without a sync, for Rust and for Python, and
# with a sync for each put: few, since a sync takes milliseconds where the machine is busy.
SIZES = [(100, 100_000, 50_000, 480), (2048, 20_000, 10_000, 240), (65_536, 1000, 1000, 80)]

# The names by which sections are chosen.
QUICK = [
    "floors",
    "single",
    "bulk",
    "sync",
    "threads",
    "processes",
    "transactions",
    "visibility",
    "watch",
    "objects",
    "snapshots",
    "blobs",
    "maps",
    "opening",
    "space",
]
FULL = [*QUICK, "load", "growth", "memory"]


@dataclass
class Task:
    """Jobs, and who does them: each peer all of them, one after the other, then the next peer."""

    section: str
    language: str
    peers: list[str]
    jobs: list[Job]
    # How often at most, since some jobs take long or are medians in themselves.
    rounds: int = 99


def plan(sections: list[str], scale: float) -> list[Task]:
    """The tasks of some sections; a scale below 1 is for trying the benchmark out."""
    tasks = [task for task in everything() if task.section in sections]
    return [replace(task, jobs=[scaled(job, scale) for job in task.jobs]) for task in tasks]


def scaled(job: Job, scale: float) -> Job:
    # Shares have to come out even, for 8 threads or processes; the large load counts in millions.
    unit = 2_000_000 if job.task == "load" else 80
    return replace(job, count=max(unit, int(job.count * scale) // unit * unit))


def everything() -> list[Task]:
    tasks = [Task("floors", "python", [""], [Job("floors", count=1_000_000)])]
    for size, rust, python, synced in SIZES:
        tasks.append(Task("floors", "rust", [""], [Job("floors", value_bytes=size, count=synced)]))
        for language, peers, count in (("rust", RUST, rust), ("python", PYTHON, python)):
            single = Job("operations", value_bytes=size, count=count, workloads=SINGLE)
            tasks.append(Task("single", language, peers, [single]))
            tasks.append(Task("bulk", language, peers, [replace(single, workloads=BULK)]))
            sync = replace(single, durability="sync", count=synced, workloads=SYNCED)
            tasks.append(Task("sync", language, durable(peers), [sync]))
    return tasks + concurrent() + separate()


def durable(peers: list[str]) -> list[str]:
    return [peer for peer in peers if peer != "dict"]


def concurrent() -> list[Task]:
    """Several threads, several processes; right before them one, since a disk's pace changes."""
    both = Job("operations", count=40_000, workloads=["put", "get"])
    sync = Job("operations", durability="sync", count=800, workloads=["put"])
    # fjall and RocksDB have one process only; redb's commits among processes are always durable.
    shared = ["millpond", "heed", "rusqlite"]
    shared_python = ["millpond", "lmdb", "diskcache", "sqlite3"]
    tasks = []
    for job in (both, sync):
        threads = [job, replace(job, threads=8)]
        tasks.append(Task("threads", "rust", RUST, threads))
        tasks.append(Task("threads", "python", durable(PYTHON), threads))
        processes = [job, replace(job, processes=4)]
        in_rust = [*shared, "redb"] if job is sync else shared
        tasks.append(Task("processes", "rust", in_rust, processes))
        tasks.append(Task("processes", "python", shared_python, processes))
    return tasks


def separate() -> list[Task]:
    """What is no plain sequence of operations."""
    visibility = Job("visibility", count=240)
    watching = Job("watching", count=240)
    memory = Job("memory", count=10_000_000)
    # fjall's transactions are another kind of database than the one that is measured.
    transacting = ["millpond", "heed", "redb", "rusqlite"]
    transactions = Job("operations", count=100_000, workloads=["put_many", "transact"])
    blobs = Job("blobs", durability="sync", count=20_000, workloads=BLOB_WORKLOADS)
    maps = Job("maps", count=50_000)
    bulk = replace(maps, workloads=BULK)
    seen = ["millpond", "heed", "rusqlite"]
    return [
        Task("transactions", "rust", transacting, [transactions]),
        Task("visibility", "rust", seen, [visibility, replace(visibility, durability="sync")]),
        Task("watch", "rust", ["millpond"], [watching, replace(watching, durability="sync")]),
        Task("objects", "rust", ["millpond"], [Job("objects", count=80)]),
        Task("snapshots", "rust", ["millpond"], [Job("snapshots", count=1_000_000)]),
        Task("blobs", "python", BLOBS, [blobs]),
        Task("maps", "python", ORDERED, [replace(maps, workloads=[*MAP_WORKLOADS, "count"]), bulk]),
        Task("maps", "python", UNORDERED, [replace(maps, workloads=MAP_WORKLOADS), bulk]),
        Task("maps", "rust", ["millpond"], [Job("maps", count=100_000)]),
        Task("opening", "rust", RUST, [Job("opening", count=1_000_000)], rounds=1),
        Task("space", "rust", RUST, [Job("space", count=200_000)], rounds=1),
        Task("load", "python", ["millpond", "rocksdict"], [Job("load", count=10_000_000)]),
        Task("growth", "rust", ["millpond", "heed", "fjall"], [Job("growth", count=10_000_000)]),
        Task("memory", "rust", ["millpond"], [memory, replace(memory, processes=8)], rounds=1),
    ]

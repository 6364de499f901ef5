"""The numbers that Millpond wants to reach, and how each is read off the results.

Work that waits for nothing is judged by processor time of the whole process, background work included;
work with a sync in it, or of several threads or processes, by the clock.
"""

from collections.abc import Callable
from dataclasses import dataclass

import maps
from results import Results, cpu_us, wall_us

CPU, WALL = cpu_us, wall_us


@dataclass
class Goal:
    """A number to reach."""

    group: str
    text: str
    limit: float
    unit: str
    at_most: bool
    measure: Callable[[Results], float | None]
    # The same by the clock, where processor time decides.
    by_clock: Callable[[Results], float | None] = lambda _: None
    # Whether the clock decides, which others on the machine hold up.
    clocked: bool = False

    def reached(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


# Section, language, peer, workload, and what else names a run.
Place = tuple[str, str, str, str, dict[str, object]]


def at(section: str, language: str, peer: str, workload: str, **wanted: object) -> Place:
    return section, language, peer, workload, wanted


def cost(results: Results, place: Place, clock: Callable[..., float]) -> float | None:
    section, language, peer, workload, wanted = place
    figure = results.figure(section, language, peer, workload, **wanted)
    return clock(figure) if figure else None


def quotient(results: Results, above: Place, below: Place, clock: Callable[..., float]) -> float | None:
    one, other = cost(results, above, clock), cost(results, below, clock)
    return one / other if one is not None and other else None


def over_floor(results: Results, place: Place) -> float | None:
    """How many times the floor that was measured beside it: the disk's pace is no store's doing."""
    section, language, peer, workload, wanted = place
    run = results.find(section, language, peer, **wanted)
    return run.over_floor(workload) if run else None


def rate(
    group: str, text: str, limit: float, ours: Place, theirs: Place, clock: Callable[..., float]
) -> Goal:
    """Ours at least so many times as fast as theirs."""
    goal = Goal(group, text, limit, "×", False, lambda results: quotient(results, theirs, ours, clock))
    if clock is CPU:
        goal.by_clock = lambda results: quotient(results, theirs, ours, WALL)
    goal.clocked = clock is WALL
    return goal


def within(
    group: str, text: str, limit: float, ours: Place, theirs: Place, clock: Callable[..., float]
) -> Goal:
    """Ours at most so many times as dear as theirs."""
    goal = Goal(group, text, limit, "×", True, lambda results: quotient(results, ours, theirs, clock))
    if clock is CPU:
        goal.by_clock = lambda results: quotient(results, ours, theirs, WALL)
    goal.clocked = clock is WALL
    return goal


def time_of(group: str, text: str, limit_us: float, place: Place) -> Goal:
    """At most so many microseconds on the clock."""
    return Goal(group, text, limit_us, " µs", True, lambda results: cost(results, place, WALL), clocked=True)


def fact(group: str, text: str, limit: float, unit: str, place: Place) -> Goal:
    """At most so much of what was counted."""
    section, language, peer, name, wanted = place
    return Goal(
        group, text, limit, unit, True, lambda results: results.fact(section, language, peer, name, **wanted)
    )


def in_rust() -> list[Goal]:
    def single(peer: str, workload: str) -> Place:
        return at("single", "rust", peer, workload)

    group = "Rust"
    ours = "millpond"
    sync = at("sync", "rust", ours, "timed_put", durability="sync")
    one_thread = at("threads", "rust", ours, "put", durability="sync")
    threads = at("threads", "rust", ours, "put", durability="sync", threads=8)
    one_process = at("processes", "rust", ours, "put", durability="sync")
    processes = at("processes", "rust", ours, "put", durability="sync", processes=4)
    alone, shared = at("processes", "rust", ours, "put"), at("processes", "rust", ours, "put", processes=4)
    return [
        rate(
            group,
            "async put of new keys, to fjall's rate",
            1.5,
            single(ours, "put"),
            single("fjall", "put"),
            CPU,
        ),
        rate(
            group,
            "async overwrite, to fjall's rate",
            1.1,
            single(ours, "overwrite"),
            single("fjall", "overwrite"),
            CPU,
        ),
        Goal(
            group,
            "sync put, to the append and fdatasync beside it",
            1.2,
            "×",
            True,
            lambda results: over_floor(results, sync),
            clocked=True,
        ),
        rate(group, "sync put of 8 threads, to the rate of 1", 2.3, threads, one_thread, WALL),
        rate(group, "sync put of 4 processes, to the rate of 1", 1.5, processes, one_process, WALL),
        rate(group, "async put of 4 processes, to the rate of 1", 0.7, shared, alone, WALL),
        rate(group, "get, to fjall's rate", 2.0, single(ours, "get"), single("fjall", "get"), CPU),
        within(group, "get, to LMDB's cost", 1.6, single(ours, "get"), single("heed", "get"), CPU),
        rate(group, "scan, to fjall's rate", 2.0, single(ours, "scan"), single("fjall", "scan"), CPU),
        within(
            group,
            "scan of a compacted store, to LMDB's cost",
            2.5,
            single(ours, "scan_compacted"),
            single("heed", "scan_compacted"),
            CPU,
        ),
        within(
            group,
            "scan of a store as it stands, to LMDB's cost",
            4.0,
            single(ours, "scan"),
            single("heed", "scan"),
            CPU,
        ),
    ]


def in_python() -> list[Goal]:
    def pair(section: str, workload: str, peer: str, **wanted: object) -> tuple[Place, Place]:
        return at(section, "python", "millpond", workload, **wanted), at(
            section, "python", peer, workload, **wanted
        )

    ours, theirs = pair("sync", "timed_put", "rocksdict", durability="sync")

    def synced(results: Results) -> float | None:
        here, there = over_floor(results, ours), over_floor(results, theirs)
        return there / here if here and there is not None else None

    def synced_raw(results: Results) -> float | None:
        return quotient(results, theirs, ours, WALL)

    group = "Python"
    return [
        rate(group, "async put, to rocksdict's rate", 2.0, *pair("single", "put", "rocksdict"), CPU),
        rate(group, "get, to py-lmdb's rate", 1.0, *pair("single", "get", "lmdb"), CPU),
        rate(group, "`bput`, to rocksdict's batches", 1.5, *pair("bulk", "put_many", "rocksdict"), CPU),
        rate(group, "`bget`, to py-lmdb's `getmulti`", 2.0, *pair("bulk", "get_many", "lmdb"), CPU),
        rate(group, "scan, to py-lmdb's rate", 1.0, *pair("single", "scan", "lmdb"), CPU),
        Goal(
            group,
            "sync put, over the floor, to rocksdict's rate",
            1.0,
            "×",
            False,
            synced,
            synced_raw,
            clocked=True,
        ),
    ]


def at_large() -> list[Goal]:
    def load(peer: str, name: str) -> Place:
        return at("load", "python", peer, name)

    def growth(name: str) -> Place:
        return at("growth", "rust", "millpond", name)

    def synced(results: Results) -> float | None:
        here, there = (over_floor(results, growth(f"sync_put_{size}")) for size in ("all", "tenth"))
        return here / there if here is not None and there else None

    def synced_raw(results: Results) -> float | None:
        return quotient(results, growth("sync_put_all"), growth("sync_put_tenth"), WALL)

    def written(results: Results) -> float | None:
        ours = results.fact("load", "python", "millpond", "load_written_ratio")
        theirs = results.fact("load", "python", "rocksdict", "load_written_ratio")
        return ours / theirs if ours is not None and theirs else None

    ours, theirs = load("millpond", "load"), load("rocksdict", "load")
    last, second = load("millpond", "load_last_million"), load("millpond", "load_second_million")
    group = "10 million records"
    many = at("memory", "rust", "millpond", "memory_mib_max", processes=8)
    return [
        rate(group, "load of random keys by 100,000, to RocksDB's rate", 1.0, ours, theirs, CPU),
        Goal(group, "bytes written by that load, to RocksDB's", 1.0, "×", True, written),
        within(group, "its last million, to its second", 1.2, last, second, WALL),
        within(group, "get, to the cost at a tenth", 1.6, growth("get_all"), growth("get_tenth"), CPU),
        Goal(
            group,
            "sync put, over the floor, to the cost at a tenth",
            1.05,
            "×",
            True,
            synced,
            synced_raw,
            clocked=True,
        ),
        within(
            group,
            "scanned record, to the cost at a tenth",
            1.1,
            growth("scan_all"),
            growth("scan_tenth"),
            CPU,
        ),
        fact(
            group,
            "memory of a process that loads them, over mapped files",
            256,
            " MiB",
            at("memory", "rust", "millpond", "memory_mib_max"),
        ),
        fact(group, "memory of each of 8 that load them", 256, " MiB", many),
    ]


def others() -> list[Goal]:
    group = "Several"
    opening = "opening", "rust", "millpond"
    transaction = at("transactions", "rust", "millpond", "transact")
    lmdb_transaction = at("transactions", "rust", "heed", "transact")
    visible = at("visibility", "rust", "millpond", "visible_elsewhere")
    synced = at("visibility", "rust", "millpond", "visible_elsewhere", durability="sync")
    return [
        time_of(group, "a transaction of 10 reads and 10 writes (async)", 20, transaction),
        rate(
            group,
            "transactions of 10 reads and 10 writes, to LMDB's rate",
            2.0,
            transaction,
            lmdb_transaction,
            CPU,
        ),
        time_of(group, "a commit is visible in another process (async)", 1000, visible),
        time_of(group, "a commit is visible in another process (sync)", 1000, synced),
        time_of(group, "opening 1 million records after a clean close", 10_000, at(*opening, "open")),
        time_of(group, "opening them with a full tail", 250_000, at(*opening, "open_full_tail")),
        time_of(group, "opening them again in the same process", 50, at(*opening, "open_again")),
        fact(
            group,
            "space after three overwrites and a compaction, to keys and values",
            1.6,
            "×",
            at("space", "rust", "millpond", "space_ratio"),
        ),
    ]


def of_objects() -> list[Goal]:
    group = "Objects"

    def measured(section: str, workload: str, **wanted: object) -> Place:
        return at(section, "rust", "millpond", workload, **wanted)

    def beside(text: str, limit: float, place: Place) -> Goal:
        return Goal(group, text, limit, "×", True, lambda results: over_floor(results, place), clocked=True)

    short, long = measured("objects", "read_4kib_of_short"), measured("objects", "read_4kib")
    return [
        time_of(group, "a snapshot of 1 million keys (async)", 1000, measured("snapshots", "snapshot")),
        beside(
            "get beside 100 snapshots, to one beside none",
            1.2,
            measured("snapshots", "get_beside_snapshots"),
        ),
        time_of(
            group,
            "difference of two snapshots of 1 million keys, 1,000 changes apart",
            20_000,
            measured("snapshots", "diff"),
        ),
        time_of(group, "a watch elsewhere is told (async)", 2000, measured("watch", "told_elsewhere")),
        time_of(
            group,
            "a watch elsewhere is told (sync)",
            2000,
            measured("watch", "told_elsewhere", durability="sync"),
        ),
        beside(
            "synced extent of 1 MiB, to an append of it and fdatasync beside it",
            1.25,
            measured("objects", "write_1mib"),
        ),
        beside(
            "read of 1 MiB, to a copy out of a mapped file beside it", 1.25, measured("objects", "read_1mib")
        ),
        time_of(group, "random read of 4 KiB, out of extents of 1 MiB", 8, long),
        time_of(group, "random read of 4 KiB, out of extents of 4 KiB", 8, short),
        time_of(group, "random write of 4 KiB (async)", 10, measured("objects", "write_4kib")),
        Goal(
            group,
            "scrub of what is in memory",
            1,
            " GB/s",
            False,
            lambda results: results.fact("objects", "rust", "millpond", "scrub_gb_per_s"),
            clocked=True,
        ),
    ]


def of_blobs() -> list[Goal]:
    group = "Blobs"

    def measured(peer: str, workload: str) -> Place:
        return at("blobs", "python", peer, workload, durability="sync")

    def to(peer: str, text: str, limit: float, workload: str, clock: Callable[..., float] = CPU) -> Goal:
        return rate(group, text, limit, measured("millpond", workload), measured(peer, workload), clock)

    dos, plain = "disk-objectstore", "plain"
    memory = at("blobs", "python", "millpond", "stream_memory_mib", durability="sync")

    def gigabytes(results: Results) -> float | None:
        mib_us = cost(results, measured("millpond", "stream_out"), WALL)
        return (1 << 20) / mib_us / 1000 if mib_us else None

    return [
        to(dos, "insert of many, to disk-objectstore's rate into packs", 6.0, "insert_many"),
        to("rsdos", "insert of many, to rsdos's rate, which syncs nothing", 1.5, "insert_many"),
        within(
            group,
            "insert of many, to hashing and appending",
            0.64,
            measured("millpond", "insert_many"),
            measured(plain, "insert_many"),
            CPU,
        ),
        to(dos, "synced insert of one, to disk-objectstore's rate", 7.0, "insert", WALL),
        time_of(group, "read of one", 8, measured("millpond", "get")),
        to(dos, "read of many, to disk-objectstore's rate", 5.2, "get_many"),
        to(dos, "read of many compressed, to disk-objectstore's rate", 6.5, "get_many_compressed"),
        to(dos, "asking which of many are there, to disk-objectstore's rate", 9.0, "has_many"),
        to(dos, "packing with zstd, to disk-objectstore's rate with zlib", 10.0, "optimize"),
        to(dos, "validation by checksum, to disk-objectstore's rate", 4.0, "validate"),
        to(dos, "listing ids, to disk-objectstore's rate", 10.0, "list"),
        time_of(group, "open, read one, close", 100, measured("millpond", "open_read_close")),
        within(
            group,
            "a stream of 1 GiB in, to hashing while it is appended",
            1.15,
            measured("millpond", "stream_in"),
            measured(plain, "stream_in"),
            WALL,
        ),
        Goal(group, "the stream out", 4, " GB/s", False, gigabytes, clocked=True),
        fact(group, "memory that the stream takes", 64, " MiB", memory),
    ]


def of_maps() -> list[Goal]:
    """Limits that were measured on another machine, as multiples of what a plain dict took there."""
    group = "Maps"
    put_us, get_us = maps.MEASURED_ELSEWHERE["dict"]

    def dict_cost(workload: str) -> Place:
        return at("maps", "python", "dict", workload)

    def to_dict(text: str, limit_us: float, peer: str, workload: str, base: str) -> Goal:
        limit = round(limit_us / (put_us if base == "put" else get_us), 3)
        ours = at("maps", "python", peer, workload)
        return within(group, f"{text}, to a dict's {base}", limit, ours, dict_cost(base), CPU)

    alone = at("maps", "rust", "millpond", "get_of_1_thread")
    together = at("maps", "rust", "millpond", "get_of_8_threads")
    return [
        to_dict("put", 4, "millpond", "put", "put"),
        to_dict("put of stree", 4, "stree", "put", "put"),
        to_dict("get", 1.6, "millpond", "get", "get"),
        to_dict("get of stree", 1.6, "stree", "get", "get"),
        to_dict("put of vsmap", 1.7, "vsmap", "put", "put"),
        to_dict("put of vcmap", 1.7, "vcmap", "put", "put"),
        to_dict("get of vsmap", 1.7, "vsmap", "get", "get"),
        to_dict("get of vcmap", 1.7, "vcmap", "get", "get"),
        to_dict("scanned record", 0.5, "millpond", "scan", "get"),
        to_dict("counted record of 100", 0.015, "millpond", "count", "get"),
        to_dict("put of 1,000", 1.5, "millpond", "put_many", "put"),
        to_dict("get of 1,000", 0.8, "millpond", "get_many", "get"),
        rate(group, "get of 8 threads on 2 cores, to the rate of 1", 1.6, together, alone, WALL),
    ]


def goals() -> list[Goal]:
    return in_rust() + in_python() + of_objects() + of_blobs() + of_maps() + at_large() + others()

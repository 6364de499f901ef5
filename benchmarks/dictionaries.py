"""Millpond's dictionary beside its peers, from Python: one run, equal durability, ratios.

    make bench

Each figure is the median of several rounds, in microseconds an operation of CPU time for work that
waits for nothing, of wall time where a sync is part of it. Keys have 16 bytes in random order,
values 100. Peers that are not installed are left out. Writes a table to benchmarks/results.md and
the figures to benchmarks/results.json.
"""

import argparse
import json
import os
import platform
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import millpond

HERE = Path(__file__).parent
VALUE = bytes(range(100))
BATCH = 1000


class Store(Protocol):
    """What every contender can do."""

    def put(self, key: bytes, value: bytes) -> object: ...
    def get(self, key: bytes) -> bytes | None: ...
    def put_many(self, entries: dict[bytes, bytes]) -> object: ...
    def get_many(self, keys: list[bytes]) -> object: ...
    def scan(self) -> Iterator[object]: ...
    def close(self) -> None: ...


class Millpond:
    def __init__(self, path: Path, synced: bool) -> None:
        pool = millpond.Pool.create(f"file://{path}/bench")
        durability = "sync" if synced else "async"
        self.container = pool.create_container("bench", properties={"durability": durability})
        self.dict = self.container.create_dict("bench")
        self.put = self.dict.put
        self.get = self.dict.get
        self.put_many = self.dict.bput
        self.get_many = self.dict.bget

    def scan(self) -> Iterator[object]:
        return iter(self.dict.items())

    def close(self) -> None:
        self.container.close()


class PlainDict(dict[bytes, bytes]):
    """What a call costs at the least; keeps nothing."""

    def __init__(self, path: Path, synced: bool) -> None:
        super().__init__()

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value

    def put_many(self, entries: dict[bytes, bytes]) -> None:
        self.update(entries)

    def get_many(self, keys: list[bytes]) -> list[bytes]:
        return [self[key] for key in keys]

    def scan(self) -> Iterator[object]:
        return iter(self.items())

    def close(self) -> None:
        self.clear()


class Sqlite:
    def __init__(self, path: Path, synced: bool) -> None:
        self.connection = sqlite3.connect(path / "bench.sqlite", isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'OFF'}")
        self.connection.execute("CREATE TABLE t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")

    def put(self, key: bytes, value: bytes) -> None:
        self.connection.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", (key, value))

    def get(self, key: bytes) -> bytes | None:
        row = self.connection.execute("SELECT v FROM t WHERE k = ?", (key,)).fetchone()
        return row[0] if row else None

    def put_many(self, entries: dict[bytes, bytes]) -> None:
        self.connection.execute("BEGIN")
        self.connection.executemany("INSERT OR REPLACE INTO t VALUES (?, ?)", entries.items())
        self.connection.execute("COMMIT")

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def scan(self) -> Iterator[object]:
        return self.connection.execute("SELECT k, v FROM t ORDER BY k")

    def close(self) -> None:
        self.connection.close()


class Lmdb:
    def __init__(self, path: Path, synced: bool) -> None:
        import lmdb

        self.environment = lmdb.open(str(path / "lmdb"), map_size=8 << 30, sync=synced, metasync=synced)

    def put(self, key: bytes, value: bytes) -> None:
        with self.environment.begin(write=True) as transaction:
            transaction.put(key, value)

    def get(self, key: bytes) -> bytes | None:
        with self.environment.begin() as transaction:
            value: bytes | None = transaction.get(key)
            return value

    def put_many(self, entries: dict[bytes, bytes]) -> None:
        with self.environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(entries.items())

    def get_many(self, keys: list[bytes]) -> object:
        with self.environment.begin() as transaction:
            return transaction.cursor().getmulti(keys)

    def scan(self) -> Iterator[object]:
        with self.environment.begin() as transaction:
            yield from transaction.cursor()

    def close(self) -> None:
        self.environment.close()


class RocksDict:
    def __init__(self, path: Path, synced: bool) -> None:
        import rocksdict

        self.module = rocksdict
        self.db = rocksdict.Rdict(str(path / "rocks"), rocksdict.Options(raw_mode=True))
        options = rocksdict.WriteOptions()
        options.sync = synced
        self.db.set_write_options(options)
        self.options = options

    def put(self, key: bytes, value: bytes) -> None:
        self.db[key] = value

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self.db.get(key)
        return value

    def put_many(self, entries: dict[bytes, bytes]) -> None:
        batch = self.module.WriteBatch(raw_mode=True)
        for key, value in entries.items():
            batch[key] = value
        self.db.write(batch, self.options)

    def get_many(self, keys: list[bytes]) -> object:
        wanted: list[str | int | float | bytes | bool] = [*keys]
        return self.db.get(wanted)

    def scan(self) -> Iterator[object]:
        return iter(self.db.items())

    def close(self) -> None:
        self.db.close()


CONTENDERS: dict[str, Callable[[Path, bool], Store]] = {
    "millpond": Millpond,
    "lmdb": Lmdb,
    "rocksdict": RocksDict,
    "sqlite3": Sqlite,
    "dict (in memory)": PlainDict,
}


def rate(count: int, clock: Callable[[], float], work: Callable[[], object]) -> float:
    """Microseconds an operation."""
    begun = clock()
    work()
    return (clock() - begun) * 1e6 / count


def one_round(
    make: Callable[[Path, bool], Store], directory: Path, count: int, seed: int
) -> dict[str, float]:
    chance = random.Random(seed)
    keys = [chance.randbytes(16) for _ in range(count)]
    entries = dict.fromkeys(keys, VALUE)
    shuffled = chance.sample(keys, count)
    batches = [keys[at : at + BATCH] for at in range(0, count, BATCH)]
    cpu, wall = time.process_time, time.perf_counter
    figures = {}

    store = make(directory / "async", False)
    figures["put"] = rate(count, cpu, lambda: [store.put(key, VALUE) for key in keys])
    figures["overwrite"] = rate(count, cpu, lambda: [store.put(key, VALUE) for key in shuffled])
    figures["get"] = rate(count, cpu, lambda: [store.get(key) for key in shuffled])
    figures["get of 1,000"] = rate(count, cpu, lambda: [store.get_many(batch) for batch in batches])
    figures["scan"] = rate(count, cpu, lambda: sum(1 for _ in store.scan()))
    store.close()

    store = make(directory / "bulk", False)
    figures["put of 1,000"] = rate(
        count, cpu, lambda: [store.put_many({key: entries[key] for key in batch}) for batch in batches]
    )
    store.close()

    synced = max(count // 100, 50)
    store = make(directory / "sync", True)
    figures["put, synced (wall)"] = rate(
        synced, wall, lambda: [store.put(key, VALUE) for key in keys[:synced]]
    )
    store.close()
    return figures


def floor(directory: Path, count: int) -> float:
    """Microseconds of wall time for appending 150 bytes into zeroed space and syncing them."""
    path = directory / "floor"
    path.write_bytes(bytes(1 << 20))
    descriptor = os.open(path, os.O_WRONLY)
    os.fsync(descriptor)

    def work() -> None:
        for at in range(count):
            os.pwrite(descriptor, b"x" * 150, at * 150)
            os.fdatasync(descriptor)

    figure = rate(count, time.perf_counter, work)
    os.close(descriptor)
    return figure


def measure(count: int, rounds: int, directory: Path) -> tuple[dict[str, dict[str, float]], float]:
    figures: dict[str, dict[str, list[float]]] = {}
    floors = []
    for number in range(rounds):
        floors.append(floor(directory, max(count // 100, 50)))
        for name, make in CONTENDERS.items():
            place = directory / f"{name.split()[0]}-{number}"
            for part in ("async", "bulk", "sync"):
                (place / part).mkdir(parents=True)
            try:
                found = one_round(make, place, count, number)
            except ImportError as error:
                print(f"{name} is left out: {error}")
                continue
            finally:
                shutil.rmtree(place)
            for what, figure in found.items():
                figures.setdefault(name, {}).setdefault(what, []).append(figure)
            print(f"round {number + 1} of {rounds}: {name}")
    medians = {
        name: {what: statistics.median(rounds) for what, rounds in found.items()}
        for name, found in figures.items()
    }
    return medians, statistics.median(floors)


def table(medians: dict[str, dict[str, float]], sync_floor: float) -> str:
    """Microseconds an operation and, behind them, how many times Millpond's."""
    ours = medians["millpond"]
    lines = [
        "| | " + " | ".join(medians) + " |",
        "| --- |" + " ---: |" * len(medians),
    ]
    for what, own in ours.items():
        cells = [f"{found[what]:.2f} ({found[what] / own:.2f}×)" for found in medians.values()]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    lines.append("")
    lines.append(f"Floor of a synced put, append into zeroed space + fdatasync: {sync_floor:.0f} µs (wall).")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="keys (100,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (3)")
    parser.add_argument("--directory", type=Path, default=None, help="where to work (a temporary directory)")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="where to write the results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        medians, sync_floor = measure(arguments.count, arguments.rounds, Path(directory))
    text = table(medians, sync_floor)
    print(text)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    heading = (
        f"Microseconds an operation, and how many times Millpond's; {arguments.count:,} keys; {machine}.\n\n"
    )
    arguments.output.with_suffix(".md").write_text(heading + text + "\n")
    results = {"count": arguments.count, "machine": machine, "sync_floor": sync_floor, "medians": medians}
    arguments.output.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

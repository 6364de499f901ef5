"""Ordered maps, and pmemkv's engines, on emulated persistent memory: a directory in /dev/shm.

pmemkv's own guide emulates it so. What pmemkv itself took through its Python binding was measured
elsewhere, since it can't be installed from the registries: `MEASURED_ELSEWHERE`.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import peers
import workloads
from job import Job, Report
from peers import Peer

SHARED_MEMORY = Path("/dev/shm")
ENGINE_BYTES = 1 << 30

# µs: put and get, by engine, on another machine, where a plain dict took as long as the last line says.
MEASURED_ELSEWHERE = {
    "cmap": (11.7, 3.5),
    "csmap": (13.5, 4.2),
    "stree": (17.0, 3.2),
    "radix": (9.3, 1.8),
    "tree3": (5.9, 1.6),
    "vsmap": (3.7, 3.2),
    "vcmap": (1.7, 1.7),
    "dict": (0.7, 1.0),
}


class Map(peers.Millpond):
    """An ordered map of a container; `durability=sync` or `async`."""

    def __init__(self, directory: Path, synced: bool) -> None:
        super().__init__(directory, synced)
        self.map = self.container.open_or_create_map("bench-map")
        self.put = self.map.put
        self.get = self.map.get
        self.put_many = self.map.bput
        self.get_many = self.map.bget

    def scan(self) -> Iterable[object]:
        return self.map.items()

    def count(self, low: bytes, high: bytes) -> int:
        return self.map.between(low, high).count()

    def __len__(self) -> int:
        return len(self.map)


class Engine:
    """An engine by pmemkv's name, through the class that pmemkv-python has."""

    def __init__(self, engine: str, directory: Path) -> None:
        from millpond.compat.pmemkv import Database

        volatile = engine.startswith("v")
        path = directory if volatile else directory / engine
        config: dict[str, Any] = {"path": str(path), "size": ENGINE_BYTES}
        if not volatile:
            config["create_if_missing"] = 1
        self.database = Database(engine, config)
        self.put = self.database.put
        self.put_many = self.database.put_many
        self.get_many = self.database.get_many
        self.count = self.database.count_between

    def session(self) -> "Engine":
        return self

    def get(self, key: bytes) -> bytes | None:
        # As pmemkv-python has it: a callback gets the value, without a copy.
        self.database.get(key, len)
        return b""

    def scan(self) -> Iterable[object]:
        return self.database._items()

    def compact(self) -> None:
        pass

    def close(self) -> None:
        self.database.stop()


class Lmdb(peers.Lmdb):
    def count(self, low: bytes, high: bytes) -> int:
        count = 0
        with self.environment.begin() as transaction, transaction.cursor() as cursor:
            if cursor.set_range(low):
                for key in cursor.iternext(values=False):
                    if key >= high:
                        break
                    count += key != low
        return count


class RocksDict(peers.RocksDict):
    def count(self, low: bytes, high: bytes) -> int:
        count = 0
        for key in self.db.keys(from_key=low):
            if cast("bytes", key) >= high:
                break
            count += key != low
        return count


def engine(name: str) -> Callable[[Path, bool], Peer]:
    return lambda directory, _: Engine(name, directory)


ENGINES = ["cmap", "csmap", "radix", "stree", "tree3", "vsmap", "vcmap"]
PEERS: dict[str, Callable[[Path, bool], Peer]] = {
    "millpond": Map,
    **{name: engine(name) for name in ENGINES},
    "lmdb": Lmdb,
    "rocksdict": RocksDict,
    "sqlite3": peers.Sqlite,
    "dict": peers.PlainDict,
}


def run(job: Job) -> Report:
    """Does the job's workloads in shared memory, which is emptied afterwards."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else job.place
    with tempfile.TemporaryDirectory(prefix="millpond-bench-", dir=parent) as place:
        return workloads.run(replace(job, directory=place), PEERS)

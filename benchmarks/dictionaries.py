"""Millpond's dictionary beside a plain dict, sqlite3 and dbm: the same work, at equal durability.

    python benchmarks/dictionaries.py [--keys 20000] [--value-bytes 100] [--rounds 3]

Every peer does the same operations on the same keys, in random order, in one run; of several rounds the
best counts. Two tables: one where a put survives the death of the process (`durability="async"`; SQLite
in WAL mode with `synchronous=OFF`), one where it survives a loss of power (`"sync"`; `synchronous=FULL`),
with fewer keys, since the disk decides. A ratio is the peer's time over Millpond's: above 1, Millpond is
faster.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, Protocol

import millpond

Entries = dict[bytes, bytes]


class Peer(Protocol):
    """A store of bytes by bytes, as its users would use it; one thin method an operation for each."""

    name: ClassVar[str]

    def __init__(self, directory: Path, *, durable: bool) -> None: ...
    def put(self, key: bytes, value: bytes) -> object: ...
    def get(self, key: bytes) -> bytes | None: ...
    def put_many(self, entries: Entries) -> None: ...
    def get_many(self, keys: list[bytes]) -> Iterable[bytes | None]: ...
    def scan(self) -> Iterable[tuple[bytes, bytes]]: ...
    def close(self) -> None: ...


class Millpond:
    name: ClassVar[str] = "millpond"

    def __init__(self, directory: Path, *, durable: bool) -> None:
        pool = millpond.Pool.create(directory / "pool")
        self.container = pool.create_container("kv", durability="sync" if durable else "async")
        self.dict = self.container.create_dict("d")

    def put(self, key: bytes, value: bytes) -> object:
        return self.dict.put(key, value)

    def get(self, key: bytes) -> bytes | None:
        return self.dict.get(key)

    def put_many(self, entries: Entries) -> None:
        self.dict.bput(entries)

    def get_many(self, keys: list[bytes]) -> Iterable[bytes | None]:
        return self.dict.bget(keys).values()

    def scan(self) -> Iterable[tuple[bytes, bytes]]:
        return self.dict.items()

    def close(self) -> None:
        self.container.close()


class Sqlite:
    name: ClassVar[str] = "sqlite3"

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self.database = sqlite3.connect(directory / "kv.sqlite", isolation_level=None)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        self.database.execute("CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")

    def put(self, key: bytes, value: bytes) -> None:
        self.database.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))

    def get(self, key: bytes) -> bytes | None:
        row = self.database.execute("SELECT v FROM kv WHERE k = ?", (key,)).fetchone()
        return row[0] if row else None

    def put_many(self, entries: Entries) -> None:
        self.database.execute("BEGIN IMMEDIATE")
        self.database.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", entries.items())
        self.database.execute("COMMIT")

    def get_many(self, keys: list[bytes]) -> Iterable[bytes | None]:
        return map(self.get, keys)

    def scan(self) -> Iterable[tuple[bytes, bytes]]:
        return self.database.execute("SELECT k, v FROM kv ORDER BY k")

    def close(self) -> None:
        self.database.close()


class Plain:
    """A dict of Python: what it costs to store nothing."""

    name: ClassVar[str] = "dict (in memory)"

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self.dict: Entries = {}

    def put(self, key: bytes, value: bytes) -> None:
        self.dict[key] = value

    def get(self, key: bytes) -> bytes | None:
        return self.dict.get(key)

    def put_many(self, entries: Entries) -> None:
        self.dict.update(entries)

    def get_many(self, keys: list[bytes]) -> Iterable[bytes | None]:
        return map(self.dict.get, keys)

    def scan(self) -> Iterable[tuple[bytes, bytes]]:
        return sorted(self.dict.items())

    def close(self) -> None:
        self.dict.clear()


PEERS: tuple[type[Peer], ...] = (Millpond, Sqlite, Plain)
OPERATIONS = ("put", "get", "bulk put", "bulk get", "scan")
BATCH_KEYS = 1000


def measure(make: type[Peer], keys: list[bytes], value: bytes, *, durable: bool) -> dict[str, float]:
    """Microseconds a key of each operation, on a fresh store."""
    directory = Path(tempfile.mkdtemp(prefix="millpond-benchmark-"))
    shuffled = random.Random(1).sample(keys, len(keys))
    batches = [keys[start : start + BATCH_KEYS] for start in range(0, len(keys), BATCH_KEYS)]
    try:
        peer = make(directory, durable=durable)

        def put() -> None:
            for key in keys:
                peer.put(key, value)

        def get() -> None:
            for key in shuffled:
                if peer.get(key) is None:
                    sys.exit(f"{peer.name} lost {key!r}")

        def bulk_put() -> None:
            for batch in batches:
                peer.put_many(dict.fromkeys(batch, value))

        def bulk_get() -> None:
            for batch in batches:
                if any(found is None for found in peer.get_many(batch)):
                    sys.exit(f"{peer.name} lost a key")

        def scan() -> None:
            if sum(1 for _ in peer.scan()) != len(keys):
                sys.exit(f"{peer.name} lost a key")

        work = dict(zip(OPERATIONS, (put, get, bulk_put, bulk_get, scan), strict=True))
        answer = {name: seconds(do) / len(keys) * 1e6 for name, do in work.items()}
        peer.close()
    finally:
        shutil.rmtree(directory)
    return answer


def seconds(do: Callable[[], None]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def show(title: str, keys: list[bytes], value: bytes, rounds: int, *, durable: bool) -> None:
    print(f"\n{title}: {len(keys):,} keys in random order, values of {len(value)} bytes; µs a key\n")
    best: dict[str, dict[str, float]] = {}
    # Round by round, so that a slow spell of the machine meets every peer.
    for _ in range(rounds):
        for peer in PEERS:
            times = measure(peer, keys, value, durable=durable)
            known = best.setdefault(peer.name, times)
            best[peer.name] = {name: min(known[name], times[name]) for name in OPERATIONS}
    print(f"{'':18}" + "".join(f"{name:>18}" for name in OPERATIONS))
    for name, times in best.items():
        cells = []
        for operation in OPERATIONS:
            ratio = (
                ""
                if name == Millpond.name
                else f" ({times[operation] / best[Millpond.name][operation]:.2f}x)"
            )
            cells.append(f"{times[operation]:.2f}{ratio}".rjust(18))
        print(f"{name:18}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--durable-keys", type=int, default=2_000)
    parser.add_argument("--value-bytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    source = random.Random(0)
    keys = [source.randbytes(16) for _ in range(max(arguments.keys, arguments.durable_keys))]
    value = source.randbytes(arguments.value_bytes)
    print(
        f"millpond {millpond.__version__}, sqlite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}"
    )
    show("Survives the process", keys[: arguments.keys], value, arguments.rounds, durable=False)
    show("Survives a loss of power", keys[: arguments.durable_keys], value, arguments.rounds, durable=True)


if __name__ == "__main__":
    main()

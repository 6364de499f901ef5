"""The Python contenders, each in the settings that give a durability class, else as it comes.

"Sync" survives a loss of power when a call returns, "async" the death of the process.
"""

import importlib.metadata
import itertools
import platform
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

Entries = list[tuple[bytes, bytes]]


class Session(Protocol):
    """One thread's way into a store."""

    @property
    def put(self) -> Callable[[bytes, bytes], object]: ...
    @property
    def get(self) -> Callable[[bytes], bytes | None]: ...
    def put_many(self, entries: Entries) -> object: ...
    def get_many(self, keys: list[bytes]) -> object: ...
    def scan(self) -> Iterable[object]: ...


class Ordered(Session, Protocol):
    """A session of a store that counts ranges."""

    def count(self, low: bytes, high: bytes) -> int:
        """How many keys are between two, neither of which counts."""


class Peer(Protocol):
    """An open store, shared by the threads of a process."""

    def session(self) -> Session: ...
    def compact(self) -> None: ...
    def close(self) -> None: ...


class Millpond:
    """`durability=sync` or `async`; nothing else is set."""

    def __init__(self, directory: Path, synced: bool) -> None:
        import millpond

        place = directory / "pool"
        durability = "sync" if synced else "async"
        if place.exists():
            self.container = millpond.Container.open(f"file://{place}/bench")
        else:
            pool = millpond.Pool.create(f"file://{place}")
            self.container = pool.create_container("bench", properties={"durability": durability})
        self.dict = self.container.open_or_create_dict("bench")
        self.put = self.dict.put
        self.get = self.dict.get
        self.put_many = self.dict.bput
        self.get_many = self.dict.bget

    def session(self) -> "Millpond":
        return self

    def scan(self) -> Iterable[object]:
        return self.dict.items()

    def __len__(self) -> int:
        return len(self.dict)

    def compact(self) -> None:
        self.container.compact()

    def close(self) -> None:
        self.container.close()


class Lmdb:
    """Sync: its defaults, which sync the data and then the meta page. Async: `sync=False` (MDB_NOSYNC)."""

    def __init__(self, directory: Path, synced: bool) -> None:
        import lmdb

        self.environment = lmdb.open(str(directory / "lmdb"), map_size=64 << 30, sync=synced, metasync=synced)

    def session(self) -> "Lmdb":
        return self

    def put(self, key: bytes, value: bytes) -> None:
        with self.environment.begin(write=True) as transaction:
            transaction.put(key, value)

    def get(self, key: bytes) -> bytes | None:
        with self.environment.begin() as transaction:
            value: bytes | None = transaction.get(key)
            return value

    def put_many(self, entries: Entries) -> None:
        with self.environment.begin(write=True) as transaction, transaction.cursor() as cursor:
            cursor.putmulti(entries)

    def get_many(self, keys: list[bytes]) -> object:
        with self.environment.begin() as transaction, transaction.cursor() as cursor:
            return cursor.getmulti(keys)

    def scan(self) -> Iterator[object]:
        with self.environment.begin() as transaction, transaction.cursor() as cursor:
            yield from cursor

    def compact(self) -> None:
        pass

    def close(self) -> None:
        self.environment.sync(True)
        self.environment.close()


class RocksDict:
    """RocksDB with its log. Sync: `WriteOptions.sync`. Async: without; the log still goes to the kernel."""

    def __init__(self, directory: Path, synced: bool) -> None:
        import rocksdict

        self.rocksdict = rocksdict
        self.db = rocksdict.Rdict(str(directory / "rocks"), rocksdict.Options(raw_mode=True))
        self.options = rocksdict.WriteOptions()
        self.options.sync = synced
        self.db.set_write_options(self.options)
        self.put = self.db.put
        self.get = self.db.get

    def session(self) -> "RocksDict":
        return self

    def put_many(self, entries: Entries) -> None:
        batch = self.rocksdict.WriteBatch(raw_mode=True)
        put = batch.put
        for key, value in entries:
            put(key, value)
        self.db.write(batch, self.options)

    def get_many(self, keys: list[bytes]) -> object:
        wanted: list[str | int | float | bytes | bool] = [*keys]
        return self.db.get(wanted)

    def scan(self) -> Iterable[object]:
        return self.db.items()

    def compact(self) -> None:
        self.db.compact_range(None, None)

    def close(self) -> None:
        self.db.close()


class DiskCache:
    """Files over SQLite. Sync: `synchronous=FULL`. Async: `synchronous=OFF`. Nothing is ever evicted."""

    def __init__(self, directory: Path, synced: bool) -> None:
        import diskcache

        self.cache = diskcache.Cache(
            str(directory / "diskcache"),
            timeout=120,
            eviction_policy="none",
            cull_limit=0,
            size_limit=1 << 40,
            sqlite_synchronous=2 if synced else 0,
        )
        self.put = self.cache.set
        self.get = self.cache.get

    def session(self) -> "DiskCache":
        return self

    def put_many(self, entries: Entries) -> None:
        with self.cache.transact():
            for key, value in entries:
                self.cache.set(key, value)

    def get_many(self, keys: list[bytes]) -> object:
        with self.cache.transact():
            return [self.cache.get(key) for key in keys]

    def scan(self) -> Iterator[object]:
        for key in self.cache.iterkeys():
            yield key, self.cache[key]

    def compact(self) -> None:
        pass

    def close(self) -> None:
        self.cache.close()


class SqliteSession:
    """A connection with a write-ahead log."""

    def __init__(self, path: Path, synced: bool) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=120, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'OFF'}")

    def put(self, key: bytes, value: bytes) -> None:
        self.connection.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", (key, value))

    def get(self, key: bytes) -> bytes | None:
        row = self.connection.execute("SELECT v FROM t WHERE k = ?", (key,)).fetchone()
        return row[0] if row else None

    def put_many(self, entries: Entries) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany("INSERT OR REPLACE INTO t VALUES (?, ?)", entries)
        self.connection.execute("COMMIT")

    def get_many(self, keys: list[bytes]) -> object:
        self.connection.execute("BEGIN")
        values = [self.get(key) for key in keys]
        self.connection.execute("COMMIT")
        return values

    def scan(self) -> Iterable[object]:
        return self.connection.execute("SELECT k, v FROM t ORDER BY k")

    def count(self, low: bytes, high: bytes) -> int:
        found: int = self.connection.execute(
            "SELECT count(*) FROM t WHERE k > ? AND k < ?", (low, high)
        ).fetchone()[0]
        return found


class Sqlite:
    """Sync: `synchronous=FULL`. Async: `synchronous=OFF`. Each thread has a connection."""

    def __init__(self, directory: Path, synced: bool) -> None:
        self.path = directory / "sqlite"
        self.synced = synced
        self.own = SqliteSession(self.path, synced)
        self.own.connection.execute("CREATE TABLE IF NOT EXISTS t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")
        self.sessions = threading.local()

    def session(self) -> SqliteSession:
        if not hasattr(self.sessions, "one"):
            self.sessions.one = SqliteSession(self.path, self.synced)
        session: SqliteSession = self.sessions.one
        return session

    def compact(self) -> None:
        pass

    def close(self) -> None:
        self.own.connection.close()


class PlainDict:
    """What the calls themselves cost; keeps nothing."""

    def __init__(self, directory: Path, synced: bool) -> None:
        self.dict: dict[bytes, bytes] = {}
        self.put = self.dict.__setitem__
        self.get = self.dict.get
        self.put_many = self.dict.update

    def session(self) -> "PlainDict":
        return self

    def get_many(self, keys: list[bytes]) -> object:
        return [self.dict[key] for key in keys]

    def scan(self) -> Iterable[object]:
        return self.dict.items()

    def compact(self) -> None:
        pass

    def close(self) -> None:
        self.dict.clear()


PEERS: dict[str, Callable[[Path, bool], Peer]] = {
    "millpond": Millpond,
    "lmdb": Lmdb,
    "rocksdict": RocksDict,
    "diskcache": DiskCache,
    "sqlite3": Sqlite,
    "dict": PlainDict,
}


def versions() -> dict[str, str]:
    """Of what takes part, from Python."""
    found = {
        name: importlib.metadata.version(name) for name in ("lmdb", "rocksdict", "diskcache", "millpond")
    }
    return {**found, "sqlite3": sqlite3.sqlite_version, "dict": f"Python {platform.python_version()}"}


def batches(entries: Entries, size: int) -> Iterator[Entries]:
    """Cuts entries into lists."""
    iterator = iter(entries)
    while batch := list(itertools.islice(iterator, size)):
        yield batch

"""Content-addressed stores: small objects one by one and many at once, and a long stream.

The floor, `plain`, is what any such store does in Python at the least: it hashes each object, appends it to
one file, syncs once, and reads it back from there.
"""

import contextlib
import hashlib
import io
import os
import random
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from clock import timed
from job import Figure, Job, Report

WORDS = 1000
SHORTEST, LONGEST = 100, 10_000
SINGLE_SYNCED = 200
SINGLE_READ = 5000
OPENED = 200
STREAM_BYTES = 1 << 30
STREAM_PART = 1 << 20
# How often memory is looked at.
LOOK_S = 0.005


def contents(count: int, seed: int) -> list[bytes]:
    """Texts of random words, their lengths spread evenly over the powers between the limits."""
    chance = random.Random(seed)
    words = [chance.randbytes(chance.randrange(1, 5)).hex().encode() for _ in range(WORDS)]
    texts = []
    for _ in range(count):
        length = round(SHORTEST * (LONGEST / SHORTEST) ** chance.random())
        texts.append(b" ".join(chance.choices(words, k=length // 5 + 1))[:length])
    return texts


class Store(Protocol):
    """A store as this benchmark uses it; what one can't do raises NotImplementedError."""

    def insert_many(self, objects: Iterable[bytes], compress: bool) -> list[str]: ...
    def insert(self, content: bytes) -> str: ...
    def get(self, id: str) -> bytes | None: ...
    def get_many(self, ids: list[str]) -> int: ...
    def has_many(self, ids: list[str]) -> int: ...
    def list(self) -> int: ...
    def optimize(self) -> None: ...
    def validate(self) -> None: ...
    def delete(self, ids: Sequence[str]) -> None: ...
    def repack(self) -> None: ...
    def backup(self, to: Path) -> None: ...
    def restore(self, path: Path) -> int: ...
    def stream_in(self, stream: io.BufferedIOBase) -> str: ...
    def stream_out(self, id: str) -> int: ...
    def reopen(self) -> "Store": ...
    def close(self) -> None: ...


class Plain:
    """A file, and a dict of where each object is in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "plain"
        self.file = self.path.open("a+b", buffering=1 << 20)
        self.index: dict[str, tuple[int, int]] = {}

    def insert_many(self, objects: Iterable[bytes], compress: bool) -> list[str]:
        if compress:
            raise NotImplementedError
        ids = []
        at = self.file.seek(0, os.SEEK_END)
        for content in objects:
            id = hashlib.sha256(content).hexdigest()
            self.file.write(content)
            self.index[id] = (at, len(content))
            at += len(content)
            ids.append(id)
        self.file.flush()
        os.fdatasync(self.file.fileno())
        return ids

    def insert(self, content: bytes) -> str:
        return self.insert_many([content], False)[0]

    def get(self, id: str) -> bytes | None:
        at, length = self.index[id]
        return os.pread(self.file.fileno(), length, at)

    def get_many(self, ids: list[str]) -> int:
        with self.path.open("rb", buffering=1 << 20) as file:
            return sum(len(file.read(length)) for at, length in sorted(map(self.index.__getitem__, ids)))

    def has_many(self, ids: list[str]) -> int:
        return sum(id in self.index for id in ids)

    def list(self) -> int:
        return len(list(self.index))

    def optimize(self) -> None:
        raise NotImplementedError

    def validate(self) -> None:
        raise NotImplementedError

    def delete(self, ids: Sequence[str]) -> None:
        raise NotImplementedError

    def repack(self) -> None:
        raise NotImplementedError

    def backup(self, to: Path) -> None:
        raise NotImplementedError

    def restore(self, path: Path) -> int:
        raise NotImplementedError

    def stream_in(self, stream: io.BufferedIOBase) -> str:
        """Hashes in one thread what another one writes."""
        hasher = hashlib.sha256()
        at = self.file.seek(0, os.SEEK_END)
        total = 0
        hashing: threading.Thread | None = None
        while part := stream.read(STREAM_PART):
            if hashing:
                hashing.join()
            hashing = threading.Thread(target=hasher.update, args=(part,))
            hashing.start()
            self.file.write(part)
            total += len(part)
        if hashing:
            hashing.join()
        self.file.flush()
        os.fdatasync(self.file.fileno())
        self.index[hasher.hexdigest()] = (at, total)
        return hasher.hexdigest()

    def stream_out(self, id: str) -> int:
        at, length = self.index[id]
        with self.path.open("rb", buffering=0) as file:
            file.seek(at)
            return drain(file, length)

    def reopen(self) -> "Plain":
        raise NotImplementedError

    def close(self) -> None:
        self.file.close()


class Millpond:
    """A store of blobs in a container of type BLOB; each call durable when it returns."""

    def __init__(self, directory: Path) -> None:
        import millpond

        self.millpond = millpond
        self.url = f"file://{directory}/pool"
        pool = millpond.Pool.create(self.url)
        self.container = pool.create_container("files", type="BLOB")
        self.blobs = self.container.create_blobs(compression="none")

    def insert_many(self, objects: Iterable[bytes], compress: bool) -> list[str]:
        return list(self.blobs.insert_many(objects, compression="zstd" if compress else "none"))

    def insert(self, content: bytes) -> str:
        return self.blobs.insert(content)

    def get(self, id: str) -> bytes | None:
        return self.blobs.extract(id)

    def get_many(self, ids: list[str]) -> int:
        return sum(len(content or b"") for _, content in self.blobs.extract_many(ids))

    def has_many(self, ids: list[str]) -> int:
        return sum(self.blobs.has_many(ids))

    def list(self) -> int:
        return len(self.blobs.list())

    def optimize(self) -> None:
        self.blobs.optimize(compression="zstd")

    def validate(self) -> None:
        assert self.blobs.validate().is_valid()

    def delete(self, ids: Sequence[str]) -> None:
        self.blobs.delete(ids)

    def repack(self) -> None:
        self.container.compact()

    def backup(self, to: Path) -> None:
        self.container.backup(to)

    def restore(self, path: Path) -> int:
        restored = self.millpond.Pool.create(f"{self.url}-restored").restore(path)
        return len(restored.blobs().list())

    def stream_in(self, stream: io.BufferedIOBase) -> str:
        return self.blobs.insert(stream)

    def stream_out(self, id: str) -> int:
        with self.blobs.open(id) as file:
            return drain(file, STREAM_BYTES)

    def reopen(self) -> "Millpond":
        again = Millpond.__new__(Millpond)
        again.container = self.millpond.Container.open(f"{self.url}/files")
        again.blobs = again.container.blobs()
        return again

    def close(self) -> None:
        self.container.close()


class DiskObjectstore:
    """disk-objectstore as AiiDA sets it up. Loose objects are synced; its packs never are."""

    def __init__(self, directory: Path) -> None:
        from disk_objectstore import Container

        self.kind: Any = Container
        self.folder = directory / "folder"
        self.container: Any = Container(self.folder)
        self.container.init_container()

    def insert_many(self, objects: Iterable[bytes], compress: bool) -> list[str]:
        ids: list[str] = self.container.add_objects_to_pack(list(objects), compress=compress)
        return ids

    def insert(self, content: bytes) -> str:
        id: str = self.container.add_object(content)
        return id

    def get(self, id: str) -> bytes | None:
        content: bytes = self.container.get_object_content(id)
        return content

    def get_many(self, ids: list[str]) -> int:
        found: dict[str, bytes] = self.container.get_objects_content(ids)
        return sum(map(len, found.values()))

    def has_many(self, ids: list[str]) -> int:
        return sum(self.container.has_objects(ids))

    def list(self) -> int:
        return len(list(self.container.list_all_objects()))

    def optimize(self) -> None:
        self.container.pack_all_loose(compress=True)

    def validate(self) -> None:
        assert self.container.validate().is_valid()

    def delete(self, ids: Sequence[str]) -> None:
        self.container.delete_objects(ids)

    def repack(self) -> None:
        self.container.repack()

    def backup(self, to: Path) -> None:
        # It runs rsync, which measures another program.
        raise NotImplementedError

    def restore(self, path: Path) -> int:
        raise NotImplementedError

    def stream_in(self, stream: io.BufferedIOBase) -> str:
        id: str = self.container.add_streamed_object(stream)
        return id

    def stream_out(self, id: str) -> int:
        with self.container.get_object_stream(id) as file:
            return drain(file, STREAM_BYTES)

    def reopen(self) -> "DiskObjectstore":
        again = DiskObjectstore.__new__(DiskObjectstore)
        again.container = self.kind(self.folder)
        return again

    def close(self) -> None:
        self.container.close()


class Rsdos:
    """rsdos, which syncs nothing at all."""

    def __init__(self, directory: Path) -> None:
        from rsdos import Container

        folder = directory / "folder"
        folder.mkdir()
        self.container: Any = Container(folder)
        self.container.init_container()

    def insert_many(self, objects: Iterable[bytes], compress: bool) -> list[str]:
        if compress:
            raise NotImplementedError
        ids: list[str] = self.container.add_objects_to_pack(list(objects))
        return ids

    def insert(self, content: bytes) -> str:
        id: str = self.container.add_object(content)
        return id

    def get(self, id: str) -> bytes | None:
        content: bytes | None = self.container.get_object_content(id)
        return content

    def get_many(self, ids: list[str]) -> int:
        # Its get_objects_content() leaves out what is packed.
        streams = self.container.iter_objects_stream_packs(ids)
        return sum(len(stream.read()) for _, stream in streams)

    def has_many(self, ids: list[str]) -> int:
        raise NotImplementedError

    def list(self) -> int:
        # Its list_all_objects() leaves out what is packed.
        raise NotImplementedError

    def optimize(self) -> None:
        raise NotImplementedError

    def validate(self) -> None:
        raise NotImplementedError

    def delete(self, ids: Sequence[str]) -> None:
        raise NotImplementedError

    def repack(self) -> None:
        raise NotImplementedError

    def backup(self, to: Path) -> None:
        raise NotImplementedError

    def restore(self, path: Path) -> int:
        raise NotImplementedError

    def stream_in(self, stream: io.BufferedIOBase) -> str:
        id: str = self.container.add_streamed_object(stream)
        return id

    def stream_out(self, id: str) -> int:
        with self.container.get_object_stream(id) as file:
            return drain(file, STREAM_BYTES)

    def reopen(self) -> "Rsdos":
        raise NotImplementedError

    def close(self) -> None:
        pass


STORES: dict[str, type[Plain] | type[Millpond] | type[DiskObjectstore] | type[Rsdos]] = {
    "millpond": Millpond,
    "disk-objectstore": DiskObjectstore,
    "rsdos": Rsdos,
    "plain": Plain,
}


def drain(file: Any, length: int) -> int:
    """Reads all of a file, into one buffer where it takes one."""
    read = 0
    buffer = memoryview(bytearray(STREAM_PART))
    into = getattr(file, "readinto", None)
    while read < length:
        count = into(buffer) if into else len(file.read(STREAM_PART))
        if not count:
            break
        read += count
    return read


class Stream(io.RawIOBase):
    """So many bytes of one part again and again, each time with its number in front."""

    def __init__(self, length: int) -> None:
        self.part = bytearray(random.Random(1).randbytes(STREAM_PART))
        self.left = length

    def read(self, size: int = -1, /) -> bytes:
        size = min(size if size >= 0 else self.left, self.left, STREAM_PART)
        self.part[:8] = self.left.to_bytes(8, "little")
        self.left -= size
        return bytes(self.part[:size])

    def readable(self) -> bool:
        return True


def own_memory_mib() -> float:
    """Memory of this process over the files that it has mapped."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no line of RssAnon: the kernel is too old")


class Peak:
    """The most memory that this process has, over its mapped files, while something is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.peak = self.before = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self) -> None:
        while True:
            self.peak = max(self.peak, own_memory_mib())
            if self.ended.wait(LOOK_S):
                return

    def __enter__(self) -> None:
        self.before = self.peak = own_memory_mib()
        self.thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        if kind is None:
            MEASURED[self.name] = self.peak - self.before


def run(job: Job) -> Report:
    """Small objects; those that a store can't do are left out."""
    report = Report()
    for workload in job.workloads:
        place = job.place / workload
        place.mkdir()
        store = STORES[job.peer](place)
        try:
            report.figures.update(WORKLOADS[workload](job, store))
        except NotImplementedError:
            pass
        finally:
            store.close()
        if job.peer == "millpond" and workload in ("many", "compressed"):
            report.facts[f"{workload}_bytes"] = sum(
                path.stat().st_size for path in place.rglob("*") if path.suffix in (".seg", ".run")
            )
    report.facts.update(MEASURED)
    return report


def expect(found: int, expected: int) -> None:
    if found != expected:
        raise RuntimeError(f"{found} instead of {expected}")


def figures(*pairs: tuple[str, Figure]) -> dict[str, Figure]:
    return dict(pairs)


def many(job: Job, store: Store, compress: bool = False) -> dict[str, Figure]:
    """All at once, with one sync for many; then they are read, one by one and all at once."""
    objects = contents(job.count, job.seed)
    ids: list[str] = []
    inserted = timed(len(objects), False, lambda: ids.extend(store.insert_many(objects, compress)))
    chance = random.Random(job.seed)
    some = chance.choices(ids, k=SINGLE_READ)
    shuffled = chance.sample(ids, len(ids))
    total = sum(map(len, objects))
    if compress:
        return figures(
            ("insert_many_compressed", inserted),
            ("get_many_compressed", timed(len(ids), False, lambda: expect(store.get_many(shuffled), total))),
        )
    found = {"insert_many": inserted}
    found["get"] = timed(len(some), False, lambda: [store.get(id) for id in some])
    found["get_many"] = timed(len(ids), False, lambda: expect(store.get_many(shuffled), total))
    for name, work in (
        ("has_many", lambda: expect(store.has_many(shuffled), len(ids))),
        ("list", lambda: expect(store.list(), len(ids))),
        ("validate", store.validate),
    ):
        try:
            found[name] = timed(len(ids), False, work)
        except NotImplementedError:
            continue
    return found


def compressed(job: Job, store: Store) -> dict[str, Figure]:
    return many(job, store, compress=True)


def single(job: Job, store: Store) -> dict[str, Figure]:
    """One by one, each durable when its call returns; then the store is opened again and again."""
    objects = contents(SINGLE_SYNCED, job.seed + 1)
    ids: list[str] = []
    found = {"insert": timed(len(objects), False, lambda: ids.extend(map(store.insert, objects)))}

    def open_read_close() -> None:
        for number in range(OPENED):
            again = store.reopen()
            expect(len(again.get(ids[number % len(ids)]) or b""), len(objects[number % len(ids)]))
            again.close()

    with contextlib.suppress(NotImplementedError):
        found["open_read_close"] = timed(OPENED, False, open_read_close)
    return found


def optimize(job: Job, store: Store) -> dict[str, Figure]:
    """What came in one by one, uncompressed, is packed and compressed."""
    objects = contents(job.count // 10, job.seed + 2)
    if isinstance(store, Millpond):
        store.insert_many(objects, compress=False)
    else:
        for content in objects:
            store.insert(content)
    return figures(("optimize", timed(len(objects), False, store.optimize)))


def stream(job: Job, store: Store) -> dict[str, Figure]:
    """A long stream in and out."""
    ids: list[str] = []
    mib = STREAM_BYTES >> 20
    source: Any = Stream(STREAM_BYTES)
    with Peak("stream_memory_mib"):
        begin = timed(mib, False, lambda: ids.append(store.stream_in(source)))
        store.stream_out(ids[0])
    out = timed(mib, False, lambda: expect(store.stream_out(ids[0]), STREAM_BYTES))
    return figures(("stream_in", begin), ("stream_out", out))


def maintain(job: Job, store: Store) -> dict[str, Figure]:
    """Half of the objects go, and their space is given back; what is left is backed up and restored."""
    objects = contents(job.count, job.seed + 3)
    ids = store.insert_many(objects, False)
    left = len(ids) - len(ids[::2])
    store.delete(ids[::2])
    with Peak("repack_memory_mib"):
        found = {"repack": timed(left, False, store.repack)}
    backups = job.place / "backups"
    with contextlib.suppress(NotImplementedError):
        with Peak("backup_memory_mib"):
            found["backup"] = timed(left, False, lambda: store.backup(backups))
        found["restore"] = timed(left, False, lambda: expect(store.restore(backups), left))
    return found


# What isn't time.
MEASURED: dict[str, float] = {}

WORKLOADS = {
    "many": many,
    "compressed": compressed,
    "single": single,
    "optimize": optimize,
    "maintain": maintain,
    "stream": stream,
}

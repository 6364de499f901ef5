"""Loads every file under some directories into a dictionary, path to content, and reads it all back.

    python load_files.py load CONTAINER DIRECTORY... [--limit 1GiB]
    python load_files.py verify CONTAINER

`verify` is meant to run in another process: it compares each value with the digest that `load`
stored beside it, and with the file, if that is still the one that was loaded.
"""

import argparse
import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import millpond

CHUNK_BYTES = 1 << 20
BATCH_BYTES = 8 << 20
LARGE_BYTES = 4 << 20
KEY_BYTES_MAX = 1024


class Progress:
    """A line that says how far one is, on a terminal only."""

    def __init__(self, doing: str, total_bytes: int) -> None:
        self.doing, self.total_bytes = doing, max(total_bytes, 1)
        self.bytes = 0
        self.shown = 0.0

    def add(self, count: int) -> None:
        self.bytes += count
        now = time.monotonic()
        if sys.stderr.isatty() and now - self.shown > 0.1:
            self.shown = now
            part = min(self.bytes / self.total_bytes, 1)
            print(f"\r{self.doing} [{'#' * round(part * 40):40}] {part:4.0%}", end="", file=sys.stderr)

    def end(self) -> None:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)


def find_files(directories: list[str], limit_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Regular files, their paths as bytes and their sizes, up to a total size."""
    total = 0
    for directory in directories:
        for folder, folders, names in os.walk(os.fsencode(directory)):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                if not stat.S_ISREG(status.st_mode) or len(path) > KEY_BYTES_MAX:
                    continue
                if total + status.st_size > limit_bytes:
                    continue
                total += status.st_size
                yield path, status.st_size


def load(container: millpond.Container, directories: list[str], limit_bytes: int) -> None:
    contents, digests = container.create_dict("files"), container.create_dict("digests")
    files = list(find_files(directories, limit_bytes))
    progress = Progress("loading", sum(size for _, size in files))
    started = time.perf_counter()
    batch: dict[bytes, bytes] = {}
    batch_digests: dict[bytes, bytes] = {}
    batch_bytes = total_bytes = 0

    def commit() -> None:
        nonlocal batch_bytes
        contents.bput(batch)
        digests.bput(batch_digests)
        batch.clear()
        batch_digests.clear()
        batch_bytes = 0

    for path, size in files:
        try:
            with open(path, "rb") as file:
                if size < LARGE_BYTES:
                    content = file.read()
                    batch[path] = content
                    batch_digests[path] = hashlib.sha256(content).digest()
                    batch_bytes += len(content)
                    size = len(content)
                else:
                    digest = hashlib.sha256()
                    size = 0
                    with contents.writer(path) as writer:
                        while part := file.read(CHUNK_BYTES):
                            digest.update(part)
                            size += writer.write(part)
                    digests[path] = digest.digest()
        except OSError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        total_bytes += size
        progress.add(size)
        if batch_bytes >= BATCH_BYTES or len(batch) >= 2000:
            commit()
    commit()
    container.flush()
    progress.end()
    report("loaded", len(contents), total_bytes, time.perf_counter() - started)


def verify(container: millpond.Container) -> None:
    contents, digests = container.dict("files"), container.dict("digests")
    if len(contents) != len(digests):
        sys.exit(f"{len(contents)} files, but {len(digests)} digests")
    progress = Progress("verifying", container.query().statistics.bytes_segments_live)
    started = time.perf_counter()
    count = total_bytes = changed = 0
    for path, expected in digests.items():
        digest = hashlib.sha256()
        with contents.reader(path) as reader:
            while part := reader.read(CHUNK_BYTES):
                digest.update(part)
                total_bytes += len(part)
                progress.add(len(part))
        if digest.digest() != expected:
            sys.exit(f"{os.fsdecode(path)} came back changed")
        count += 1
        try:
            on_disk = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest()
        except OSError:
            changed += 1
        else:
            changed += on_disk != expected
    progress.end()
    report("verified", count, total_bytes, time.perf_counter() - started)
    print(f"{count - changed} of them equal the files on disk now, {changed} have changed since")


def report(done: str, count: int, total_bytes: int, seconds: float) -> None:
    mebibytes = total_bytes / (1 << 20)
    print(
        f"{done} {count:,} files, {mebibytes:,.1f} MiB in {seconds:.1f} s: "
        f"{count / seconds:,.0f} files/s, {mebibytes / seconds:,.0f} MiB/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["load", "verify"])
    parser.add_argument("container")
    parser.add_argument("directories", nargs="*")
    parser.add_argument(
        "--limit", type=millpond.parse_size, default=1 << 30, help="bytes to load at the most (1GiB)"
    )
    arguments = parser.parse_args()
    with millpond.Container.open(arguments.container) as container:
        if arguments.what == "load":
            load(container, arguments.directories, arguments.limit)
        else:
            verify(container)


if __name__ == "__main__":
    main()

"""Times the simplest calls of pmemkv, beside a plain dict and an engine that stores nothing.

    make baseline_python
    python pmemkv_baseline.py [--count 100000] [--directory /dev/shm]

What Python itself costs is what the dict and blackhole take; the rest is the store's. Failures, keys that
aren't found, are counted.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pmemkv import Database


class Plain(dict[str, str]):
    """A dict with the few calls of a database that are timed."""

    def put(self, key: str, value: str) -> None:
        self[key] = value

    def exists(self, key: str) -> bool:
        return key in self

    def get_keys(self, func: Callable[[str], object]) -> None:
        for key in self:
            func(key)

    def get_all(self, func: Callable[[str, str], object]) -> None:
        for key, value in self.items():
            func(key, value)

    def stop(self) -> None:
        self.clear()


def timed(what: str, count: int, work: Callable[[], int]) -> None:
    begin = time.perf_counter()
    failures = work()
    seconds = time.perf_counter() - begin
    print(f"  {what:<24}{seconds:8.3f} s {seconds / count * 1e6:8.2f} µs each   failures={failures}")


def series(db: Plain | Database[str], count: int, value: str) -> None:
    """Puts, gets, asks for and visits `count` records."""
    seen = 0

    def visit(*record: str) -> None:
        nonlocal seen
        seen += 1

    def visited(visit_all: Callable[[Callable[..., object]], object]) -> int:
        nonlocal seen
        seen = 0
        visit_all(visit)
        return count - seen

    def put() -> int:
        for number in range(count):
            db.put(str(number), value)
        return 0

    timed("put", count, put)
    timed("get", count, lambda: sum(db.get(str(number)) is None for number in range(count)))
    timed("exists", count, lambda: sum(not db.exists(str(number)) for number in range(count)))
    timed("all keys, one pass", count, lambda: visited(db.get_keys))
    timed("all records, one pass", count, lambda: visited(db.get_all))
    db.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="records")
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"), help="for the store")
    arguments = parser.parse_args()
    for engine, length in [("dict", 16), ("blackhole", 16), ("cmap", 16), ("cmap", 200), ("cmap", 800)]:
        print(f"\n{engine}: {arguments.count} records, values of {length} bytes")
        with tempfile.TemporaryDirectory(dir=arguments.directory) as scratch:
            config = {"path": f"{scratch}/pmemkv", "size": 1 << 30, "create_or_error_if_exists": 1}
            db = Plain() if engine == "dict" else Database(engine, json.dumps(config))
            series(db, arguments.count, "A" * length)


if __name__ == "__main__":
    main()

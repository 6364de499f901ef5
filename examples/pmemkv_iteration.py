"""Times pmemkv's four ways to visit every record.

make iteration_python
python pmemkv_iteration.py [--engine cmap] [--count 100000] [--directory /dev/shm]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pmemkv import Database


def timed(what: str, count: int, visit_all: Callable[[Callable[..., object]], object]) -> None:
    """Times one pass, and counts the records that it didn't visit."""
    seen = 0

    def visit(*record: object) -> None:
        nonlocal seen
        seen += 1

    begin = time.perf_counter()
    visit_all(visit)
    seconds = time.perf_counter() - begin
    print(f"  {what:<24}{seconds:8.3f} s {seconds / count * 1e6:8.2f} µs each   failures={count - seen}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="cmap")
    parser.add_argument("--count", type=int, default=100_000, help="records")
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"), help="for the store")
    arguments = parser.parse_args()
    count: int = arguments.count
    with tempfile.TemporaryDirectory(dir=arguments.directory) as scratch:
        # A persistent engine makes the directory; a volatile one needs one that is there.
        path = scratch if arguments.engine.startswith("v") else f"{scratch}/pmemkv"
        config = {"path": path, "size": 1 << 30, "create_if_missing": 1}
        db = Database(arguments.engine, json.dumps(config))
        db.put_many((f"{number:012}", "A" * 64) for number in range(count))
        print(f"{arguments.engine}: {count} records, values of 64 bytes")
        timed("keys as bytes", count, db.get_keys_strings)
        timed("keys as text", count, db.get_keys)
        timed("records as bytes", count, db.get_all_strings)
        timed("records as text", count, db.get_all)
        db.stop()
        config.pop("create_if_missing")
        with Database(arguments.engine, config) as views:
            if views.traits["persistent"]:
                timed("keys as views", count, views.get_keys)
                timed("records as views", count, views.get_all)


if __name__ == "__main__":
    main()

"""Web sessions that expire, in memory, on pmemkv's engine vcmap.

    python session_cache.py [--visitors 2000] [--threads 4] [--lifetime 0.2]

The cache is as large as its configuration says: when it is full, what has expired goes, and then what would
expire next. A visit extends a session by overwriting eight bytes in place. Any number of threads may use it.
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from millpond.compat.pmemkv import Database, OutOfMemory

EXPIRY = struct.Struct("<d")


class SessionCache:
    """Sessions by id, each of which ends `lifetime` seconds after it was last visited.

    A record is the time of its end, and the session as JSON.
    """

    def __init__(
        self, directory: str, size: int, lifetime: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._records = Database("vcmap", {"path": directory, "size": size})
        self._lifetime = lifetime
        self._clock = clock
        self._making_room = threading.Lock()

    def store(self, session_id: str, session: dict[str, Any]) -> None:
        """Begins a session, or changes it."""
        record = EXPIRY.pack(self._clock() + self._lifetime) + json.dumps(session).encode()
        while True:
            try:
                self._records.put(session_id, record)
            except OutOfMemory:
                if not self._make_room():
                    raise
            else:
                return

    def visit(self, session_id: str) -> dict[str, Any] | None:
        """The session, which then lasts for a whole lifetime again; None if there is none, or no more."""
        record = self._records.get_view(session_id)
        if record is None:
            return None
        now = self._clock()
        if EXPIRY.unpack_from(record)[0] <= now:
            # Only if nobody has begun it again since.
            self._records.compare_and_swap(session_id, record, None)
            return None
        self._records.update_in_place(session_id, 0, EXPIRY.pack(now + self._lifetime))
        session: dict[str, Any] = json.loads(bytes(record[EXPIRY.size :]))
        return session

    def end(self, session_id: str) -> bool:
        """Ends a session; whether there was one."""
        return self._records.remove(session_id)

    def sweep(self) -> int:
        """Removes what has expired; how many that were."""
        now = self._clock()
        return sum(self._records.remove(key) for expiry, key in self._expiries() if expiry <= now)

    def __len__(self) -> int:
        return len(self._records)

    def close(self) -> None:
        self._records.stop()

    def _make_room(self) -> bool:
        """Removes what has expired, or else the tenth that expires next; whether anything went."""
        with self._making_room:
            if self.sweep():
                return True
            keys = [key for _, key in sorted(self._expiries())]
            return sum(self._records.remove(key) for key in keys[: len(keys) // 10 + 1]) > 0

    def _expiries(self) -> list[tuple[float, bytes]]:
        found: list[tuple[float, bytes]] = []
        self._records.get_all(lambda key, record: found.append((EXPIRY.unpack_from(record)[0], bytes(key))))
        return found


def visitors(cache: SessionCache, thread: int, count: int) -> None:
    """Each visitor logs in and looks at three pages; every other one logs out."""
    for number in range(count):
        session_id = f"{thread}-{number}"
        cache.store(session_id, {"user": f"user-{number}", "pages": []})
        for page in range(3):
            session = cache.visit(session_id)
            if session is not None:
                session["pages"].append(page)
                cache.store(session_id, session)
        if number % 2:
            cache.end(session_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--lifetime", type=float, default=0.2, help="of a session, in seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        cache = SessionCache(directory, size=64 << 20, lifetime=arguments.lifetime)
        share = arguments.visitors // arguments.threads
        threads = [
            threading.Thread(target=visitors, args=(cache, number, share))
            for number in range(arguments.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{share * arguments.threads} visitors, {len(cache)} sessions")
        time.sleep(arguments.lifetime)
        print(f"{cache.sweep()} expired, {len(cache)} sessions")
        cache.close()


if __name__ == "__main__":
    main()

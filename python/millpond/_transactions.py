"""Running a transaction again until it meets no other one."""

import random
import time

from .errors import ConflictError, EpochGoneError

PAUSE = 50e-6
"""Seconds of the pause after the first conflict, on average; it doubles with each one."""

PAUSE_MAX = 20e-3
"""Seconds of the longest pause."""


def run(container, function, retries, durability):
    """Calls ``function`` with a transaction and commits it; see ``Container.transact``."""
    attempt = 0
    while True:
        transaction = container.transaction(durability=durability)
        try:
            with transaction:
                answer = function(transaction)
        except (ConflictError, EpochGoneError) as error:
            if attempt >= retries:
                error.add_note(f"gave up after {attempt + 1} tries")
                raise
        else:
            return answer
        time.sleep(random.uniform(0, 2 * min(PAUSE_MAX, PAUSE * 2 ** min(attempt, 16))))
        attempt += 1

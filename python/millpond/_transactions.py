"""Running a transaction again until it meets no other one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar

from .errors import ConflictError, EpochGoneError

if TYPE_CHECKING:
    from ._millpond import Container, Transaction

_T = TypeVar("_T")

PAUSE = 50e-6
"""Seconds of the pause after the first conflict, on average; it doubles with each one."""

PAUSE_MAX = 20e-3
"""Seconds of the longest pause."""


def run(
    container: Container,
    function: Callable[[Transaction], _T],
    retries: int,
    durability: Literal["sync", "async"] | None,
) -> _T:
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

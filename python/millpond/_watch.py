"""Watches: each commit of a container, whole and in order, for loops and for asyncio."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .errors import ClosedError, InvalidArgumentError

if TYPE_CHECKING:
    from ._millpond import Change, NativeCommit, NativeWatch

__all__ = ["Commit", "Watch"]

# How long to wait at a time: in between, Ctrl-C is handled and who was cancelled gives up.
_SLICE_S = 0.1

# Changes of a commit that are kept, so that it can be looked at again.
_HELD_MAX = 1000


class Commit:
    """A commit: its epoch, and all the changes that it made and the watch tells of.

    Iterating over it yields the changes. The first 1,000 are held, so that all but a huge commit can be
    iterated over again; the rest of a huge one is read as it is taken, once, before the watch goes on.

    Attributes:
        epoch: Where the commit stands in the order of commits. Whoever stores it can go on after it.
    """

    def __init__(self, native: NativeCommit) -> None:
        self.epoch: int = native.epoch
        self._native = native
        self._held: list[Change] | None = None
        self._has_rest = False
        self._taken = False

    def __iter__(self) -> Iterator[Change]:
        if self._held is None:
            self._held = list(itertools.islice(self._native, _HELD_MAX))
            self._has_rest = len(self._held) == _HELD_MAX
        yield from self._held
        if self._has_rest:
            if self._taken:
                raise InvalidArgumentError(
                    f"commit {self.epoch} has too many changes to be iterated over again; take them once"
                )
            self._taken = True
            yield from self._native

    @property
    def changes(self) -> list[Change]:
        """All the changes, in memory."""
        return list(self)

    def __repr__(self) -> str:
        return f"<millpond.Commit of epoch {self.epoch}>"


class Watch:
    """Follows the commits of a container; made by :meth:`Container.watch`.

    Iterate over it (``for``, or ``async for`` in a coroutine) to wait for one commit after the other, for
    ever; :meth:`next` waits for so long and no longer. ``with`` and :meth:`close` end it.
    """

    def __init__(self, native: NativeWatch) -> None:
        self._native = native
        self._closed = False
        self._position: int = native.epoch
        self._executor: ThreadPoolExecutor | None = None
        # A commit that came when nobody waited for it any more.
        self._kept: list[Commit] = []
        self._lock = threading.Lock()

    @property
    def epoch(self) -> int:
        """The epoch up to which everything was delivered, or was nothing to tell of.

        What a consumer stores to go on from there: ``container.watch(after=epoch)``.
        """
        return self._position

    def next(self, timeout: float | None = None) -> Commit | None:
        """The next commit, or None where none came in time.

        Args:
            timeout: Seconds to wait; None for ever, 0 for a look at what is there.

        Raises:
            LaggedError: If what comes next is no longer kept; its ``restart_epoch`` says where a new
                watch can begin.
            ClosedError: If the watch or its container was closed.
        """
        return self._delivered(self._wait(timeout, threading.Event()))

    def _delivered(self, commit: Commit | None) -> Commit | None:
        with self._lock:
            if commit is not None:
                self._position = commit.epoch
            elif not self._kept:
                self._position = self._native.epoch
        return commit

    def _wait(self, timeout: float | None, cancelled: threading.Event) -> Commit | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not cancelled.is_set():
            left = _SLICE_S if deadline is None else min(_SLICE_S, max(0.0, deadline - time.monotonic()))
            with self._lock:
                if self._closed:
                    raise ClosedError("the watch was closed; begin another one")
                commit = self._kept.pop() if self._kept else None
                if commit is None:
                    native = self._native.next(left)
                    commit = None if native is None else Commit(native)
                if commit is not None:
                    if cancelled.is_set():
                        self._kept.append(commit)
                        return None
                    return commit
            if deadline is not None and time.monotonic() >= deadline:
                return None
        return None

    def acknowledge(self, epoch: int | None = None) -> None:
        """Tells the cursor that all is done with up to an epoch, so that it need not be kept any more.

        Args:
            epoch: Of a commit; by default, the :attr:`epoch` of the watch.

        Raises:
            InvalidArgumentError: If the watch has no cursor.
            NotFoundError: If the cursor was removed.
        """
        self._native.acknowledge(self._position if epoch is None else epoch)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Commit:
        commit = self.next()
        assert commit is not None
        return commit

    def __aiter__(self) -> AsyncIterator[Commit]:
        return self

    async def __anext__(self) -> Commit:
        if self._executor is None:
            # A thread of its own, which sleeps: those of the loop are for work that ends.
            self._executor = ThreadPoolExecutor(1, "millpond-watch")
        cancelled = threading.Event()
        waiting = asyncio.get_running_loop().run_in_executor(self._executor, self._wait, None, cancelled)
        try:
            commit = await asyncio.shield(waiting)
        except asyncio.CancelledError:
            cancelled.set()
            # What it finds nevertheless is kept for the next one who asks; an error is found again.
            waiting.add_done_callback(self._keep)
            raise
        delivered = self._delivered(commit)
        assert delivered is not None
        return delivered

    def _keep(self, waiting: asyncio.Future[Commit | None]) -> None:
        if not waiting.cancelled() and waiting.exception() is None:
            commit = waiting.result()
            if commit is not None:
                with self._lock:
                    self._kept.append(commit)

    def close(self) -> None:
        """Ends the watch. A cursor stays registered, and what it needs stays with it."""
        self._closed = True
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<millpond.Watch at epoch {self.epoch}>"

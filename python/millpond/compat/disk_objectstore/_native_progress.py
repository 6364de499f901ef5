"""What happens in a store of Millpond's own, told as disk-objectstore tells it."""

from __future__ import annotations

from ._callbacks import Callback

__all__ = ["Steps", "ToldProgress"]

_UPDATES_MAX = 1000


class Steps:
    """Tells a callback of steps, some at a time."""

    def __init__(self, callback: Callback | None, total: int, description: str) -> None:
        self._callback = callback
        self._every = max(total // _UPDATES_MAX, 1)
        self._untold = 0
        if callback:
            callback(action="init", value={"total": total, "description": description})

    def advance(self, count: int = 1) -> None:
        self._untold += count
        if self._untold >= self._every:
            self._flush()

    def end(self) -> None:
        if self._untold:
            self._flush()
        if self._callback:
            self._callback(action="close", value=None)

    def _flush(self) -> None:
        count, self._untold = self._untold, 0
        if self._callback:
            self._callback(action="update", value=count)


class ToldProgress:
    """What Millpond tells, as disk-objectstore's callbacks are told."""

    def __init__(self, callback: Callback, description: str) -> None:
        self._callback = callback
        self._description = description
        self._done: int | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._done is None:
            self._callback(action="init", value={"total": total, "description": self._description})
            self._done = 0
        if done > self._done:
            self._callback(action="update", value=done - self._done)
            self._done = done

    def end(self) -> None:
        if self._done is None:
            self(0, 0)
        self._callback(action="close", value=None)

"""Progress: callbacks are told ``init`` with a total and a description, ``update`` with how much more is
done, and ``close``."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["Callback", "CallbackStreamWrapper", "rename_callback"]

Callback = Callable[..., object]
"""Takes ``action`` and ``value``, by position or by name."""

_UPDATES_MAX = 400


class CallbackStreamWrapper:
    """A stream that tells a callback how much of it was read.

    Args:
        stream: What is read.
        callback: What is told; None for nobody.
        total_length: Bytes that are expected, 0 if that isn't known.
        description: What the callback is told that this is.
    """

    def __init__(
        self,
        stream: Any,
        callback: Callback | None,
        total_length: int = 0,
        description: str = "Streamed object",
    ) -> None:
        self._stream = stream
        self._callback = callback
        self._total = total_length
        self._description = description
        self._every = max(total_length // _UPDATES_MAX, 1)
        self._untold = 0
        self._begin(description)

    @property
    def mode(self) -> str:
        return str(self._stream.mode)

    @property
    def closed(self) -> bool:
        return bool(self._stream.closed)

    @staticmethod
    def readable() -> bool:
        return True

    @staticmethod
    def writable() -> bool:
        return False

    def seekable(self) -> bool:
        return bool(self._stream.seekable())

    def close(self) -> None:
        """Nothing: whoever opened the stream closes it."""

    def flush(self) -> None:
        """Nothing: what is read needs no flush."""

    def tell(self) -> int:
        """The place in the stream."""
        return int(self._stream.tell())

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, or the rest."""
        part: bytes = self._stream.read(size)
        self._advance(len(part))
        return part

    def seek(self, target: int, whence: int = 0) -> int:
        """Move to another place. The way forward counts as read; a step back begins anew."""
        ahead = target - self.tell()
        if ahead > 0:
            self._advance(ahead)
        else:
            self.close_callback()
            self._begin(f"{self._description} [rewind]")
            # So many count as done, and those behind them are told with the next update.
            self._untold = target
            self._tell("update", target)
        return int(self._stream.seek(target, whence))

    def close_callback(self) -> None:
        """Tell the callback that this is done. The stream stays open."""
        if self._untold:
            self._tell("update", self._untold)
        self._tell("close", None)

    def __enter__(self) -> CallbackStreamWrapper:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def _begin(self, description: str) -> None:
        self._tell("init", {"total": self._total, "description": description})

    def _advance(self, count: int) -> None:
        self._untold += count
        if self._untold >= self._every:
            self._tell("update", self._untold)
            self._untold = 0

    def _tell(self, action: str, value: object) -> None:
        if self._callback:
            self._callback(action=action, value=value)


def rename_callback(callback: Callback | None, new_description: str) -> Callback | None:
    """A callback that passes on what it is told, under another description."""
    if callback is None:
        return None

    def renamed(action: str, value: Any) -> object:
        if action == "init":
            value = {**value, "description": new_description}
        return callback(action, value)

    return renamed

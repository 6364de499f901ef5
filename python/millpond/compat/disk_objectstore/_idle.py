"""Containers that were closed and stay ready for the next use.

Programs such as AiiDA open and close a container for every object. To open an index or a pool costs many
times what a read does, so a few of them stay open, unused, until others take their place or the process
ends. One is used again only if the files that it has open are still those at that place.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from millpond.errors import Error

if TYPE_CHECKING:
    from millpond._millpond import NativeFolder

    from ._native import NativeStore

__all__ = ["Identity", "forget", "give", "identity", "take"]

_LOGGER = logging.getLogger("disk_objectstore")
_IDLE_MAX = 4

Identity = tuple[tuple[int, int], ...]


Backend: TypeAlias = "NativeFolder | NativeStore"

_lock = threading.Lock()
_idle: OrderedDict[str, tuple[Identity, Backend]] = OrderedDict()


def identity(folder: str) -> Identity:
    """Which files those are that make a container of a folder; others after it was made anew or restored."""
    found = []
    for name in ("config.json", "packs.idx", "pool.json", ""):
        try:
            status = os.stat(f"{folder}/{name}")
        except OSError:
            continue
        found.append((status.st_dev, status.st_ino))
        if name == "packs.idx":
            break
    return tuple(found)


def take(folder: str) -> tuple[Identity, Backend] | None:
    """What was given back for the folder, if it is still the same."""
    if folder not in _idle:
        return None
    with _lock:
        entry = _idle.pop(folder, None)
    if entry is None:
        return None
    known, backend = entry
    if known == identity(folder):
        return known, backend
    _close(backend)
    return None


def give(folder: str, known: Identity, backend: Backend) -> None:
    """Keep something ready that nobody else uses."""
    with _lock:
        before = _idle.pop(folder, None)
        _idle[folder] = known, backend
        oldest = _idle.popitem(last=False) if len(_idle) > _IDLE_MAX else None
    if before is not None:
        _close(before[1])
    if oldest is not None:
        _close(oldest[1][1])


def forget(folder: str) -> None:
    """Close what is kept for a folder."""
    with _lock:
        entry = _idle.pop(folder, None)
    if entry is not None:
        _close(entry[1])


def _close(backend: Backend) -> None:
    """All of what was stored through it is durable, so whoever wants another container isn't told of its
    end."""
    try:
        backend.close()
    except Error as error:
        _LOGGER.debug("A container that nobody uses closed with an error: %s", error)


def _in_child() -> None:
    """Another thread of the parent may have had the lock, which nobody gives back here."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_in_child)


@atexit.register
def _close_all() -> None:
    while _idle:
        _, (_, backend) = _idle.popitem()
        _close(backend)

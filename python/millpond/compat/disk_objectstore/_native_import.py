"""Taking over objects of another container, where one of the two is a store of Millpond's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ._callbacks import Callback
from ._native import NativeStore
from ._native_progress import Steps
from ._streams import ObjectStream

if TYPE_CHECKING:
    from millpond._millpond import NativeFolder

__all__ = ["import_objects"]


class _StreamsOf:
    """Streams of another container, and their keys there in the order in which they were handed out."""

    def __init__(self, there: NativeFolder | NativeStore, keys: Iterable[str], steps: Steps) -> None:
        self._there = there
        self._keys = keys
        self._steps = steps
        self.handed_out: list[str] = []

    def __iter__(self) -> Iterator[Any]:
        for key, reader, _ in self._there.objects(self._keys, True, True):
            if reader is not None:
                self.handed_out.append(key)
                self._steps.advance()
                with ObjectStream(reader) as stream:
                    yield stream


def import_objects(
    here: NativeFolder | NativeStore,
    there: NativeFolder | NativeStore,
    keys: Iterable[str],
    compress: bool,
    do_fsync: bool,
    callback: Callback | None,
) -> dict[str, str]:
    """Take over objects, where one side at least is a store of Millpond's own."""
    keys = sorted(set(keys))
    if here.settings()[2] == there.settings()[2]:
        keys = [key for key, has in zip(keys, here.has(keys), strict=True) if not has]
    steps = Steps(callback, len(keys), "Copy objects")
    streams = _StreamsOf(there, keys, steps)
    if isinstance(here, NativeStore):
        stored = here.add_each(iter(streams))
    else:
        taken = iter(streams)
        stored = []
        flags = compress, False, False, False, do_fsync, True
        # A folder takes a list, and so many of them at a time.
        for stream in taken:
            stored += here.add_to_pack([stream], flags, None)
    steps.end()
    return dict(zip(streams.handed_out, stored, strict=True))

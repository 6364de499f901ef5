"""The container: what disk-objectstore calls a folder of objects."""

from __future__ import annotations

from typing import Any

from ._compression import CompressMode, get_compressobj_instance, get_stream_decompresser
from ._maintenance import Maintenance
from ._raw_streams import ZlibStreamDecompresser
from ._reading import Reading
from ._storing import Storing
from .dataclasses import ObjectType

__all__ = ["CompressMode", "Container", "ObjectType"]


class Container(Reading, Storing, Maintenance):
    """Immutable objects, each named by the hash of its content.

    Making one costs nothing: what is on disk is looked at when it is needed. It may be used after
    ``close()``, which only gives back what was open.

    Args:
        folder: A folder of disk-objectstore; or the directory of a pool with one container of type BLOB, or
            one that stands for such a container.
    """

    def _get_stream_decompresser(self) -> type[ZlibStreamDecompresser]:
        return get_stream_decompresser(self.compression_algorithm)

    def _get_compressobj_instance(self) -> Any:
        return get_compressobj_instance(self.compression_algorithm)

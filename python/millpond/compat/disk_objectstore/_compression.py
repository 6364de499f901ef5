"""Which objects are compressed, and how."""

from __future__ import annotations

import zlib
from enum import Enum
from typing import Any

from ._raw_streams import ZlibStreamDecompresser

__all__ = [
    "CompressMode",
    "estimate_compression",
    "get_compressobj_instance",
    "get_stream_decompresser",
    "should_compress",
]

_RATIO_MAX = 0.9
"""Below this part of its size, compression is worth it."""
_PIECE = 1 << 10
_SAMPLE_MAX = 128 << 10


class CompressMode(Enum):
    """Which objects are compressed afterwards."""

    NO = "no"
    YES = "yes"
    KEEP = "keep"
    """Those that are compressed already."""
    AUTO = "auto"
    """Those of which a sample says that it is worth it."""


def _level(algorithm: str) -> int:
    name, _, level = algorithm.partition("+")
    if name != "zlib":
        raise ValueError(f"there is no compression {name!r}: take zlib+1 to zlib+9")
    if level not in set("123456789"):
        raise ValueError(f"zlib has no level {level!r}: take zlib+1 to zlib+9")
    return int(level)


def get_compressobj_instance(algorithm: str) -> Any:
    """A compressor of that algorithm, ``zlib+1`` to ``zlib+9``."""
    return zlib.compressobj(level=_level(algorithm))


def get_stream_decompresser(algorithm: str) -> type[ZlibStreamDecompresser]:
    """The class that decompresses what that algorithm compressed."""
    _level(algorithm)
    return ZlibStreamDecompresser


def should_compress(
    source_stream: Any,
    compress_mode: CompressMode,
    source_compressed: bool,
    source_length: int,
    source_size: int,
) -> bool:
    """Whether an object shall be compressed.

    Args:
        source_stream: The object; it is sampled where nothing else decides, and stands where it stood after
            that.
        compress_mode: What is wanted.
        source_compressed: Whether it is compressed now.
        source_length: Bytes that it takes now.
        source_size: Bytes that it has.
    """
    if compress_mode is CompressMode.AUTO:
        if not source_compressed:
            return estimate_compression(source_stream, source_size) < _RATIO_MAX
        return source_size > 0 and source_length / source_size < _RATIO_MAX
    if compress_mode is CompressMode.KEEP:
        return source_compressed
    if not isinstance(compress_mode, CompressMode):
        raise NotImplementedError(f"{compress_mode!r} is no CompressMode")
    return compress_mode is CompressMode.YES


def estimate_compression(stream: Any, size: int) -> float:
    """Which part of its size an object would have when it were compressed, by a sample of it: pieces of 1
    KiB, evenly spread, 128 KiB at most."""
    if size == 0:
        return 1.0
    before = stream.tell()
    interval = size // (_SAMPLE_MAX // _PIECE)
    place, sample = 0, bytearray()
    while len(sample) < _SAMPLE_MAX:
        stream.seek(place)
        piece = stream.read(_PIECE)
        if not piece:
            break
        sample += piece
        place = min(place + max(interval, len(piece)), size)
    stream.seek(before)
    return len(zlib.compress(sample, level=1)) / len(sample) if sample else 1.0

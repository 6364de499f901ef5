"""What programs import from ``disk_objectstore.utils``."""

from ._callbacks import CallbackStreamWrapper, rename_callback
from ._compression import (
    CompressMode,
    estimate_compression,
    get_compressobj_instance,
    get_stream_decompresser,
    should_compress,
)
from ._iteration import (
    Location,
    chunk_iterator,
    detect_where_sorted,
    merge_sorted,
    nullcontext,
    yield_first_element,
)
from ._raw_streams import (
    PackedObjectReader,
    ZeroStream,
    ZlibLikeBaseStreamDecompresser,
    ZlibStreamDecompresser,
)
from ._streams import LazyLooseStream, LazyOpener
from ._writing import (
    HashWriterWrapper,
    ObjectWriter,
    compute_hash_and_size,
    get_hash_cls,
    is_known_hash,
    safe_flush_to_disk,
)

__all__ = [
    "CallbackStreamWrapper",
    "CompressMode",
    "HashWriterWrapper",
    "LazyLooseStream",
    "LazyOpener",
    "Location",
    "ObjectWriter",
    "PackedObjectReader",
    "ZeroStream",
    "ZlibLikeBaseStreamDecompresser",
    "ZlibStreamDecompresser",
    "chunk_iterator",
    "compute_hash_and_size",
    "detect_where_sorted",
    "estimate_compression",
    "get_compressobj_instance",
    "get_hash_cls",
    "get_stream_decompresser",
    "is_known_hash",
    "merge_sorted",
    "nullcontext",
    "rename_callback",
    "safe_flush_to_disk",
    "should_compress",
    "yield_first_element",
]

"""Millpond: an object store in a directory.

A *pool* is a quota of space that *containers* share; a container is a store of its own; in it are
*dictionaries*, persistent mappings of bytes to bytes, *objects* of values and records under two keys,
*arrays* of cells, and stores of immutable *blobs*::

    import millpond

    pool = millpond.Pool.create("lab", size="1GiB")
    with pool.create_container("kv") as container:
        readings = container.create_dict("readings")
        readings["2024-05-01"] = b"17.3"
        readings.bput({"2024-05-02": b"18.1", "2024-05-03": b"16.9"})
        for day, value in readings.range(prefix="2024-").items():
            print(day, value)

What is put is durable when the call returns, and other processes see it at once.
"""

from collections.abc import MutableMapping

from . import errors
from ._comparators import register_comparator
from ._info import (
    Backup,
    BlobMeta,
    BlobsStatus,
    CheckReport,
    ContainerInfo,
    ContainerSummary,
    Damage,
    Histogram,
    LastScrub,
    Metrics,
    Migrated,
    Operations,
    Optimized,
    PoolInfo,
    PoolSummary,
    ScrubReport,
    Snapshot,
    SnapshotSpace,
    Statistics,
    Validated,
    VerifiedBackup,
)
from ._millpond import (
    Array,
    ArrayStat,
    BlobExtractions,
    BlobIds,
    BlobInsertions,
    Blobs,
    Change,
    Container,
    Dict,
    DictIterator,
    DictRange,
    Difference,
    DiffIterator,
    MapRange,
    MapSeeker,
    Object,
    ObjectExtents,
    ObjectIds,
    ObjectKeys,
    OrderedMap,
    Pool,
    Transaction,
    format_size,
    get_timeout,
    home,
    parse_size,
    set_timeout,
    verify_backup,
    version,
)
from ._streams import ValueReader, ValueWriter
from ._timeout import timeout
from ._views import Attributes, DictItems, DictKeys, Dicts, DictValues, Maps, Properties, Snapshots
from ._watch import Commit, Watch
from .errors import (
    AlreadyExistsError,
    BusyError,
    ClosedError,
    ComparatorMismatchError,
    ConflictError,
    CorruptError,
    DataLossError,
    EpochGoneError,
    Error,
    ForkedError,
    IncompatibleError,
    InputOutputError,
    InvalidArgumentError,
    KeyNotFound,
    KeyTooLongError,
    LaggedError,
    LockTimeoutError,
    NoSpaceError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PoisonedError,
    ReadOnlyError,
    ValueTooLongError,
)

__version__ = version()

__all__ = [
    "AlreadyExistsError",
    "Array",
    "ArrayStat",
    "Attributes",
    "Backup",
    "BlobExtractions",
    "BlobIds",
    "BlobInsertions",
    "BlobMeta",
    "Blobs",
    "BlobsStatus",
    "BusyError",
    "Change",
    "CheckReport",
    "ClosedError",
    "Commit",
    "ComparatorMismatchError",
    "ConflictError",
    "Container",
    "ContainerInfo",
    "ContainerSummary",
    "CorruptError",
    "Damage",
    "DataLossError",
    "Dict",
    "DictItems",
    "DictIterator",
    "DictKeys",
    "DictRange",
    "DictValues",
    "Dicts",
    "DiffIterator",
    "Difference",
    "EpochGoneError",
    "Error",
    "ForkedError",
    "Histogram",
    "IncompatibleError",
    "InputOutputError",
    "InvalidArgumentError",
    "KeyNotFound",
    "KeyTooLongError",
    "LaggedError",
    "LastScrub",
    "LockTimeoutError",
    "MapRange",
    "MapSeeker",
    "Maps",
    "Metrics",
    "Migrated",
    "NoSpaceError",
    "NotFoundError",
    "NotSupportedError",
    "Object",
    "ObjectExtents",
    "ObjectIds",
    "ObjectKeys",
    "Operations",
    "Optimized",
    "OrderedMap",
    "PermissionDeniedError",
    "PoisonedError",
    "Pool",
    "PoolInfo",
    "PoolSummary",
    "Properties",
    "ReadOnlyError",
    "ScrubReport",
    "Snapshot",
    "SnapshotSpace",
    "Snapshots",
    "Statistics",
    "Transaction",
    "Validated",
    "ValueReader",
    "ValueTooLongError",
    "ValueWriter",
    "VerifiedBackup",
    "Watch",
    "__version__",
    "errors",
    "format_size",
    "get_timeout",
    "home",
    "parse_size",
    "register_comparator",
    "set_timeout",
    "timeout",
    "verify_backup",
    "version",
]

# The native classes have all of a mutable mapping's methods; this says so to isinstance().
MutableMapping.register(Dict)
MutableMapping.register(OrderedMap)

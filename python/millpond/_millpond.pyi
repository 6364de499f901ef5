"""The native half of the package, by class: pools, containers, dictionaries, objects, and what they need."""

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Literal, Self, TypeAlias, final, overload
from uuid import UUID

from typing_extensions import Buffer, TypeVar

from ._info import (
    Backup,
    BlobMeta,
    BlobsStatus,
    CheckReport,
    ContainerInfo,
    ContainerSummary,
    Damage,
    Metrics,
    Migrated,
    Optimized,
    PoolInfo,
    PoolSummary,
    ScrubReport,
    Snapshot,
    SnapshotSpace,
    Validated,
    VerifiedBackup,
)
from ._streams import BinaryReader, BinaryWriter, ValueReader, ValueWriter
from ._views import Attributes, DictItems, DictKeys, Dicts, DictValues, Maps, Properties, Snapshots
from ._watch import Watch

__all__ = [
    "Array",
    "ArrayStat",
    "BlobExtractions",
    "BlobIds",
    "BlobInsertions",
    "Blobs",
    "Change",
    "Container",
    "Dict",
    "DictIterator",
    "DictRange",
    "DiffIterator",
    "Difference",
    "FolderContents",
    "FolderIds",
    "FolderObjects",
    "MapRange",
    "MapSeeker",
    "NativeCommit",
    "NativeEngine",
    "NativeEngineIterator",
    "NativeEngineRecords",
    "NativeEngineTransaction",
    "NativeFolder",
    "NativeReader",
    "NativeWatch",
    "NativeWriter",
    "Object",
    "ObjectExtents",
    "ObjectIds",
    "ObjectKeys",
    "OrderedMap",
    "Pool",
    "Transaction",
    "ValueView",
    "_set_own_timeout",
    "format_size",
    "get_timeout",
    "home",
    "parse_size",
    "register_comparator",
    "run_cli",
    "set_timeout",
    "verify_backup",
    "version",
]

_Key: TypeAlias = str | Buffer
_K = TypeVar("_K", bound=str | Buffer)
_ObjectKey: TypeAlias = str | Buffer | int
_MapKey: TypeAlias = str | Buffer | int | float
_M = TypeVar("_M", bound=str | Buffer | int | float)
_A = TypeVar("_A", bound=str | Buffer | int)
_B = TypeVar("_B", bound=str | Buffer | int)
_Records: TypeAlias = tuple[int, int] | range
_Ranges: TypeAlias = _Records | Iterable[_Records]

_BlobSource: TypeAlias = Buffer | BinaryReader | PathLike[str] | PathLike[bytes]
_FolderRow: TypeAlias = tuple[str, int | None, int | None, bool | None, int | None, int | None]
_Extent: TypeAlias = tuple[int, Buffer] | tuple[int, Buffer, int]
_Presence: TypeAlias = Literal["missing", "exists"]
_KeyKind: TypeAlias = Literal["hashed", "integer", "lexical"]
_Range: TypeAlias = Literal["all", "above", "equal_above", "below", "equal_below", "between"]
_T = TypeVar("_T")
_Yield = TypeVar("_Yield", covariant=True, default=bytes)

def home() -> Path:
    """The directory that holds the pools known by label alone.

    It is ``MILLPOND_HOME``, else ``$XDG_DATA_HOME/millpond``, else ``~/.local/share/millpond``.
    """

def register_comparator(name: str, key: Callable[[bytes], Buffer], /) -> None:
    """Registers an order in this process: what :func:`millpond.register_comparator` calls."""

def parse_size(text: int | str, /) -> int:
    """The number of bytes that a size such as "1GiB", "10 MB" or "4096" stands for.

    Raises:
        InvalidArgumentError: If it isn't a size.
    """

def format_size(count: int, /) -> str:
    """A number of bytes as people read it: "1.0 GiB"."""

def version() -> str:
    """The version of Millpond."""

def get_timeout() -> float:
    """How long this thread waits for one lock that another process holds, in seconds.

    It is that of :func:`millpond.timeout` in its block, else that of :func:`set_timeout`, else 10.
    """

def set_timeout(seconds: float, /) -> None:
    """Has all threads wait so long for one lock that another process holds.

    Args:
        seconds: Zero doesn't wait at all.
    """

def _set_own_timeout(seconds: float | None, /) -> float | None:
    """Has this thread wait so long, or as all do; answers how long it did before, if that was its own."""

def verify_backup(
    path: str | PathLike[str], *, progress: Callable[[int, int], object] | None = None
) -> VerifiedBackup:
    """Compares every file of a backup with what was written.

    Nothing is restored. All damage is told, not the first alone. A container that was damaged when it was
    backed up is intact as a backup: scrub it now and then.

    Args:
        path: A backup, or a directory of backups, of which it takes the newest.
        progress: Called with the bytes that are done and of all. What it raises ends this, and is raised.

    Raises:
        NotFoundError: If there is no backup.
        CorruptError: If what the backup says of itself is damaged.
    """

def run_cli(arguments: list[str], /) -> int:
    """Runs the command line on the given arguments, the program's name first, and answers its exit code."""

@final
class Pool:
    """A quota of space, and the containers that share it.

    As a context manager it closes itself. A pickle of it is its place, not its content.
    """

    @staticmethod
    def create(
        location: str | PathLike[str],
        *,
        size: int | str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> Pool:
        """Creates a pool.

        Args:
            location: A label, which places the pool under :func:`millpond.home`; a URL, such as
                ``file:///data/lab`` or ``mem:scratch``; or a path object, for any directory.
            size: The quota of allocated bytes: an int, or a text such as ``"1GiB"``. None is no quota.
            properties: Settings that the product knows.

        Raises:
            AlreadyExistsError: If there is a pool at that place.
            InvalidArgumentError: If the location isn't one.
        """

    @staticmethod
    def open(location: str | PathLike[str]) -> Pool:
        """Opens a pool by its label, UUID, URL or path.

        Raises:
            NotFoundError: If there is none; the message says where it was looked for.
        """

    @staticmethod
    def list() -> builtins.list[PoolSummary]:
        """The pools under :func:`millpond.home`, by label."""

    @staticmethod
    def destroy(location: str | PathLike[str], *, force: bool = False) -> None:
        """Destroys a pool.

        Args:
            location: Its label, UUID, URL or path.
            force: Destroy it although it has containers, open ones too: their handles then raise
                :class:`ClosedError`.

        Raises:
            BusyError: If it has containers, unless forced.
        """

    @property
    def label(self) -> str:
        """The name that people gave it."""

    @property
    def uuid(self) -> UUID:
        """What identifies it for ever."""

    @property
    def url(self) -> str:
        """Where it is, in full."""

    def query(self) -> PoolInfo:
        """What the pool is and holds."""

    def create_container(
        self,
        label: str | None = None,
        *,
        type: str = "PYTHON",
        durability: Literal["sync", "async"] | None = None,
        path: str | PathLike[str] | None = None,
        log_size: int | str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> Container:
        """Creates a container, and opens it.

        Args:
            label: Its name; without one it is found by UUID.
            type: What it is for: PYTHON, POSIX, HDF5, KV, BLOB and others. Shown, and forbids nothing.
            durability: When a change counts as done: ``"sync"`` (the default), once it survives a loss
                of power; ``"async"``, once it survives the death of the process.
            path: A directory to make that stands for the container in the file system.
            log_size: Bytes in a file of the commit log.
            properties: Settings that the product knows.

        Raises:
            AlreadyExistsError: If the pool has a container of that label.
        """

    def container(
        self,
        name: str,
        *,
        read_only: bool = False,
        durability: Literal["sync", "async"] | None = None,
        metrics: bool = False,
    ) -> Container:
        """Opens a container by its label or UUID.

        Args:
            name: Its label or UUID.
            read_only: Refuse every change through this handle.
            durability: Overrides the container's own, for this handle.
            metrics: Count what is done through this handle; see :meth:`metrics`.

        Raises:
            NotFoundError: If the pool has none of that name.
        """

    def containers(self) -> builtins.list[ContainerSummary]:
        """The pool's containers, by label."""

    def restore(
        self,
        path: str | PathLike[str],
        *,
        label: str | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Container:
        """Makes a container of a backup, every byte of which is verified, and opens it.

        It has the UUID, the type, the properties and the attributes that it had.

        Args:
            path: A backup, or a directory of backups, of which it takes the newest.
            label: By default the one that it had.
            progress: Called with the bytes that are done and of all. What it raises ends this, and is raised.

        Raises:
            AlreadyExistsError: If the pool has the container still, or another one of that label.
            CorruptError: If the backup is damaged; the message names the file.
        """

    def scrub(
        self, *, rate: int | None = None, progress: Callable[[int, int], object] | None = None
    ) -> builtins.list[ScrubReport]:
        """Scrubs the containers, one after another. See :meth:`Container.scrub`."""

    def destroy_container(self, name: str, *, force: bool = False) -> None:
        """Destroys a container, with all that it holds.

        Args:
            name: Its label or UUID.
            force: Destroy it although it is open somewhere; its handles then raise :class:`ClosedError`.

        Raises:
            BusyError: If it is open, unless forced.
        """

    @property
    def properties(self) -> Properties:
        """The settings that the product knows, as a mapping; ``properties["size"] = "2GiB"`` changes one."""

    @property
    def attributes(self) -> Attributes:
        """What users note on the pool, as a mutable mapping of texts."""

    def close(self) -> None:
        """Lets go of the pool, which can't be destroyed while it is open but by force.

        Containers that were opened from it stay open, and keep it open.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def __reduce__(self) -> tuple[object, tuple[str]]: ...
    def _repr_html_(self) -> str: ...
    def _properties(self) -> dict[str, str]: ...
    def _set_property(self, name: str, value: str) -> None: ...
    def _attributes(self) -> dict[str, str]: ...
    def _set_attribute(self, name: str, value: str) -> None: ...
    def _delete_attribute(self, name: str) -> None: ...

@final
class Container:
    """A store of its own in a pool: what it holds is committed together.

    As a context manager it closes itself. A pickle of it is its place, not its content.
    """

    @staticmethod
    def open(
        name: str | PathLike[str],
        *,
        read_only: bool = False,
        durability: Literal["sync", "async"] | None = None,
        metrics: bool = False,
    ) -> Container:
        """Opens a container by name.

        Args:
            name: ``"POOL/CONTAINER"``; a URL, such as ``"file:///data/lab/kv"`` or ``"mem:scratch/kv"``;
                or the path of a directory that stands for a container.
            read_only: Refuse every change through this handle.
            durability: Overrides the container's own, for this handle.
            metrics: Count what is done through this handle; see :meth:`metrics`.

        Raises:
            NotFoundError: If there is none; the message says where it was looked for.
        """

    @staticmethod
    def open_path(
        path: str | PathLike[str],
        *,
        read_only: bool = False,
        durability: Literal["sync", "async"] | None = None,
        metrics: bool = False,
    ) -> Container:
        """Opens the container that a directory of the file system stands for.

        Raises:
            NotFoundError: If the directory stands for none.
        """

    @property
    def label(self) -> str | None:
        """The name that people gave it, if any."""

    @property
    def uuid(self) -> UUID:
        """What identifies it for ever."""

    @property
    def pool(self) -> Pool:
        """The pool that it is in."""

    @property
    def url(self) -> str:
        """Where it is, in full."""

    @property
    def type(self) -> str:
        """What it is for, in upper case."""

    @property
    def read_only(self) -> bool:
        """Whether this handle refuses every change."""

    @property
    def durability(self) -> Literal["sync", "async"]:
        """When a change through this handle counts as done."""

    def map(self, name: str, comparator: str | None = None) -> OrderedMap:
        """An ordered map of the container.

        Args:
            name: Its name.
            comparator: The order that it has to have; any, by default.

        Raises:
            NotFoundError: If there is none of that name, or its order isn't registered in this process.
            ComparatorMismatchError: If its keys are in another order.
        """

    def create_map(self, name: str, comparator: str = "bytes") -> OrderedMap:
        """Creates an ordered map.

        Args:
            name: 1 to 512 bytes in UTF-8.
            comparator: The order of its keys, for ever: ``"bytes"``, ``"reverse"``, ``"integer"``
                (keys are ints from -2**63 to 2**63 - 1), ``"float"`` (keys are floats), or the name of
                one that :func:`register_comparator` was given.

        Raises:
            AlreadyExistsError: If there is an object of that name.
            NotFoundError: If no such order is registered in this process.
        """

    def open_or_create_map(self, name: str, comparator: str = "bytes") -> OrderedMap:
        """The ordered map of that name, created if there is none.

        Raises:
            ComparatorMismatchError: If there is one whose keys are in another order.
        """

    def destroy_map(self, name: str) -> None:
        """Destroys an ordered map, with all that it holds.

        Raises:
            NotFoundError: If there is none of that name.
        """

    @property
    def maps(self) -> Maps:
        """The container's ordered maps, as a mapping of names."""

    def blobs(self, name: str = "blobs") -> Blobs:
        """A store of blobs of the container.

        Raises:
            NotFoundError: If there is none of that name.
        """

    def create_blobs(
        self,
        name: str = "blobs",
        *,
        hash_type: Literal["sha256", "sha1", "blake3"] = "sha256",
        compression: str = "zstd",
    ) -> Blobs:
        """Creates a store of blobs.

        Args:
            name: Of 1 to 512 bytes.
            hash_type: The hash that names its blobs. It stays.
            compression: How blobs are stored that look worth compressing, where an insert says nothing
                else: ``"none"``, ``"zlib"``, ``"zstd"``, or one with a level, as ``"zstd+19"``.

        Raises:
            AlreadyExistsError: If there is an object of that name.
        """

    def open_or_create_blobs(
        self,
        name: str = "blobs",
        *,
        hash_type: Literal["sha256", "sha1", "blake3"] = "sha256",
        compression: str = "zstd",
    ) -> Blobs:
        """Opens a store of blobs, as it was made, or creates it where there is none."""

    def blob_stores(self) -> list[str]:
        """The names of the container's stores of blobs, sorted."""

    def destroy_blobs(self, name: str) -> None:
        """Destroys a store of blobs, with all that it holds.

        Raises:
            NotFoundError: If there is none of that name.
        """

    def dict(self, name: str) -> Dict:
        """The dictionary of that name.

        Raises:
            NotFoundError: If there is none.
        """

    def create_dict(self, name: str) -> Dict:
        """Creates a dictionary.

        Raises:
            AlreadyExistsError: If there is one of that name.
        """

    def open_or_create_dict(self, name: str) -> Dict:
        """The dictionary of that name, created if there is none."""

    def destroy_dict(self, name: str) -> None:
        """Destroys a dictionary, with all that it holds.

        Raises:
            NotFoundError: If there is none of that name.
        """

    def create_object(
        self,
        *,
        dkeys: _KeyKind = "hashed",
        akeys: _KeyKind = "hashed",
        object_class: str | None = None,
        low: int | None = None,
    ) -> Object:
        """An object of a new id, to which nothing was written yet.

        Args:
            dkeys: Which dkeys it takes: bytes without an order, ``"hashed"``; bytes in their order,
                ``"lexical"``; or whole numbers in theirs, ``"integer"``.
            akeys: Which akeys it takes, likewise.
            object_class: How it is to be spread over devices, by DAOS's name, such as ``"SX"``.
            low: The lower 96 bits of its id; by default at random.

        Raises:
            NotSupportedError: If its class needs more than one device.
        """

    def object(self, id: str | int, /) -> Object:
        """The object of an id, whether or not anything was written to it.

        Raises:
            InvalidArgumentError: If it isn't the id of an object.
        """

    def objects(self) -> ObjectIds:
        """Iterates over the ids of the container's objects, dictionaries left out."""

    def create_array(
        self,
        *,
        cell_size: int = 1,
        chunk_cells: int = 1048576,
        object_class: str | None = None,
        low: int | None = None,
    ) -> Array:
        """Makes a 1-D array.

        Args:
            cell_size: Bytes in a cell.
            chunk_cells: Cells that lie together under a dkey.
            object_class: How it is to be spread over devices, by DAOS's name, such as ``"SX"``.
            low: The lower 96 bits of its id; by default at random.

        Raises:
            AlreadyExistsError: If there is an array of the id that was chosen.
        """

    def array(self, id: str | int, /) -> Array:
        """Opens a 1-D array.

        Raises:
            NotFoundError: If there is none of that id.
        """

    def watch(
        self,
        *,
        after: int | None = None,
        dict: str | None = None,
        object: str | int | None = None,
        prefix: str | bytes | None = None,
        cursor: str | None = None,
        durable: bool = True,
    ) -> Watch:
        """Follows the container's commits, by whatever thread or process: whole, in order and once.

        ::

            with container.watch(dict="steps", cursor="plots") as watch:
                for commit in watch:
                    for change in commit:
                        print(change.kind, change.key, change.value)
                    watch.acknowledge()

        In a coroutine, ``async for commit in watch`` waits without blocking the loop.

        Args:
            after: The epoch of the last commit that is known already. By default the one that the cursor
                has acknowledged, or else the newest one.
            dict: Only changes of the dictionary of this name, which may be still to come.
            object: Only changes of the object of this id.
            prefix: Only changes of keys, or of dkeys, that begin with it.
            cursor: Registers a cursor of this name, or goes on with it: what is committed after the epoch
                that it acknowledged is kept for it, also while nobody watches, as far as the property
                ``watch-retention`` allows.
            durable: Tell only of what survives a loss of power; else of what is visible, a little earlier.

        Raises:
            LaggedError: If what follows on ``after`` is no longer kept.
            NotSupportedError: If the container is on a Ceph cluster.
        """

    def watch_cursors(self) -> builtins.dict[str, int]:
        """The registered cursors, each with the epoch that it acknowledged."""

    def remove_watch_cursor(self, name: str, /) -> None:
        """Removes a cursor: nothing is kept for it any more.

        Raises:
            NotFoundError: If there is none of that name.
        """

    def transaction(
        self,
        *,
        read_only: bool = False,
        at: int | None = None,
        durability: Literal["sync", "async"] | None = None,
    ) -> Transaction:
        """Begins a transaction; see :class:`Transaction`.

        Args:
            read_only: Refuse every change. Such a transaction never conflicts.
            at: An epoch, to read the state just after it instead of the newest one.
            durability: When its commit counts as done; as the container's handle has it by default.

        Raises:
            EpochGoneError: If the state at that epoch is no longer kept.
        """

    def transact(
        self,
        function: Callable[[Transaction], _T],
        /,
        *,
        retries: int = 100,
        durability: Literal["sync", "async"] | None = None,
    ) -> _T:
        """Calls a function with a transaction and commits it, again where it met another one.

        What the function answers is answered once the commit has taken effect. It may be called many
        times, so it must not do anything that can't be done twice; an exception aborts::

            def move(tx):
                accounts = tx.dict("accounts")
                accounts["ann"] = b"%d" % (int(accounts["ann"]) - 1)
                accounts["bob"] = b"%d" % (int(accounts["bob"]) + 1)

            container.transact(move)

        Raises:
            ConflictError: If others were faster each time.
        """

    def snapshot(self, name: str | None = None) -> Snapshot:
        """Keeps the state just after this call readable, until the snapshot is destroyed.

        Args:
            name: Its name, of 1 to 512 bytes, which isn't a number. Without one it is named by the time,
                and made by the container's rule, its property ``snapshot-keep``: older ones that the rule
                doesn't keep are destroyed with it.

        Raises:
            AlreadyExistsError: If there is one of that name.
            InvalidArgumentError: If no name is given, and the container has no rule.
        """

    @property
    def snapshots(self) -> Snapshots:
        """The container's snapshots, as a mapping of names, the oldest first."""

    def snapshot_space(self) -> SnapshotSpace:
        """What snapshots need, and what they share with the newest state.

        In bytes. This reads every record, though no long value.
        """

    def _snapshots(self) -> builtins.dict[str, Snapshot]: ...
    def _snapshot_sizes(self) -> builtins.dict[str, int]: ...
    def destroy_snapshot(self, name: str) -> None:
        """Lets go of a snapshot.

        What only it held comes back when the container is compacted.

        Raises:
            NotFoundError: If there is none of that name.
        """

    def at(self, moment: str | int, /) -> Container:
        """The container as it was, for reading only.

        Args:
            moment: The name of a snapshot; or an epoch, whose state may go at any time unless a
                snapshot keeps it.

        Raises:
            NotFoundError: If there is no snapshot of that name; later, once it is destroyed.
            EpochGoneError: If the state at that epoch is no longer kept.
        """

    def diff(self, since: str | int, until: str | int | None = None, /) -> DiffIterator:
        """What was added, changed and removed from one state to another, or to now.

        It costs what differs, not what there is, and little memory::

            for difference in container.diff("monday", "tuesday"):
                print(difference.change, difference.dict, difference.key)

        Args:
            since: The name of a snapshot, or an epoch.
            until: Another one; now by default.

        Raises:
            NotFoundError: If there is no snapshot of that name.
            EpochGoneError: If the state at an epoch is no longer kept.
        """

    def rollback(self, name: str) -> int:
        """Gives every object and key what it had at a snapshot, all at once.

        Snapshots stay: take one before, to be able to undo it. Answers the epoch of the commit.

        Raises:
            NotFoundError: If there is no snapshot of that name.
            ConflictError: If others who write were faster each time; nothing has changed then.
        """

    @property
    def dicts(self) -> Dicts:
        """The container's dictionaries, as a mapping of names."""

    def query(self) -> ContainerInfo:
        """What the container is and holds, without scanning it."""

    def metrics(self) -> Metrics:
        """What the container holds, and what was done through this handle.

        The second part is there if the handle was opened with ``metrics=True``, which costs a clock's
        time at each call. ``container.metrics().prometheus`` is a page for Prometheus.
        """

    def flush(self) -> None:
        """Makes everything that was put so far survive a loss of power."""

    def compact(self) -> builtins.list[Damage]:
        """Merges what is worth merging and gives back the space of what was deleted.

        It happens in the background by itself; this does it now. Answers what was left as it is, since it is
        damaged: arrays that can't be merged. All else was done.
        """

    def check(self, *, repair: bool = False) -> CheckReport:
        """Reads every stored byte and compares it with its checksum.

        Args:
            repair: Give dictionaries that lost their name a new one, so that they can be opened, and
                put a marker in the place of each value that is lost, if its key is known, and of the
                records of an array that are: reading them raises :class:`DataLossError`.
        """

    def forget(self) -> int:
        """Deletes the markers of what was lost: keys are absent then, and records of arrays holes.

        Returns:
            How many there were.
        """

    def scrub(
        self, *, rate: int | None = None, progress: Callable[[int, int], builtins.object] | None = None
    ) -> ScrubReport:
        """Compares every stored byte with its checksum, and names what is damaged.

        Others may read and write meanwhile. `query()` tells of the last scrub that was finished.

        Args:
            rate: Bytes to read in a second, at most.
            progress: Called some times a second with the bytes that are read, and how many there
                are about. What it raises ends the scrub.
        """

    def backup(
        self,
        to: str | PathLike[str],
        *,
        keep: int | None = None,
        progress: Callable[[int, int], builtins.object] | None = None,
    ) -> Backup:
        """Writes a backup to a new directory in ``to``, while others read and write.

        It has all that was committed when it began, at one epoch. Files that didn't change since the newest
        backup in ``to`` are shared with it (hard links). :meth:`Pool.restore` makes a container of it.

        Args:
            to: The directory of the container's backups, which is made if it is missing.
            keep: How many of the newest backups stay in ``to``; all by default.
            progress: Called with the bytes that are done and of all. What it raises ends this, and is raised.

        Raises:
            BusyError: If another backup is being made into ``to``.
        """

    def close(self) -> None:
        """Makes everything durable and lets go of the container.

        What was made from this handle, dictionaries too, then raises :class:`ClosedError`.
        """

    @property
    def properties(self) -> Properties:
        """The settings that the product knows, as a mapping."""

    @property
    def attributes(self) -> Attributes:
        """What users note on the container, as a mutable mapping of texts."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: builtins.type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def __reduce__(self) -> tuple[builtins.object, tuple[str, bool, str]]: ...
    def _repr_html_(self) -> str: ...
    def _dict_names(self) -> list[str]: ...
    def _map_names(self) -> list[str]: ...
    def _properties(self) -> builtins.dict[str, str]: ...
    def _set_property(self, name: str, value: str) -> None: ...
    def _attributes(self) -> builtins.dict[str, str]: ...
    def _set_attribute(self, name: str, value: str) -> None: ...
    def _delete_attribute(self, name: str) -> None: ...

@final
class Dict(MutableMapping[bytes, bytes]):
    """A persistent, ordered dictionary.

    Keys are bytes-like, up to 1,024 bytes; a str stands for its UTF-8. Values are bytes-like, of any
    length. Both come back as bytes, keys in ascending order. What is put is visible to other threads
    and processes when the call returns, and as durable as the container promises.
    """

    @property
    def name(self) -> str:
        """The dictionary's name in its container."""

    @property
    def container(self) -> Container:
        """The container that it is in."""

    @overload
    def get(self, key: _Key, default: None = None, /) -> bytes | None: ...
    @overload
    def get(self, key: _Key, default: _T, /) -> bytes | _T:
        """The value of a key, or the default."""

    def value_length(self, key: _Key, /) -> int:
        """Bytes in the value of a key, without reading it.

        Raises:
            KeyNotFound: If there is no such key.
        """

    def put(self, key: _Key, value: Buffer, /) -> bool:
        """Sets the value of a key; answers whether the key existed."""

    def discard(self, key: _Key, /) -> bool:
        """Removes a key if it is there; answers whether it was."""

    @overload
    def pop(self, key: _Key, /) -> bytes: ...
    @overload
    def pop(self, key: _Key, default: _T, /) -> bytes | _T:
        """Removes a key and answers its value, in one step; the default, if given, when it isn't there.

        Raises:
            KeyNotFound: If there is no such key and no default.
        """

    def popitem(self) -> tuple[bytes, bytes]:
        """Removes the greatest key and answers it with its value, in one step.

        Raises:
            KeyNotFound: If the dictionary is empty.
        """

    def setdefault(self, key: _Key, default: Buffer, /) -> bytes:
        """The value of a key, which is set to the default first if it isn't there, in one step."""

    def bput(self, entries: Mapping[_K, Buffer] | Iterable[tuple[_Key, Buffer]], /) -> None:
        """Sets many keys in one atomic commit.

        Args:
            entries: A mapping, or pairs of key and value; of equal keys, the last one wins.
        """

    def apply(self, changes: Mapping[_K, Buffer | None] | Iterable[tuple[_Key, Buffer | None]], /) -> None:
        """Sets many keys and removes others in one atomic commit.

        Args:
            changes: A mapping, or pairs of key and value; a value of None removes the key.
        """

    def bget(self, keys: Iterable[_K], /) -> dict[_K, bytes | None]:
        """The values of many keys, as of one moment; None where there is no such key.

        Args:
            keys: The keys. A dict is filled in place, whatever its values were, and returned;
                anything else makes a new one.
        """

    def dump(self) -> dict[bytes, bytes]:
        """Everything, as a plain dict, as of one moment."""

    def copy(self) -> dict[bytes, bytes]:
        """Everything, as a plain dict, as of one moment."""

    def update(  # type: ignore[override]
        self,
        other: Mapping[_K, Buffer] | Iterable[tuple[_Key, Buffer]] = (),
        /,
        **keywords: Buffer,
    ) -> None:
        """Sets many keys in one atomic commit, as :meth:`bput` does."""

    def clear(self) -> None:
        """Removes everything."""

    def keys(self) -> DictKeys[bytes]:
        """The keys, in order: a live view, with the operations of a set."""

    def items(self) -> DictItems[bytes]:
        """The entries, in the order of their keys: a live view."""

    def values(self) -> DictValues:
        """The values, in the order of their keys: a live view."""

    def range(
        self,
        start: _Key | None = None,
        stop: _Key | None = None,
        *,
        prefix: _Key | None = None,
        reverse: bool = False,
        after: _Key | None = None,
    ) -> DictRange:
        """A part of the dictionary, to iterate over in order.

        Args:
            start: The least key.
            stop: The key to stop before.
            prefix: What the keys begin with.
            reverse: From great keys to small ones.
            after: The last key seen, to resume an iteration behind it.
        """

    def reader(self, key: _Key, /) -> ValueReader:
        """The value of a key as a binary file, read in bounded memory.

        Raises:
            KeyNotFound: If there is no such key.
        """

    def writer(self, key: _Key, /) -> ValueWriter:
        """A binary file that becomes the value of a key when it is committed, written in bounded memory."""

    def __getitem__(self, key: _Key, /) -> bytes: ...
    def __setitem__(self, key: _Key, value: Buffer, /) -> None: ...
    def __delitem__(self, key: _Key, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __iter__(self) -> DictIterator[bytes]: ...
    def __reversed__(self) -> DictIterator[bytes]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ior__(self, other: Mapping[_K, Buffer] | Iterable[tuple[_Key, Buffer]], /) -> Self: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def __reduce__(self) -> tuple[object, tuple[str, str, bool, str]]: ...
    def _repr_html_(self) -> str: ...

@final
class DictRange:
    """A range of a dictionary's keys, in one direction.

    It holds nothing: each iteration, and each count, reads the entries as they are when it begins.
    """

    def keys(self) -> DictIterator[bytes]:
        """Iterates over the keys."""

    def values(self) -> DictIterator[bytes]:
        """Iterates over the values."""

    def items(self) -> DictIterator[tuple[bytes, bytes]]:
        """Iterates over the entries, as pairs."""

    def count(self) -> int:
        """How many keys it has now."""

    def __iter__(self) -> DictIterator[bytes]: ...
    def __reversed__(self) -> DictIterator[bytes]: ...
    def __contains__(self, key: object, /) -> bool: ...

@final
class DictIterator(Iterator[_Yield], Generic[_Yield]):
    """Iterates over a dictionary or a map in the order of its keys, as it was when the iteration began."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> _Yield: ...

@final
class OrderedMap(MutableMapping[Any, bytes]):
    """A persistent map whose keys are in an order of its own.

    Under the orders ``"integer"`` and ``"float"`` keys are ints and floats; else they are bytes-like, up to
    1,024 bytes, and a str stands for its UTF-8. Values are bytes-like, of any length. What is put is
    visible to other threads and processes when the call returns, and as durable as the container promises.

    ::

        readings = container.create_map("readings", "integer")
        readings[1700000000] = b"21.5"
        for time, value in readings.range(1700000000, 1700003600).items():
            print(time, value)
    """

    @property
    def name(self) -> str:
        """The map's name in its container."""

    @property
    def container(self) -> Container:
        """The container that it is in."""

    @property
    def comparator(self) -> str:
        """The name of the order of its keys."""

    @overload
    def get(self, key: _MapKey, default: None = None, /) -> bytes | None: ...
    @overload
    def get(self, key: _MapKey, default: _T, /) -> bytes | _T:
        """The value of a key, or the default."""

    def get_view(self, key: _MapKey, /) -> memoryview | None:
        """The value of a key as a memoryview, without a copy; None if there is none.

        It shows the value as it is now, for as long as anybody has it, whatever becomes of the entry. NumPy
        takes it as it is: ``numpy.frombuffer(map.get_view(key), dtype="f8")``.
        """

    def value_length(self, key: _MapKey, /) -> int:
        """Bytes in the value of a key, without reading it.

        Raises:
            KeyNotFound: If there is no such key.
        """

    def put(self, key: _MapKey, value: Buffer, /) -> bool:
        """Sets the value of a key; answers whether the key existed."""

    def discard(self, key: _MapKey, /) -> bool:
        """Removes a key if it is there; answers whether it was."""

    @overload
    def pop(self, key: _MapKey, /) -> bytes: ...
    @overload
    def pop(self, key: _MapKey, default: _T, /) -> bytes | _T:
        """Removes a key and answers its value, in one step; the default, if given, when it isn't there.

        Raises:
            KeyNotFound: If there is no such key and no default.
        """

    def popitem(self, last: bool = True) -> tuple[Any, bytes]:
        """Removes the last entry, or the first one, and answers it, in one step.

        Of several callers at once, each gets another entry.

        Raises:
            KeyNotFound: If the map is empty.
        """

    def setdefault(self, key: _MapKey, default: Buffer, /) -> bytes:
        """The value of a key, which is set to the default first if it isn't there, in one step."""

    def compare_and_swap(self, key: _MapKey, expected: Buffer | None, new: Buffer | None, /) -> bool:
        """Puts a value in the place of another one, if it is still that; answers whether it was.

        Args:
            key: The key.
            expected: What has to be there; None for nothing.
            new: What is to be there; None removes the entry.

        Raises:
            ConflictError: If other writers of that key were faster again and again.
        """

    def update_in_place(self, key: _MapKey, offset: int, data: Buffer, /) -> None:
        """Writes over a part of a value, in one step.

        Args:
            key: The key.
            offset: The byte of the value where it begins.
            data: What to write: all of it has to be inside the value.

        Raises:
            KeyNotFound: If there is no such key.
            InvalidArgumentError: If it goes past the value's end.
        """

    def bput(self, entries: Mapping[_M, Buffer] | Iterable[tuple[_MapKey, Buffer]], /) -> None:
        """Sets many keys in one atomic commit.

        Args:
            entries: A mapping, or pairs of key and value; of equal keys, the last one wins.
        """

    def apply(self, changes: Mapping[_M, Buffer | None] | Iterable[tuple[_MapKey, Buffer | None]], /) -> None:
        """Sets many keys and removes others in one atomic commit.

        Args:
            changes: A mapping, or pairs of key and value; a value of None removes the key.
        """

    def bget(self, keys: Iterable[_M], /) -> dict[_M, bytes | None]:
        """The values of many keys, as of one moment; None where there is no such key.

        Args:
            keys: The keys. A dict is filled in place, whatever its values were, and returned;
                anything else makes a new one.
        """

    def dump(self) -> dict[Any, bytes]:
        """Everything, as a plain dict in the map's order, as of one moment."""

    def update(  # type: ignore[override]
        self,
        other: Mapping[_M, Buffer] | Iterable[tuple[_MapKey, Buffer]] = (),
        /,
        **keywords: Buffer,
    ) -> None:
        """Sets many keys in one atomic commit, as :meth:`bput` does."""

    def clear(self) -> None:
        """Removes everything."""

    def keys(self) -> DictKeys[Any]:
        """The keys, in order: a live view, with the operations of a set."""

    def items(self) -> DictItems[Any]:
        """The entries, in the order of their keys: a live view."""

    def values(self) -> DictValues:
        """The values, in the order of their keys: a live view."""

    def first(self) -> tuple[Any, bytes] | None:
        """The first entry; None where there is none."""

    def last(self) -> tuple[Any, bytes] | None:
        """The last entry; None where there is none."""

    def range(
        self, start: _MapKey | None = None, stop: _MapKey | None = None, *, reverse: bool = False
    ) -> MapRange:
        """The keys from a start, up to but without a stop.

        Args:
            start: The first key, in the map's order.
            stop: The key to stop before.
            reverse: From the last key to the first.
        """

    def above(self, key: _MapKey, /) -> MapRange:
        """The keys behind a key."""

    def equal_above(self, key: _MapKey, /) -> MapRange:
        """A key, and those behind it."""

    def below(self, key: _MapKey, /) -> MapRange:
        """The keys before a key."""

    def equal_below(self, key: _MapKey, /) -> MapRange:
        """A key, and those before it."""

    def between(self, start: _MapKey, end: _MapKey, /) -> MapRange:
        """The keys behind one and before another.

        Where the one isn't before the other, there are none.
        """

    def seeker(self) -> MapSeeker:
        """An iterator that seeks, steps both ways and writes."""

    def reader(self, key: _MapKey, /) -> ValueReader:
        """The value of a key as a binary file, read in bounded memory.

        Raises:
            KeyNotFound: If there is no such key.
        """

    def writer(self, key: _MapKey, /) -> ValueWriter:
        """A binary file that becomes the value of a key when it is committed, written in bounded memory."""

    def __getitem__(self, key: _MapKey, /) -> bytes: ...
    def __setitem__(self, key: _MapKey, value: Buffer, /) -> None: ...
    def __delitem__(self, key: _MapKey, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __iter__(self) -> DictIterator[Any]: ...
    def __reversed__(self) -> DictIterator[Any]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ior__(self, other: Mapping[_M, Buffer] | Iterable[tuple[_MapKey, Buffer]], /) -> Self: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def __reduce__(self) -> tuple[object, tuple[str, str, bool, str]]: ...
    def _repr_html_(self) -> str: ...

@final
class MapRange:
    """A range of a map's keys, in one direction.

    It holds nothing: each iteration, and each count, reads the entries as they are when it begins.
    """

    def keys(self) -> DictIterator[Any]:
        """Iterates over the keys."""

    def values(self) -> DictIterator[bytes]:
        """Iterates over the values."""

    def items(self) -> DictIterator[tuple[Any, bytes]]:
        """Iterates over the entries, as pairs."""

    def count(self) -> int:
        """How many entries it has now."""

    def reversed(self) -> MapRange:
        """The same keys, the other way round."""

    def __iter__(self) -> DictIterator[Any]: ...
    def __reversed__(self) -> DictIterator[Any]: ...

@final
class MapSeeker:
    """Walks over an ordered map from any key, in either direction, and changes values on the way.

    A seek shows the map as it is then, and steps from there on show that same state, but for what the seeker
    commits. A seek or a step that finds nothing answers False, and the seeker stays where it is. What was
    written and not committed is forgotten when it moves::

        seeker = readings.seeker()
        if seeker.seek_lower(1700000000):
            print("the last one before", seeker.key, seeker.value)
    """

    def seek(self, key: _MapKey, /) -> bool:
        """Goes to a key."""

    def seek_lower(self, key: _MapKey, /) -> bool:
        """Goes to the last key before a key."""

    def seek_lower_eq(self, key: _MapKey, /) -> bool:
        """Goes to a key, or to the last one before it."""

    def seek_higher(self, key: _MapKey, /) -> bool:
        """Goes to the first key behind a key."""

    def seek_higher_eq(self, key: _MapKey, /) -> bool:
        """Goes to a key, or to the first one behind it."""

    def to_first(self) -> bool:
        """Goes to the first key."""

    def to_last(self) -> bool:
        """Goes to the last key."""

    def to_next(self) -> bool:
        """Goes to the next key.

        Raises:
            InvalidArgumentError: If it stands on none.
        """

    def to_prev(self) -> bool:
        """Goes to the key before.

        Raises:
            InvalidArgumentError: If it stands on none.
        """

    @property
    def key(self) -> Any:
        """The key that it stands on; None if it stands on none."""

    @property
    def value(self) -> bytes:
        """The value that it stands on, without what isn't committed.

        Raises:
            InvalidArgumentError: If it stands on none.
        """

    def read_range(self, offset: int, count: int, /) -> bytes:
        """Bytes of the value.

        There are fewer where it ends before.

        Args:
            offset: The byte of the value where they begin.
            count: How many, at most.
        """

    def write_range(self, offset: int, data: Buffer, /) -> None:
        """Writes over bytes of the value, once it is committed.

        Args:
            offset: The byte of the value where they begin.
            data: What to write: all of it has to be inside the value.

        Raises:
            InvalidArgumentError: If it goes past the value's end.
        """

    def commit(self) -> None:
        """Makes what was written the value.

        Raises:
            ConflictError: If the entry was changed since the seeker got there: seek to it again.
        """

    def abort(self) -> None:
        """Forgets what was written and not committed."""

@final
class ValueView:
    """What a memoryview of a value keeps alive: its bytes, which never change."""

    def __len__(self) -> int: ...

@final
class NativeFolder:
    """A folder of disk-objectstore, in place: what :mod:`millpond.compat.disk_objectstore` works on.

    Keys that no object can have are those of missing objects. Callbacks take an action and a value.
    """

    def __new__(cls, path: str | PathLike[str]) -> Self: ...
    @staticmethod
    def init(
        path: str | PathLike[str],
        clear: bool,
        pack_size_target: int,
        loose_prefix_len: int,
        hash_type: str,
        compression_algorithm: str,
    ) -> NativeFolder:
        """Makes the folder, as a new handle."""

    @property
    def is_initialised(self) -> bool:
        """Whether it is there."""

    def settings(self) -> tuple[int, int, str, str, str]:
        """The prefix of loose objects, the size of packs, the hash, the identity and the compression."""

    def close(self) -> None:
        """Closes the index; it is opened again when it is needed."""

    def read(self, key: str) -> bytes | None:
        """An object's content, or None where there is no such object."""

    def open(self, key: str) -> tuple[NativeReader, _FolderRow] | None:
        """A stream of an object, and what is known of it; None where there is no such object."""

    def objects(self, keys: Iterable[str], skip_if_missing: bool, with_streams: bool) -> FolderObjects:
        """Many objects, each once, in the order in which they are read fastest."""

    def contents(self, keys: Iterable[str], skip_if_missing: bool) -> FolderContents:
        """The contents of many objects, each once, in the order in which they are read fastest."""

    def meta(self, key: str) -> _FolderRow:
        """What is known of an object."""

    def has(self, keys: Iterable[str]) -> list[bool]:
        """Which of the objects there are, in the order of the keys."""

    def add(self, content: bytes | BinaryReader) -> str:
        """Stores an object with a file of its own."""

    def add_to_pack(
        self,
        sources: list[Any],
        flags: tuple[bool, bool, bool, bool, bool, bool],
        callback: Callable[..., object] | None,
    ) -> list[str]:
        """Stores objects in packs: of bytes, or of streams. The flags: whether to compress, whether streams
        are opened as context managers, whether to tell of known objects and then to read twice, whether to
        sync and whether to commit."""

    def count(self) -> tuple[int, int, int]:
        """How many objects are packed and loose, and how many packs there are."""

    def sizes(self) -> tuple[int, int, int, int, int]:
        """Bytes of packed objects, as they are read and as they lie there; of packs, of the index, and of
        loose objects."""

    def ids(self) -> FolderIds:
        """The ids of all objects, each once."""

    def pack_all_loose(
        self,
        compress: str,
        validate: bool,
        do_fsync: bool,
        clean_per_pack: bool,
        callback: Callable[..., object] | None,
    ) -> None:
        """Packs all loose objects."""

    def clean_storage(self, vacuum: bool) -> None:
        """Removes loose files of packed objects, and what killed programs left."""

    def repack(self, pack: int | None, compress: str, callback: Callable[..., object] | None) -> None:
        """Repacks a pack or, without a number, all of them; they keep their numbers."""

    def delete(self, keys: Iterable[str]) -> list[str]:
        """Deletes objects; answers those that there were."""

    def validate(
        self, callback: Callable[..., object] | None
    ) -> tuple[list[str], list[str], list[str], list[str]]:
        """What is wrong: hashes of loose objects, hashes and sizes of packed ones, and overlaps."""

    def import_objects(
        self,
        keys: Iterable[str],
        source: NativeFolder,
        options: tuple[bool, int, bool],
        callback: Callable[..., object] | None,
    ) -> dict[str, str]:
        """Imports objects of another folder; answers which id has which id here. The options: whether to
        compress, the memory that disk-objectstore would take, and whether to sync."""

    def loosen(self, key: str) -> Path | None:
        """Has an object also loose; answers where, None where there is no such object."""

@final
class FolderObjects:
    """Many objects of a folder, as tuples of the key, the stream if there is one, and what is known."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[str, NativeReader | None, _FolderRow]: ...

@final
class FolderContents:
    """Many objects of a folder, as pairs of the key and the content, None for missing ones."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[str, bytes | None]: ...

@final
class FolderIds:
    """Walks over the ids of a folder."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> str: ...

@final
class NativeReader:
    """A value, read in pieces: what :class:`millpond.ValueReader` reads from."""

    @property
    def length(self) -> int:
        """Bytes in the value."""

    def readinto(self, buffer: Buffer, /) -> int:
        """Fills the buffer from the value, and answers how many bytes it took; 0 at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Moves to an offset from the start (0), from here (1) or from the end (2); answers the new place."""

    def tell(self) -> int:
        """The place in the value."""

@final
class NativeWriter:
    """A value, written in pieces: what :class:`millpond.ValueWriter` writes to."""

    def write(self, data: Buffer, /) -> int:
        """Appends to the value."""

    def commit(self) -> bool:
        """Makes the value what was written; answers whether the key had one before."""

    def discard(self) -> None:
        """Forgets what was written."""

@final
class Blobs:
    """A content-addressed store of immutable blobs.

    Each blob is named by the hash of what it holds, is stored once, and never changes. It has the ids as a
    set has them: ``in``, ``len`` and iteration. Threads and processes may use it at once::

        blobs = container.create_blobs()
        id = blobs.insert(Path("structure.cif"))
        with blobs.open(id) as file:
            header = file.read(100)

    A source is bytes-like, a binary file (read to its end), or a path object.
    """

    @property
    def name(self) -> str:
        """The store's name in its container."""

    @property
    def container(self) -> Container:
        """The container that it is in."""

    @property
    def hash_type(self) -> str:
        """The hash that names its blobs."""

    @property
    def compression(self) -> str:
        """How blobs are stored that look worth compressing."""

    def insert(
        self,
        source: _BlobSource,
        /,
        *,
        compression: str | None = None,
        recompress: bool = False,
        note: Buffer | None = None,
    ) -> str:
        """Stores a blob, unless it is there already; answers its id.

        Args:
            source: What it holds.
            compression: How it is stored if it looks worth compressing: has 850 bytes or more, isn't
                compressed already, and has no zero among its first 512 bytes. By default as the store does.
            recompress: Whether what the other one of zlib and zstd has compressed is compressed again.
            note: What to keep with it, at most 4 KiB.

        Raises:
            NoSpaceError: If there is no room; nothing has changed then.
        """

    def insert_many(
        self,
        sources: Iterable[_BlobSource],
        /,
        *,
        compression: str | None = None,
        recompress: bool = False,
        note: Buffer | None = None,
    ) -> BlobInsertions:
        """Stores many blobs, many of them with one sync; answers their ids, in the order of the sources.

        It takes sources as the iterator that it answers is advanced, in bounded memory. An id is answered
        once its blob is durable.
        """

    @overload
    def extract(self, id: str, /, into: None = None) -> bytes: ...
    @overload
    def extract(self, id: str, /, into: BinaryWriter) -> int:
        """All of a blob; or, with ``into``, copies it to a binary file and answers how many bytes it has.

        Raises:
            NotFoundError: If there is no such blob.
            CorruptError: If its bytes fail their checksum.
        """

    def extract_many(self, ids: Iterable[str], /) -> BlobExtractions[bytes]:
        """Many blobs, as pairs of an id and the content, or None where there is no such blob; in whatever
        order is fast."""

    def open_many(self, ids: Iterable[str], /) -> BlobExtractions[ValueReader]:
        """Many blobs, as pairs of an id and a file, or None where there is no such blob; in whatever order is
        fast."""

    def open(self, id: str, /) -> ValueReader:
        """A blob as a binary file.

        It seeks, also in a compressed blob, and shows the blob also when that is deleted meanwhile.

        Raises:
            NotFoundError: If there is no such blob.
        """

    def has_many(self, ids: Iterable[str], /) -> builtins.list[bool]:
        """Which of many ids there are, in their order."""

    def meta(self, id: str, /) -> BlobMeta:
        """What is known of a blob.

        Raises:
            NotFoundError: If there is no such blob.
        """

    def meta_many(self, ids: Iterable[str], /) -> builtins.list[BlobMeta | None]:
        """What is known of many blobs, in the order of the ids; None where there is no such blob."""

    def list(self) -> builtins.list[str]:
        """The ids of all blobs, sorted."""

    def status(self) -> BlobsStatus:
        """How many blobs and bytes it holds."""

    def delete(self, ids: Iterable[str], /) -> builtins.list[str]:
        """Deletes what is there of the ids; answers those.

        Up to 10,000 go in one atomic commit, more in several.
        """

    def set_note(self, id: str, note: Buffer, /) -> None:
        """Notes something about a blob, in place of what was noted before; nothing where it is empty.

        Raises:
            NotFoundError: If there is no such blob.
        """

    def hash_of(self, source: _BlobSource, /) -> str:
        """The id that a blob would have; nothing is stored."""

    def optimize(
        self,
        *,
        compression: str | None = None,
        recompress: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> Optimized:
        """Compresses what looks worth it and isn't compressed, and gives back what that leaves.

        Others may read and write meanwhile. It needs about 64 MiB of memory and of free space.

        Args:
            compression: By default as the store does.
            recompress: Whether what is compressed by another codec is compressed again.
            progress: Is called with the number of blobs that are done and of all. What it raises ends this
                in a sound state, and is raised.
        """

    def validate(
        self, *, full: bool = False, progress: Callable[[int, int], object] | None = None
    ) -> Validated:
        """Reads every blob and compares it with its checksums or, with ``full``, with its id."""

    def migrate_from(
        self,
        folder: str | PathLike[str],
        /,
        *,
        dry_run: bool = False,
        compression: str | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Migrated:
        """Stores what is in a folder of disk-objectstore, and compares every object with its id.

        The folder is only read. What is there already is passed over, so that a migration that was
        interrupted goes on when it is called again.

        Args:
            folder: Where ``config.json`` is.
            dry_run: Only count what would be migrated.
            compression: As of ``insert``.
            progress: Is called with the number of objects that are done and of all.

        Raises:
            InvalidArgumentError: If the folder names objects by another hash than the store.
        """

    def __contains__(self, id: object, /) -> bool: ...
    def __iter__(self) -> BlobIds: ...
    def __len__(self) -> int: ...

@final
class BlobInsertions:
    """Inserts blobs as it is advanced, and answers their ids."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> str: ...

_Content = TypeVar("_Content", covariant=True)

@final
class BlobExtractions(Generic[_Content]):
    """Reads blobs as it is advanced."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[str, _Content | None]: ...

@final
class BlobIds:
    """Walks over the ids of a store."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> str: ...

@final
class Difference:
    """A key that differs between two states of a container."""

    @property
    def change(self) -> Literal["added", "changed", "removed"]:
        """What became of it: ``"added"``, ``"changed"`` or ``"removed"``."""

    @property
    def dict(self) -> str | None:
        """The name of the dictionary, if it is one's."""

    @property
    def blobs(self) -> str | None:
        """The name of the store of blobs, if it is one's."""

    @property
    def map(self) -> str | None:
        """The name of the ordered map, if it is one's."""

    @property
    def object(self) -> str | None:
        """The id of the object in hexadecimal digits, if it has no name."""

    @property
    def key(self) -> Any:
        """The key of a dictionary; None where the dictionary itself was created or destroyed.

        It is bytes; of an ordered map whose keys are numbers, an int or a float.
        """

    @property
    def dkey(self) -> bytes | int | None:
        """The dkey of another object."""

    @property
    def akey(self) -> bytes | int | None:
        """The akey of another object."""

    @property
    def records(self) -> tuple[int, int] | None:
        """Of an array, the first of the records and the one behind the last."""

@final
class DiffIterator:
    """Iterates over the differences between two states, in bounded memory."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Difference: ...

@final
class Transaction:
    """Changes of a container that take effect together, and a state of it that doesn't change.

    It reads the state that it began with, and its own writes over it. At commit everything takes effect
    at once, if nothing that it read was changed meanwhile; otherwise nothing does. As a context manager it
    commits at the end, and aborts on an exception::

        with container.transaction() as tx:
            stock, orders = tx.dict("stock"), tx.dict("orders")
            if stock["bolts"] != b"0":
                stock["bolts"] = b"%d" % (int(stock["bolts"]) - 1)
                orders["17"] = b"a bolt"

    It can't run its block again after a conflict: :meth:`Container.transact` does that with a function.
    """

    @property
    def epoch(self) -> int:
        """The epoch of the state that it reads."""

    @property
    def container(self) -> Container:
        """The container as the transaction sees and changes it: dictionaries can be created there, too."""

    def dict(self, dict: str | Dict, /) -> Dict:
        """A dictionary as the transaction sees and changes it.

        Args:
            dict: Its name, or a handle of it.

        Raises:
            NotFoundError: If there is none of that name.
        """

    def map(self, map: str | OrderedMap, /) -> OrderedMap:
        """An ordered map as the transaction sees and changes it.

        Args:
            map: Its name, or a handle of it.

        Raises:
            NotFoundError: If there is none of that name.
        """

    def blobs(self, blobs: str | Blobs = "blobs", /) -> Blobs:
        """A store of blobs as the transaction sees and changes it.

        Args:
            blobs: Its name, or a handle of it.

        Raises:
            NotFoundError: If there is none of that name.
        """

    @overload
    def __getitem__(self, object: str | Dict, /) -> Dict: ...
    @overload
    def __getitem__(self, object: Blobs, /) -> Blobs: ...
    @overload
    def __getitem__(self, object: OrderedMap, /) -> OrderedMap: ...
    def commit(self) -> int:
        """Makes everything that was written take effect at once.

        Returns:
            The epoch of the commit; of a transaction that wrote nothing, of what it read.

        Raises:
            ConflictError: If something that it read was changed meanwhile: run it again.
            NoSpaceError: If the pool or the disk is full. Nothing has changed.
        """

    def abort(self) -> None:
        """Gives up what was written."""

    def __enter__(self) -> Transaction: ...
    def __exit__(self, *exception: object) -> None: ...

@final
class Object:
    """An object: values and extents of records, under dkeys and akeys.

    A dkey has akeys, and an akey has a single value or an array of records of one size. What is written in
    one call takes effect in one atomic commit; what is read in one call is of one state. The object exists
    from its first update to its punch::

        run = container.create_object(dkeys="integer")
        run.update(17, {"parameters": b"dt=0.1"}, extents={"field": (100, cells, 8)})
        run.get(17, "parameters")
        run.read(17, "field", 100, 50, record_size=8)

    Dkeys and akeys are bytes-like, or str, which stands for its UTF-8; or int, where the object has
    integer ones. They come back as bytes or int. ``if_dkey`` and ``if_akey`` make a call take place only if
    the dkey or the akeys are ``"missing"`` (else it raises AlreadyExistsError) or if each ``"exists"`` (else
    NotFoundError). A pickle of an object is its place, not its content.
    """

    @property
    def id(self) -> str:
        """Its id, in 32 hexadecimal digits."""

    @property
    def container(self) -> Container:
        """The container that it is in."""

    @property
    def dkey_kind(self) -> _KeyKind:
        """Which dkeys it takes: ``"hashed"``, ``"integer"`` or ``"lexical"``."""

    @property
    def akey_kind(self) -> _KeyKind:
        """Which akeys it takes: ``"hashed"``, ``"integer"`` or ``"lexical"``."""

    @property
    def object_class(self) -> str:
        """How it is to be spread over devices, by DAOS's name."""

    @property
    def is_array(self) -> bool:
        """Whether it holds a 1-D array, which ``container.array`` opens."""

    def exists(self) -> bool:
        """Whether anything was written to it, and it wasn't punched since."""

    def put(
        self,
        dkey: _ObjectKey,
        akey: _ObjectKey,
        value: Buffer,
        *,
        if_dkey: _Presence | None = None,
        if_akey: _Presence | None = None,
    ) -> None:
        """Sets the single value of an akey.

        Raises:
            InvalidArgumentError: If the akey has an array: punch it first.
        """

    @overload
    def get(self, dkey: _ObjectKey, akey: _ObjectKey, default: None = None) -> bytes | None: ...
    @overload
    def get(self, dkey: _ObjectKey, akey: _ObjectKey, default: _T) -> bytes | _T:
        """The single value of an akey, or the default."""

    def write(
        self, dkey: _ObjectKey, akey: _ObjectKey, offset: int, buffer: Buffer, record_size: int = 1
    ) -> None:
        """Writes records of an array, from the record ``offset`` on.

        All records of an akey have the same number of bytes.

        Raises:
            InvalidArgumentError: If the buffer isn't whole records, or the akey has a single value or
                records of another size: punch it first.
        """

    def read(
        self, dkey: _ObjectKey, akey: _ObjectKey, offset: int, count: int, record_size: int = 1
    ) -> bytes:
        """Records of an array, as bytes; those of holes are zeros."""

    def readinto(
        self, dkey: _ObjectKey, akey: _ObjectKey, offset: int, buffer: Buffer, record_size: int = 1
    ) -> list[tuple[int, int]]:
        """Reads records of an array until the buffer is full; answers the holes among them, as pairs.

        A pair is the first record and the one behind the last. The bytes of holes are zeros.
        """

    def holes(self, dkey: _ObjectKey, akey: _ObjectKey, offset: int, count: int) -> list[tuple[int, int]]:
        """Which records of an array hold nothing, as pairs, without reading any."""

    def record_size(self, dkey: _ObjectKey, akey: _ObjectKey) -> int | None:
        """Bytes in a record of an akey's array; None where there is no such akey."""

    def update(
        self,
        dkey: _ObjectKey,
        values: Mapping[_A, Buffer] | None = None,
        *,
        extents: Mapping[_B, _Extent | list[_Extent]] | None = None,
        holes: Mapping[_A, _Ranges] | None = None,
        if_dkey: _Presence | None = None,
        if_akey: _Presence | Mapping[_A, _Presence] | None = None,
    ) -> None:
        """Changes many akeys of a dkey, in one atomic commit.

        Args:
            values: Single values, by akey.
            extents: Records to write, by akey: ``(offset, buffer)``, ``(offset, buffer, record_size)``, or a
                list of them.
            holes: Records that become holes, by akey: pairs or ranges. They come before what is written.
            if_akey: A condition for all the akeys, or a mapping with those of single ones.
        """

    def fetch(
        self,
        dkey: _ObjectKey,
        akeys: Iterable[_A] | None = None,
        *,
        extents: Mapping[_B, _Ranges] | None = None,
        if_dkey: Literal["exists"] | None = None,
        if_akey: Literal["exists"] | Mapping[_A, Literal["exists"]] | None = None,
    ) -> dict[_A | _B, bytes | None]:
        """Reads many akeys of a dkey, all of one state, as a dict.

        Args:
            akeys: Whose single values are read.
            extents: Records to read, by akey: a pair or a range, or several, whose bytes come one after
                another.
        """

    def punch(self, *, must_exist: bool = False) -> None:
        """Removes the object with all that it holds, in one atomic commit."""

    def punch_dkeys(self, dkeys: Sequence[_ObjectKey], *, must_exist: bool = False) -> None:
        """Removes dkeys with all that they hold, in one atomic commit."""

    def punch_akeys(self, dkey: _ObjectKey, akeys: Sequence[_ObjectKey], *, must_exist: bool = False) -> None:
        """Removes akeys of a dkey with all that they hold, in one atomic commit."""

    def punch_extents(self, dkey: _ObjectKey, akey: _ObjectKey, records: _Ranges) -> None:
        """Makes holes of records of an array, in one atomic commit."""

    def dkeys(self) -> ObjectKeys:
        """Iterates over the dkeys."""

    def akeys(self, dkey: _ObjectKey) -> ObjectKeys:
        """Iterates over the akeys of a dkey."""

    def extents(self, dkey: _ObjectKey, akey: _ObjectKey, records: _Records | None = None) -> ObjectExtents:
        """Iterates over the extents of an akey's array.

        Args:
            records: Only these, as far as the extents lie in there.
        """

    def resume(self, anchor: str, /) -> ObjectKeys | ObjectExtents:
        """Goes on with a list, in the newest state.

        Args:
            anchor: The ``anchor`` of an iterator of the same object, in whatever process, or one of those
                that :meth:`split` made of it.
        """

    def split(self, anchor: str, parts: int) -> list[str]:
        """Splits what an anchor has still to list, for scans in parallel.

        Together the anchors, at most that many, list the same.
        """

    def smallest_dkey(self) -> bytes | int | None:
        """The smallest dkey; None where there is none.

        Raises:
            NotSupportedError: If the dkeys are hashed, so that they have no order.
        """

    def largest_dkey(self) -> bytes | int | None:
        """The largest dkey; None where there is none."""

    def smallest_akey(self, dkey: _ObjectKey) -> bytes | int | None:
        """The smallest akey of a dkey; None where there is none."""

    def largest_akey(self, dkey: _ObjectKey) -> bytes | int | None:
        """The largest akey of a dkey; None where there is none."""

    def smallest_extent(self, dkey: _ObjectKey, akey: _ObjectKey) -> tuple[int, int] | None:
        """The first extent of an array, as a pair; None where none of its records shows."""

    def largest_extent(self, dkey: _ObjectKey, akey: _ObjectKey) -> tuple[int, int] | None:
        """The last extent of an array, as a pair; None where none of its records shows."""

    def newest_epoch(self) -> int:
        """The epoch of the newest change that the object still shows; 0 where there is none."""

@final
class ObjectIds(Iterator[str]):
    """Iterates over the ids of a container's objects, dictionaries left out."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> str: ...

@final
class ObjectKeys(Iterator[bytes | int]):
    """Iterates over an object's dkeys, or over the akeys of one, in the order of their bytes.

    It shows the state in which it began.
    """

    @property
    def anchor(self) -> str:
        """Where a list goes on with what this one hasn't handed out yet: a text that can be stored."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> bytes | int: ...

@final
class ObjectExtents(Iterator[tuple[int, int, int]]):
    """Iterates over the extents of an array, as they show.

    Each is the first record, the one behind the last, and the epoch at which they were written. None
    overlaps another, and holes are left out.
    """

    @property
    def anchor(self) -> str:
        """Where a list goes on with what this one hasn't handed out yet: a text that can be stored."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[int, int, int]: ...

@final
class Array:
    """A 1-D array of cells of one size.

    Slices are bytes, and take any contiguous buffer, whatever its items are::

        array = container.create_array(cell_size=8)
        array[0:1000] = numpy.arange(1000.0)
        numpy.frombuffer(array[10:20])

    Reading stops at the end, as a list's slices do; writing beyond it makes the array longer. A pickle of an
    array is its place, not its content.
    """

    @property
    def id(self) -> str:
        """Its id, in 32 hexadecimal digits."""

    @property
    def object(self) -> Object:
        """The object that holds it.

        Punching it removes the array.
        """

    @property
    def cell_size(self) -> int:
        """Bytes in a cell."""

    @property
    def chunk_cells(self) -> int:
        """Cells in a chunk."""

    def __len__(self) -> int: ...
    def size(self) -> int:
        """How many cells there are.

        As ``len()``, which can't tell of more than ``sys.maxsize``: one more than the last cell that holds
        anything, or what :meth:`resize` asked for at least.
        """

    def read(self, start: int, count: int) -> bytes:
        """Cells, as bytes; those of holes are zeros.

        Also beyond the end there are holes.
        """

    def readinto(self, start: int, buffer: Buffer) -> list[tuple[int, int]]:
        """Reads cells until the buffer is full; answers the holes among them, as pairs."""

    def write(self, start: int, buffer: Buffer) -> None:
        """Writes cells, from the cell ``start`` on, in one atomic commit.

        Raises:
            InvalidArgumentError: If the buffer isn't whole cells.
        """

    def read_ranges(self, ranges: _Ranges) -> bytes:
        """Cells of many ranges, all of one state, one range after another."""

    def write_ranges(self, ranges: _Ranges, buffer: Buffer) -> None:
        """Writes cells of many ranges in one atomic commit.

        The buffer has those of one range after another.
        """

    def __getitem__(self, index: int | slice, /) -> bytes: ...
    def __setitem__(self, index: int | slice, value: Buffer, /) -> None: ...
    def punch(self, cells: _Ranges) -> None:
        """Makes holes of cells, in one atomic commit."""

    def resize(self, size: int) -> None:
        """Makes the array end behind that many cells.

        What lies beyond goes; what is missing is a hole.
        """

    def stat(self) -> ArrayStat:
        """The size and the newest epoch."""

@final
class ArrayStat:
    """What is known of an array without reading its cells."""

    @property
    def size(self) -> int:
        """Cells in the array."""

    @property
    def newest_epoch(self) -> int:
        """The epoch of the newest change that it still shows."""

@final
class Change:
    """What a commit did to a key, or to a dictionary as a whole."""

    @property
    def kind(self) -> Literal["put", "delete", "create", "destroy"]:
        """What happened; ``create`` and ``destroy`` concern the dictionary as a whole."""

    @property
    def dict(self) -> str | None:
        """The name of the dictionary; None where it was destroyed before it could be looked up."""

    @property
    def blobs(self) -> str | None:
        """The name of the store of blobs, whose keys are the hashes."""

    @property
    def map(self) -> str | None:
        """The name of the ordered map."""

    @property
    def object(self) -> str:
        """The id of the object, which no other one ever has, also not one of the same name."""

    @property
    def key(self) -> Any:
        """The key; None for the dictionary as a whole.

        It is bytes; of an ordered map whose keys are numbers, an int or a float.
        """

    @property
    def dkey(self) -> bytes | int | None:
        """The dkey of an object that was changed."""

    @property
    def akey(self) -> bytes | int | None:
        """The akey of an object that was changed."""

    @property
    def records(self) -> tuple[int, int] | None:
        """Of an array, the first record that was written or punched, and the one behind the last."""

    @property
    def value(self) -> bytes | None:
        """The value that was put, as the commit put it. A long one is read now.

        Raises:
            EpochGoneError: If it was replaced or deleted since and the watch has gone on, so that its
                space was given back.
        """

    @property
    def length(self) -> int | None:
        """Bytes in the value that was put, without reading it."""

@final
class NativeCommit:
    """The native half of :class:`millpond.Commit`."""

    @property
    def epoch(self) -> int:
        """The epoch of the commit."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Change: ...

@final
class NativeWatch:
    """The native half of :class:`millpond.Watch`."""

    @property
    def epoch(self) -> int:
        """The epoch up to which everything was delivered, or was nothing to tell of."""

    def next(self, seconds: float, /) -> NativeCommit | None:
        """The next commit, for which it waits so many seconds; None where none came."""

    def acknowledge(self, epoch: int, /) -> None:
        """Has the cursor know that all is done with up to an epoch."""

    def close(self) -> None:
        """Ends it."""

@final
class NativeEngine:
    """One of pmemkv's engines, for :mod:`millpond.compat.pmemkv`; any number of threads may use it at once.

    Keys and values are bytes-like, or ``str``, which stands for its UTF-8. A failure is the exception that
    ``millpond.compat.pmemkv`` has for its status. What pmemkv's engine of the name doesn't do is refused.
    """

    def __new__(cls, engine: str, config: str | Mapping[str, object]) -> Self:
        """Opens the engine of a name, with a configuration in JSON or as a mapping.

        ``path``, ``size``, ``create_if_missing``, ``create_or_error_if_exists`` (or ``force_create``) and
        ``comparator`` are pmemkv's; ``durability`` of a persistent engine is "sync" or "async". Other items
        are ignored.
        """

    @property
    def name(self) -> str:
        """The engine's name."""

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped."""

    @property
    def traits(self) -> dict[str, bool]:
        """What the engine is and does.

        ``persistent``, ``concurrent``, ``sorted``, ``comparator``, ``ranges``, ``iterators`` and what they do
        (``steps``, ``steps_back``), ``transactions``, ``defrag``, and ``fixed_size``: whether keys and values
        are of 8 bytes.
        """

    def stop(self) -> None:
        """Closes the engine; may be called again. Views of values stay valid."""

    def put(self, key: _Key, value: str | Buffer, /) -> None:
        """Puts a record in place of any that has its key."""

    def get(self, key: _Key, /) -> bytes | None:
        """The value of a key, or None."""

    def get_view(self, key: _Key, /) -> memoryview | None:
        """The value of a key without a copy, or None. It is read-only, and stays what it is."""

    def exists(self, key: _Key, /) -> bool:
        """Whether there is a record of a key."""

    def remove(self, key: _Key, /) -> bool:
        """Removes a record; answers whether there was one."""

    def update(self, key: _Key, offset: int, data: str | Buffer, /) -> bool:
        """Writes into a value from an offset on, in one step; answers whether there was such a record."""

    def compare_and_swap(self, key: _Key, expected: str | Buffer | None, new: str | Buffer | None, /) -> bool:
        """Puts a value in place of the expected one; answers whether it was there.

        An expected None is no record at all, and a new None removes the record.
        """

    def put_many(self, entries: Mapping[_K, str | Buffer] | Iterable[tuple[_K, str | Buffer]], /) -> None:
        """Puts many records, or none of them if one can't be put."""

    def get_many(self, keys: Iterable[_Key], /) -> dict[bytes, bytes | None]:
        """The values of many keys, by key; None where there is no such record."""

    def count(self, which: _Range, key: _Key | None = None, key2: _Key | None = None, /) -> int:
        """How many records a range has."""

    @overload
    def each(
        self,
        which: _Range,
        key: _Key | None,
        key2: _Key | None,
        shape: Literal["keys"],
        callback: Callable[[memoryview], object],
        /,
    ) -> None: ...
    @overload
    def each(
        self,
        which: _Range,
        key: _Key | None,
        key2: _Key | None,
        shape: Literal["items"],
        callback: Callable[[memoryview, memoryview], object],
        /,
    ) -> None:
        """Calls back for each record of a range, with views that stay valid. An exception ends it."""

    def entries(
        self,
        which: _Range,
        key: _Key | None = None,
        key2: _Key | None = None,
        shape: Literal["keys", "items"] = "items",
        reverse: bool = False,
    ) -> NativeEngineRecords:
        """The records of a range: keys, or pairs of keys and values. Backwards where there is an order."""

    def iterator(self, write: bool = False) -> NativeEngineIterator:
        """An iterator as pmemkv has them: a position that is moved."""

    def transaction(self) -> NativeEngineTransaction:
        """A transaction: puts and removals that take effect together."""

    def defrag(self, start: float = 0.0, amount: float = 100.0) -> None:
        """Moves ``amount`` percent of the records together, from ``start`` percent on."""

@final
class NativeEngineRecords:
    """The records of a range of an engine, one after the other: keys, or pairs of keys and values."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...

@final
class NativeEngineIterator:
    """A position among the records of an engine. A move that answers False leaves it nowhere.

    It shows a record as it was when it went there, holds no lock, and lets go of uncommitted writes when it
    moves.
    """

    def seek(self, key: _Key, /) -> bool:
        """Goes to a key; answers whether it is there, as all moves do."""

    def seek_lower(self, key: _Key, /) -> bool:
        """Goes to the greatest smaller key."""

    def seek_lower_eq(self, key: _Key, /) -> bool:
        """Goes to a key or the greatest smaller one."""

    def seek_higher(self, key: _Key, /) -> bool:
        """Goes to the smallest greater key."""

    def seek_higher_eq(self, key: _Key, /) -> bool:
        """Goes to a key or the smallest greater one."""

    def to_first(self) -> bool:
        """Goes to the first record."""

    def to_last(self) -> bool:
        """Goes to the last record."""

    def is_next(self) -> bool:
        """Whether there is a next record; the iterator stays."""

    def next(self) -> bool:
        """Goes to the next record."""

    def prev(self) -> bool:
        """Goes to the previous record."""

    def key(self) -> bytes:
        """The key of the record."""

    def read_range(self, begin: int = 0, count: int = ..., /) -> bytes:
        """``count`` bytes of the value from ``begin`` on, or as many as there are."""

    def write_range(self, begin: int, data: str | Buffer, /) -> None:
        """Writes into the value, which nobody sees before the commit."""

    def commit(self) -> None:
        """Makes what was written the record's, in one step."""

    def abort(self) -> None:
        """Lets go of what was written and not committed."""

@final
class NativeEngineTransaction:
    """Puts and removals that nobody sees before they are committed, in one step."""

    def put(self, key: _Key, value: str | Buffer, /) -> None:
        """Puts a record at the commit."""

    def remove(self, key: _Key, /) -> None:
        """Removes a record at the commit, if there is one then."""

    def commit(self) -> None:
        """Makes the changes."""

    def abort(self) -> None:
        """Lets go of the changes."""

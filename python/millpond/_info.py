"""What queries answer: plain, immutable records.

The native half hands them over as JSON, the same that the command line prints with ``--json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

__all__ = [
    "Backup",
    "BlobMeta",
    "BlobsStatus",
    "CheckReport",
    "ContainerInfo",
    "ContainerSummary",
    "Damage",
    "Histogram",
    "LastScrub",
    "Metrics",
    "Migrated",
    "Operations",
    "Optimized",
    "PoolInfo",
    "PoolSummary",
    "ScrubReport",
    "Snapshot",
    "SnapshotSpace",
    "Statistics",
    "Validated",
    "VerifiedBackup",
]

_T = TypeVar("_T")

# What the JSON calls a field that has a shorter name here.
_JSON_NAMES = {"type": "container_type"}


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """A pool, as a list shows it. Sizes are in bytes; a size of None is no quota."""

    label: str
    uuid: UUID
    url: str
    size: int | None
    used: int
    containers: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class ContainerSummary:
    """A container, as its pool lists it."""

    label: str | None
    uuid: UUID
    type: str
    created: datetime
    path: str | None


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """What a pool is and holds. Sizes are in bytes; a size of None is no quota."""

    label: str
    uuid: UUID
    url: str
    created: datetime
    size: int | None
    used: int
    containers: list[ContainerSummary]
    properties: dict[str, str]
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a container's storage holds, in bytes and counts."""

    epoch: int
    epoch_synced: int
    bytes_records: int
    bytes_segments: int
    bytes_segments_live: int
    bytes_dead: int
    bytes_log: int
    records: int
    runs: int
    segments: int
    processes: int


@dataclass(frozen=True, slots=True)
class BlobMeta:
    """What is known of a blob: its id, the bytes that it has, those that it takes, how it is compressed
    (``"none"``, ``"zlib"`` or ``"zstd"``), and what was noted about it."""

    id: str
    raw_size: int
    size: int
    codec: str
    note: bytes | None


@dataclass(frozen=True, slots=True)
class BlobsStatus:
    """How many blobs a store holds, the bytes that they have, and those that they take."""

    count: int
    raw_size: int
    size: int


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did, or would do: blobs that were migrated and the bytes that they have, those that
    were there already, and each that is damaged in the folder, and was left out, with the reason."""

    count: int
    bytes: int
    present: int
    damaged: dict[str, str]


@dataclass(frozen=True, slots=True)
class Optimized:
    """What an optimization did: blobs that it looked at, those that it stored anew, and the bytes that all
    of them took before and take now; and the most bytes of memory that the process has had so far."""

    examined: int
    changed: int
    size_before: int
    size_after: int
    memory_peak: int


@dataclass(frozen=True, slots=True)
class Validated:
    """What a validation found: blobs and stored bytes that it read, each invalid blob with what is wrong
    with it, and places of the index that can't be read."""

    count: int
    bytes: int
    invalid: dict[str, str]
    unreadable: list[str]

    def is_valid(self) -> bool:
        """Whether nothing was wrong."""
        return not self.invalid and not self.unreadable


@dataclass(frozen=True, slots=True)
class ContainerInfo:
    """What a container is and holds; nothing is scanned to know it."""

    label: str | None
    uuid: UUID
    pool: str
    url: str
    type: str
    created: datetime
    durability: str
    path: str | None
    dicts: int
    objects: int
    blob_stores: int
    maps: int
    last_scrub: LastScrub | None
    statistics: Statistics
    properties: dict[str, str]
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often something took how long."""

    buckets: list[int]
    """How often it took up to 1 µs, over that up to 2, 5, 10, … µs, up to 10 s, and longer."""
    sum_seconds: float
    """How long all of them took together."""

    @property
    def count(self) -> int:
        """How often it was done."""
        return sum(self.buckets)


@dataclass(frozen=True, slots=True)
class Operations:
    """What was done through a handle. Sizes are in bytes."""

    commits: Histogram
    flushes: Histogram
    gets: Histogram
    segment_reads: Histogram
    commits_refused: int
    conflicts: int
    records_written: int
    records_scanned: int
    bytes_written: int
    bytes_read: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a container holds, and what was done through one handle of it."""

    pool: str
    container: str
    statistics: Statistics
    pool_used: int
    pool_size: int | None
    operations: Operations | None
    """Nothing unless the handle was opened with ``metrics=True``."""
    prometheus: str
    """The same as Prometheus reads it: its text format, version 0.0.4."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A place that fails its checksum, or is missing."""

    place: str
    offset: int
    what: str
    object: str | None
    dict: str | None
    key: str | None
    last_key: str | None
    extent: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found: bytes read, damaged places, and dictionaries without a name.

    A repair says what it dealt with, and at how many of these places records were lost.
    """

    bytes: int
    damages: list[Damage]
    repaired: list[Damage]
    lost: int
    markers: list[Damage]
    leaked: list[str]
    relinked: list[str]

    @property
    def healthy(self) -> bool:
        """Whether every stored byte is as it was written."""
        return not self.damages


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What a scrub found: bytes read, the seconds that took, and every damage with its owner."""

    container: str
    bytes: int
    seconds: float
    damages: list[Damage]

    @property
    def healthy(self) -> bool:
        """Whether every stored byte is as it was written."""
        return not self.damages


@dataclass(frozen=True, slots=True)
class LastScrub:
    """The last scrub of a container that was finished."""

    finished: datetime
    milliseconds: int
    bytes: int
    damages: int


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup of a container: where it is, what it is of, and how many of its bytes another one has, too."""

    path: Path
    uuid: UUID
    label: str | None
    type: str
    epoch: int
    created: datetime
    files: int
    bytes: int
    bytes_linked: int


@dataclass(frozen=True, slots=True)
class VerifiedBackup:
    """What a verification of a backup found: the backup, and each file that isn't what was written, with what
    is wrong with it."""

    backup: Backup
    damages: dict[str, str]


@dataclass(frozen=True, slots=True)
class SnapshotSpace:
    """What snapshots and the newest state have of a container's bytes: those that snapshots alone need, those
    that the newest state shares with one, and those that it has alone."""

    snapshots: int
    bytes_held: int
    bytes_shared: int
    bytes_unshared: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of a container that stays readable.

    Its rule is the one that made it; one that was made by name has none, and no rule destroys it.
    """

    name: str
    epoch: int
    created: datetime
    rule: str | None


def pool_summaries(text: str) -> list[PoolSummary]:
    return [_record(PoolSummary, item) for item in json.loads(text)]


def container_summaries(text: str) -> list[ContainerSummary]:
    return [_record(ContainerSummary, item) for item in json.loads(text)]


def pool_info(text: str) -> PoolInfo:
    item = json.loads(text)
    containers = [_record(ContainerSummary, entry) for entry in item["containers"]]
    return _record(PoolInfo, {**item, "containers": containers})


def container_info(text: str) -> ContainerInfo:
    item = json.loads(text)
    last_scrub = item["last_scrub"]
    parts = {
        "statistics": _record(Statistics, item["statistics"]),
        "last_scrub": last_scrub and _record(LastScrub, last_scrub),
    }
    return _record(ContainerInfo, {**item, **parts})


def metrics(text: str) -> Metrics:
    item, prometheus = json.loads(text)
    operations = item["operations"]
    if operations is not None:
        timed = ("commits", "flushes", "gets", "segment_reads")
        histograms = {name: _record(Histogram, operations[name]) for name in timed}
        operations = _record(Operations, {**operations, **histograms})
    parts = {
        "statistics": _record(Statistics, item["statistics"]),
        "operations": operations,
        "prometheus": prometheus,
    }
    return _record(Metrics, {**item, **parts})


def check_report(text: str) -> CheckReport:
    item = json.loads(text)
    places = {name: [_damage(one) for one in item[name]] for name in ("damages", "repaired", "markers")}
    return _record(CheckReport, {**item, **places})


def backup(text: str) -> Backup:
    item = json.loads(text)
    entry = item["entry"]
    parts = {
        "path": Path(item["path"]),
        "uuid": item["container"],
        "label": entry["label"],
        "container_type": entry["type"],
    }
    return _record(Backup, {**item, **parts})


def scrub_report(text: str) -> ScrubReport:
    return _scrub_report(json.loads(text))


def scrub_reports(text: str) -> list[ScrubReport]:
    return [_scrub_report(item) for item in json.loads(text)]


def _scrub_report(item: dict[str, Any]) -> ScrubReport:
    return _record(ScrubReport, {**item, "damages": [_damage(one) for one in item["damages"]]})


def damages(text: str) -> list[Damage]:
    return [_damage(item) for item in json.loads(text)]


def verified_backup(text: str) -> VerifiedBackup:
    item = json.loads(text)
    damages = {one["file"]: one["what"] for one in item["damages"]}
    return VerifiedBackup(backup(json.dumps(item["backup"])), damages)


def snapshot_space(text: str) -> SnapshotSpace:
    return _record(SnapshotSpace, json.loads(text))


def _damage(item: dict[str, Any]) -> Damage:
    extent = item["extent"]
    return _record(Damage, {**item, "extent": extent and tuple(extent)})


def blobs_status(text: str) -> BlobsStatus:
    return _record(BlobsStatus, json.loads(text))


def optimized(text: str) -> Optimized:
    return _record(Optimized, json.loads(text))


def validated(text: str) -> Validated:
    item = json.loads(text)
    return _record(Validated, {**item, "invalid": dict(item["invalid"])})


def snapshot(text: str) -> Snapshot:
    return _snapshot(json.loads(text))


def snapshots(text: str) -> dict[str, Snapshot]:
    return {item["name"]: _snapshot(item) for item in json.loads(text)}


def snapshot_sizes(text: str) -> dict[str, int]:
    return {item["name"]: item["bytes"] for item in json.loads(text)}


def _snapshot(item: dict[str, Any]) -> Snapshot:
    return _record(Snapshot, {**item, "created": item["created_millis"] / 1000})


def _record(kind: type[_T], item: dict[str, Any]) -> _T:
    """A record from its JSON object; fields that this version doesn't know are left out."""
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = item[_JSON_NAMES.get(field.name, field.name)]
        if field.name == "uuid":
            value = UUID(value)
        elif field.name in ("created", "finished"):
            value = datetime.fromtimestamp(value, UTC)
        values[field.name] = value
    return kind(**values)

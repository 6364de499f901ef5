"""What queries answer. Every field is also an item: ``count["loose"]`` is ``count.loose``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

__all__ = ["ObjectCount", "ObjectMeta", "ObjectType", "TotalSize", "ValidationIssues"]


class ObjectType(Enum):
    """Where an object is."""

    LOOSE = "loose"
    PACKED = "packed"
    MISSING = "missing"


class _Record:
    def __getitem__(self, item: str) -> Any:
        # Methods and what else there is are no items.
        if all(field.name != item for field in fields(self)):  # type: ignore[arg-type]
            raise KeyError(item)
        return getattr(self, item)


@dataclass(frozen=True)
class ObjectCount(_Record):
    """How many objects there are. One that is loose and packed counts as both.

    Attributes:
        packed: Objects in packs.
        loose: Objects with files of their own.
        pack_files: Files of packs.
    """

    packed: int
    loose: int
    pack_files: int


@dataclass(frozen=True)
class ObjectMeta(_Record):
    """What is known of an object.

    Attributes:
        type: Where it is.
        size: Bytes in it; None if it is missing.
        pack_id: The pack; this and the others are None if the object isn't packed.
        pack_compressed: Whether it is compressed there.
        pack_offset: Where it begins there.
        pack_length: Bytes that it takes there.
    """

    type: ObjectType
    size: int | None
    pack_id: int | None
    pack_compressed: bool | None
    pack_offset: int | None
    pack_length: int | None


@dataclass(frozen=True)
class TotalSize(_Record):
    """How large everything is, in bytes.

    Attributes:
        total_size_packed: Packed objects, as they are read.
        total_size_packed_on_disk: Packed objects, as they lie in the packs.
        total_size_packfiles_on_disk: The packs, with what was deleted.
        total_size_packindexes_on_disk: The index.
        total_size_loose: Loose objects.
    """

    total_size_packed: int
    total_size_packed_on_disk: int
    total_size_packfiles_on_disk: int
    total_size_packindexes_on_disk: int
    total_size_loose: int


@dataclass(frozen=True)
class ValidationIssues(_Record):
    """Keys of objects with which something is wrong.

    Attributes:
        invalid_hashes_loose: Loose objects that aren't those of their keys.
        invalid_hashes_packed: Packed objects that aren't, or can't be read.
        invalid_sizes_packed: Packed objects of another size than the index says.
        overlapping_packed: Packed objects that begin before the one before them ends.
    """

    invalid_hashes_loose: list[str]
    invalid_hashes_packed: list[str]
    invalid_sizes_packed: list[str]
    overlapping_packed: list[str]

    def is_valid(self) -> bool:
        """Whether nothing is wrong."""
        return not (
            self.invalid_hashes_loose
            or self.invalid_hashes_packed
            or self.invalid_sizes_packed
            or self.overlapping_packed
        )

"""What keeps a container in order."""

from __future__ import annotations

from ._base import Base, mode_of, translated
from ._callbacks import Callback
from ._compression import CompressMode
from ._legacy_paths import pack_number
from .dataclasses import ValidationIssues

__all__ = ["Maintenance"]


class Maintenance(Base):
    """Packs, repacks, cleans and validates."""

    def pack_all_loose(
        self,
        compress: bool | CompressMode = CompressMode.NO,
        validate_objects: bool = True,
        do_fsync: bool = True,
        callback: Callback | None = None,
        clean_loose_per_pack: bool = False,
    ) -> None:
        """Put all loose objects into packs. Their files stay until :meth:`clean_storage`.

        Args:
            compress: Which of them.
            validate_objects: Compare each with its key.
            do_fsync: Whether packs are durable before the index names what is in them.
            callback: Is told of bytes.
            clean_loose_per_pack: Remove the files of a pack's objects as soon as it is done.

        Raises:
            InconsistentContent: Where an object isn't the one of its key.
        """
        mode = mode_of(compress)
        with translated():
            self._ready().pack_all_loose(
                mode, bool(validate_objects), bool(do_fsync), bool(clean_loose_per_pack), callback
            )

    def clean_storage(self, vacuum: bool = False) -> None:
        """Remove the loose files of packed objects, and what killed programs left; compact the index, if
        asked to."""
        self._opened().clean_storage(bool(vacuum))

    def repack(
        self, compress_mode: CompressMode = CompressMode.KEEP, callback: Callback | None = None
    ) -> None:
        """Write all packs anew, without what was deleted, and compact the index. The callback is told of
        bytes."""
        with translated():
            self._opened().repack(None, mode_of(compress_mode), callback)

    def repack_pack(
        self,
        pack_id: str | int,
        compress_mode: CompressMode = CompressMode.KEEP,
        callback: Callback | None = None,
    ) -> None:
        """Write a pack anew, without what was deleted."""
        number = pack_number(pack_id)
        with translated():
            self._opened().repack(number, mode_of(compress_mode), callback)

    def validate(self, callback: Callback | None = None) -> ValidationIssues:
        """Read every object and compare it with its key. The callback is told of objects."""
        return ValidationIssues(*self._opened().validate(callback))

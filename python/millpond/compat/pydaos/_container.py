"""The class ``DCont`` and the function ``check``."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable, Mapping
from typing import NoReturn

import millpond

from ._dict import DDict, KeyLike, ValueLike
from ._errors import Der, DObjNotFound, InvalidModeError, PyDError, translated
from ._object_class import check_class

__all__ = ["DCont", "check"]


class DCont:
    """A container, open as long as this object or a dictionary of it is in use.

    Args:
        pool: The pool's label or UUID, or its URL.
        cont: The container's label or UUID.
        path: A directory that stands for the container; it wins over the other two.
        open_mode: ``"RW"``, or ``"RO"`` to refuse every change.

    Raises:
        InvalidModeError: If the mode is another one.
        PyDError: If there is no such container, or it can't be opened.
    """

    def __init__(
        self,
        pool: str | None = None,
        cont: str | None = None,
        path: str | os.PathLike[str] | None = None,
        open_mode: str = "RW",
    ) -> None:
        if open_mode not in ("RW", "RO"):
            raise InvalidModeError(f"invalid open mode {open_mode!r}, expected 'RW' or 'RO'")
        self._container = _open(pool, cont, path, read_only=open_mode == "RO")
        self.pool = self._container.pool.label if path is not None else pool
        self.cont = (self._container.label or str(self._container.uuid)) if path is not None else cont

    def get(self, name: str) -> DDict:
        """The object of that name.

        Raises:
            DObjNotFound: If there is none.
        """
        try:
            return DDict(name, self._container.dict(name), self)
        except millpond.NotFoundError:
            raise DObjNotFound(name) from None
        except millpond.Error as error:
            raise translated("failed to look up name", error) from error

    def __getitem__(self, name: str) -> DDict:
        return self.get(name)

    def dict(
        self,
        name: str,
        v: Mapping[KeyLike, ValueLike | None] | None = None,
        cid: str = "0",
    ) -> DDict:
        """Create a dictionary, and put what is in ``v``.

        Raises:
            PyDError: DER_EXIST if the name is taken, DER_INVAL if ``cid`` isn't an object class.
        """
        check_class(cid)
        try:
            native = self._container.create_dict(name)
        except millpond.Error as error:
            raise translated("failed to create DAOS dict", error) from error
        created = DDict(name, native, self)
        try:
            created.bput(v)
        except BaseException:
            # As if it had never been tried: another try must not find the name taken.
            self._container.destroy_dict(name)
            raise
        return created

    def array(self, name: str, v: Iterable[object] | None = None, cid: str = "0") -> NoReturn:
        """Arrays don't exist yet.

        Raises:
            PyDError: DER_NOSYS, always.
        """
        raise PyDError("failed to create DAOS array", -Der.NOSYS)

    def destroy(self, name: str) -> None:
        """Destroy the object of that name, with all that it holds.

        Raises:
            DObjNotFound: If there is none.
        """
        try:
            self._container.destroy_dict(name)
        except millpond.NotFoundError:
            raise DObjNotFound(name) from None
        except millpond.Error as error:
            raise translated("failed to destroy object", error) from error

    def __str__(self) -> str:
        return f"{self.pool}/{self.cont}"

    def __repr__(self) -> str:
        return f"daos://{self.pool}/{self.cont}"


def check(
    pool: str | None = None,
    cont: str | None = None,
    path: str | os.PathLike[str] | None = None,
) -> builtins.list[str]:
    """Look for objects that lost their name, and give them one again; answer those names.

    Raises:
        PyDError: If the container can't be opened; DER_CSUM if stored bytes are damaged; DER_DATA_LOSS if
            some were, and what was lost with them is marked now.
    """
    container = _open(pool, cont, path, read_only=False)
    try:
        report = container.check(repair=True)
    except millpond.Error as error:
        raise translated("failed to check container", error) from error
    if report.damages:
        first = report.damages[0]
        raise PyDError(f"{len(report.damages)} damaged places, the first in {first.place}", -Der.CSUM)
    if report.lost:
        first = report.repaired[0]
        raise PyDError(
            f"records were lost at {report.lost} places, the first in {first.place}", -Der.DATA_LOSS
        )
    return report.relinked


def _open(
    pool: str | None,
    cont: str | None,
    path: str | os.PathLike[str] | None,
    *,
    read_only: bool,
) -> millpond.Container:
    try:
        if path is not None:
            return millpond.Container.open_path(path, read_only=read_only)
        if pool is None or cont is None:
            raise PyDError("invalid pool or container UUID", -Der.INVAL)
        return millpond.Pool.open(pool).container(cont, read_only=read_only)
    except millpond.Error as error:
        raise translated("failed to access container", error) from error

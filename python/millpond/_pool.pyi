"""The stub of the native class ``Pool``."""

import builtins
from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import Literal, Self, final
from uuid import UUID

from ._container import Container
from ._info import ContainerSummary, PoolInfo, PoolSummary
from ._views import Attributes, Properties

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
    ) -> Container:
        """Opens a container by its label or UUID.

        Args:
            name: Its label or UUID.
            read_only: Refuse every change through this handle.
            durability: Overrides the container's own, for this handle.

        Raises:
            NotFoundError: If the pool has none of that name.
        """

    def containers(self) -> builtins.list[ContainerSummary]:
        """The pool's containers, by label."""

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

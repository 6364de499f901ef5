"""The stub of the native class ``Container``."""

import builtins
from os import PathLike
from types import TracebackType
from typing import Literal, Self, final
from uuid import UUID

from ._dict import Dict
from ._info import CheckReport, ContainerInfo
from ._pool import Pool
from ._views import Attributes, Dicts, Properties

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
    ) -> Container:
        """Opens a container by name.

        Args:
            name: ``"POOL/CONTAINER"``; a URL, such as ``"file:///data/lab/kv"`` or ``"mem:scratch/kv"``;
                or the path of a directory that stands for a container.
            read_only: Refuse every change through this handle.
            durability: Overrides the container's own, for this handle.

        Raises:
            NotFoundError: If there is none; the message says where it was looked for.
        """

    @staticmethod
    def open_path(
        path: str | PathLike[str],
        *,
        read_only: bool = False,
        durability: Literal["sync", "async"] | None = None,
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

    @property
    def dicts(self) -> Dicts:
        """The container's dictionaries, as a mapping of names."""

    def query(self) -> ContainerInfo:
        """What the container is and holds, without scanning it."""

    def flush(self) -> None:
        """Makes everything that was put so far survive a loss of power."""

    def compact(self) -> None:
        """Merges what is worth merging and gives back the space of what was deleted.

        It happens in the background by itself; this does it now.
        """

    def check(self, *, repair: bool = False) -> CheckReport:
        """Reads every stored byte and compares it with its checksum.

        Args:
            repair: Give dictionaries that lost their name a new one, so that they can be opened.
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
    def __reduce__(self) -> tuple[object, tuple[str, bool, str]]: ...
    def _repr_html_(self) -> str: ...
    def _dict_names(self) -> list[str]: ...
    def _properties(self) -> builtins.dict[str, str]: ...
    def _set_property(self, name: str, value: str) -> None: ...
    def _attributes(self) -> builtins.dict[str, str]: ...
    def _set_attribute(self, name: str, value: str) -> None: ...
    def _delete_attribute(self, name: str) -> None: ...

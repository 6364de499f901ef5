"""The stub of the native classes ``Dict``, ``DictRange`` and ``DictIterator``."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeAlias, final, overload

from typing_extensions import Buffer, TypeVar

from ._container import Container
from ._streams import ValueReader, ValueWriter
from ._views import DictItems, DictKeys, DictValues

_Key: TypeAlias = str | Buffer
_K = TypeVar("_K", bound=str | Buffer)
_T = TypeVar("_T")
_Yield = TypeVar("_Yield", covariant=True, default=bytes)

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

    def keys(self) -> DictKeys:
        """The keys, in order: a live view, with the operations of a set."""

    def items(self) -> DictItems:
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

    It holds nothing: each iteration reads the entries as they are when it begins.
    """

    def keys(self) -> DictIterator[bytes]:
        """Iterates over the keys."""

    def values(self) -> DictIterator[bytes]:
        """Iterates over the values."""

    def items(self) -> DictIterator[tuple[bytes, bytes]]:
        """Iterates over the entries, as pairs."""

    def __iter__(self) -> DictIterator[bytes]: ...
    def __reversed__(self) -> DictIterator[bytes]: ...
    def __contains__(self, key: object, /) -> bool: ...

@final
class DictIterator(Iterator[_Yield], Generic[_Yield]):
    """Iterates over a dictionary in the order of its keys, as it was when the iteration began."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> _Yield: ...

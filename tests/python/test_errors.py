"""The exceptions: what they derive from, and what they say."""

from __future__ import annotations

import errno
import pickle

import millpond
import pytest
from millpond import errors

BUILT_IN: dict[str, type[Exception]] = {
    "AlreadyExistsError": FileExistsError,
    "BusyError": OSError,
    "ClosedError": ValueError,
    "ComparatorMismatchError": ValueError,
    "ConflictError": RuntimeError,
    "CorruptError": OSError,
    "DataLossError": OSError,
    "EpochGoneError": LookupError,
    "ForkedError": RuntimeError,
    "IncompatibleError": RuntimeError,
    "InputOutputError": OSError,
    "InvalidArgumentError": ValueError,
    "KeyNotFound": KeyError,
    "KeyTooLongError": ValueError,
    "LaggedError": LookupError,
    "LockTimeoutError": TimeoutError,
    "NoSpaceError": OSError,
    "NotFoundError": FileNotFoundError,
    "NotSupportedError": NotImplementedError,
    "PermissionDeniedError": PermissionError,
    "PoisonedError": OSError,
    "ReadOnlyError": PermissionError,
    "ValueTooLongError": ValueError,
}


def test_every_class_is_listed() -> None:
    assert set(errors.__all__) == {"Error", *BUILT_IN}
    assert all(getattr(millpond, name) is getattr(errors, name) for name in errors.__all__)


@pytest.mark.parametrize(("name", "base"), BUILT_IN.items())
def test_bases_text_and_pickle(name: str, base: type[Exception]) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.Error)
    assert issubclass(kind, base)
    error = kind("what happened", "here") if kind is errors.KeyNotFound else kind("what happened")
    assert "what happened" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)


def test_the_systems_errors_have_their_number() -> None:
    assert errors.NoSpaceError("full").errno == errno.ENOSPC
    assert errors.NotFoundError("gone").errno == errno.ENOENT
    assert errors.ReadOnlyError("no").strerror == "no"
    assert str(errors.Error()) == "Error"


def test_one_class_for_programs_that_dont_care() -> None:
    with pytest.raises(millpond.Error):
        millpond.Pool.open("nothing")
    with pytest.raises(FileNotFoundError, match="millpond pool create nothing"):
        millpond.Pool.open("nothing")

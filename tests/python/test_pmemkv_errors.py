"""pmemkv's statuses as exceptions: by pmemkv-python's names, and by those that Python programs expect."""

from __future__ import annotations

import pickle

import millpond
import pytest
from millpond.compat import pmemkv
from millpond.compat.pmemkv._errors import raise_for

# The status, pmemkv-python's name, and what else it is.
EXPECTED: dict[int, tuple[str, type[Exception]]] = {
    1: ("UnknownError", RuntimeError),
    2: ("NotFound", KeyError),
    3: ("NotSupported", NotImplementedError),
    4: ("InvalidArgument", ValueError),
    5: ("ConfigParsingError", ValueError),
    6: ("ConfigTypeError", TypeError),
    7: ("StoppedByCallback", RuntimeError),
    8: ("OutOfMemory", MemoryError),
    9: ("WrongEngineName", ValueError),
    10: ("TransactionScopeError", RuntimeError),
    11: ("DefragError", RuntimeError),
    12: ("ComparatorMismatch", ValueError),
}


@pytest.mark.parametrize("status", EXPECTED)
def test_each_status_has_its_exception(status: int) -> None:
    name, base = EXPECTED[status]
    with pytest.raises(millpond.Error) as caught:
        raise_for(status, "what happened, and what to do")
    error = caught.value
    assert type(error) is getattr(pmemkv, name)
    assert isinstance(error, base)
    assert str(error) == "what happened, and what to do"
    assert error.args == ("what happened, and what to do",)
    assert error.status == status == pmemkv.Status(status)  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_every_status_is_listed() -> None:
    assert [int(status) for status in pmemkv.Status] == [0, *EXPECTED]


def test_what_is_built_in_there_is_no_error_of_pmemkv_here() -> None:
    """So that `except pmemkv.Error` before `except KeyError` leaves it to the latter, as it does there."""
    kinds = [getattr(pmemkv, name) for name, _ in EXPECTED.values()]
    outside = {kind.__name__ for kind in kinds if not issubclass(kind, pmemkv.Error)}
    assert outside == {"NotFound", "OutOfMemory"}


def test_an_unknown_number_is_an_unknown_error() -> None:
    with pytest.raises(pmemkv.UnknownError, match="from the future"):
        raise_for(99, "from the future")

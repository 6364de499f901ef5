"""How long to wait for others: for the process, and for a call."""

from __future__ import annotations

import threading

import millpond
import pytest


def test_a_call_has_its_own() -> None:
    assert millpond.get_timeout() == 10
    with millpond.timeout(0.25):
        assert millpond.get_timeout() == 0.25
        with millpond.timeout(0):
            assert millpond.get_timeout() == 0
        assert millpond.get_timeout() == 0.25
        elsewhere: list[float] = []
        thread = threading.Thread(target=lambda: elsewhere.append(millpond.get_timeout()))
        thread.start()
        thread.join()
        assert elsewhere == [10]
    with pytest.raises(RuntimeError, match="on the way"), millpond.timeout(1):
        raise RuntimeError("on the way")
    assert millpond.get_timeout() == 10


def test_the_process_has_one() -> None:
    try:
        millpond.set_timeout(3)
        assert millpond.get_timeout() == 3
    finally:
        millpond.set_timeout(10)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(millpond.InvalidArgumentError, match="can't wait"):
        millpond.set_timeout(seconds)
    assert millpond.get_timeout() == 10

"""Transactions, as Python sees them."""

from __future__ import annotations

import pickle
import threading

import millpond
import pytest


def test_a_block_takes_effect_whole(container: millpond.Container, kv: millpond.Dict) -> None:
    kv["a"] = b"1"
    other = container.create_dict("other")
    with container.transaction() as tx:
        within, beside = tx.dict("readings"), tx[other]
        within["b"] = b"2"
        del within["a"]
        beside["c"] = b"3"
        assert dict(within) == {b"b": b"2"}
        assert within.items() == {b"b": b"2"}.items()
        assert dict(kv) == {b"a": b"1"}
        assert len(beside) == 1
        assert len(other) == 0
    assert dict(kv) == {b"b": b"2"}
    assert dict(other) == {b"c": b"3"}


def test_an_exception_aborts(container: millpond.Container, kv: millpond.Dict) -> None:
    with pytest.raises(ZeroDivisionError), container.transaction() as tx:
        tx[kv]["a"] = b"1"
        raise ZeroDivisionError
    assert len(kv) == 0


def test_a_conflict_is_told(container: millpond.Container, kv: millpond.Dict) -> None:
    tx = container.transaction()
    assert "a" not in tx[kv]
    kv["a"] = b"theirs"
    tx[kv]["a"] = b"ours"
    with pytest.raises(millpond.ConflictError, match="run it again"):
        tx.commit()
    assert kv["a"] == b"theirs"
    with pytest.raises(millpond.ClosedError, match="ended"):
        tx.commit()


def test_what_it_reads_stays_as_it_was(container: millpond.Container, kv: millpond.Dict) -> None:
    kv["a"] = b"1"
    with container.transaction(read_only=True) as tx:
        within = tx[kv]
        kv["a"] = b"2"
        assert within["a"] == b"1"
        with pytest.raises(millpond.ReadOnlyError):
            within["a"] = b"3"
    with container.transaction(at=tx.epoch) as old:
        assert old[kv]["a"] == b"1"


def test_it_ends_once(container: millpond.Container, kv: millpond.Dict) -> None:
    with container.transaction() as tx:
        within = tx[kv]
        within["a"] = b"1"
        tx.abort()
    assert len(kv) == 0
    with pytest.raises(millpond.ClosedError):
        within.get("a")
    with pytest.raises(millpond.ClosedError):
        tx.dict(kv)
    with container.transaction() as tx:
        tx[kv]["a"] = b"1"
        epoch = tx.commit()
        assert epoch > tx.epoch
    assert kv["a"] == b"1"


def test_dictionaries_come_and_go(container: millpond.Container) -> None:
    with container.transaction() as tx:
        tx.container.create_dict("new")["a"] = b"1"
        assert list(container.dicts) == []
    assert container.dict("new")["a"] == b"1"


def test_it_is_of_one_container(pool: millpond.Pool, container: millpond.Container) -> None:
    elsewhere = pool.create_container("elsewhere", durability="async").create_dict("d")
    with container.transaction() as tx, pytest.raises(millpond.InvalidArgumentError, match="two containers"):
        tx.dict(elsewhere)


def test_it_does_not_travel(container: millpond.Container, kv: millpond.Dict) -> None:
    with container.transaction() as tx:
        for handle in (tx[kv], tx.container):
            with pytest.raises(millpond.NotSupportedError, match="pickled"):
                pickle.dumps(handle)
        with tx[kv] as within:
            within["a"] = b"1"
    assert kv["a"] == b"1"


def test_transact_loses_no_update(container: millpond.Container, kv: millpond.Dict) -> None:
    threads, rounds = 4, 50
    kv["sum"] = b"0"

    def add(tx: millpond.Transaction) -> int:
        within = tx[kv]
        total = int(within["sum"]) + 1
        within["sum"] = b"%d" % total
        return total

    def work(answers: list[int]) -> None:
        answers.extend(container.transact(add, retries=10_000) for _ in range(rounds))

    answers: list[list[int]] = [[] for _ in range(threads)]
    workers = [threading.Thread(target=work, args=(mine,)) for mine in answers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert kv["sum"] == b"%d" % (threads * rounds)
    assert sorted(total for mine in answers for total in mine) == list(range(1, threads * rounds + 1))


def test_transact_gives_up(container: millpond.Container, kv: millpond.Dict) -> None:
    tries = 0

    def lose(tx: millpond.Transaction) -> None:
        nonlocal tries
        tries += 1
        tx[kv].get("a")
        kv["a"] = b"%d" % tries
        tx[kv]["b"] = b"never"

    with pytest.raises(millpond.ConflictError) as caught:
        container.transact(lose, retries=2)
    assert tries == 3
    assert "3 tries" in caught.value.__notes__[0]
    assert "b" not in kv


def test_repr(container: millpond.Container) -> None:
    with container.transaction() as tx:
        assert f"epoch {tx.epoch}" in repr(tx)
        assert "transaction" in repr(tx).lower()

"""Metrics, as Python sees them."""

from __future__ import annotations

import millpond
import pytest


def test_a_handle_counts_what_is_done_through_it(pool: millpond.Pool, kv: millpond.Dict) -> None:
    kv["elsewhere"] = b"1"
    with pool.container("kv", metrics=True) as container:
        mine = container.dict("readings")
        before = container.metrics().operations
        assert before is not None
        for number in range(10):
            mine[str(number)] = b"v" * 100
        mine["long"] = b"v" * 100_000
        assert mine["long"] == b"v" * 100_000
        assert len(list(mine)) == 12
        tx = container.transaction()
        tx[mine].get("0")
        mine["0"] = b"changed"
        tx[mine]["1"] = b"lost"
        with pytest.raises(millpond.ConflictError):
            tx.commit()
        after = container.metrics().operations
        assert after is not None
        assert after.commits.count - before.commits.count == 12
        assert after.commits.sum_seconds > before.commits.sum_seconds
        assert after.conflicts - before.conflicts == 1
        assert after.records_written - before.records_written == 12
        assert after.records_scanned - before.records_scanned == 12
        assert 101_000 < after.bytes_written - before.bytes_written < 110_000
        assert after.segment_reads.count == 1
        assert after.bytes_read > 100_000


def test_a_page_for_prometheus(container: millpond.Container, kv: millpond.Dict) -> None:
    kv["a"] = b"1"
    metrics = container.metrics()
    assert metrics.operations is None
    assert (metrics.pool, metrics.container) == ("lab", "kv")
    assert metrics.statistics.processes == 1
    assert f'millpond_epoch{{pool="lab",container="kv"}} {metrics.statistics.epoch}\n' in metrics.prometheus

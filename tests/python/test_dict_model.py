"""A dictionary beside a plain dict: whatever is done to both, both answer the same.

The container is closed and opened again among the operations, so that what is compared was read
back from the log, from runs and from segments too.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import millpond
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

# A small alphabet, so that keys collide and share prefixes; and now and then a long one.
KEYS = st.one_of(
    st.binary(max_size=3),
    st.sampled_from([b"", b"\0", b"\0\0", b"a", b"a\0", b"ab", b"\xff", b"\xff\xff", b"k" * 1024]),
    st.text("äab", max_size=3).map(str.encode),
)
# Within a record, at its border, and in a segment.
VALUES = st.one_of(
    st.binary(max_size=8),
    st.tuples(st.sampled_from([2047, 2048, 2049, 70_000]), st.binary(min_size=1, max_size=1)).map(
        lambda shape: shape[1] * shape[0]
    ),
)


class DictBesidePlainDict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="millpond-model-")
        self.model: dict[bytes, bytes] = {}

    @initialize()
    def create(self) -> None:
        pool = millpond.Pool.create(f"file://{self.directory}/pool")
        self.container = pool.create_container("kv", durability="async")
        self.kv = self.container.create_dict("d")

    def both(self, work: Callable[[Any], object]) -> None:
        """Does it to both, and compares what they answer or that both lack the key."""
        answers = []
        for mapping in (self.kv, self.model):
            try:
                answers.append(work(mapping))
            except KeyError:
                answers.append(KeyError)
        assert answers[0] == answers[1]

    @rule(key=KEYS, value=VALUES)
    def set(self, key: bytes, value: bytes) -> None:
        self.both(lambda mapping: mapping.__setitem__(key, value))

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        self.both(lambda mapping: mapping.__delitem__(key))

    @rule(key=KEYS)
    def pop(self, key: bytes) -> None:
        self.both(lambda mapping: mapping.pop(key))

    @rule(key=KEYS, default=st.none() | st.just(b"fallback"))
    def pop_or(self, key: bytes, default: bytes | None) -> None:
        self.both(lambda mapping: mapping.pop(key, default))

    @rule(key=KEYS, value=VALUES)
    def setdefault(self, key: bytes, value: bytes) -> None:
        self.both(lambda mapping: mapping.setdefault(key, value))

    @rule(key=KEYS)
    def look_up(self, key: bytes) -> None:
        self.both(lambda mapping: mapping[key])
        self.both(lambda mapping: mapping.get(key))
        self.both(lambda mapping: key in mapping)

    @rule(entries=st.lists(st.tuples(KEYS, VALUES), max_size=20))
    def update(self, entries: list[tuple[bytes, bytes]]) -> None:
        self.both(lambda mapping: mapping.update(entries))

    @rule(entries=st.dictionaries(KEYS, st.none() | VALUES, max_size=20))
    def apply(self, entries: dict[bytes, bytes | None]) -> None:
        self.kv.apply(entries)
        for key, value in entries.items():
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @rule()
    def popitem(self) -> None:
        if self.model:
            greatest = max(self.model)
            assert self.kv.popitem() == (greatest, self.model.pop(greatest))

    @rule()
    def clear(self) -> None:
        self.both(lambda mapping: mapping.clear())

    @rule(
        start=st.none() | KEYS,
        stop=st.none() | KEYS,
        prefix=st.none() | st.binary(max_size=2),
        after=st.none() | KEYS,
        reverse=st.booleans(),
    )
    def walk(
        self,
        start: bytes | None,
        stop: bytes | None,
        prefix: bytes | None,
        after: bytes | None,
        reverse: bool,
    ) -> None:
        expected = [
            key
            for key in sorted(self.model, reverse=reverse)
            if (start is None or key >= start)
            and (stop is None or key < stop)
            and (prefix is None or key.startswith(prefix))
            and (after is None or (key < after if reverse else key > after))
        ]
        part = self.kv.range(start, stop, prefix=prefix, after=after, reverse=reverse)
        assert list(part) == expected
        assert list(part.items()) == [(key, self.model[key]) for key in expected]
        assert all((key in part) == (key in expected) for key in self.model)

    @rule(compact=st.booleans())
    def reopen(self, compact: bool) -> None:
        if compact:
            self.container.compact()
        url = self.container.url
        self.container.close()
        self.container = millpond.Container.open(url)
        self.kv = self.container.dict("d")

    @invariant()
    def equal(self) -> None:
        if hasattr(self, "kv"):
            assert len(self.kv) == len(self.model)
            assert list(self.kv) == sorted(self.model)

    def teardown(self) -> None:
        if hasattr(self, "kv"):
            assert self.kv == self.model
            assert self.kv.dump() == self.model
            assert self.container.check().healthy
            self.container.close()
        shutil.rmtree(self.directory)


TestDictBesidePlainDict = DictBesidePlainDict.TestCase
TestDictBesidePlainDict.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)

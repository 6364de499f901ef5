"""The class Dict, key by key."""

from __future__ import annotations

import array
from collections.abc import MutableMapping

import millpond
import pytest
from millpond import Dict

KEYS = [b"", b"a", b"\0", b"a\0b", b"\xff\xfe", "naïve".encode(), b"k" * 1024]


@pytest.mark.parametrize("key", KEYS)
def test_any_bytes_are_a_key(kv: Dict, key: bytes) -> None:
    kv[key] = b"value"
    assert kv[key] == b"value"
    assert key in kv
    assert list(kv) == [key]
    assert kv.range(prefix=key[:3]).items().__next__() == (key, b"value")
    del kv[key]
    assert key not in kv
    assert len(kv) == 0


@pytest.mark.parametrize("length", [0, 1, 2047, 2048, 2049, 65_536, 1 << 20, (4 << 20) + 3])
def test_any_bytes_are_a_value(kv: Dict, length: int) -> None:
    value = bytes(range(256)) * (length // 256) + bytes(length % 256)
    assert kv.put("key", value) is False
    assert kv["key"] == value
    assert kv.value_length("key") == length
    assert kv.put("key", b"") is True
    assert kv["key"] == b""


def test_a_str_is_its_utf8(kv: Dict) -> None:
    kv["schlüssel"] = b"1"
    assert kv["schlüssel".encode()] == b"1"
    assert list(kv) == ["schlüssel".encode()]
    with pytest.raises(UnicodeEncodeError):
        kv["\ud800"]


def test_keys_and_values_may_be_any_buffer(kv: Dict) -> None:
    kv[bytearray(b"a")] = bytearray(b"1")
    kv[memoryview(b"xbx")[1:2]] = memoryview(b"x2x")[1:2]
    kv["doubles"] = array.array("d", [1.0, 2.0])
    kv["every second"] = memoryview(b"a-b-c-")[::2]
    assert kv["a"] == b"1"
    assert kv["b"] == b"2"
    assert array.array("d", kv["doubles"]).tolist() == [1.0, 2.0]
    assert kv["every second"] == b"abc"


def test_what_is_neither_key_nor_value_is_refused(kv: Dict) -> None:
    with pytest.raises(TypeError, match="a key is str or bytes-like, not int"):
        kv[1] = b""  # type: ignore[index]
    with pytest.raises(TypeError, match="a value is bytes-like, not str; encode it first"):
        kv["a"] = "text"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="not NoneType"):
        kv["a"] = None  # type: ignore[assignment]
    assert 1 not in kv
    assert None not in kv
    assert len(kv) == 0


def test_get(kv: Dict) -> None:
    kv["a"] = b"1"
    assert kv.get("a") == b"1"
    assert kv.get("b") is None
    assert kv.get("b", 7) == 7
    with pytest.raises(millpond.KeyNotFound) as caught:
        kv["b"]
    assert caught.value.key == "b"
    assert str(caught.value) == "'b' is not in the dictionary readings of lab/kv"
    with pytest.raises(KeyError):
        kv.value_length("b")


def test_delete_discard_and_pop(kv: Dict) -> None:
    kv.bput({"a": b"1", "b": b"2", "c": b"3"})
    del kv["a"]
    with pytest.raises(KeyError, match="'a' is not in"):
        del kv["a"]
    assert kv.discard("b") is True
    assert kv.discard("b") is False
    assert kv.pop("c") == b"3"
    assert kv.pop("c", None) is None
    assert kv.pop("c", 7) == 7
    with pytest.raises(KeyError):
        kv.pop("c")


def test_popitem_takes_the_greatest_key(kv: Dict) -> None:
    kv.bput({"a": b"1", "b": b"2"})
    assert kv.popitem() == (b"b", b"2")
    assert kv.popitem() == (b"a", b"1")
    with pytest.raises(KeyError, match="is empty"):
        kv.popitem()


def test_setdefault(kv: Dict) -> None:
    assert kv.setdefault("a", b"1") == b"1"
    assert kv.setdefault("a", b"2") == b"1"
    assert kv.setdefault("b", b"") == b""
    assert kv.setdefault("b", b"2") == b""


def test_len_bool_and_clear(kv: Dict) -> None:
    assert not kv
    kv.bput((b"%d" % number, b"") for number in range(1000))
    kv["1"] = b"again"
    assert kv
    assert len(kv) == 1000
    kv.clear()
    assert len(kv) == 0
    assert list(kv) == []


def test_equality(kv: Dict, container: millpond.Container) -> None:
    kv.bput({"a": b"1", "b": b"2"})
    assert kv == {b"a": b"1", b"b": b"2"}
    assert kv == {"b": b"2", "a": bytearray(b"1")}
    assert kv == container.dict("readings")
    assert kv != {b"a": b"1"}
    assert kv != {b"a": b"1", b"c": b"2"}
    assert kv != {b"a": b"1", b"b": b"3"}
    assert kv != {b"a": b"1", 2: b"2"}
    assert kv != {b"a": b"1", b"b": "2"}
    assert kv != [(b"a", b"1"), (b"b", b"2")]
    assert (kv == 3) is False


def test_it_is_a_mutable_mapping_without_a_hash(kv: Dict) -> None:
    assert isinstance(kv, MutableMapping)
    with pytest.raises(TypeError, match="unhashable"):
        hash(kv)


def test_name_container_and_repr(kv: Dict, container: millpond.Container) -> None:
    assert kv.name == "readings"
    assert kv.container.uuid == container.uuid
    assert repr(kv) == "<millpond.Dict readings of lab/kv, 0 keys>"
    kv["a"] = b""
    assert repr(kv) == "<millpond.Dict readings of lab/kv, 1 key>"
    container.close()
    assert repr(kv) == "<millpond.Dict readings of lab/kv, closed>"


def test_a_with_block_makes_it_durable(kv: Dict) -> None:
    with kv as same:
        same["a"] = b"1"
    statistics = kv.container.query().statistics
    assert statistics.epoch_synced == statistics.epoch


def test_the_container_lives_as_long_as_its_dictionary(pool: millpond.Pool) -> None:
    kv = pool.create_container("short").create_dict("d")
    kv["a"] = b"1"
    assert kv["a"] == b"1"
    with pytest.raises(millpond.BusyError):
        pool.destroy_container("short")
    del kv
    pool.destroy_container("short")


def test_a_destroyed_dictionary_is_not_the_next_of_that_name(kv: Dict) -> None:
    kv["a"] = b"1"
    kv.container.destroy_dict("readings")
    fresh = kv.container.create_dict("readings")
    for use in (lambda: kv.put("a", b"2"), lambda: kv["a"], lambda: len(kv), lambda: list(kv)):
        with pytest.raises(millpond.NotFoundError, match="readings"):
            use()
    assert fresh == {}

"""PyDAOS's DDict, behaviour by behaviour; and what upstream lacks."""

from __future__ import annotations

from typing import Any

import millpond
import pytest
from millpond.compat.pydaos import DaosErrorCode, DCont, DDict, ObjClassID, PyDError


@pytest.fixture
def mapping(pool: millpond.Pool) -> DDict:
    pool.create_container("kvstore", durability="async").close()
    return DCont("lab", "kvstore").dict("dict-0")


# ---- as PyDAOS does


def test_values_come_back_as_bytes(mapping: DDict) -> None:
    mapping.put("a", "text")
    mapping["b"] = b"bytes"
    assert mapping.get("a") == b"text"
    assert mapping["b"] == b"bytes"


def test_str_and_bytes_are_one_key(mapping: DDict) -> None:
    mapping["a"] = "1"
    mapping[b"a"] = "2"
    assert mapping["a"] == mapping[b"a"] == b"2"
    assert len(mapping) == 1
    assert "a" in mapping
    assert b"a" in mapping
    assert "b" not in mapping


@pytest.mark.parametrize("nothing", [None, "", b""])
def test_putting_nothing_deletes(mapping: DDict, nothing: Any) -> None:
    mapping.bput({"a": "1", "b": "2", "c": "3"})
    mapping.put("a", nothing)
    mapping["b"] = nothing
    mapping.bput({"c": nothing, "missing": nothing})
    assert len(mapping) == 0


def test_a_missing_key(mapping: DDict) -> None:
    with pytest.raises(KeyError) as caught:
        mapping.get("a")
    assert caught.value.args == ("a",)
    with pytest.raises(KeyError):
        mapping["a"]


def test_deleting_is_silent(mapping: DDict) -> None:
    mapping["a"] = "1"
    assert mapping.pop("a") is None
    assert mapping.pop("a") is None
    del mapping["a"]
    assert "a" not in mapping


def test_bget_fills_the_dict(mapping: DDict) -> None:
    mapping.bput({"a": "1", "b": "2"})
    wanted: dict[str | bytes, bytes | None] = {"a": None, b"b": b"old", "c": None}
    assert mapping.bget(wanted) is wanted
    assert wanted == {"a": b"1", b"b": b"2", "c": None}
    assert mapping.bget({"a": None}, 16) == {"a": b"1"}
    assert mapping.bget({"a": None}, value_size=1) == {"a": b"1"}
    assert mapping.bget({}) == {}
    assert mapping.bget(None) is None


def test_bput(mapping: DDict) -> None:
    mapping.bput({"a": "1", b"b": b"2"})
    mapping.bput(None)
    mapping.bput({})
    assert mapping.dump() == {"a": b"1", "b": b"2"}


def test_dump_and_iteration_yield_str(mapping: DDict) -> None:
    mapping.bput({f"k{number}": str(number) for number in range(2000)})
    assert sorted(mapping) == sorted(f"k{number}" for number in range(2000))
    assert mapping.dump()["k7"] == b"7"
    lazily = iter(mapping)
    assert next(lazily) == "k0"
    assert isinstance(next(lazily), str)


def test_len_and_bool(mapping: DDict) -> None:
    assert len(mapping) == 0
    assert not mapping
    mapping["a"] = "1"
    assert len(mapping) == 1
    assert mapping


def test_equality(mapping: DDict) -> None:
    mapping.bput({"a": "1", "b": "2"})
    assert mapping == {"a": b"1", "b": b"2"}
    assert mapping == {b"a": b"1", b"b": b"2"}
    assert mapping != {"a": b"1"}
    assert mapping != {"a": b"1", "b": b"3"}
    assert mapping != {"a": b"1", 2: b"2"}
    assert mapping == DCont("lab", "kvstore").get("dict-0")
    assert mapping != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(mapping)


def test_str(mapping: DDict) -> None:
    assert str(mapping) == "dict-0"
    assert mapping.name == "dict-0"
    assert "daos://lab/kvstore" in repr(mapping)


def test_large_values(mapping: DDict) -> None:
    large = bytes(range(256)) * 20_000
    mapping["large"] = large
    assert mapping["large"] == large
    assert mapping.bget({"large": None}, 10) == {"large": large}


# ---- better than PyDAOS


@pytest.mark.parametrize("key", ["a\0b", b"\0"])
def test_a_nul_is_refused_and_not_cut_off(mapping: DDict, key: Any) -> None:
    for use in (
        lambda: mapping.put(key, "1"),
        lambda: mapping.get(key),
        lambda: mapping.bput({key: "1"}),
        lambda: mapping.bget({key: None}),
        lambda: key in mapping,
    ):
        with pytest.raises(ValueError, match="NUL"):
            use()
    assert len(mapping) == 0


def test_keys_that_arent_utf8(mapping: DDict) -> None:
    mapping[b"\xff\xfe"] = "1"
    (key,) = mapping
    assert isinstance(key, str)
    assert mapping[key] == b"1"
    assert mapping.dump() == {key: b"1"}
    assert mapping.bget({key: None}) == {key: b"1"}
    assert mapping == {b"\xff\xfe": b"1"}


def test_a_bput_is_all_or_nothing(mapping: DDict) -> None:
    with pytest.raises(TypeError, match="a value is str or bytes, not int"):
        mapping.bput({"a": "1", "b": 2})  # type: ignore[dict-item]
    with pytest.raises(PyDError) as caught:
        mapping.bput({"a": "1", "k" * 2000: "2"})
    assert caught.value.error.name == "DER_KEY2BIG"
    assert len(mapping) == 0
    before = mapping._native.container.query().statistics.epoch
    mapping.bput({str(number): "x" for number in range(100)})
    assert mapping._native.container.query().statistics.epoch == before + 1


def test_the_methods_of_a_mapping(mapping: DDict) -> None:
    mapping.update({"a": "1"}, b="2")
    mapping.update([("c", "3")])
    assert list(mapping.keys()) == ["a", "b", "c"]
    assert list(mapping.values()) == [b"1", b"2", b"3"]
    assert list(mapping.items()) == [("a", b"1"), ("b", b"2"), ("c", b"3")]
    assert list(reversed(mapping)) == ["c", "b", "a"]
    assert ("a", b"1") in mapping.items()
    assert mapping.keys() & {"a", "z"} == {"a"}
    assert mapping.get("z", b"default") == b"default"
    assert mapping.pop("a", None) == b"1"
    assert mapping.pop("a", None) is None
    assert mapping.setdefault("d", "4") == b"4"
    assert mapping.setdefault("d", "5") == b"4"
    assert mapping.copy() == {"b": b"2", "c": b"3", "d": b"4"}
    assert mapping.popitem() == ("d", b"4")
    mapping.clear()
    assert mapping == {}
    with pytest.raises(KeyError, match="is empty"):
        mapping.popitem()


def test_keys_and_values_of_other_types(mapping: DDict) -> None:
    with pytest.raises(TypeError, match="a key is str or bytes, not int"):
        mapping[1] = "1"  # type: ignore[index]
    mapping["a"] = bytearray(b"1")
    assert mapping["a"] == b"1"


# ---- errors and classes


def test_errors_carry_daoss_codes(mapping: DDict) -> None:
    error = PyDError("failed to do it", -1004)
    assert (error.error.err, error.error.name) == (-1004, "DER_EXIST")
    assert error.error.message == "Entity already exists"
    assert error.message == str(error)
    assert str(error).startswith("failed to do it: DAOS error code -1004 (DER_EXIST)")
    assert DaosErrorCode(-9999).name == "DER_UNKNOWN"


def test_a_full_pool_is_der_nospace(home: object) -> None:
    pool = millpond.Pool.create("small", size="32MiB")
    pool.create_container("kv").close()
    with pytest.raises(PyDError) as caught:
        DCont("small", "kv").dict("d")["large"] = bytes(40 << 20)
    assert (caught.value.error.err, caught.value.error.name) == (-1007, "DER_NOSPACE")


def test_a_destroyed_dictionary_is_der_nonexist(mapping: DDict) -> None:
    mapping.cont.destroy("dict-0")
    for use in (lambda: mapping.put("a", "1"), lambda: len(mapping), lambda: list(mapping), mapping.dump):
        with pytest.raises(PyDError) as caught:
            use()
        assert caught.value.error.name == "DER_NONEXIST"


def test_object_classes() -> None:
    names = set(ObjClassID.__members__)
    assert {"OC_S1", "OC_SX", "OC_RP_2G1", "OC_RP_6GX", "OC_EC_2P1G1", "OC_EC_16P3GX", "OC_TINY"} <= names
    assert len({member.value for member in ObjClassID}) == len(names)

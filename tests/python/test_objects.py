"""Objects of dkeys and akeys, and arrays, as Python sees them."""

from __future__ import annotations

import array
import pickle
import threading

import millpond
import pytest


def test_values_and_records_of_a_dkey(container: millpond.Container) -> None:
    run = container.create_object(dkeys="integer", akeys="lexical")
    assert not run.exists()
    assert list(container.objects()) == []
    run.update(
        17,
        {"parameters": b"dt=0.1", "": b""},
        extents={"field": (100, bytes(range(40)), 8), "mask": [(0, b"ab"), (4, memoryview(b"cd"))]},
    )
    assert run.exists()
    assert list(container.objects()) == [run.id]
    assert run.get(17, "parameters") == b"dt=0.1"
    assert run.get(17, "nothing") is None
    assert run.get(18, "parameters", 3) == 3
    assert run.read(17, "field", 99, 3, record_size=8) == bytes(8) + bytes(range(16))
    assert run.read(17, "mask", 0, 7) == b"ab\0\0cd\0"
    assert run.holes(17, "mask", 0, 8) == [(2, 4), (6, 8)]
    assert run.holes(17, "nothing", 5, 2) == [(5, 7)]
    assert run.record_size(17, "field") == 8
    assert run.record_size(17, "nothing") is None
    fetched = run.fetch(
        17, ["parameters", "nothing"], extents={"mask": [(0, 2), range(4, 6)], "field": (100, 101)}
    )
    assert fetched == {
        "parameters": b"dt=0.1",
        "nothing": None,
        "mask": b"abcd",
        "field": bytes(range(8)),
    }
    run.update(17, holes={"mask": [(1, 5)]})
    assert run.read(17, "mask", 0, 6) == b"a\0\0\0\0d"
    other = container.object(int(run.id, 16))
    assert other.get(17, "parameters") == b"dt=0.1"
    assert (other.dkey_kind, other.akey_kind, other.is_array) == ("integer", "lexical", False)
    assert run.id in repr(run)


def test_records_go_to_and_come_from_buffers(container: millpond.Container) -> None:
    run = container.create_object()
    numbers = array.array("d", [1.0, 2.0, 3.0])
    run.write("d", "a", 10, numbers, record_size=8)
    back = array.array("d", [9.0] * 5)
    assert run.readinto("d", "a", 9, back, record_size=8) == [(9, 10), (13, 14)]
    assert list(back) == [0.0, 1.0, 2.0, 3.0, 0.0]
    assert run.readinto("d", "a", 0, bytearray(), record_size=8) == []
    with pytest.raises(BufferError, match="read-only"):
        run.readinto("d", "a", 0, bytes(8), record_size=8)
    with pytest.raises(BufferError, match="contiguous"):
        run.readinto("d", "a", 0, memoryview(bytearray(16))[::2], record_size=8)
    with pytest.raises(ValueError, match="whole records"):
        run.write("d", "a", 0, b"abc", record_size=8)
    with pytest.raises(millpond.InvalidArgumentError, match="8 bytes"):
        run.read("d", "a", 0, 1)
    with pytest.raises(millpond.ValueTooLongError):
        run.read("d", "a", 0, 2**62, record_size=8)
    with pytest.raises(TypeError):
        run.write("d", "a", 0, "text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="single value"):
        run.update("d", {"a": b"x"}, extents={"a": (0, b"x")})


def test_conditions(container: millpond.Container) -> None:
    run = container.create_object()
    run.put("d", "a", b"1", if_dkey="missing")
    with pytest.raises(FileExistsError):
        run.put("d", "a", b"2", if_akey="missing")
    with pytest.raises(millpond.AlreadyExistsError):
        run.put("d", "b", b"2", if_dkey="missing")
    with pytest.raises(millpond.NotFoundError):
        run.update("d", {"a": b"2", "b": b"2"}, if_akey="exists")
    run.update("d", {"a": b"2", "b": b"2"}, if_akey={"a": "exists", "b": "missing"})
    with pytest.raises(millpond.AlreadyExistsError):
        run.update("d", {"a": b"3", "b": b"3"}, if_akey={"b": "missing"})
    assert run.fetch("d", ["a", "b"], if_dkey="exists", if_akey="exists") == {"a": b"2", "b": b"2"}
    with pytest.raises(FileNotFoundError):
        run.fetch("d", ["a", "c"], if_akey={"c": "exists"})
    with pytest.raises(ValueError, match="missing"):
        run.put("d", "a", b"", if_akey="perhaps")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="INSERT"):
        run.fetch("d", ["a"], if_akey="missing")  # type: ignore[arg-type]


def test_punches(container: millpond.Container) -> None:
    run = container.create_object()
    for dkey in ["a", "b", "c"]:
        run.update(dkey, {"x": b"1", "y": b"2"}, extents={"z": (0, b"abcd")})
    run.punch_extents("a", "z", (1, 3))
    assert run.read("a", "z", 0, 4) == b"a\0\0d"
    run.punch_akeys("a", ["x", "z"], must_exist=True)
    assert sorted(run.akeys("a")) == [b"y"]
    with pytest.raises(millpond.NotFoundError):
        run.punch_akeys("a", ["x"], must_exist=True)
    run.punch_dkeys(["a", "nothing"])
    assert sorted(run.dkeys()) == [b"b", b"c"]
    run.punch()
    assert not run.exists()
    assert list(container.objects()) == []
    assert run.newest_epoch() == 0
    with pytest.raises(millpond.NotFoundError):
        run.punch(must_exist=True)


def test_lists_go_on_and_are_split(container: millpond.Container) -> None:
    run = container.create_object(dkeys="integer", akeys="integer")
    for dkey in range(300):
        run.put(dkey, dkey, b"")
    keys = run.dkeys()
    assert [next(keys) for _ in range(100)] == list(range(100))
    rest = run.resume(keys.anchor)
    run.put(1000, 0, b"")
    assert list(rest) == list(range(100, 300))
    assert list(run.resume(rest.anchor)) == []
    anchors = run.split(run.dkeys().anchor, 4)
    assert len(anchors) > 1
    parts = [list(container.object(run.id).resume(anchor)) for anchor in anchors]
    assert [key for part in parts for key in part] == [*range(300), 1000]
    assert list(run.akeys(7)) == [7]
    run.punch_dkeys([1000])
    run.write(0, 1, 10, b"abc")
    run.write(0, 1, 20, b"defg")
    extents = run.extents(0, 1)
    first = next(extents)
    assert first[:2] == (10, 13)
    assert 0 < first[2] <= run.newest_epoch()
    assert [extent[:2] for extent in run.resume(extents.anchor)] == [(20, 24)]  # type: ignore[index]
    assert [extent[:2] for extent in run.extents(0, 1, (12, 22))] == [(12, 13), (20, 22)]
    assert (run.smallest_dkey(), run.largest_dkey()) == (0, 299)
    assert (run.smallest_akey(0), run.largest_akey(0)) == (0, 1)
    assert (run.smallest_extent(0, 1), run.largest_extent(0, 1)) == ((10, 13), (20, 24))
    with pytest.raises(ValueError, match="no anchor"):
        run.resume("01")
    with pytest.raises(millpond.NotSupportedError, match="hashed"):
        container.create_object().largest_dkey()


def test_a_transaction_and_a_snapshot_have_objects(container: millpond.Container) -> None:
    run, cells = container.create_object(), container.create_array(cell_size=2)
    run.put("d", "a", b"before")
    cells.write(0, b"aabb")
    container.snapshot("before")
    with container.transaction() as tx:
        within, array_within = tx.container.object(run.id), tx.container.array(cells.id)
        within.put("d", "a", b"after")
        within.write("d", "b", 3, b"xyz")
        array_within[1:3] = b"ccdd"
        made = tx.container.create_object()
        made.put("d", "a", b"made")
        assert within.get("d", "a") == b"after"
        assert within.read("d", "b", 2, 3) == b"\0xy"
        assert array_within[:] == b"aaccdd"
        assert sorted(map(str, tx.container.objects())) == sorted([run.id, cells.id, made.id])
        assert run.get("d", "a") == b"before"
        assert cells[:] == b"aabb"
        assert list(container.object(made.id).dkeys()) == []
        with pytest.raises(millpond.NotSupportedError, match="pickled"):
            pickle.dumps(within)
    assert run.get("d", "a") == b"after"
    assert cells[:] == b"aaccdd"
    assert container.object(made.id).get("d", "a") == b"made"
    with pytest.raises(ZeroDivisionError), container.transaction() as tx:
        tx.container.object(run.id).punch()
        raise ZeroDivisionError
    assert run.exists()
    before = container.at("before")
    then = before.object(run.id)
    assert then.get("d", "a") == b"before"
    assert list(then.akeys("d")) == [b"a"]
    assert before.array(cells.id)[:] == b"aabb"
    assert sorted(before.objects()) == sorted([run.id, cells.id])
    with pytest.raises(PermissionError):
        then.put("d", "a", b"never")


def test_transactions_on_the_same_value_conflict(container: millpond.Container) -> None:
    run = container.create_object()
    run.put("d", "n", b"0")
    tx = container.transaction()
    within = tx.container.object(run.id)
    assert within.get("d", "n") == b"0"
    run.put("d", "n", b"1")
    within.put("d", "m", b"2")
    with pytest.raises(millpond.ConflictError):
        tx.commit()
    assert run.get("d", "m") is None


def test_arrays_are_sliced(container: millpond.Container) -> None:
    cells = container.create_array(cell_size=8, chunk_cells=7)
    assert len(cells) == 0
    assert cells[:] == b""
    assert (cells.cell_size, cells.chunk_cells) == (8, 7)
    numbers = array.array("d", [float(number) for number in range(20)])
    cells[10:30] = numbers
    assert len(cells) == cells.size() == cells.stat().size == 30
    assert array.array("d", cells[15:17]).tolist() == [5.0, 6.0]
    assert cells[28:100] == cells[-2:] == numbers[-2:].tobytes()
    assert cells[10] == numbers[:1].tobytes()
    assert cells[-1] == numbers[-1:].tobytes()
    cells[-1] = bytes(8)
    cells[-3:-1] = numbers[:2]
    assert array.array("d", cells[27:]).tolist() == [0.0, 1.0, 0.0]
    assert cells[5:5] == cells[9:2] == b""
    back = array.array("d", [1.0] * 4)
    assert cells.readinto(8, back) == [(8, 10)]
    assert list(back) == [0.0, 0.0, 0.0, 1.0]
    cells.punch((11, 13))
    assert cells.read_ranges([(10, 12), range(13, 14)]) == bytes(16) + numbers[3:4].tobytes()
    cells.write_ranges([(0, 1), (40, 41)], bytes(range(16)))
    assert (cells[0], cells[40], len(cells)) == (bytes(range(8)), bytes(range(8, 16)), 41)
    cells.resize(12)
    assert len(cells) == 12
    cells.resize(50)
    assert len(cells) == 50
    assert cells[11:50] == bytes(8 * 39)
    assert cells.stat().newest_epoch > 0
    assert cells.object.is_array
    assert container.array(cells.id)[0] == bytes(range(8))
    for index in (50, -51):
        with pytest.raises(IndexError):
            cells[index]
    with pytest.raises(ValueError, match="step"):
        cells[::2]
    with pytest.raises(millpond.InvalidArgumentError, match="cells"):
        cells[0:2] = bytes(8)
    with pytest.raises(ValueError, match="negative"):
        cells.punch((-1, 3))
    cells.object.punch()
    with pytest.raises(millpond.NotFoundError):
        len(cells)
    with pytest.raises(millpond.NotFoundError):
        container.array(cells.id)


def test_ids_and_keys_are_checked(container: millpond.Container) -> None:
    with pytest.raises(ValueError, match="32 hexadecimal"):
        container.object("7")
    with pytest.raises(ValueError, match="no id of an object"):
        container.object(7)
    with pytest.raises(TypeError):
        container.object(b"7")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="isn't an array"):
        container.array(container.create_object().id)
    with pytest.raises(ValueError, match="no kind of keys"):
        container.create_object(dkeys="sorted")  # type: ignore[arg-type]
    with pytest.raises(millpond.NotSupportedError):
        container.create_object(object_class="RP_2G1")
    run = container.create_object(dkeys="integer", low=5)
    assert run.id == container.create_object(dkeys="integer", low=5).id
    with pytest.raises(ValueError, match="whole numbers"):
        run.put("1", "a", b"")
    with pytest.raises(ValueError, match="negative"):
        run.put(-1, "a", b"")
    with pytest.raises(ValueError, match="1024"):
        run.put(1, bytes(1025), b"")
    container.create_array(low=5)
    with pytest.raises(FileExistsError):
        container.create_array(low=5)


def test_pickles_lead_to_the_same(container: millpond.Container) -> None:
    run, cells = container.create_object(), container.create_array()
    run.put("d", "a", b"1")
    cells.write(0, b"abc")
    again, cells_again = pickle.loads(pickle.dumps((run, cells)))
    assert again.get("d", "a") == b"1"
    assert cells_again[:] == b"abc"
    again.container.close()


def test_threads_write_side_by_side(container: millpond.Container) -> None:
    cells = container.create_array(chunk_cells=100)

    def write(part: int) -> None:
        for n in range(50):
            cells.write(part + 8 * n, bytes([part]))

    threads = [threading.Thread(target=write, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cells[:] == bytes(range(8)) * 50

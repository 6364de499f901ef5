"""Values as files: ValueReader and ValueWriter."""

from __future__ import annotations

import hashlib
import io
import resource
import shutil
import zipfile
from collections.abc import Iterator

import millpond
import pytest
from millpond import Dict

MIB = 1 << 20


def blocks(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield hashlib.shake_128(b"%d" % number).digest(MIB)


@pytest.fixture
def value(kv: Dict) -> bytes:
    value = b"".join(blocks(3)) + b"tail"
    kv["large"] = value
    return value


def test_reading(kv: Dict, value: bytes) -> None:
    with kv.reader("large") as reader:
        assert reader.length == len(value)
        assert reader.readable()
        assert reader.seekable()
        assert not reader.writable()
        assert reader.read(10) == value[:10]
        assert reader.tell() == 10
        assert reader.read() == value[10:]
        assert reader.read() == b""
    with pytest.raises(ValueError, match="closed"):
        reader.read(1)
    with pytest.raises(KeyError, match="'none' is not in"):
        kv.reader("none")


def test_seeking(kv: Dict, value: bytes) -> None:
    with kv.reader("large") as reader:
        assert reader.seek(MIB - 3) == MIB - 3
        assert reader.read(6) == value[MIB - 3 : MIB + 3]
        assert reader.seek(-4, io.SEEK_END) == len(value) - 4
        assert reader.read() == b"tail"
        assert reader.seek(-4, io.SEEK_CUR) == len(value) - 4
        assert reader.seek(len(value) + 7) == len(value) + 7
        assert reader.read(1) == b""
        with pytest.raises(ValueError, match="before the start"):
            reader.seek(-1)
        with pytest.raises(ValueError, match="whence"):
            reader.seek(0, 9)


def test_readinto(kv: Dict, value: bytes) -> None:
    target = bytearray(2 * MIB)
    with kv.reader("large") as reader:
        filled = 0
        while count := reader.readinto(memoryview(target)[filled:]):
            filled += count
        assert bytes(target) == value[: 2 * MIB]
        assert reader.readinto(bytearray()) == 0
        with pytest.raises((TypeError, BufferError)):
            reader.readinto(b"immutable")


def test_a_buffered_reader(kv: Dict, value: bytes) -> None:
    with io.BufferedReader(kv.reader("large"), 4096) as reader:
        assert reader.peek(3)[:3] == value[:3]
        assert reader.read(5000) == value[:5000]
        reader.seek(-4, io.SEEK_END)
        assert reader.readline() == b"tail"


def test_lines_of_text(kv: Dict) -> None:
    kv["text"] = "één\nzwei\n".encode()
    with io.TextIOWrapper(io.BufferedReader(kv.reader("text")), "utf-8") as text:
        assert list(text) == ["één\n", "zwei\n"]


def test_other_peoples_formats(kv: Dict) -> None:
    with kv.writer("zip") as writer, zipfile.ZipFile(writer, "w") as archive:
        archive.writestr("member", b"content")
    with zipfile.ZipFile(kv.reader("zip")) as archive:
        assert archive.read("member") == b"content"


def test_a_reader_shows_the_value_as_it_was(kv: Dict, value: bytes) -> None:
    with kv.reader("large") as reader:
        kv["large"] = b"new"
        kv.container.compact()
        assert reader.read() == value
    assert kv["large"] == b"new"


@pytest.mark.parametrize("length", [0, 1, 2048, 5000])
def test_short_values_are_files_too(kv: Dict, length: int) -> None:
    with kv.writer("short") as writer:
        for _ in range(length):
            assert writer.write(b"s") == 1
    assert kv["short"] == b"s" * length
    with kv.reader("short") as reader:
        assert reader.read() == b"s" * length


def test_writing(kv: Dict) -> None:
    kv["large"] = b"old"
    writer = kv.writer("large")
    assert writer.writable()
    assert not writer.readable()
    writer.write(b"a" * 3 * MIB)
    writer.write(bytearray(b"b"))
    writer.write(memoryview(b"-c-")[1:2])
    assert kv["large"] == b"old"
    assert writer.commit() is True
    assert kv["large"] == b"a" * 3 * MIB + b"bc"
    with pytest.raises(millpond.ClosedError):
        writer.commit()
    with pytest.raises(millpond.ClosedError):
        writer.write(b"more")
    writer.discard()
    writer.close()
    assert len(kv) == 1


def test_an_exception_discards(kv: Dict) -> None:
    with pytest.raises(ZeroDivisionError), kv.writer("large") as writer:
        writer.write(b"a" * MIB)
        raise ZeroDivisionError
    assert "large" not in kv


def test_discarding_and_dropping(kv: Dict) -> None:
    writer = kv.writer("large")
    writer.write(b"a" * MIB)
    writer.discard()
    with pytest.warns(ResourceWarning, match="before its commit"):
        kv.writer("large")
    assert "large" not in kv


def test_a_buffered_writer(kv: Dict) -> None:
    with io.BufferedWriter(kv.writer("large"), 4096) as writer:
        for number in range(10_000):
            writer.write(b"%d\n" % number)
    assert kv["large"] == b"".join(b"%d\n" % number for number in range(10_000))


def test_memory_stays_bounded(kv: Dict) -> None:
    count = 192
    before = _memory_peak()
    with kv.writer("huge") as writer:
        for block in blocks(count):
            writer.write(block)
    digest = hashlib.sha256()
    with kv.reader("huge") as reader:
        assert reader.length == count * MIB
        shutil.copyfileobj(reader, _Hashed(digest), MIB)
    expected = hashlib.sha256()
    for block in blocks(count):
        expected.update(block)
    assert digest.digest() == expected.digest()
    assert _memory_peak() - before < 96 * MIB


class _Hashed:
    def __init__(self, digest: hashlib._Hash) -> None:
        self.write = digest.update


def _memory_peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

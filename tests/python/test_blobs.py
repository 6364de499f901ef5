"""Stores of blobs, as Python sees them."""

from __future__ import annotations

import gc
import hashlib
import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import h5py
import millpond
import pytest
from millpond.compat.disk_objectstore import Container


@pytest.fixture
def blobs(container: millpond.Container) -> millpond.Blobs:
    return container.create_blobs()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


CONTENTS = [b"", b"a", b"text " * 1000, os.urandom(5000), b"line\n" * 500_000, os.urandom(3 << 20)]


def test_blobs_come_back_from_every_kind_of_source(blobs: millpond.Blobs, tmp_path: Path) -> None:
    for content in CONTENTS:
        path = tmp_path / "file"
        path.write_bytes(content)
        with path.open("rb") as file:
            for source in (content, bytearray(content), memoryview(content), io.BytesIO(content), path, file):
                assert blobs.insert(source) == sha256(content)
                assert blobs.hash_of(content) == sha256(content)
        assert blobs.extract(sha256(content)) == content
        copy = io.BytesIO()
        assert blobs.extract(sha256(content), into=copy) == len(content)
        assert copy.getvalue() == content
    assert len(blobs) == len(CONTENTS)
    assert sorted(map(sha256, CONTENTS)) == list(blobs) == blobs.list()
    status = blobs.status()
    assert (status.count, status.raw_size) == (len(CONTENTS), sum(map(len, CONTENTS)))
    assert status.size < status.raw_size


def test_many_go_in_and_out_as_iterators(blobs: millpond.Blobs) -> None:
    contents = [os.urandom(i % 3000) for i in range(3000)]
    taken = 0

    def sources() -> Iterator[bytes]:
        nonlocal taken
        for content in contents:
            taken += 1
            yield content

    inserted = blobs.insert_many(sources())
    assert taken == 0
    ids = list(inserted)
    assert ids == list(map(sha256, contents))
    missing = sha256(b"never inserted")
    extracted = dict(blobs.extract_many([*ids, missing]))
    assert extracted.pop(missing) is None
    assert extracted == {sha256(content): content for content in contents}
    for id, file in blobs.open_many(ids[:50]):
        assert file is not None
        with file:
            assert sha256(file.read()) == id
    assert blobs.has_many([missing, ids[0]]) == [False, True]
    assert missing not in blobs
    assert ids[0] in blobs
    assert 7 not in blobs
    assert "not an id" not in blobs


def test_a_reader_is_a_binary_file(blobs: millpond.Blobs) -> None:
    content = b"".join(b"%07d\n" % i for i in range(100_000))
    for compression in ("none", "zlib+1", "zstd"):
        blobs.delete([sha256(content)])
        id = blobs.insert(content, compression=compression)
        meta = blobs.meta(id)
        assert (meta.id, meta.raw_size, meta.codec) == (id, len(content), compression.split("+")[0])
        with blobs.open(id) as file:
            assert file.readable()
            assert file.seekable()
            assert not file.writable()
            assert file.seek(-8, io.SEEK_END) == len(content) - 8
            assert file.read() == b"0099999\n"
            assert file.seek(800) == 800
            buffered = io.BufferedReader(file)
            assert buffered.readline() == b"0000100\n"
            assert buffered.seek(8, io.SEEK_CUR) == 816
            assert buffered.readline() == b"0000102\n"
            assert io.TextIOWrapper(buffered).readline() == "0000103\n"
        with pytest.raises(ValueError, match="closed"):
            file.read(1)


def test_an_hdf5_file_is_read_in_place(blobs: millpond.Blobs) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5["grid/energies"] = [float(i) for i in range(50_000)]
    for compression in ("none", "zstd"):
        blobs.delete(blobs.list())
        id = blobs.insert(file.getvalue(), compression=compression)
        with blobs.open(id) as reader, h5py.File(reader, "r") as h5:
            assert h5["grid/energies"][49_999] == 49_999.0
            assert h5["grid/energies"].shape == (50_000,)


def test_notes_are_kept_with_a_blob(blobs: millpond.Blobs) -> None:
    id = blobs.insert(b"content", note=b"from run 7")
    assert blobs.meta(id).note == b"from run 7"
    blobs.set_note(id, b"checked")
    assert blobs.meta_many([id, sha256(b"none")]) == [millpond.BlobMeta(id, 7, 7, "none", b"checked"), None]
    blobs.set_note(id, b"")
    assert blobs.meta(id).note is None
    with pytest.raises(millpond.ValueTooLongError):
        blobs.set_note(id, bytes(5000))


def test_what_is_missing_or_malformed_is_told(blobs: millpond.Blobs, container: millpond.Container) -> None:
    missing = sha256(b"never inserted")
    for call in (blobs.extract, blobs.open, blobs.meta):
        with pytest.raises(millpond.NotFoundError, match=missing):
            call(missing)
    assert blobs.delete([missing]) == []
    with pytest.raises(millpond.InvalidArgumentError):
        blobs.extract("x" * 64)
    with pytest.raises(millpond.InvalidArgumentError):
        blobs.extract(hashlib.sha1(b"").hexdigest())
    with pytest.raises(TypeError):
        blobs.extract(b"bytes")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"pathlib\.Path"):
        blobs.insert("a text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="binary"):
        blobs.insert(io.StringIO("a text"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="one str"):
        blobs.delete(missing)
    with pytest.raises(FileNotFoundError):
        blobs.insert(Path("/nowhere/at/all"))
    with pytest.raises(millpond.InvalidArgumentError, match="zstd"):
        blobs.insert(b"", compression="lz4")
    with pytest.raises(millpond.InvalidArgumentError):
        container.create_blobs("other", hash_type="md5")  # type: ignore[arg-type]
    with pytest.raises(millpond.NotFoundError):
        container.blobs("other")
    assert container.blob_stores() == ["blobs"]
    container.destroy_blobs("blobs")
    with pytest.raises(millpond.NotFoundError):
        len(blobs)


def test_what_a_source_raises_arrives_unchanged(blobs: millpond.Blobs) -> None:
    class UnpluggedError(Exception):
        pass

    class Breaking(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            raise UnpluggedError("the cable is out")

        def write(self, data: object, /) -> int:
            raise UnpluggedError("the cable is out")

    def sources() -> Iterator[bytes]:
        yield b"first"
        raise UnpluggedError("no more")

    def ids() -> Iterator[str]:
        yield sha256(b"first")
        raise UnpluggedError("no more")

    with pytest.raises(UnpluggedError, match="cable"):
        blobs.insert(Breaking())
    inserted = blobs.insert_many(sources())
    assert next(inserted) == sha256(b"first")
    with pytest.raises(UnpluggedError, match="no more"):
        next(inserted)
    with pytest.raises(UnpluggedError, match="cable"):
        blobs.extract(sha256(b"first"), into=Breaking())
    extracted = blobs.extract_many(ids())
    assert next(extracted) == (sha256(b"first"), b"first")
    with pytest.raises(UnpluggedError, match="no more"):
        next(extracted)
    assert len(blobs) == 1


def test_optimize_and_validate_tell_how_far_they_are(blobs: millpond.Blobs) -> None:
    contents = [b"%d " % i * 2000 for i in range(50)]
    list(blobs.insert_many(contents, compression="none"))
    told: list[tuple[int, int]] = []
    optimized = blobs.optimize(progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 50)
    assert told[-1] == (50, 50)
    assert (optimized.examined, optimized.changed) == (50, 50)
    assert optimized.size_after < optimized.size_before / 5
    assert blobs.status().size == optimized.size_after
    for full in (False, True):
        validated = blobs.validate(full=full)
        assert validated.is_valid()
        assert (validated.count, validated.invalid, validated.unreadable) == (50, {}, [])

    def enough(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blobs.validate(progress=enough)
    with pytest.raises(KeyboardInterrupt):
        blobs.optimize(compression="zlib", recompress=True, progress=enough)
    assert {blobs.extract(sha256(content)) for content in contents} == set(contents)


def test_blobs_take_part_in_transactions_and_snapshots(
    container: millpond.Container, blobs: millpond.Blobs, kv: millpond.Dict
) -> None:
    with pytest.raises(RuntimeError, match="give up"), container.transaction() as tx:
        tx[blobs].insert(b"given up")
        raise RuntimeError("give up")
    assert len(blobs) == 0
    with container.transaction() as tx:
        id = tx.blobs().insert(b"kept")
        tx[kv]["input"] = id.encode()
    assert blobs.extract(kv["input"].decode()) == b"kept"
    container.snapshot("then")
    blobs.delete([id])
    assert container.at("then").blobs().extract(id) == b"kept"
    difference = next(container.diff("then"))
    assert (difference.change, difference.blobs, difference.dict) == ("removed", "blobs", None)
    assert difference.key == bytes.fromhex(id)


def test_a_pickle_leads_to_the_same_store(container: millpond.Container, blobs: millpond.Blobs) -> None:
    id = blobs.insert(b"content")
    again = pickle.loads(pickle.dumps(blobs))
    assert again.extract(id) == b"content"
    assert "blobs" in repr(again)


def test_a_great_many_take_little_memory(blobs: millpond.Blobs) -> None:
    resource = pytest.importorskip("resource")
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(1 for _ in blobs.insert_many(b"%d " % i * 500 for i in range(60_000)))
    assert count == 60_000
    read = sum(len(content or b"") for _, content in blobs.extract_many(blobs))
    assert read == blobs.status().raw_size > 100_000_000
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 96 << 10, "in KiB: what they hold isn't in memory"


def test_a_folder_of_disk_objectstore_is_migrated(blobs: millpond.Blobs, tmp_path: Path) -> None:
    contents = [b"", b"short", b"text " * 1000, os.urandom(2 << 20)]
    with Container(tmp_path / "folder") as folder:
        folder.init_container()
        loose = [folder.add_object(content) for content in contents[:2]]
        packed = folder.add_objects_to_pack(contents[2:], compress=True)
    planned = blobs.migrate_from(tmp_path / "folder", dry_run=True)
    assert (planned.count, planned.present, len(blobs)) == (4, 0, 0)
    told: list[tuple[int, int]] = []
    migrated = blobs.migrate_from(
        tmp_path / "folder", progress=lambda done, total: told.append((done, total))
    )
    assert (migrated.count, migrated.bytes, migrated.damaged) == (4, sum(map(len, contents)), {})
    assert told[-1] == (4, 4)
    assert [blobs.extract(id) for id in [*loose, *packed]] == contents
    again = blobs.migrate_from(str(tmp_path / "folder"))
    assert (again.count, again.present) == (0, 4)
    with pytest.raises(millpond.NotFoundError):
        blobs.migrate_from(tmp_path / "nowhere")

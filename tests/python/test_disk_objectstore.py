"""The interface of disk-objectstore, on a folder of its own format and on a store of Millpond's."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import millpond
import pytest
from millpond.compat import disk_objectstore
from millpond.compat.disk_objectstore import CompressMode, Container, ObjectType, cli
from millpond.compat.disk_objectstore.exceptions import InconsistentContent, NotExistent, NotInitialised
from millpond.compat.disk_objectstore.utils import LazyOpener

CONTENTS = [b"", b"a", b"text " * 1000, os.urandom(5000), b"line\n" * 300_000]
ABSENT = "a" * 64


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(params=["folder", "native"])
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Container]:
    with Container(tmp_path / "container") as container:
        container.init_container(native=request.param == "native")
        yield container


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Container]:
    with Container(tmp_path / "folder") as container:
        container.init_container()
        yield container


def is_native(container: Container) -> bool:
    return (container.get_folder() / "pool.json").exists()


def test_objects_come_back(container: Container) -> None:
    keys = [container.add_object(content) for content in CONTENTS[:3]]
    keys += container.add_objects_to_pack(CONTENTS[3:], compress=True)
    assert keys == [sha256(content) for content in CONTENTS]
    assert [container.get_object_content(key) for key in keys] == CONTENTS
    assert container.get_objects_content(keys) == dict(zip(keys, CONTENTS, strict=True))
    assert container.get_objects_content([ABSENT], skip_if_missing=False) == {ABSENT: None}
    assert container.get_objects_content([ABSENT]) == {}
    assert container.has_objects([keys[0], ABSENT, "x", keys[4]]) == [True, False, False, True]
    assert container.has_object(keys[1])
    assert sorted(container.list_all_objects()) == sorted(keys)
    assert container.validate().is_valid()


def test_streams_are_binary_files(container: Container) -> None:
    content = os.urandom(200_000) + bytes(200_000)
    key = container.add_objects_to_pack([content], compress=True)[0]
    with container.get_object_stream(key) as stream:
        assert (stream.mode, stream.readable(), stream.seekable(), stream.writable()) == (
            "rb",
            True,
            True,
            False,
        )
        assert stream.read(3) == content[:3]
        assert stream.seek(-5, 2) == len(content) - 5
        assert stream.read() == content[-5:]
        assert stream.seek(100_000) == stream.tell() == 100_000
        part = bytearray(1000)
        assert stream.readinto(part) == 1000  # type: ignore[attr-defined]
        assert part == content[100_000:101_000]
        with pytest.raises(OSError, match="before the beginning"):
            stream.seek(-1)
        stream.flush()
    assert stream.closed
    with pytest.raises(ValueError, match="closed"):
        stream.read()


def test_an_hdf5_file_is_read_out_of_a_compressed_object(container: Container) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        written["field"] = list(range(50_000))
    key = container.add_objects_to_pack([file.getvalue()], compress=True)[0]
    with container.get_object_stream(key) as stream, h5py.File(stream, "r") as read:
        assert read["field"][49_999] == 49_999


def test_many_streams_with_what_is_known(container: Container) -> None:
    keys = container.add_objects_to_pack(CONTENTS)
    with container.get_objects_stream_and_meta(
        [*keys, keys[0], ABSENT, "strange"], skip_if_missing=False
    ) as found:
        streams = {key: (stream and stream.read(), meta) for key, stream, meta in found}
    assert set(streams) == {*keys, ABSENT, "strange"}
    assert streams[keys[2]][0] == CONTENTS[2]
    assert streams[keys[2]][1].type is ObjectType.PACKED
    assert streams[keys[2]][1]["size"] == len(CONTENTS[2])
    for missing in (ABSENT, "strange"):
        content, meta = streams[missing]
        assert (content, meta.type, meta.size, meta.pack_id) == (None, ObjectType.MISSING, None, None)
    metas = dict(container.get_objects_meta([*keys, ABSENT]))
    assert set(metas) == set(keys)
    assert container.get_object_meta(keys[1]) == metas[keys[1]]


@pytest.mark.parametrize("key", [ABSENT, "", "x", "../x", "A" * 64, "a" * 40])
def test_missing_objects(container: Container, key: str) -> None:
    assert not container.has_object(key)
    assert container.delete_objects([key]) == []
    for ask in (container.get_object_content, container.get_object_meta, container.loosen_object):
        with pytest.raises(NotExistent, match=f"No object with hash key {key}"):
            ask(key)
    with pytest.raises(NotExistent), container.get_object_stream(key):
        pass


def test_streams_and_lazy_files_are_stored(container: Container, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"of a file")
    key = container.add_streamed_object(io.BytesIO(CONTENTS[4]))
    opener = LazyOpener(path)
    lazy = container.add_streamed_objects_to_pack([opener, opener], open_streams=True)
    assert lazy == [sha256(b"of a file")] * 2
    with pytest.raises(ValueError, match="isn't open"):
        opener.tell()
    assert container.get_object_content(key) == CONTENTS[4]
    assert container.count_objects().packed >= 1


class BrokenError(Exception):
    pass


class Broken:
    """A stream that fails."""

    def read(self, size: int = -1) -> bytes:
        raise BrokenError


def test_what_a_stream_raises_arrives(container: Container) -> None:
    for store in (
        lambda: container.add_streamed_object(Broken()),
        lambda: container.add_streamed_objects_to_pack([io.BytesIO(b"sound"), Broken()]),
        lambda: container.add_streamed_object_to_pack(Broken()),
    ):
        with pytest.raises(BrokenError):
            store()
    for wrong in (io.StringIO("text"), None):
        with pytest.raises((TypeError, AttributeError)):
            container.add_streamed_object(wrong)
    with pytest.raises(TypeError):
        container.add_object("text")  # type: ignore[arg-type]
    assert container.validate().is_valid()


def test_what_a_callback_raises_arrives(container: Container) -> None:
    def callback(action: str, value: Any) -> None:
        raise BrokenError(action)

    container.add_object(b"loose")
    for work in (
        lambda: container.add_objects_to_pack([b"one"], callback=callback),
        lambda: container.pack_all_loose(callback=callback),
        lambda: container.validate(callback=callback),
        lambda: container.repack(callback=callback),
    ):
        with pytest.raises(BrokenError, match="init"):
            work()
        container.add_objects_to_pack([b"so that there is a pack"])
    assert container.validate().is_valid()
    assert container.has_object(sha256(b"loose"))


def test_callbacks_of_a_store_of_millpond(tmp_path: Path) -> None:
    container = Container(tmp_path / "native")
    container.init_container(native=True)
    told: list[tuple[str, Any]] = []
    container.add_objects_to_pack(
        [b"one", b"two"], callback=lambda action, value: told.append((action, value))
    )
    assert told == [
        ("init", {"total": 2, "description": "Bulk storing"}),
        ("update", 1),
        ("update", 1),
        ("close", None),
    ]
    for work in (container.pack_all_loose, container.validate, container.repack):
        told.clear()
        work(callback=lambda action, value: told.append((action, value)))
        assert [told[0][0], told[-1][0]] == ["init", "close"]
        assert sum(value for action, value in told if action == "update") == told[0][1]["total"]


def test_maintenance(container: Container) -> None:
    keys = [container.add_object(content) for content in CONTENTS]
    container.pack_all_loose(compress=CompressMode.AUTO)
    container.clean_storage(vacuum=True)
    assert container.count_objects().loose == 0
    assert sorted(container.delete_objects([keys[3], ABSENT, keys[3]])) == [keys[3]]
    for mode in CompressMode:
        container.repack(compress_mode=mode)
        assert container.get_objects_content(keys[:3]) == dict(zip(keys[:3], CONTENTS[:3], strict=True))
    assert container.count_objects()["packed"] == 4
    sizes = container.get_total_size()
    assert sizes["total_size_packed"] == sum(map(len, CONTENTS)) - 5000
    assert sizes.total_size_loose == 0
    assert set(dataclasses.asdict(sizes)) == {
        "total_size_packed",
        "total_size_packed_on_disk",
        "total_size_packfiles_on_disk",
        "total_size_packindexes_on_disk",
        "total_size_loose",
    }
    assert container.validate().is_valid()
    with pytest.raises(NotImplementedError):
        container.pack_all_loose(compress="yes")  # type: ignore[arg-type]


def test_a_lazy_loose_stream(container: Container) -> None:
    key = container.add_objects_to_pack([b"from packed to loose"], compress=True)[0]
    stream = container.get_lazy_loose_stream(key)
    assert stream.closed
    with stream:
        assert stream.read(4) == b"from"
        assert stream.seek(-5, 2) == 15
        assert stream.read() == b"loose"
        assert container.loosen_object(key).read_bytes() == b"from packed to loose"
    assert stream.closed


@pytest.mark.parametrize("from_native", [False, True])
@pytest.mark.parametrize("to_native", [False, True])
@pytest.mark.parametrize("hash_type", ["sha256", "sha1"])
def test_objects_are_imported(tmp_path: Path, from_native: bool, to_native: bool, hash_type: str) -> None:
    source, target = Container(tmp_path / "source"), Container(tmp_path / "target")
    source.init_container(native=from_native)
    target.init_container(native=to_native, hash_type=hash_type)
    keys = source.add_objects_to_pack(CONTENTS)
    names = target.import_objects([*keys, ABSENT], source)
    assert names == {
        key: hashlib.new(hash_type, content).hexdigest() for key, content in zip(keys, CONTENTS, strict=True)
    }
    contents = dict(zip(keys, CONTENTS, strict=True))
    assert target.get_objects_content(names.values()) == {names[key]: contents[key] for key in keys}
    again = target.import_objects(keys, source)
    assert again == ({} if hash_type == "sha256" else names)


def test_settings(tmp_path: Path) -> None:
    for native in (False, True):
        container = Container(tmp_path / f"{native}")
        assert not container.is_initialised
        settings = {
            "pack_size_target": 1000,
            "loose_prefix_len": 3,
            "hash_type": "sha1",
            "compression_algorithm": "zlib+9",
        }
        container.init_container(**settings, native=native)  # type: ignore[arg-type]
        again = Container(str(tmp_path / f"{native}"))
        assert again.is_initialised
        assert {name: getattr(again, name) for name in settings} == settings
        assert again.container_id == container.container_id
        assert len(bytes.fromhex(again.container_id)) == 16
        before = again.container_id
        with pytest.raises(FileExistsError):
            again.init_container(native=native)
        key = again.add_object(b"gone")
        again.init_container(clear=True, native=native)
        assert again.container_id != before
        assert (again.hash_type, again.has_object(key)) == ("sha256", False)
        again.init_container(clear=True, native=not native)
        assert is_native(again) is not native
        again.close()
        container.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"hash_type": "md5"},
        {"compression_algorithm": "zlib+0"},
        {"compression_algorithm": "gzip"},
        {"loose_prefix_len": -1},
        {"pack_size_target": 0},
    ],
)
def test_what_a_container_can_not_be(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"take|there is no"):
        Container(tmp_path / "x").init_container(**wrong)
    assert not (tmp_path / "x").exists()


def test_nothing_is_there_before_it_is_initialised(tmp_path: Path) -> None:
    container = Container(tmp_path / "none")
    for name in (
        "loose_prefix_len",
        "pack_size_target",
        "hash_type",
        "container_id",
        "compression_algorithm",
    ):
        with pytest.raises(NotInitialised):
            getattr(container, name)
    for refused in (
        lambda: container.add_object(b""),
        container.pack_all_loose,
        lambda: container.loosen_object(ABSENT),
    ):
        with pytest.raises(NotInitialised):
            refused()
    with pytest.raises(ValueError, match="init_container"):
        container.add_objects_to_pack([b""])
    for ask in (
        lambda: container.get_object_content(ABSENT),
        lambda: container.has_object(ABSENT),
        lambda: list(container.list_all_objects()),
        lambda: container.delete_objects([ABSENT]),
        container.count_objects,
        container.get_total_size,
        container.validate,
        container.clean_storage,
        container.repack,
    ):
        with pytest.raises(FileNotFoundError):
            ask()
    assert not (tmp_path / "none").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    for native in (False, True):
        with pytest.raises(FileExistsError):
            Container(tmp_path / "other").init_container(native=native)


def test_a_folder_that_is_made_anew_while_another_handle_was_closed(folder: Container) -> None:
    path = folder.get_folder()
    key = folder.add_objects_to_pack([b"before"])[0]
    folder.close()
    copy = path.with_name("copy")
    shutil.copytree(path, copy)
    shutil.rmtree(path)
    assert not Container(path).is_initialised
    with Container(path) as again:
        again.init_container()
        assert not again.has_object(key)
    shutil.rmtree(path)
    copy.rename(path)
    with Container(path) as restored:
        assert restored.get_object_content(key) == b"before"


def test_what_is_not_committed_is_forgotten_by_a_close(folder: Container) -> None:
    key = folder.add_objects_to_pack([b"waits"], do_commit=False)[0]
    assert folder.has_object(key)
    assert not Container(folder.get_folder()).has_object(key)
    folder.close()
    assert not folder.has_object(key)


def test_descriptors_stay_few(tmp_path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    def use(number: int) -> None:
        with Container(tmp_path / f"{number}") as container:
            if not container.is_initialised:
                container.init_container()
            container.add_objects_to_pack([b"x"])
            assert container.get_object_content(sha256(b"x")) == b"x"

    for number in range(8):
        use(number)
    before = count()
    for number in range(24):
        use(number)
    assert count() <= before


def test_a_forked_child_uses_what_its_parent_closed(container: Container) -> None:
    key = container.add_objects_to_pack([b"before the fork"])[0]
    path = container.get_folder()
    container.close()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with Container(path) as inherited:
                assert inherited.get_object_content(key) == b"before the fork"
                inherited.add_object(b"of the child")
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    with Container(path) as again:
        assert again.get_object_content(key) == b"before the fork"
        assert again.get_object_content(sha256(b"of the child")) == b"of the child"


def test_threads_share_a_container(container: Container) -> None:
    keys = container.add_objects_to_pack([bytes([number]) * 1000 for number in range(100)])

    def read(key: str) -> bool:
        with Container(container.get_folder()) as own:
            return own.get_object_content(key) == container.get_object_content(key)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, keys * 3))


def test_damage_is_told(folder: Container) -> None:
    key = folder.add_objects_to_pack([b"text " * 1000], compress=True)[0]
    loose = folder.add_object(b"loose")
    pack = folder.get_folder() / "packs" / "0"
    pack.write_bytes(bytes(pack.stat().st_size))
    next(folder.get_folder().glob(f"loose/*/{loose[2:]}")).write_bytes(b"wrong")
    with pytest.raises(InconsistentContent, match="damaged"):
        folder.get_object_content(key)
    with folder.get_object_stream(key) as stream, pytest.raises(InconsistentContent):
        stream.read()
    with pytest.raises(InconsistentContent):
        folder.pack_all_loose()
    issues = folder.validate()
    assert (issues.invalid_hashes_loose, issues["invalid_hashes_packed"]) == ([loose], [key])
    assert not issues.is_valid()


def test_folders_of_another_version_are_refused(folder: Container) -> None:
    config = folder.get_folder() / "config.json"
    text = config.read_text().replace('"container_version": 1', '"container_version": 2')
    config.unlink()
    config.write_text(text)
    with pytest.raises(millpond.errors.IncompatibleError, match="container_version"):
        Container(folder.get_folder()).get_object_content(ABSENT)


def test_a_pack_is_locked(folder: Container) -> None:
    folder.add_objects_to_pack([b"x"])
    with folder.lock_pack("0") as pack:
        assert pack.tell() == 1
        with pytest.raises(FileExistsError), folder.lock_pack("0"):
            pass
        assert (folder.get_folder() / "packs" / "0.lock").exists()
    assert not (folder.get_folder() / "packs" / "0.lock").exists()
    for wrong in ("x", "01", "-1"):
        with pytest.raises(AssertionError):
            folder.repack_pack(wrong)


def test_a_directory_that_stands_for_a_container(pool: millpond.Pool, tmp_path: Path) -> None:
    with pool.create_container("files", type="BLOB", path=tmp_path / "files") as made:
        key = made.create_blobs().insert(b"of Millpond")
    with Container(tmp_path / "files") as container:
        assert container.is_initialised
        assert container.get_object_content(key) == b"of Millpond"
        assert container.container_id == made.uuid.hex
        with pytest.raises(FileExistsError, match="stands for"):
            container.init_container(clear=True)
    made_pool = millpond.Pool.open("lab")
    assert made_pool.containers()[0].label == "files"


def test_the_environment_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLPOND_DISK_OBJECTSTORE", "native")
    with Container(tmp_path / "chosen") as container:
        container.init_container(clear=True)
        assert is_native(container)
        assert container.add_object(b"x") == sha256(b"x")


def test_the_logger() -> None:
    assert logging.getLogger("disk_objectstore") is disk_objectstore.LOGGER


def run(*arguments: str) -> int:
    return cli.main(arguments)


def test_dostore(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "store")
    assert run("-p", path, "status") == 1
    assert "there is no container" in capsys.readouterr().err
    assert run("-p", path, "create", "-a", "gzip") == 1
    assert run("-p", path, "create", "-a", "zlib+3") == 0
    assert run("-p", path, "create") == 1
    file = tmp_path / "file"
    file.write_bytes(b"content")
    assert run("-p", path, "add-files", str(file)) == 0
    assert f"{sha256(b'content')}: {file}" in capsys.readouterr().out
    assert run("-p", path, "add-files", str(tmp_path / "none")) == 2
    assert run("-p", path, "optimize", "-n", "--no-compress", "--vacuum") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("-p", path, "optimize") == 1
    capsys.readouterr()
    assert run("-p", path, "status") == 0
    status = json.loads(capsys.readouterr().out)
    assert set(status) == {"path", "id", "compression", "count", "size"}
    assert status["compression"] == "zlib+3"
    assert status["count"] == {"packed": 1, "loose": 0, "pack_files": 1}
    assert run("-p", path, "validate") == 0
    assert "the container is valid" in capsys.readouterr().out
    (tmp_path / "store" / "packs" / "0").write_bytes(b"damaged")
    assert run("-p", path, "validate", "-v") == 1
    shown = capsys.readouterr().out
    assert "1 objects with error 'invalid_hashes_packed'" in shown
    assert sha256(b"content") in shown
    assert run("-p", path, "backup", str(tmp_path / "b"), "--rsync-exe", "there-is-no-such-program") == 1
    with pytest.raises(SystemExit) as ended:
        run("-p", path, "repack")
    assert ended.value.code == 2


PROGRAM = """
import dataclasses, disk_objectstore
from disk_objectstore import CompressMode, Container, ObjectType
from disk_objectstore.backup_utils import BackupError, BackupManager, backup_container
from disk_objectstore.container import Container as same
from disk_objectstore.dataclasses import ObjectCount
from disk_objectstore.exceptions import NotExistent
from disk_objectstore.utils import LazyOpener, PackedObjectReader, ZlibStreamDecompresser
import sys

assert same is Container
with Container(sys.argv[1]) as container:
    container.init_container(clear=True)
    assert isinstance(container, disk_objectstore.Container)
    key = container.add_object(b"unmodified")
    print(container.get_object_content(key).decode(), disk_objectstore.__version__)
"""


def test_an_unmodified_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "container")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "shims" / "disk_objectstore")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "unmodified 1.5.0\n"


def test_the_installed_distribution_keeps_the_original_away() -> None:
    try:
        version = importlib.metadata.version("disk-objectstore")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the shim isn't installed: pip install ./shims/disk_objectstore")
    assert version == f"{disk_objectstore.__version__}+millpond"
    command = importlib.metadata.entry_points(group="console_scripts", name="dostore")
    assert {entry.load() for entry in command} == {cli.main}

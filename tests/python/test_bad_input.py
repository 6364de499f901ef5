"""What people get wrong and disks do wrong: each has its own error, which names the thing."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import millpond
import pytest
import workers
from millpond import Container, Dict, Pool

UUID = "12345678-1234-1234-1234-123456789012"


def test_a_label_that_is_a_uuid(pool: Pool) -> None:
    with pytest.raises(millpond.InvalidArgumentError, match="UUID"):
        Pool.create(UUID)
    with pytest.raises(millpond.InvalidArgumentError, match="UUID"):
        pool.create_container(UUID)


def test_a_second_create(pool: Pool) -> None:
    with pytest.raises(millpond.AlreadyExistsError, match="lab"):
        Pool.create("lab")
    pool.create_container("kv").create_dict("d")
    with pytest.raises(millpond.AlreadyExistsError, match="kv"):
        pool.create_container("kv")
    with pytest.raises(millpond.AlreadyExistsError, match="d"):
        pool.container("kv").create_dict("d")


def test_what_is_missing(pool: Pool, home: Path, tmp_path: Path) -> None:
    with pytest.raises(millpond.NotFoundError, match=str(home / "lake")):
        Pool.open("lake")
    with pytest.raises(millpond.NotFoundError, match=UUID):
        Pool.open(UUID)
    with pytest.raises(millpond.NotFoundError):
        Pool.open(f"file://{tmp_path}/nowhere")
    with pytest.raises(millpond.NotFoundError, match="kv"):
        pool.container("kv")
    with pytest.raises(millpond.NotFoundError):
        pool.destroy_container("kv")
    with pytest.raises(millpond.NotFoundError):
        Pool.destroy("lake")


@pytest.mark.parametrize("name", ["kv", "", "lab/", "/", "http://lab/kv", "rados:hot/kv"])
def test_what_isnt_the_name_of_a_container(name: str) -> None:
    with pytest.raises(millpond.Error) as caught:
        Container.open(name)
    assert str(caught.value)


def test_a_key_too_long(kv: Dict) -> None:
    for use in (
        lambda: kv.put(b"k" * 1025, b""),
        lambda: kv[b"k" * 1025],
        lambda: kv.bput({b"k" * 1025: b""}),
        lambda: kv.writer(b"k" * 1025),
    ):
        with pytest.raises(millpond.KeyTooLongError, match="1024"):
            use()
    assert len(kv) == 0


def test_a_name_too_long(container: Container) -> None:
    with pytest.raises(millpond.Error):
        container.create_dict("n" * 10_000)
    with pytest.raises(millpond.ValueTooLongError):
        container.attributes["note"] = "x" * 100_000


def test_a_value_over_the_quota() -> None:
    pool = Pool.create("small", size="32MiB")
    kv = pool.create_container("kv", durability="async").create_dict("d")
    kv["kept"] = b"k" * 1_000_000
    for use in (lambda: kv.put("large", bytes(40 << 20)), lambda: kv.bput({"large": bytes(40 << 20)})):
        with pytest.raises(millpond.NoSpaceError, match="32") as caught:
            use()
        assert isinstance(caught.value, OSError)
    with pytest.raises(millpond.NoSpaceError), kv.writer("large") as writer:
        for _ in range(40):
            writer.write(bytes(1 << 20))
    assert kv == {"kept": b"k" * 1_000_000}
    for round_number in range(4):
        with pytest.raises(millpond.NoSpaceError):
            for number in range(100):
                kv[f"{round_number}-{number}"] = bytes([round_number]) * 1_000_000
        assert len(kv) > 10
        kv.apply(dict.fromkeys((key for key in kv if key != b"kept"), None))
    assert kv == {"kept": b"k" * 1_000_000}
    assert pool.query().used <= 32 << 20
    assert kv.container.check().healthy


def test_a_pool_of_a_newer_format(pool: Pool, home: Path) -> None:
    pool.close()
    path = home / "lab" / "pool.json"
    document = json.loads(path.read_text())
    (version,) = [name for name, value in document.items() if "format" in name and isinstance(value, int)]
    path.write_text(json.dumps({**document, version: 99}))
    with pytest.raises(millpond.IncompatibleError, match=r"pool\.json"):
        Pool.open("lab")


# ---- files that are damaged or not ours


@pytest.fixture
def closed(pool: Pool, home: Path) -> Path:
    """The directory of a closed container that has a run, a segment and a log."""
    with pool.create_container("kv", log_size="1MiB") as container:
        kv = container.create_dict("d")
        kv.bput((b"%05d" % number, b"v" * 100) for number in range(5000))
        kv["large"] = random.Random(1).randbytes(300_000)
        container.compact()
        kv["last"] = b"in the log"
        uuid = str(container.uuid)
    pool.close()
    directory = home / "lab" / "containers" / uuid
    assert all(any((directory / part).iterdir()) for part in ("runs", "segments", "log"))
    return directory


def read_everything() -> dict[bytes, bytes]:
    with Container.open("lab/kv") as container:
        return container.dict("d").dump()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def replace_by_foreign(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7 this is somebody else's file\n" * 100)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = [truncate, empty, replace_by_foreign, flip_a_bit]


def files(container: Path, what: str) -> list[Path]:
    pool = container.parent.parent
    return {
        "pool.json": [pool / "pool.json"],
        "container.json": [container / "container.json"],
        "manifest": [container / "manifest"],
        "run": sorted((container / "runs").iterdir()),
        "segment": sorted((container / "segments").iterdir()),
    }[what]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("what", ["pool.json", "container.json", "manifest", "run", "segment"])
def test_damaged_files_are_named(closed: Path, what: str, damage: Callable[[Path], None]) -> None:
    expected = read_everything()
    assert len(expected) == 5002
    # The largest one, which holds what everything reads.
    path = max(files(closed, what), key=lambda path: path.stat().st_size)
    damage(path)
    with pytest.raises((millpond.CorruptError, millpond.IncompatibleError)) as caught:
        found = read_everything()
        # A flipped bit may lie where nothing is, and the manifest is in its file twice: then nothing may
        # be wrong.
        if damage is flip_a_bit or what == "manifest":
            assert found == expected
            pytest.skip("the damage means nothing")
    assert path.name in str(caught.value)


@pytest.mark.parametrize("what", ["pool.json", "container.json", "manifest", "run", "segment"])
def test_missing_files_are_named(closed: Path, what: str) -> None:
    path = max(files(closed, what), key=lambda path: path.stat().st_size)
    path.unlink()
    with pytest.raises((millpond.CorruptError, millpond.NotFoundError, millpond.IncompatibleError)) as caught:
        read_everything()
    assert path.name in str(caught.value) or what in ("pool.json", "container.json")


@pytest.mark.parametrize("damage", [replace_by_foreign, flip_a_bit])
def test_a_damaged_log_is_never_taken_for_right(
    pool: Pool, home: Path, damage: Callable[[Path], None]
) -> None:
    """Damage at the log's end is what a power cut leaves, and ends the log; it never yields other data."""
    container = pool.create_container("kv", log_size="1MiB")
    directory = home / "lab" / "containers" / str(container.uuid)
    kv = container.create_dict("d")
    for number in range(100):
        kv[f"{number:03}"] = b"%03d" % number * 50
    container.flush()
    crashed = home / "crashed"
    # As if the machine had died: the files as they are, without the close.
    shutil.copytree(home / "lab", crashed)
    container.close()
    pool.close()
    (log,) = (crashed / "containers" / directory.name / "log").iterdir()
    damage(log)
    try:
        with Container.open(f"file://{crashed}/kv") as survivor:
            found = survivor.dict("d").dump()
    except millpond.Error as error:
        assert log.name in str(error) or "dictionary" in str(error)  # noqa: PT017
    else:
        whole = {b"%03d" % number: b"%03d" % number * 50 for number in range(100)}
        assert found.items() <= whole.items()
        assert sorted(found) == sorted(whole)[: len(found)]


def test_check_finds_what_is_damaged(closed: Path) -> None:
    path = max(files(closed, "segment"), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[100_000] ^= 1
    path.write_bytes(content)
    with Container.open("lab/kv") as container:
        report = container.check()
        assert not report.healthy
        assert path.name in report.damages[0].place
        with pytest.raises(millpond.CorruptError, match=path.name):
            container.dict("d")["large"]
        assert container.dict("d")["00001"] == b"v" * 100


# ---- permissions


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that every user may read, as those of pytest aren't."""
    with tempfile.TemporaryDirectory(prefix="millpond-users-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def as_nobody(work: Callable[[], object]) -> str:
    """Answers what `work` answers a user without rights: another one, if this is root."""

    def drop_rights() -> object:
        if os.geteuid() == 0:
            os.setuid(65534)
        return work()

    return workers.in_child(drop_rights)


def test_a_read_only_directory(open_to_all: Path) -> None:
    sealed = open_to_all / "sealed"
    sealed.mkdir(mode=0o555)
    answer = as_nobody(lambda: Pool.create(f"file://{sealed}/pool"))
    assert answer.startswith("PermissionDeniedError: ")
    assert str(sealed) in answer
    assert list(sealed.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_users_pool(open_to_all: Path) -> None:
    url = f"file://{open_to_all}/pool"
    pool = Pool.create(url)
    kv = pool.create_container("kv").create_dict("d")
    for use in (lambda: Pool.open(url), lambda: Container.open(f"{url}/kv")):
        answer = as_nobody(use)
        assert answer.startswith("PermissionDeniedError: "), answer
        assert str(open_to_all / "pool") in answer
    kv["a"] = b"1"
    assert kv == {"a": b"1"}


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(millpond.Error, match="file"):
        Pool.create(f"file://{tmp_path}/file/pool")
    with pytest.raises(millpond.Error, match="file"):
        Pool.open(f"file://{tmp_path}/file")


def test_nobody_else_may_read(closed: Path) -> None:
    for directory, _, names in os.walk(closed.parent.parent):
        assert Path(directory).stat().st_mode & 0o077 == 0
        assert all(Path(directory, name).stat().st_mode & 0o077 == 0 for name in names)

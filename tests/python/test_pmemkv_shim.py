"""The distribution in shims/pmemkv: unmodified programs find ``pmemkv`` and ``pmemkv_NI``."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from millpond.compat import pmemkv as compat
from millpond.compat.pmemkv import pmemkv_NI

SHIM = Path(__file__).parent.parent.parent / "shims" / "pmemkv"
JSON = '{"path":"/dev/shm/","size":1073741824}'

# In the manner of programs of each version: a tool for a store on the command line, of 1.0 ...
TOOL = """
import pmemkv
import sys

path, *rest = sys.argv[1:]
try:
    db = pmemkv.Database("cmap", {"path": path, "size": 64 << 20, "create_if_missing": 1})
except pmemkv.Error as error:
    sys.exit(f"cannot open {path}: {error}")
if len(rest) == 2:
    db.put(*rest)
elif rest:
    try:
        db.get(rest[0], lambda value: print(memoryview(value).tobytes().decode()))
    except KeyError:
        print("no such key")
else:
    db.get_all(lambda key, value: print(memoryview(key).tobytes(), memoryview(value).tobytes()))
db.stop()
"""

# ... a program of the version of the article ...
OLDER = """
from pmemkv import Database
from pmemkv.pmemkv import Database as same

assert same is Database
db = Database("vsmap", '{"path":"/dev/shm","size":1073741824}')
db.put("key1", "value1")
assert db.count_all() == 1
assert db.get("key1") == "value1"
db.put("key2", "value2")
db.put("key3", "value3")
db.get_keys_strings(lambda key: print("visited", key.decode()))
db.get_all_string(lambda key, value: print(key.decode(), value.decode()))
db.remove("key1")
assert not db.exists("key1") and db.get("key1") is None
db.stop()
"""

# ... and one that makes a class of its own of the extension module, as the article does.
OWN_CLASS = """
import pmemkv_NI

class Store:
    def __init__(self, engine, config):
        pmemkv_NI.Start(engine, config)
        self.stopped = False

    def read(self, key, encoding="utf-8"):
        return pmemkv_NI.get(key).encode(encoding)

    def each(self, func, encoding="utf-8"):
        return pmemkv_NI.get_all(lambda k, v: func(k.encode(encoding), v.encode(encoding)))

    def stop(self):
        if not self.stopped:
            self.stopped = True
            pmemkv_NI.stop()

store = Store("vsmap", '{"path":"/dev/shm/","size":1073741824}')
pmemkv_NI.put("key", "value")
store.each(print)
print(store.read("key"), pmemkv_NI.exists("key"), pmemkv_NI.count_above("a"), pmemkv_NI.remove("key"))
store.stop()
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SHIM), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_program_of_1_0(tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    assert run(TOOL, path, "key", "value") == ""
    assert run(TOOL, path, "key") == "value\n"
    assert run(TOOL, path, "other") == "no such key\n"
    run(TOOL, path, "k\t2", "v 2")
    assert sorted(run(TOOL, path).splitlines()) == ["b'k\\t2' b'v 2'", "b'key' b'value'"]


def test_a_program_of_before() -> None:
    assert run(OLDER) == "visited key1\nvisited key2\nvisited key3\nkey1 value1\nkey2 value2\nkey3 value3\n"


def test_a_program_with_a_class_of_its_own() -> None:
    assert run(OWN_CLASS) == "b'key' b'value'\nb'value' True 1 True\n"


def test_the_shim_has_all_names() -> None:
    program = "import pmemkv, pmemkv_NI; print(sorted(pmemkv.__all__), sorted(pmemkv_NI.__all__))"
    assert run(program) == f"{sorted(compat.__all__)} {sorted(pmemkv_NI.__all__)}\n"


def test_the_installed_distribution_keeps_the_original_away() -> None:
    try:
        version = importlib.metadata.version("pmemkv")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the shim isn't installed: pip install ./shims/pmemkv")
    assert version.endswith("+millpond")
    import pmemkv  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import pmemkv_NI as extension  # type: ignore[import-not-found, import-untyped, unused-ignore]

    assert pmemkv.Database is compat.Database
    assert extension.get is pmemkv_NI.get


@pytest.fixture
def stopped() -> Iterator[None]:
    """The extension module's database is the process's."""
    yield
    pmemkv_NI.stop()


@pytest.mark.usefixtures("stopped")
def test_functions_of_the_extension_module() -> None:
    with pytest.raises(compat.InvalidArgument):
        pmemkv_NI.put("key", "value")
    with pytest.raises(compat.InvalidArgument):
        pmemkv_NI.count_all()
    pmemkv_NI.start("vsmap", JSON)
    assert pmemkv_NI.put("key", "value") == 0
    assert pmemkv_NI.get("key") == "value"
    assert pmemkv_NI.get("nothing") is None
    pmemkv_NI.put("other", "more")
    seen: list[object] = []
    pmemkv_NI.get_keys(seen.append)
    pmemkv_NI.get_keys_above("key", seen.append)
    pmemkv_NI.get_keys_below("other", seen.append)
    pmemkv_NI.get_keys_between("a", "l", seen.append)
    assert seen == ["key", "other", "other", "key", "key"]
    seen.clear()
    pmemkv_NI.get_all(lambda key, value: seen.append(value))
    pmemkv_NI.get_above("key", lambda key, value: seen.append(value))
    pmemkv_NI.get_below("other", lambda key, value: seen.append(value))
    pmemkv_NI.get_between("a", "l", lambda key, value: seen.append(value))
    assert seen == ["value", "more", "more", "value", "value"]
    counts = (pmemkv_NI.count_above("key"), pmemkv_NI.count_below("key"), pmemkv_NI.count_between("a", "z"))
    assert counts == (1, 0, 2)
    # Starting another database stops this one; one that can't be started leaves it.
    with pytest.raises(compat.WrongEngineName):
        pmemkv_NI.Start("nope", JSON)
    assert pmemkv_NI.count_all() == 2
    pmemkv_NI.Start("vcmap", JSON)
    assert pmemkv_NI.count_all() == 0
    pmemkv_NI.stop()
    pmemkv_NI.stop()


def test_the_class_of_the_extension_module() -> None:
    one, other = pmemkv_NI.pmemkv_NI(), pmemkv_NI.pmemkv_NI()
    with pytest.raises(compat.InvalidArgument):
        one.put("key", "value")
    one.start("vsmap", JSON)
    other.start("vsmap", JSON)
    one.put("key", "value")
    assert one.get_string("key") == "value"
    assert not other.exists("key")
    seen: list[bytes] = []
    one.get("key", lambda value: seen.append(bytes(value)))
    one.get_all(lambda key, value: seen.append(bytes(key)))
    assert seen == [b"value", b"key"]
    with pytest.raises(KeyError):
        other.get_string("key")
    one.stop()
    other.stop()

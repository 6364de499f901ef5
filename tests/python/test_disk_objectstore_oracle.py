"""Millpond's interface of disk-objectstore beside disk-objectstore itself: the same answers, exceptions and
callbacks; and both in turn on one folder.

disk-objectstore runs in the environment that `make oracle` makes, since the shim has its name.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "tests" / "oracle" / "serve.py"
THEIRS = ROOT / ".venv-oracle" / "bin" / "python"
SHIM = ROOT / "shims" / "disk_objectstore"

pytestmark = pytest.mark.skipif(not THEIRS.exists(), reason="disk-objectstore isn't installed: make oracle")

# Where a bug is planted, to see that it is found.
PLANTED = """
import runpy, sys
from disk_objectstore import Container
honest = Container.has_object
Container.delete_objects = lambda self, keys: [key for key in keys if honest(self, key)]
sys.path.insert(0, {directory!r})
runpy.run_path({server!r}, run_name="__main__")
"""


class Store:
    """One of the two, in a process of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def does(self, name: str, *arguments: Any) -> Any:
        """What it answers, or the name of the exception, with a mark before it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process ended at {name}"
        answer = json.loads(line)
        return answer["ok"] if "ok" in answer else f"! {answer['error']}"

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def start(is_ours: bool, program: str | None = None) -> Store:
    if not is_ours:
        return Store([str(THEIRS), str(SERVER)], {})
    command = ["-c", program] if program else [str(SERVER)]
    return Store([sys.executable, *command], {"PYTHONPATH": str(SHIM)})


@pytest.fixture
def both() -> Iterator[tuple[Store, Store]]:
    stores = start(True), start(False)
    yield stores
    for store in stores:
        store.end()


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("MILLPOND_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"MILLPOND_TEST_SEED={seed}")
    return random.Random(seed)


def content(chance: random.Random) -> bytes:
    length = chance.choice([0, 1, 10, 1000, 5000, 200_000])
    return chance.randbytes(length) if chance.random() < 0.5 else b"line of text\n" * (length // 13)


class Program:
    """Random operations, as requests that both understand."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.keys: list[str] = []

    def request(self) -> tuple[Any, ...]:
        chance = self._chance
        contents = [content(chance).hex() for _ in range(chance.randrange(1, 4))]
        some = chance.sample(self.keys, min(len(self.keys), chance.randrange(4)))
        strange = chance.choice([[], ["a" * 64], ["strange"], ["b" * 40]])
        mode = chance.choice(["no", "yes", "keep", "auto"])
        return chance.choice(
            [
                ("add_loose", contents),
                ("add_to_pack", contents, chance.random() < 0.5),
                ("pack_all_loose", mode, chance.random() < 0.5),
                ("clean_storage", chance.random() < 0.5),
                ("repack", mode),
                ("delete", some + strange),
                ("list",),
                ("read", some + strange),
                ("streams", some + strange),
                ("loosen", chance.choice([*some, "a" * 64])),
                ("count",),
                ("settings",),
                ("validate",),
                ("close",),
                ("trace", "add_to_pack", contents, chance.random() < 0.5),
                (
                    "trace",
                    "add_streamed_to_pack",
                    contents[0],
                    chance.choice([0, 1000]),
                    chance.random() < 0.5,
                ),
                ("trace", "validate"),
            ]
        )

    def note(self, request: tuple[Any, ...], answer: Any) -> None:
        if request[0] in ("add_loose", "add_to_pack") and isinstance(answer, list):
            self.keys += answer


SETTINGS = [
    {},
    {"hash_type": "sha1", "loose_prefix_len": 0, "compression_algorithm": "zlib+9"},
    {"pack_size_target": 3000, "loose_prefix_len": 4},
]


def compare(
    ours: Store, theirs: Store, directory: Path, chance: random.Random, steps: int, settings: dict[str, Any]
) -> None:
    """The same requests on a folder each."""
    ours.does("init", str(directory / "ours"), settings)
    theirs.does("init", str(directory / "theirs"), settings)
    program = Program(chance)
    for step in range(steps):
        request = program.request()
        expected, found = theirs.does(*request), ours.does(*request)
        if request == ("count",):
            # Known objects leave holes in their packs alone, which so are full sooner.
            del found["pack_files"], expected["pack_files"]
        if request == ("trace", "validate") and "pack_size_target" in settings:
            found, expected = (
                sum(value for action, value in told if action == "update") for told in (found, expected)
            )
        assert found == expected, (step, str(request)[:300])
        program.note(request, expected)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_same_answers(
    both: tuple[Store, Store], tmp_path: Path, chance: random.Random, settings: dict[str, Any]
) -> None:
    compare(*both, tmp_path, chance, 60, settings)


@pytest.mark.parametrize("settings", SETTINGS)
def test_turns_on_one_folder(
    both: tuple[Store, Store], tmp_path: Path, chance: random.Random, settings: dict[str, Any]
) -> None:
    path = str(tmp_path / "folder")
    chance.choice(both).does("init", path, settings)
    for store in both:
        store.does("at", path)
    program = Program(chance)
    for step in range(60):
        request, store = program.request(), chance.choice(both)
        answer = store.does(*request)
        program.note(request, answer)
        # Neither holds on to what the other changes.
        store.does("close")
        listed, again = (other.does("list") for other in both)
        assert listed == again, (step, request[0])
        for other in both:
            read = other.does("read", listed)
            assert isinstance(read, list), (step, request[0], read)
            assert None not in read, (step, request[0])
            other.does("close")
    for store in both:
        assert not any(store.does("validate").values())


def test_the_same_exceptions(both: tuple[Store, Store], tmp_path: Path) -> None:
    for store, name in zip(both, ("ours", "theirs"), strict=True):
        store.does("at", str(tmp_path / name))
    absent = ["a" * 64]
    requests: list[tuple[Any, ...]] = [
        ("add_loose", ["00"]),
        ("add_to_pack", ["00"], False),
        ("pack_all_loose", "no", False),
        ("loosen", absent[0]),
        ("settings",),
    ]
    for request in requests:
        ours, theirs = (store.does(*request) for store in both)
        assert ours == theirs, request
        assert ours.startswith("!"), request
    for wrong in ({"hash_type": "md5"}, {"compression_algorithm": "zlib"}, {"loose_prefix_len": -1}):
        ours, theirs = (
            store.does("init", str(tmp_path / name), wrong)
            for store, name in zip(both, ("ours", "theirs"), strict=True)
        )
        assert ours == theirs == "! ValueError", wrong


def test_imports_are_the_same(both: tuple[Store, Store], tmp_path: Path, chance: random.Random) -> None:
    contents = [content(chance).hex() for _ in range(20)]
    for hash_type in ("sha256", "sha1"):
        answers = []
        for store, name in zip(both, ("ours", "theirs"), strict=True):
            source, target = str(tmp_path / f"{name}-source"), str(tmp_path / f"{name}-target")
            store.does("init", source, {})
            keys = store.does("add_to_pack", contents[:10], True) + store.does("add_loose", contents[10:])
            store.does("init", target, {"hash_type": hash_type})
            traced = store.does("trace", "import", source)
            answers.append((traced, store.does("import_from", source, keys), store.does("list")))
        assert answers[0] == answers[1]


def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    planted = start(True, PLANTED.format(directory=str(SERVER.parent), server=str(SERVER)))
    theirs = start(False)
    try:
        with pytest.raises(AssertionError, match=r"delete|list|read|streams|count"):
            compare(planted, theirs, tmp_path, random.Random(1), 200, {})
    finally:
        planted.end()
        theirs.end()

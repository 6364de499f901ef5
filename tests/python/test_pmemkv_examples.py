"""The programs that pmemkv-tools had, as ours, and the Python in the description of pmemkv's interface."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pmemkv_engines import PERSISTENT, VOLATILE, buffers

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="this copy has no examples/")


def run(*arguments: str) -> str:
    path = os.pathsep.join([str(ROOT / "shims" / "pmemkv"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_example() -> None:
    answers = run(str(EXAMPLES / "pmemkv_example.py"))
    assert "put key1: value1 of 1 record\n" in answers
    assert "visited key1\nvisited key2\nvisited key3\n" in answers
    assert "removed key1: None of 2 records\n" in answers
    assert "visited b'key1' b'value1'\nvisited b'key2' b'value2'\n" in answers
    assert answers.endswith("True 1 value2\n")


def test_baseline_finds_everything_but_in_blackhole(tmp_path: Path) -> None:
    answers = run(str(EXAMPLES / "pmemkv_baseline.py"), "--count", "200", "--directory", str(tmp_path))
    parts = re.split(r"\n(?=\w+: 200 records)", answers.strip())
    assert [part.split(":")[0] for part in parts] == ["dict", "blackhole", "cmap", "cmap", "cmap"]
    for part in parts:
        failures = re.findall(r"failures=(\d+)", part)
        assert failures == (["0"] + ["200"] * 4 if part.startswith("blackhole") else ["0"] * 5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("engine", "passes"), [("cmap", 6), ("vsmap", 4)])
def test_iteration_visits_everything(engine: str, passes: int, tmp_path: Path) -> None:
    program = str(EXAMPLES / "pmemkv_iteration.py")
    answers = run(program, "--engine", engine, "--count", "500", "--directory", str(tmp_path))
    assert answers.startswith(f"{engine}: 500 records")
    assert answers.count("failures=0") == passes
    assert list(tmp_path.iterdir()) == []


def test_the_makefile_has_the_targets_of_pmemkv_tools() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("baseline", "example", "iteration"):
        assert re.search(
            rf"^{name}_python: package\b.*\n\t@\$\(PYTHON\) examples/pmemkv_{name}.py", makefile, re.M
        )


def test_the_python_in_the_description_runs_and_prints_what_it_says() -> None:
    text = (ROOT / "docs" / "pmemkv.md").read_text(encoding="utf-8")
    programs = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(programs) >= 4
    for program in programs:
        printed = run("-c", program)
        told = [line.rsplit("# ", 1)[1].strip() for line in program.splitlines() if "print(" in line]
        assert told
        assert printed.splitlines() == told


def test_the_table_of_engines_is_what_they_say_of_themselves(tmp_path: Path) -> None:
    lines = (ROOT / "docs" / "pmemkv.md").read_text(encoding="utf-8").splitlines()
    head = lines.index("| engine | persistent | sorted: ranges | comparator | iterators | transactions |")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[head + 2 : head + 11]]
    assert {row[0] for row in rows} == {*PERSISTENT, *VOLATILE, "blackhole"}
    iterators = {"seek a key": 1, "step forward": 2, "step both ways": 3}
    for engine, persistent, is_sorted, comparator, steps, transactions in rows:
        (tmp_path / engine).mkdir()
        with buffers(engine, tmp_path / engine) as db:
            traits = db.traits
        assert traits["persistent"] == persistent.startswith("yes"), engine
        assert traits["fixed_size"] == ("8 bytes" in persistent), engine
        assert traits["sorted"] == (is_sorted == "yes"), engine
        assert traits["ranges"] == (is_sorted != ""), engine
        assert traits["comparator"] == (comparator == "yes"), engine
        assert traits["transactions"] == (transactions == "yes"), engine
        told = sum(traits[name] for name in ("iterators", "steps", "steps_back"))
        assert told == iterators.get(steps, 0), engine

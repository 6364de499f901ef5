"""The programs in examples/, as the article on PyDAOS describes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import millpond
import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="this copy has no examples/")


def run(program: str, *arguments: str, typed: str = "") -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / program), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "shims" / "pydaos")},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kvmanage() -> None:
    millpond.Pool.create("pydaos", size="1GiB").create_container("kvstore").close()
    commands = (EXAMPLES / "kvmanage.commands").read_text()
    answers = run("kvmanage.py", typed=commands)
    assert "pydaos/kvstore: dict-0 holds 0 keys" in answers
    assert "    pond = a small body of still water\n" in answers
    assert "    2 keys\n" in answers
    assert "    3 keys inserted\n" in answers
    assert "    pike = (no such key)\n" in answers
    with millpond.Container.open("pydaos/kvstore") as container:
        assert set(container.dict("dict-0")) == {b"pond", b"mill", b"heron", b"carp"}
    assert "dict-0 holds 4 keys" in run("kvmanage.py", typed="no-such-command\n")


def test_json_example() -> None:
    millpond.Pool.create("pydaos_json", size="1GiB").create_container("kvstore").close()
    rates = json.loads((EXAMPLES / "conversions.json").read_text())["rates"]
    currencies = json.loads((EXAMPLES / "data.json").read_text())
    for _ in range(2):
        answers = run("json_example.py", "EUR", "XYZ")
        assert f"{len(rates) + len(currencies) + 1} keys" in answers
        assert currencies["EUR"]["name_plural"] in answers
        assert "XYZ: no such currency" in answers


def test_a_consumer_plots_each_step_though_it_is_killed(tmp_path: Path) -> None:
    millpond.Pool.create("lab").create_container("results").close()
    program = str(EXAMPLES / "producer_consumer.py")
    plots, steps = tmp_path / "plots", 12

    def part(name: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, program, name, "lab/results", *arguments, "--steps", str(steps)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def pictures() -> list[str]:
        return sorted(path.name for path in plots.glob("step-*.png"))

    with part("consume", str(plots)) as consumer:
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "watching\n"
        with part("produce") as producer:
            consumer.stdout.readline()
            consumer.kill()
        assert producer.returncode == 0
    assert len(pictures()) >= 1
    with part("consume", str(plots)) as consumer:
        assert consumer.wait(timeout=60) == 0
    assert pictures() == [f"step-{step:06}.png" for step in range(steps)]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots.glob("*.png"))
    answers = run("producer_consumer.py", "run", "lab/results", str(tmp_path / "more"), "--steps", "3")
    assert "3 steps were plotted" in answers


def test_the_python_in_the_description_of_the_model_runs() -> None:
    text = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    programs = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(programs) >= 2
    for program in programs:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told = [line.split("# ")[1].split("]")[0] for line in program.splitlines() if "# [(" in line]
        assert all(expected in done.stdout for expected in told), done.stdout

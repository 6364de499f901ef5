"""The command line that comes with the package."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import millpond
import pytest


def run(
    *arguments: str, program: tuple[str, ...] = (sys.executable, "-m", "millpond")
) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_console_script_is_installed() -> None:
    script = Path(sysconfig.get_path("scripts")) / "millpond"
    done = run("version", program=(str(script),))
    assert done.returncode == 0
    assert millpond.version() in done.stdout
    assert millpond.__version__ == millpond.version()


def test_the_module_runs_too() -> None:
    assert run("pool", "create", "pydaos", "--size", "1GiB").returncode == 0
    assert run("container", "create", "pydaos/kvstore", "--type", "PYTHON").returncode == 0
    assert run("dict", "create", "pydaos/kvstore", "dict-0").returncode == 0
    assert run("dict", "put", "pydaos/kvstore", "dict-0", "key", "value").returncode == 0
    with millpond.Container.open("pydaos/kvstore") as container:
        assert container.type == "PYTHON"
        assert container.dict("dict-0") == {"key": b"value"}
        container.dict("dict-0")["other"] = b"1"
    assert "2" in run("dict", "count", "pydaos/kvstore", "dict-0").stdout
    assert run("dict", "count", "pydaos/kvstore", "dict-0", "--prefix", "none").stdout.strip() == "0"


def test_json_says_what_python_says(pool: millpond.Pool) -> None:
    pool.create_container("kv").close()
    answer = json.loads(run("pool", "query", "lab", "--json").stdout)
    assert answer["error"] is None
    assert answer["response"]["uuid"] == str(pool.uuid)
    assert answer["response"]["containers"][0]["label"] == "kv"


@pytest.mark.parametrize(
    "arguments", [("pool", "query", "nothing"), ("no-such-command",), ("pool", "create")]
)
def test_failures_have_a_code_and_a_reason(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_failure_with_a_traceback(kv: millpond.Dict) -> None:
    kv.bput((b"%06d" % number, b"") for number in range(50_000))
    kv.container.flush()
    keys = subprocess.Popen(
        [sys.executable, "-m", "millpond", "dict", "keys", "lab/kv", "readings"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert keys.stdout is not None
    assert keys.stderr is not None
    assert keys.stdout.readline() == b"000000\n"
    keys.stdout.close()
    complaint = keys.stderr.read()
    keys.stderr.close()
    keys.wait(30)
    assert b"panicked" not in complaint
    assert b"Traceback" not in complaint

"""The stubs say what the native half does: mypy compares them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_stubs_match_the_native_half(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy isn't installed")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "millpond._millpond"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


USES = """
from typing_extensions import assert_type
import millpond

pool = millpond.Pool.create("lab", size="1GiB")
with pool.create_container("kv", type="PYTHON", durability="async") as container:
    kv = container.create_dict("d")
    kv["a"] = b"1"
    kv[b"b"] = bytearray(b"2")
    assert_type(kv.get("a"), bytes | None)
    assert_type(kv.get("a", 3), bytes | int)
    assert_type(kv.pop("a", None), bytes | None)
    assert_type(kv.bget(["a"]), dict[str, bytes | None])
    assert_type([key for key in kv], list[bytes])
    assert_type([entry for entry in kv.range(prefix="a").items()], list[tuple[bytes, bytes]])
    assert_type(kv.dump(), dict[bytes, bytes])
    kv["a"] = "text"  # type: ignore[assignment]
    kv[1] = b""  # type: ignore[index]
"""


@pytest.mark.timeout(300)
def test_programs_are_checked_by_the_stubs(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy isn't installed")
    program = tmp_path / "uses.py"
    program.write_text(USES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(program)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The distribution in shims/pydaos: unmodified programs find ``pydaos``."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import millpond
import pytest
from millpond.compat import pydaos as compat

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
import pydaos
from pydaos import DCont, DDict, DObjNotFound
from pydaos.pydaos_core import DCont as same

assert same is DCont
container = DCont("pydaos", "kvstore", None)
try:
    store = container.get("dict-0")
except DObjNotFound:
    store = container.dict("dict-0", {"key": "value"})
assert isinstance(store, DDict)
print(store["key"].decode(), sorted(pydaos.__all__))
"""


def test_an_unmodified_program() -> None:
    millpond.Pool.create("pydaos", size="1GiB").create_container("kvstore").close()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONPATH": str(ROOT / "shims" / "pydaos")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"value {sorted(compat.__all__)}\n"


def test_the_installed_distribution_keeps_the_original_away() -> None:
    try:
        version = importlib.metadata.version("pydaos")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the shim isn't installed: pip install ./shims/pydaos")
    assert version.endswith("+millpond")
    import pydaos  # type: ignore[import-not-found, import-untyped, unused-ignore]

    assert pydaos.DCont is compat.DCont

"""Databases of every engine for the tests of pmemkv's interface."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from millpond.compat.pmemkv import Database

SIZE = 1 << 26

PERSISTENT = ("cmap", "csmap", "radix", "stree", "tree3", "robinhood")
VOLATILE = ("vsmap", "vcmap")
SORTED = ("csmap", "radix", "stree", "vsmap")
ANY_BYTES = ("cmap", "csmap", "radix", "stree", "tree3", "vsmap", "vcmap")
"""The engines of keys and values of any length: robinhood's are of 8 bytes."""


def configuration(engine: str, directory: Path) -> dict[str, Any]:
    """What opens an engine in a directory that exists, new or as it was left."""
    if engine in PERSISTENT:
        return {"path": str(directory / "store"), "size": SIZE, "create_if_missing": 1, "durability": "async"}
    return {"path": str(directory), "size": SIZE}


def buffers(engine: str, directory: Path) -> Database[memoryview]:
    """A database in the interface of pmemkv-python 1.0."""
    return Database(engine, configuration(engine, directory))


def text(engine: str, directory: Path) -> Database[str]:
    """A database in the interface from before 1.0."""
    return Database(engine, json.dumps(configuration(engine, directory)))

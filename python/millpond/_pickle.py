"""How handles are made again from a pickle: by their place, not their content."""

from __future__ import annotations

from typing import Literal

from ._millpond import Container, Dict, Pool

__all__ = ["open_container", "open_dict", "open_pool"]


def open_pool(url: str) -> Pool:
    return Pool.open(url)


def open_container(url: str, read_only: bool, durability: Literal["sync", "async"]) -> Container:
    return Container.open(url, read_only=read_only, durability=durability)


def open_dict(url: str, name: str, read_only: bool, durability: Literal["sync", "async"]) -> Dict:
    return open_container(url, read_only, durability).dict(name)

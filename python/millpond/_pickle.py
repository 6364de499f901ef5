"""How handles are made again from a pickle: by their place, not their content."""

from __future__ import annotations

from typing import Literal

from ._millpond import Array, Blobs, Container, Dict, Object, OrderedMap, Pool

__all__ = [
    "open_array",
    "open_blobs",
    "open_container",
    "open_dict",
    "open_map",
    "open_object",
    "open_pool",
]


def open_pool(url: str) -> Pool:
    return Pool.open(url)


def open_container(url: str, read_only: bool, durability: Literal["sync", "async"]) -> Container:
    return Container.open(url, read_only=read_only, durability=durability)


def open_dict(url: str, name: str, read_only: bool, durability: Literal["sync", "async"]) -> Dict:
    return open_container(url, read_only, durability).dict(name)


def open_map(url: str, name: str, read_only: bool, durability: Literal["sync", "async"]) -> OrderedMap:
    return open_container(url, read_only, durability).map(name)


def open_object(url: str, id: str, read_only: bool, durability: Literal["sync", "async"]) -> Object:
    return open_container(url, read_only, durability).object(id)


def open_array(url: str, id: str, read_only: bool, durability: Literal["sync", "async"]) -> Array:
    return open_container(url, read_only, durability).array(id)


def open_blobs(url: str, name: str, read_only: bool, durability: Literal["sync", "async"]) -> Blobs:
    return open_container(url, read_only, durability).blobs(name)

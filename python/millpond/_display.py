"""How pools, containers and dictionaries look in a notebook. Nothing is scanned for it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ._millpond import format_size
from .errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._millpond import Container, Dict, OrderedMap, Pool

__all__ = ["container_html", "dict_html", "map_html", "pool_html"]


def pool_html(pool: Pool) -> str:
    try:
        info = pool.query()
    except Error as error:
        return _table("Pool", [("url", pool.url), ("state", error)])
    quota = "no quota" if info.size is None else f"of {format_size(info.size)}"
    names = ", ".join(entry.label or str(entry.uuid) for entry in info.containers)
    rows: list[tuple[str, object]] = [
        ("url", info.url),
        ("uuid", info.uuid),
        ("used", f"{format_size(info.used)} {quota}"),
        ("containers", f"{len(info.containers)}: {names}" if names else "none"),
    ]
    return _table(f"Pool {info.label}", rows)


def container_html(container: Container) -> str:
    title = f"Container {container.label or container.uuid}"
    rows: list[tuple[str, object]] = [
        ("url", container.url),
        ("uuid", container.uuid),
        ("type", container.type),
        ("durability", container.durability),
    ]
    try:
        info = container.query()
    except Error as error:
        return _table(title, [*rows, ("state", error)])
    used = info.statistics
    rows += [
        ("dictionaries", info.dicts),
        ("objects", info.objects),
        ("stores of blobs", info.blob_stores),
        ("ordered maps", info.maps),
        ("records", format_size(used.bytes_records + used.bytes_log)),
        ("large values", format_size(used.bytes_segments)),
    ]
    return _table(title, rows)


def dict_html(mapping: Dict) -> str:
    rows: list[tuple[str, object]] = [("container", mapping.container.url)]
    try:
        rows.append(("keys", f"{len(mapping):,}"))
    except Error as error:
        rows.append(("state", error))
    return _table(f"Dict {mapping.name}", rows)


def map_html(mapping: OrderedMap) -> str:
    rows: list[tuple[str, object]] = [
        ("container", mapping.container.url),
        ("order", mapping.comparator),
    ]
    try:
        rows.append(("keys", f"{len(mapping):,}"))
    except Error as error:
        rows.append(("state", error))
    return _table(f"OrderedMap {mapping.name}", rows)


def _table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption><b>{escape(title)}</b></caption><tbody>{cells}</tbody></table>"

"""The tables: Markdown for people, JSON for programs."""

import json
import os
import platform
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
import targets
from job import Figure
from neighbours import BUSY
from results import Results, Run, cpu_us, wall_us

LOCK = Path(__file__).parent.parent / "rust" / "Cargo.lock"

# What each measurement is called, in the order of the tables.
TITLES = {
    "put": "put",
    "overwrite": "overwrite",
    "get": "get",
    "put_many": "put of 1,000",
    "get_many": "get of 1,000",
    "transact": "transaction of 10 gets and 10 overwrites",
    "scan": "scan, a record",
    "scan_compacted": "scan when compacted",
    "timed_put": "put, the median one",
    "timed_put_floor": "an append and fdatasync beside it",
    "timed_overwrite": "overwrite, the median one",
    "timed_overwrite_floor": "an append and fdatasync beside it",
    "scan_runs": "runs scanned",
    "scan_compacted_runs": "runs scanned when compacted",
    "visible_elsewhere": "visible in another process",
    "visible_elsewhere_max_us": "visible in another process, the latest, µs",
    "told_elsewhere": "another process that watches is told",
    "told_elsewhere_max_us": "another process that watches is told, the latest, µs",
    "write_1mib": "synced write of an extent of 1 MiB, the median one",
    "write_1mib_floor": "an append of 1 MiB and fdatasync beside it",
    "read_1mib": "read of an extent of 1 MiB, the median one",
    "read_1mib_floor": "a copy of 1 MiB out of a mapped file beside it",
    "read_4kib": "random read of 4 KiB, out of extents of 1 MiB",
    "read_4kib_of_short": "random read of 4 KiB, out of extents of 4 KiB",
    "write_4kib": "random write of 4 KiB",
    "scrub_gb_per_s": "scrub of what is in memory, GB/s",
    "snapshot": "a snapshot of all keys, the median one",
    "diff": "difference of two snapshots with 1,000 changes between, the median one",
    "get_beside_snapshots": "get, of a fifth of the keys beside 100 snapshots",
    "get_beside_snapshots_floor": "the same without a snapshot",
    "insert_many": "insert of all, with one sync for many, an object",
    "insert_many_compressed": "insert of all, compressed",
    "get_many_compressed": "get of all, compressed",
    "has_many": "asking which are there, an object",
    "list": "listing all ids, an object",
    "validate": "validation by checksum (disk-objectstore: by hash), an object",
    "optimize": "packing and compressing what came in uncompressed, an object",
    "insert": "insert of one, synced",
    "open_read_close": "open, read one, close",
    "stream_in": "a stream of 1 GiB in, a MiB",
    "stream_out": "the stream out, a MiB",
    "stream_memory_mib": "memory that the stream takes, MiB",
    "repack": "giving back the space of half of the objects, an object left",
    "repack_memory_mib": "memory that giving back takes, MiB",
    "backup": "a backup, an object",
    "backup_memory_mib": "memory that a backup takes, MiB",
    "restore": "its restore and a list, an object",
    "many_bytes": "bytes on disk",
    "compressed_bytes": "bytes on disk, compressed",
    "count": "count of 100 records, a record",
    "get_of_1_thread": "get, by 1 thread",
    "get_of_8_threads": "get, by 8 threads",
    "swap_of_1_thread": "compare-and-swap, by 1 thread",
    "swap_of_16_threads": "compare-and-swap, by 16 threads on 16 keys",
    "open": "open, closed cleanly",
    "open_again": "open again beside the first handle",
    "open_full_tail": "open, full tail",
    "space_ratio_before": "space before the compaction, to keys and values",
    "space_ratio": "space after it",
    "written_ratio": "written for each pass",
    "memory_mib_max": "memory of a process, MiB",
    "memory_mib_total": "memory of all, MiB",
    "append_and_sync": "append into zeroed space, fdatasync",
    "append": "append into zeroed space",
    "copy_1mib": "copy of 1 MiB",
    "key_and_value": "making a key and a value",
    "empty_call": "an empty call of a built-in",
    "empty_function": "an empty call of a function",
}

SECTIONS = {
    "single": "Single and bulk operations",
    "sync": "Synced puts beside the floor",
    "blobs": "Content-addressed stores",
    "maps": "Ordered maps and engines, in shared memory",
}

# Where nothing but the clock says anything, even without syncs.
CLOCKED = ("threads", "processes", "visibility", "watch", "objects", "snapshots", "opening")

# What the records of a section are.
COUNTED = {
    "blobs": "texts of 100 B to 10 KB",
    "objects": "MiB of extents in each array",
    "watch": "commits",
    "visibility": "commits",
}


def size(value_bytes: int) -> str:
    return f"{value_bytes // 1024} KiB" if value_bytes >= 1024 else f"{value_bytes} B"


def number(value: float) -> str:
    """Three digits that matter, no more."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 or value == 0 else 3
    return f"{value:,.{digits}f}"


def title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " "))


def in_order(names: list[str]) -> list[str]:
    known = list(TITLES)
    return sorted(set(names), key=lambda name: (known.index(name) if name in known else len(known), name))


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def comparison(runs: list[Run], clock: Callable[[Figure], float]) -> list[str]:
    """A row for each workload, a column for each peer: what it costs, and how many times Millpond's."""
    names = in_order([name for run in runs for name in run.names()])
    ours = next((run for run in runs if run.peer == "millpond"), None)
    rows = []
    for name in names:
        own = ours.median(name) if ours else None
        cells = [title(name)]
        for run in runs:
            figure = run.median(name)
            if figure is None:
                cells.append("failed" if run.failed else "–")
                continue
            text = number(clock(figure))
            if clock is cpu_us:
                text += f" / {number(wall_us(figure))}"
            # Floors aren't the peers' doing.
            if own and run is not ours and clock(own) and not name.endswith("_floor"):
                text += f" ({number(clock(figure) / clock(own))}×)"
            cells.append(text)
        rows.append(cells)
        if f"{name}_floor" in names:
            rows.append(["… to the floor beside it", *[over_floor(run, name) for run in runs]])
    return table(["", *[run.peer for run in runs]], rows)


def over_floor(run: Run, name: str) -> str:
    value = run.over_floor(name)
    return f"{number(value)}×" if value is not None else "–"


def facts(runs: list[Run]) -> list[str]:
    names = in_order([name for run in runs for report in run.rounds for name in report.facts])
    rows = []
    for name in names:
        values = [run.fact(name) for run in runs]
        rows.append([title(name), *["–" if value is None else number(value) for value in values]])
    return table(["", *[run.peer for run in runs]], rows) if rows else []


def sections(results: Results) -> list[str]:
    """A table for each job, the peers side by side."""
    lines: list[str] = []
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in results.runs:
        job = run.job
        # Single and bulk operations are rows of one table.
        section = "single" if run.section == "bulk" else run.section
        key = (section, run.language, job.durability, job.value_bytes, job.threads, job.processes)
        groups.setdefault(key, []).append(run)
    for (section, language, durability, value_bytes, threads, processes), runs in groups.items():
        if section == "floors":
            continue
        heading = [SECTIONS.get(section, section.capitalize()), language.capitalize(), durability]
        heading += [f"values of {size(value_bytes)}"] if section != "blobs" else []
        heading += [f"{threads} threads"] if threads > 1 else []
        heading += [f"{processes} processes"] if processes > 1 else []
        count = f"{runs[0].job.count:,} {COUNTED.get(section, 'records')}"
        clocked = durability == "sync" or section in CLOCKED
        unit = "µs on the clock" if clocked else "µs of processor time / on the clock"
        lines += [f"### {', '.join(heading)}", "", f"{count}; {unit}.", ""]
        for part in dict.fromkeys(run.section for run in runs):
            chosen = [run for run in runs if run.section == part]
            if any(run.names() for run in chosen):
                lines += comparison(chosen, wall_us if clocked else cpu_us)
            lines += facts(chosen)
    return lines


def floors(results: Results) -> list[str]:
    rows = []
    for run in results.runs:
        for name in in_order(run.names()) if run.section == "floors" else []:
            figure = run.median(name)
            assert figure is not None
            what = f", {size(run.job.value_bytes)}" if name.startswith("append") else ""
            if run.language == "rust" and not what and run.job.value_bytes != 100:
                continue
            rows.append([f"{TITLES[name]}{what}", number(wall_us(figure))])
    return ["## The machine's floors", "", *table(["", "µs on the clock"], rows)] if rows else []


def goals(results: Results) -> tuple[list[str], list[dict[str, Any]]]:
    """What Millpond wants to reach, and whether it does."""
    rows, documents = [], []
    for goal in targets.goals():
        value = goal.measure(results)
        sense = "≤" if goal.at_most else "≥"
        wanted = f"{sense} {goal.limit:,g}{goal.unit}"
        if value is None:
            rows.append([goal.group, goal.text, wanted, "–", "–", "not measured"])
            continue
        clock = goal.by_clock(results)
        by_clock = f"{number(clock)}{goal.unit}" if clock is not None else "–"
        reached = "yes" if goal.reached(value) else "**no**"
        if doubtful := goal.clocked and results.others > BUSY:
            reached += ", on a busy machine"
        rows.append([goal.group, goal.text, wanted, f"{number(value)}{goal.unit}", by_clock, reached])
        about = {"group": goal.group, "goal": goal.text, "target": wanted, "measured": round(value, 4)}
        documents.append({**about, "by_clock": clock, "reached": goal.reached(value), "doubtful": doubtful})
    head = ["", "goal", "target", "measured", "by the clock", "reached?"]
    lines = table(head, rows)
    lines[1] = "| --- | --- | ---: | ---: | ---: | --- |"
    return ["## What we want to reach", "", *lines], documents


def versions() -> dict[str, str]:
    packages = tomllib.loads(LOCK.read_text())["package"]
    wanted = {"heed", "fjall", "redb", "rusqlite", "lmdb-master-sys"}
    rust = {package["name"]: package["version"] for package in packages if package["name"] in wanted}
    return {**peers.versions(), **rust}


def busy(results: Results) -> list[str]:
    """A warning where others held up the clock."""
    if results.others <= BUSY:
        return []
    share = f"**Others took {results.others:.0%} of the processors meanwhile.**"
    return [
        f"{share} What is judged by the clock is to be doubted, where it looks good too: whoever waits for a"
        " processor anyway waits no longer for a slower store. Processor time suffers less.",
        "",
    ]


def machine(directory: Path) -> str:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = model[0].split(":")[1].strip() if model else platform.machine()
    kernel = platform.release().split("-")[0]
    return f"{name}, {os.cpu_count()} cores; Linux {kernel}; {file_system(directory)}"


def file_system(directory: Path) -> str:
    """Of the mount that a directory is on: the longest mount point above it."""
    best = ("", "an unknown file system")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind = line.split()[:3]
        if directory.is_relative_to(point) and len(point) > len(best[0]):
            best = (point, kind)
    return best[1]


def describe(rounds: int, scale: float, directory: Path) -> dict[str, Any]:
    """When, where and with what it was measured."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(directory.absolute()),
        "rounds": rounds,
        "scale": scale,
        "versions": versions(),
    }


def write(results: Results, about: dict[str, Any], output: Path) -> None:
    goal_lines, goal_documents = goals(results)
    scale = about["scale"]
    trial = "" if scale == 1 else f" **A trial with {scale:g} of the records: no result.**"
    lines = [
        "# Millpond beside its peers",
        "",
        f"Medians of {about['rounds']} rounds, in which the peers took turns; keys of 16 random bytes."
        f" {about['machine']}; {about['date']}.{trial}",
        "[README.md](README.md) says what is measured and how to read it. A ratio behind a peer's figure is"
        " how many times Millpond's cost it is: above 1, Millpond is cheaper.",
        "",
        *busy(results),
        f"![Costs by operation]({output.name}.svg)",
        "",
        *goal_lines,
        *floors(results),
        "## All measurements",
        "",
        *sections(results),
        "## Versions",
        "",
        ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + ".",
    ]
    output.with_suffix(".md").write_text("\n".join(lines) + "\n")
    runs = [run.document() for run in results.runs]
    document = {**about, "others": round(results.others, 3), "goals": goal_documents, "runs": runs}
    output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")

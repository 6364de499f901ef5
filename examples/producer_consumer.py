"""A simulation writes steps, and a consumer in another process plots each complete one.

    python producer_consumer.py run CONTAINER DIRECTORY [--steps 20]
    python producer_consumer.py produce CONTAINER [--steps 20]
    python producer_consumer.py consume CONTAINER DIRECTORY [--steps 20]

`run` begins the other two as processes of their own. A step is one atomic commit of several keys: the
consumer sees all of it or nothing. It can be killed at any moment and begun again: it stores the epoch of
the last step that it plotted, and goes on behind it; a cursor has the container keep what it hasn't seen.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import math
import struct
import subprocess
import sys
import zlib
from array import array
from pathlib import Path

import millpond

DICT = "steps"
CURSOR = "plots"
SIZE = 64


def simulate(field: list[float]) -> list[float]:
    """Spreads heat for a while, on a square whose edges touch."""
    for _ in range(4):
        field = [
            field[y * SIZE + x] * 0.6
            + 0.1 * field[y * SIZE + (x + 1) % SIZE]
            + 0.1 * field[y * SIZE + (x - 1) % SIZE]
            + 0.1 * field[(y + 1) % SIZE * SIZE + x]
            + 0.1 * field[(y - 1) % SIZE * SIZE + x]
            for y in range(SIZE)
            for x in range(SIZE)
        ]
    return field


def produce(name: str, steps: int) -> None:
    """Writes steps, each in one commit: the field, what follows from it, and a description."""
    with millpond.Container.open(name) as container:
        runs = container.open_or_create_dict(DICT)
        field = [0.0] * (SIZE * SIZE)
        for step in range(steps):
            angle = step / 3
            x, y = (int(SIZE / 2 + SIZE / 3 * part) for part in (math.cos(angle), math.sin(angle)))
            field[y * SIZE + x] += 60.0
            field = simulate(field)
            runs.update(
                {
                    f"{step:06}/temperature": array("d", field).tobytes(),
                    f"{step:06}/total": array("d", [math.fsum(field)]).tobytes(),
                    f"{step:06}/about": json.dumps({"step": step, "size": SIZE}).encode(),
                }
            )


def consume(name: str, directory: Path, steps: int) -> None:
    """Plots each step, once and whole, until there are as many pictures as steps."""
    directory.mkdir(parents=True, exist_ok=True)
    position = directory / "position"
    after = int(position.read_text()) if position.exists() else None
    with (
        millpond.Container.open(name) as container,
        container.watch(dict=DICT, after=after, cursor=CURSOR) as watch,
    ):
        print("watching", flush=True)
        while len(list(directory.glob("step-*.png"))) < steps:
            commit = watch.next(timeout=1)
            if commit is None:
                continue
            puts = [change for change in commit if change.kind == "put"]
            parts = {(change.key or b"").decode(): change.value or b"" for change in puts}
            if parts:
                plot(parts, directory)
            # First the picture, then the note that it is there: after a death in between it is drawn
            # again, the same.
            replace(position, str(commit.epoch).encode())
            watch.acknowledge()


def plot(parts: dict[str, bytes], directory: Path) -> None:
    """Draws one step; a part that were missing would be an error."""
    step = next(iter(parts)).split("/")[0]
    field = array("d", parts[f"{step}/temperature"])
    about = json.loads(parts[f"{step}/about"])
    (total,) = array("d", parts[f"{step}/total"])
    if about["step"] != int(step) or len(field) != about["size"] ** 2 or total != math.fsum(field):
        raise SystemExit(f"step {step} is torn")
    replace(directory / f"step-{step}.png", picture(field, about["size"]))
    print(f"plotted step {step}", flush=True)


def picture(field: array[float], size: int) -> bytes:
    """A PNG of the field, by matplotlib if it is there."""
    try:
        importlib.import_module("matplotlib").use("agg")
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        return png(field, size)
    out = io.BytesIO()
    rows = [field[row * size : (row + 1) * size] for row in range(size)]
    pyplot.imsave(out, rows, cmap="inferno", format="png")
    return out.getvalue()


def png(field: array[float], size: int) -> bytes:
    """A grey picture, made by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    top = max(max(field), 1e-9)
    grey = bytes(min(255, int(255 * math.sqrt(max(value, 0) / top))) for value in field)
    rows = b"".join(b"\0" + grey[row * size : (row + 1) * size] for row in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def replace(path: Path, content: bytes) -> None:
    """Writes a file that is whole or not there, whatever happens."""
    scratch = path.with_name(f"{path.name}.part")
    scratch.write_bytes(content)
    scratch.replace(path)


def run(name: str, directory: Path, steps: int) -> None:
    """Begins the consumer and, when it watches, the producer."""
    program = [sys.executable, __file__]
    rest = ["--steps", str(steps)]
    consumer = subprocess.Popen(
        [*program, "consume", name, str(directory), *rest], stdout=subprocess.PIPE, text=True
    )
    assert consumer.stdout is not None
    if consumer.stdout.readline() != "watching\n":
        raise SystemExit(consumer.wait() or 1)
    subprocess.run([*program, "produce", name, *rest], check=True)
    plotted = consumer.stdout.read().splitlines()
    if consumer.wait() != 0:
        raise SystemExit(consumer.returncode)
    print(f"{len(plotted)} steps were plotted in {directory}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["run", "produce", "consume"])
    parser.add_argument("container", help="POOL/CONTAINER, which must exist")
    parser.add_argument("directory", nargs="?", type=Path, default=Path("plots"), help="for the pictures")
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.part == "produce":
        produce(arguments.container, arguments.steps)
    else:
        part = {"run": run, "consume": consume}[arguments.part]
        part(arguments.container, arguments.directory, arguments.steps)


if __name__ == "__main__":
    main()

"""The example of time series on an ordered map."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import millpond
import pytest

PROGRAM = Path(__file__).parent.parent.parent / "examples" / "time_series.py"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="this copy has no examples/")


def run(*arguments: str) -> str:
    command = [sys.executable, str(PROGRAM), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_readings_are_found_by_sensor_and_time_and_drawn(tmp_path: Path) -> None:
    millpond.Pool.create("lab").create_container("weather").close()
    filled = run("fill", "lab/weather", "--days", "2")
    assert filled == "mill: 2880 readings\npond: 2880 readings\nweir: 2880 readings\n"
    # Again: the same moments, so no more of them.
    assert run("fill", "lab/weather", "--days", "2") == filled

    one_hour = ["--start", "2026-01-01T23:30", "--stop", "2026-01-02T00:30"]
    answer = run("query", "lab/weather", "pond", *one_hour)
    assert answer.startswith("pond: 60 readings, ")
    assert "latest: 2026-01-02 00:29 " in answer
    assert run("query", "lab/weather", "pon") == "pon: no readings\n"
    assert run("query", "lab/weather", "pond").startswith("pond: 2880 readings")

    picture = tmp_path / "weather.svg"
    assert (
        run("plot", "lab/weather", str(picture), "--stop", "2026-01-03") == f"{picture}: mill, pond, weir\n"
    )
    drawing = ElementTree.parse(picture).getroot()
    lines = [part.get("points", "") for part in drawing.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == 3
    for line in lines:
        # Two ends in each of the columns, all within the frame.
        points = [tuple(map(float, point.split(","))) for point in line.split()]
        assert len(points) == 2 * 960
        assert all(40 <= x <= 1000 and 40 <= y <= 360 for x, y in points)
    deleted = run("forget", "lab/weather", "--before", "2026-01-02")
    assert (
        deleted == "mill: 1440 readings deleted\npond: 1440 readings deleted\nweir: 1440 readings deleted\n"
    )
    assert run("query", "lab/weather", "pond").startswith("pond: 1440 readings")

    assert re.search(r">01-02 00:00<", picture.read_text(encoding="utf-8"))

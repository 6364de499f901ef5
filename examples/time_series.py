"""A store of time series on an ordered map: readings of sensors, queries over ranges of time, and a plot.

    python time_series.py fill CONTAINER [--days 3]
    python time_series.py query CONTAINER SENSOR [--start 2026-01-02] [--stop 2026-01-02T12:00]
    python time_series.py plot CONTAINER FILE.svg [--start …] [--stop …]
    python time_series.py forget CONTAINER --before 2026-01-02

Each sensor has a map under the order of whole numbers: its keys are moments, in microseconds since 1970, and
its values are readings. A range of time is a range of keys; what came last before a moment is one step back.
"""

from __future__ import annotations

import argparse
import math
import random
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import millpond

VALUE = struct.Struct("<d")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SENSORS = ("mill", "pond", "weir")
COLOURS = ("#c2410c", "#1d4ed8", "#15803d")

Reading = tuple[datetime, float]


class TimeSeries:
    """The readings of any number of sensors."""

    def __init__(self, container: millpond.Container) -> None:
        self._container = container

    def add(self, sensor: str, readings: list[Reading]) -> None:
        """Adds readings of a sensor, in one commit. Of the same moment the last one counts."""
        entries = {_number(moment): VALUE.pack(value) for moment, value in readings}
        self._container.open_or_create_map(sensor, "integer").update(entries)

    def sensors(self) -> list[str]:
        return sorted(self._container.maps)

    def between(self, sensor: str, start: datetime, stop: datetime) -> Iterator[Reading]:
        """A sensor's readings from `start` until before `stop`, in order."""
        for key, value in self._map(sensor).range(_number(start), _number(stop)).items():
            yield EPOCH + timedelta(microseconds=key), VALUE.unpack(value)[0]

    def latest(self, sensor: str, before: datetime) -> Reading | None:
        """A sensor's last reading before a moment."""
        seeker = self._map(sensor).seeker()
        if not seeker.seek_lower(_number(before)):
            return None
        return EPOCH + timedelta(microseconds=seeker.key), VALUE.unpack(seeker.value)[0]

    def count(self, sensor: str, start: datetime, stop: datetime) -> int:
        """How many readings there are, without reading them."""
        return self._map(sensor).range(_number(start), _number(stop)).count()

    def forget(self, sensor: str, before: datetime) -> int:
        """Deletes a sensor's readings of before a moment, in one commit; how many those were."""
        readings = self._map(sensor)
        old = list(readings.below(_number(before)))
        readings.apply(dict.fromkeys(old))
        return len(old)

    def _map(self, sensor: str) -> millpond.OrderedMap:
        return self._container.maps[sensor]


def _number(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def fill(series: TimeSeries, days: int) -> None:
    """Three sensors, a reading a minute: a wave a day, and chance."""
    chance = random.Random(6)
    for number, sensor in enumerate(SENSORS):
        value = 10.0 + number
        for day in range(days):
            readings: list[Reading] = []
            for minute in range(24 * 60):
                value += chance.gauss(0, 0.05) + 0.02 * math.sin((minute / 720 - number / 3) * math.pi)
                readings.append((BEGIN + timedelta(days=day, minutes=minute), value))
            series.add(sensor, readings)
        print(f"{sensor}: {series.count(sensor, BEGIN, BEGIN + timedelta(days=days))} readings")


def query(series: TimeSeries, sensor: str, start: datetime, stop: datetime) -> None:
    known = sensor in series.sensors()
    values = [value for _, value in series.between(sensor, start, stop)] if known else []
    if not values:
        print(f"{sensor}: no readings")
        return
    mean = math.fsum(values) / len(values)
    print(f"{sensor}: {len(values)} readings, {min(values):.2f} to {max(values):.2f}, mean {mean:.2f}")
    latest = series.latest(sensor, stop)
    if latest is not None:
        print(f"latest: {latest[0]:%Y-%m-%d %H:%M} {latest[1]:.2f}")


def plot(series: TimeSeries, start: datetime, stop: datetime) -> str:
    """The readings as lines, in SVG: in each column of pixels from the smallest value to the largest."""
    width, height, margin = 960, 320, 40
    spans: dict[str, dict[int, tuple[float, float]]] = {}
    for sensor in series.sensors():
        columns = spans.setdefault(sensor, {})
        for moment, value in series.between(sensor, start, stop):
            column = int((moment - start) / (stop - start) * width)
            low, high = columns.get(column, (value, value))
            columns[column] = (min(low, value), max(high, value))
    values = [value for columns in spans.values() for span in columns.values() for value in span]
    least, most = (min(values), max(values)) if values else (0.0, 1.0)

    def y(value: float) -> float:
        return margin + height - (value - least) / ((most - least) or 1) * height

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 2 * margin} {height + 2 * margin}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for line in range(5):
        value = least + (most - least) * line / 4
        parts.append(f'<path d="M{margin} {y(value):.1f}h{width}" stroke="#ddd"/>')
        parts.append(f'<text x="4" y="{y(value) + 4:.1f}">{value:.1f}</text>')
    for line in range(5):
        moment = start + (stop - start) * line / 4
        place = f'x="{margin + width * line / 4:.0f}" y="{height + 2 * margin - 10}" text-anchor="middle"'
        parts.append(f"<text {place}>{moment:%m-%d %H:%M}</text>")
    for number, (sensor, columns) in enumerate(spans.items()):
        points = " ".join(
            f"{margin + column},{y(low):.1f} {margin + column},{y(high):.1f}"
            for column, (low, high) in sorted(columns.items())
        )
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(f'<text x="{margin + 60 * number}" y="20" fill="{colour}">{sensor}</text>')
    return "\n".join([*parts, "</svg>\n"])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("fill", "query", "plot", "forget"):
        command = commands.add_parser(name)
        command.add_argument("container", help="POOL/CONTAINER, which must exist")
        if name == "fill":
            command.add_argument("--days", type=int, default=3)
            continue
        if name == "forget":
            command.add_argument("--before", type=moment, required=True)
            continue
        command.add_argument("subject", help="a sensor's name" if name == "query" else "the picture's file")
        command.add_argument("--start", type=moment, default=BEGIN)
        command.add_argument("--stop", type=moment, default=BEGIN + timedelta(days=3))
    arguments = parser.parse_args()
    with millpond.Container.open(arguments.container) as container:
        series = TimeSeries(container)
        if arguments.command == "fill":
            fill(series, arguments.days)
        elif arguments.command == "forget":
            for sensor in series.sensors():
                print(f"{sensor}: {series.forget(sensor, arguments.before)} readings deleted")
        elif arguments.command == "query":
            query(series, arguments.subject, arguments.start, arguments.stop)
        else:
            picture = plot(series, arguments.start, arguments.stop)
            try:
                Path(arguments.subject).write_text(picture, encoding="utf-8")
            except OSError as error:
                parser.error(f"{arguments.subject}: {error.strerror}")
            print(f"{arguments.subject}: {', '.join(series.sensors())}")


if __name__ == "__main__":
    main()

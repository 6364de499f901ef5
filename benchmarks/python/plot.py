"""The plot: for each operation, what it costs each peer, on a logarithmic scale."""

import math
from html import escape
from pathlib import Path

from results import Results, cpu_us, wall_us

COLOURS = {
    "millpond": "#0b6e4f",
    "heed": "#d1495b",
    "lmdb": "#d1495b",
    "fjall": "#edae49",
    "rocksdict": "#edae49",
    "redb": "#8d6b94",
    "diskcache": "#8d6b94",
    "rusqlite": "#30638e",
    "sqlite3": "#30638e",
    "dict": "#9a9a9a",
}

# Title, section, workload, and what else names the run.
ROWS: list[tuple[str, str, str, dict[str, object]]] = [
    ("put", "single", "put", {}),
    ("overwrite", "single", "overwrite", {}),
    ("get", "single", "get", {}),
    ("put of 1,000", "bulk", "put_many", {}),
    ("get of 1,000", "bulk", "get_many", {}),
    ("scan", "single", "scan", {}),
    ("synced put", "sync", "timed_put", {"durability": "sync"}),
    ("… of 8 threads", "threads", "put", {"durability": "sync", "threads": 8}),
    ("… of 4 processes", "processes", "put", {"durability": "sync", "processes": 4}),
]

WIDTH, LEFT, RIGHT, ROW, TOP = 900, 150, 60, 30, 74


def panel(results: Results, language: str, top: int) -> tuple[list[str], int]:
    """The dots of one language, and where the panel ends."""
    rows: list[tuple[str, dict[str, float]]] = []
    for title, section, workload, wanted in ROWS:
        found = {}
        for peer in COLOURS:
            if figure := results.figure(section, language, peer, workload, **wanted):
                found[peer] = wall_us(figure) if wanted else cpu_us(figure)
        rows.append((title, {peer: cost for peer, cost in found.items() if cost > 0}))
    costs = [cost for _, found in rows for cost in found.values()]
    if not costs:
        return [], top
    low = math.floor(math.log10(min(costs)))
    high = max(math.ceil(math.log10(max(costs))), low + 1)

    def x(cost: float) -> float:
        return LEFT + (math.log10(cost) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def dot(at: float, y: int, radius: int, peer: str, tip: str = "") -> str:
        return f'<circle cx="{at:.1f}" cy="{y}" r="{radius}" fill="{COLOURS[peer]}">{tip}</circle>'

    peers = [peer for peer in COLOURS if any(peer in found for _, found in rows)]
    bottom = top + TOP + ROW * len(rows)
    parts = [f'<text x="16" y="{top + 24}" class="title">From {language.capitalize()}</text>']
    for place, peer in enumerate(peers):
        left = LEFT + place * 120
        parts.append(dot(left, top + 42, 6, peer))
        parts.append(f'<text x="{left + 11}" y="{top + 46}">{escape(peer)}</text>')
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(
            f'<line x1="{at:.1f}" y1="{top + TOP - 14}" x2="{at:.1f}" y2="{bottom - 8}" class="grid"/>'
        )
        parts.append(f'<text x="{at:.1f}" y="{bottom + 8}" text-anchor="middle">{10.0**power:,g} µs</text>')
    for place, (title, found) in enumerate(rows):
        y = top + TOP + ROW * place
        parts.append(f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(title)}</text>')
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" class="grid"/>')
        # Ours last, and so on top.
        for peer in sorted(found, key=lambda peer: peer == "millpond"):
            tip = f"<title>{escape(peer)}: {found[peer]:.2f} µs</title>"
            parts.append(dot(x(found[peer]), y, 8 if peer == "millpond" else 6, peer, tip))
    return parts, bottom + 20


def write(results: Results, path: Path) -> None:
    parts: list[str] = []
    height = 30
    for language in ("rust", "python"):
        drawn, height = panel(results, language, height)
        parts += drawn
    style = (
        "text{font:13px sans-serif;fill:#222}.title{font-weight:bold;font-size:15px}"
        ".grid{stroke:#ddd;stroke-width:1}circle{stroke:#fff;stroke-width:1}"
    )
    heading = (
        "Microseconds an operation (less is better): processor time, and time on the clock for synced puts"
    )
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 6}" width="{WIDTH}">\n'
        f"<style>{style}</style>\n"
        f'<rect width="100%" height="100%" fill="#fff"/>\n<text x="16" y="22">{heading}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )

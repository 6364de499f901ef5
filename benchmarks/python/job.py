"""What the driver asks a worker for, and what it is told; the same for workers in Python and in Rust."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Job:
    """One peer's share of one section."""

    task: str
    peer: str = ""
    durability: str = "async"
    value_bytes: int = 100
    count: int = 0
    threads: int = 1
    processes: int = 1
    member: int = 0
    workloads: list[str] = field(default_factory=list)
    seed: int = 0
    directory: str = ""

    @property
    def synced(self) -> bool:
        return self.durability == "sync"

    @property
    def place(self) -> Path:
        return Path(self.directory)

    def text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def parse(text: str) -> "Job":
        return Job(**json.loads(text))


@dataclass
class Figure:
    """What a workload took: wall time until its last operation returned, processor time of all threads
    until the store was idle again; and when it began, on the clock that all processes share."""

    operations: int
    wall_s: float
    cpu_s: float
    start_s: float = 0


@dataclass
class Report:
    """What a job found: what was timed, and what was counted, with units in the names."""

    figures: dict[str, Figure] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def parse(text: str) -> "Report":
        found: dict[str, Any] = json.loads(text)
        return Report({name: Figure(**figure) for name, figure in found["figures"].items()}, found["facts"])

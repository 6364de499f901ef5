"""What all rounds found: medians, and how to look them up."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from job import Figure, Job, Report

# What names a run, beside its section, language and peer.
KEYS = ("durability", "value_bytes", "threads", "processes")


@dataclass
class Run:
    """One peer's rounds of one job."""

    section: str
    language: str
    job: Job
    rounds: list[Report] = field(default_factory=list)
    failed: str = ""

    @property
    def peer(self) -> str:
        return self.job.peer

    def title(self) -> str:
        job = self.job
        about = [
            self.section,
            self.language,
            job.peer or "the machine",
            job.durability,
            f"{job.value_bytes} B",
        ]
        about += [f"{job.threads} threads"] if job.threads > 1 else []
        about += [f"{job.processes} processes"] if job.processes > 1 else []
        return ", ".join(about)

    def median(self, figure: str) -> Figure | None:
        """The median round, for wall and processor time each."""
        found = [report.figures[figure] for report in self.rounds if figure in report.figures]
        if not found:
            return None
        wall_s = statistics.median(each.wall_s for each in found)
        cpu_s = statistics.median(each.cpu_s for each in found)
        return Figure(found[0].operations, wall_s, cpu_s)

    def over_floor(self, name: str) -> float | None:
        """How many times the floor beside it, on the clock: the median of the rounds' ratios.

        A ratio of medians would compare the puts of one round with the disk of another.
        """
        found = [
            report.figures[name].wall_s / report.figures[f"{name}_floor"].wall_s
            for report in self.rounds
            if name in report.figures and f"{name}_floor" in report.figures
        ]
        return statistics.median(found) if found else None

    def fact(self, name: str) -> float | None:
        found = [report.facts[name] for report in self.rounds if name in report.facts]
        return statistics.median(found) if found else None

    def names(self) -> list[str]:
        return list(dict.fromkeys(name for report in self.rounds for name in report.figures))

    def document(self) -> dict[str, Any]:
        figures = {}
        for name in self.names():
            median = self.median(name)
            assert median is not None
            each = [report.figures[name] for report in self.rounds if name in report.figures]
            figures[name] = {
                "operations": median.operations,
                "wall_us": round(wall_us(median), 4),
                "cpu_us": round(cpu_us(median), 4),
                "wall_us_rounds": [round(wall_us(figure), 4) for figure in each],
                "cpu_us_rounds": [round(cpu_us(figure), 4) for figure in each],
            }
        facts = {name: self.fact(name) for report in self.rounds for name in report.facts}
        about = {key: value for key, value in asdict(self.job).items() if key in (*KEYS, "count")}
        failed = {"failed": self.failed} if self.failed else {}
        head = {"section": self.section, "language": self.language, "peer": self.peer}
        return {**head, **about, "figures": figures, "facts": facts, **failed}


def wall_us(figure: Figure) -> float:
    """Microseconds an operation, on the clock."""
    return figure.wall_s * 1e6 / figure.operations


def cpu_us(figure: Figure) -> float:
    """Microseconds an operation, of processor time."""
    return figure.cpu_s * 1e6 / figure.operations


class Results:
    """All runs."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        # The share of the processors that others took meanwhile.
        self.others = 0.0

    @staticmethod
    def parse(document: dict[str, Any]) -> "Results":
        """What results.json holds."""
        results = Results()
        results.others = document["others"]
        for each in document["runs"]:
            about = {key: each[key] for key in (*KEYS, "count", "peer")}
            run = Run(each["section"], each["language"], Job("operations", **about))
            run.failed = each.get("failed", "")
            # Of facts the median alone is kept.
            run.rounds.append(Report(facts=each["facts"]))
            for name, figure in each["figures"].items():
                rounds = zip(figure["wall_us_rounds"], figure["cpu_us_rounds"], strict=True)
                for number, (wall, cpu) in enumerate(rounds):
                    if number == len(run.rounds):
                        run.rounds.append(Report())
                    scale = figure["operations"] / 1e6
                    run.rounds[number].figures[name] = Figure(figure["operations"], wall * scale, cpu * scale)
            results.runs.append(run)
        return results

    def run_of(self, section: str, language: str, job: Job) -> Run:
        """The run of a job, made if it is new."""
        wanted = {key: getattr(job, key) for key in KEYS}
        found = self.find(section, language, job.peer, **wanted)
        if found is None:
            found = Run(section, language, job)
            self.runs.append(found)
        return found

    def find(self, section: str, language: str, peer: str, **wanted: object) -> Run | None:
        """The run of a peer; of 100-byte values, one thread and one process unless said."""
        wanted = {"value_bytes": 100, "threads": 1, "processes": 1, "durability": "async", **wanted}
        for run in self.runs:
            same = (run.section, run.language, run.peer) == (section, language, peer)
            if same and all(getattr(run.job, key) == value for key, value in wanted.items()):
                return run
        return None

    def figure(self, section: str, language: str, peer: str, name: str, **wanted: object) -> Figure | None:
        run = self.find(section, language, peer, **wanted)
        return run.median(name) if run else None

    def fact(self, section: str, language: str, peer: str, name: str, **wanted: object) -> float | None:
        run = self.find(section, language, peer, **wanted)
        return run.fact(name) if run else None

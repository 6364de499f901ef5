"""Millpond beside its peers: one run, equal durability, ratios.

    make bench              the quick suite, about a quarter of an hour
    make bench FULL=1       and what takes ten million records

Writes results.md, results.json and results.svg. What is measured, and how to read it, is in README.md
beside this directory.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import plan
import plot
import report
from job import Job, Report
from neighbours import Neighbours
from results import Results

HERE = Path(__file__).parent
TIMEOUT_S = 3600


# These have an environment of their own, since Millpond's shim takes the name of one of them.
APART = ("disk-objectstore", "rsdos")
ENVIRONMENT_APART = HERE.parent.parent / ".venv-oracle/bin/python"


def command(language: str, binary: Path, job: Job) -> list[str]:
    python = str(ENVIRONMENT_APART) if job.peer in APART else sys.executable
    worker = [str(binary)] if language == "rust" else [python, str(HERE / "worker.py")]
    return [*worker, job.text()]


def do(language: str, binary: Path, job: Job, directory: Path) -> Report:
    """Has a job done in a process of its own and an empty directory, which is removed afterwards."""
    place = Path(tempfile.mkdtemp(dir=directory))
    try:
        job = replace(job, directory=str(place))
        done = subprocess.run(
            command(language, binary, job), stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=True
        )
        return Report.parse(done.stdout)
    finally:
        shutil.rmtree(place)


def measure(tasks: list[plan.Task], rounds: int, binary: Path, directory: Path) -> Results:
    """All rounds of all tasks: in each, the peers take turns, so that a noisy machine is noisy for all."""
    results = Results()
    others = Neighbours()
    begun = time.monotonic()
    for number in range(rounds):
        turns = [
            (task, replace(job, peer=peer, seed=number))
            for task in tasks
            if number < task.rounds
            for peer in task.peers
            for job in task.jobs
        ]
        for task, job in turns:
            run = results.run_of(task.section, task.language, job)
            if run.failed:
                continue
            seconds = time.monotonic() - begun
            print(f"{seconds:5.0f} s  round {number + 1} of {rounds}: {run.title()}", flush=True)
            try:
                run.rounds.append(do(task.language, binary, job, directory))
            except (subprocess.SubprocessError, ValueError) as error:
                run.failed = type(error).__name__
                print(f"         failed: {error}", flush=True)
    results.others = others.share()
    return results


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, help="the program built from benchmarks/rust")
    parser.add_argument("--full", action="store_true", help="also what takes ten million records")
    parser.add_argument("--sections", default="", help=f"only these, of {','.join(plan.FULL)}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the records, to try it out (1)")
    parser.add_argument(
        "--directory", type=Path, default=None, help="where the data goes: a disk, not a tmpfs"
    )
    parser.add_argument(
        "--output", type=Path, default=HERE.parent / "results", help="what to write, less suffix"
    )
    parser.add_argument("--again", action="store_true", help="write the tables anew, without measuring")
    options = parser.parse_args()
    if not options.again and not options.binary:
        parser.error("--binary is missing: `make bench` builds the program and names it")
    return options


def again(output: Path) -> None:
    """Writes the tables and the plot anew, of what was measured before."""
    document = json.loads(output.with_suffix(".json").read_text())
    results = Results.parse(document)
    about = {key: document[key] for key in ("date", "machine", "rounds", "scale", "versions")}
    report.write(results, about, output)
    plot.write(results, output.with_suffix(".svg"))


def main() -> int:
    options = arguments()
    if options.again:
        again(options.output)
        return 0
    sections = options.sections.split(",") if options.sections else plan.FULL if options.full else plan.QUICK
    if unknown := set(sections) - set(plan.FULL):
        raise SystemExit(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(plan.FULL)}")
    parent = (options.directory or options.binary.parent).absolute()
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as directory:
        tasks = plan.plan(sections, options.scale)
        results = measure(tasks, options.rounds, options.binary.absolute(), Path(directory))
        about = report.describe(options.rounds, options.scale, Path(directory))
    report.write(results, about, options.output)
    plot.write(results, options.output.with_suffix(".svg"))
    print(f"written: {options.output}.md, .json and .svg")
    failed = [run for run in results.runs if run.failed]
    for run in failed:
        print(f"failed: {run.title()}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

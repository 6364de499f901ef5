"""Several processes on one store: one leads, and all others do each workload at once."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from job import Figure, Job, Report
from peers import PEERS
from workloads import Part, measure


def lead(job: Job) -> Report:
    """Starts the members, gives them one workload after the other, and adds up."""
    # Created by one of them, so that none meets a store that is half there.
    PEERS[job.peer](job.place, job.synced).close()
    members = []
    for number in range(job.processes):
        command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
        command.append(replace(job, task="member", member=number).text())
        members.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    report = Report()
    try:
        for member in members:
            answer(member)
        for workload in job.workloads:
            for member in members:
                ask(member, workload)
            report.figures[workload] = total([Figure(**json.loads(answer(member))) for member in members])
    finally:
        for member in members:
            member.communicate()
    return report


def ask(member: "subprocess.Popen[str]", workload: str) -> None:
    assert member.stdin is not None
    member.stdin.write(f"{workload}\n")
    member.stdin.flush()


def answer(member: "subprocess.Popen[str]") -> str:
    assert member.stdout is not None
    line = member.stdout.readline()
    if not line:
        raise RuntimeError("a member ended before its time; its error is above")
    return line


def total(figures: list[Figure]) -> Figure:
    """From the first one's beginning to the last one's end."""
    start = min(figure.start_s for figure in figures)
    return Figure(
        operations=sum(figure.operations for figure in figures),
        wall_s=max(figure.start_s + figure.wall_s for figure in figures) - start,
        cpu_s=sum(figure.cpu_s for figure in figures),
        start_s=start,
    )


def join(job: Job) -> None:
    """A member: does what it is asked, until nobody asks any more."""
    parts = [Part(job, thread) for thread in range(job.threads)]
    store = PEERS[job.peer](job.place, job.synced)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(measure(job, store, parts, line.strip()))), flush=True)
    store.close()

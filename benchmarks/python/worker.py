"""The Python side of the benchmarks: does one job, given as JSON, and prints its figures as JSON."""

import sys

import blobs
import load
import maps
import processes
import workloads
from job import Job


def main() -> None:
    job = Job.parse(sys.argv[1])
    match job.task:
        case "floors":
            report = workloads.floors(job)
        case "operations":
            report = processes.lead(job) if job.processes > 1 else workloads.run(job)
        case "load":
            report = load.run(job)
        case "blobs":
            report = blobs.run(job)
        case "maps":
            report = maps.run(job)
        case "member":
            processes.join(job)
            return
        case other:
            raise SystemExit(f"there is no job {other!r}")
    print(report.text())


if __name__ == "__main__":
    main()

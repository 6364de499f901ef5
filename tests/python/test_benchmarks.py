"""The benchmarks: a worker fails when a store loses something, and goals are judged the right way round."""

import json
from pathlib import Path

import neighbours
import peers
import pytest
import report
import targets
import workloads
from job import Figure, Job, Report
from results import Results


class Forgetful(peers.PlainDict):
    """A store with a planted bug: it never finds the entry that was put last."""

    def session(self) -> peers.PlainDict:
        found = dict(list(self.dict.items())[:-1])
        reader = peers.PlainDict(Path(), False)
        reader.put = self.put
        reader.get = found.get
        reader.dict = found
        return reader


def job(peer: str, *names: str, threads: int = 1) -> Job:
    return Job("operations", peer=peer, count=80, workloads=list(names), threads=threads)


def test_every_workload_runs_on_millpond(tmp_path: Path) -> None:
    wanted = ["put", "overwrite", "get", "get_many", "scan", "scan_compacted"]
    found = workloads.run(
        Job("operations", peer="millpond", count=80, workloads=wanted, directory=str(tmp_path))
    )
    assert list(found.figures) == wanted
    assert all(figure.operations == 80 and figure.wall_s > 0 for figure in found.figures.values())


@pytest.mark.parametrize("lost", ["get", "scan"])
def test_a_lost_record_fails_the_worker(lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "forgetful", Forgetful)
    workloads.run(job("dict", "put", lost))
    with pytest.raises(RuntimeError, match=r"missing|of 80 records"):
        workloads.run(job("forgetful", "put", lost))


def test_a_thread_that_fails_fails_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "forgetful", Forgetful)
    with pytest.raises(RuntimeError, match="missing"):
        workloads.run(job("forgetful", "put", "get", threads=4))


def test_threads_are_timed_from_the_first_start_to_the_last_end() -> None:
    found = workloads.run(job("dict", "put", threads=8))
    assert found.figures["put"].operations == 80
    assert found.figures["put"].wall_s > 0


def results(ours_us: float, theirs_us: float) -> Results:
    """Of puts that cost so much processor time, and ten times that on the clock."""
    found = Results()
    for peer, cost_us in (("millpond", ours_us), ("fjall", theirs_us)):
        run = found.run_of("single", "rust", job(peer, "put"))
        for factor in (1, 3, 1):
            figure = Figure(100, cost_us * factor * 1e-3, cost_us * factor * 1e-4)
            run.rounds.append(Report({"put": figure}))
    return found


@pytest.mark.parametrize(
    ("ours_us", "theirs_us", "reached"), [(2, 3.1, True), (2, 2.9, False), (3, 2, False)]
)
def test_goals_are_judged_the_right_way_round(ours_us: float, theirs_us: float, reached: bool) -> None:
    goal = targets.goals()[0]
    value = goal.measure(results(ours_us, theirs_us))
    assert value is not None
    assert value == pytest.approx(theirs_us / ours_us)
    assert goal.reached(value) is reached


def test_what_was_not_measured_is_not_judged() -> None:
    lines, documents = report.goals(results(2, 4))
    assert len(documents) == 1
    assert sum("not measured" in line for line in lines) == len(targets.goals()) - 1


def test_a_busy_machine_is_told() -> None:
    found = results(2, 4)
    assert report.busy(found) == []
    found.others = 0.4
    assert "40%" in report.busy(found)[0]
    assert 0 <= neighbours.Neighbours().share() <= 1


def test_a_synced_put_is_compared_with_the_floor_of_its_own_round() -> None:
    run = Results().run_of("sync", "rust", job("millpond", "timed_put"))
    for put, floor in ((1, 1), (30, 10), (100, 50)):
        figures = {"timed_put": Figure(1, put, 0), "timed_put_floor": Figure(1, floor, 0)}
        run.rounds.append(Report(figures))
    # Of medians it would be 3.
    assert run.over_floor("timed_put") == pytest.approx(2)


def test_tables_come_out_the_same_of_what_was_kept(tmp_path: Path) -> None:
    found = results(2, 3)
    found.runs[0].rounds[0].facts["scan_runs"] = 2
    about = {"date": "1999-12-31", "machine": "one", "rounds": 3, "scale": 1, "versions": {"fjall": "3"}}
    report.write(found, about, tmp_path / "first")
    kept = Results.parse(json.loads((tmp_path / "first.json").read_text()))
    report.write(kept, about, tmp_path / "other")
    first, other = ((tmp_path / f"{name}.md").read_text() for name in ("first", "other"))
    assert first.replace("first.svg", "other.svg") == other
    assert "fjall" in first

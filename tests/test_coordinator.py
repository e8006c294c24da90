"""When the command that looks after workers starts new ones, and when it gives up."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lthctl.artifacts.heartbeat import STALE_SECONDS, Heartbeat
from lthctl.cluster.coordinator import Team, run_on
from lthctl.cluster.failures import Failure, Failures
from lthctl.cluster.jobs_file import COORDINATOR, coordinating
from lthctl.cluster.progress import Viewer
from lthctl.cluster.status import WORKERS, WorkerStatus
from lthctl.cluster.workplace import WORKPLACES, JobState
from lthctl.errors import ClusterError
from lthctl.grid.grid import Grid
from lthctl.grid.grids import ticket_grid
from lthctl.grid.outcome import Outcome
from lthctl.params_file import load_params


class Played:
    """A workplace whose workers have ended as soon as they are started; `ends` says how, one group
    after another."""

    words = "nothing real"
    ends: list[list[WorkerStatus]] = []
    started = 0
    grid: Grid

    def __init__(self, plan: Path, num_jobs: int | None, settings: Mapping[str, str]) -> None:
        self._plan = plan

    def start(self, count: int) -> list[str]:
        group, type(self).started = self.ends[self.started], self.started + 1
        folder = Path(".lthctl") / WORKERS
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"{self.started}_{number}" for number in range(count)]
        for name, status in zip(names, group, strict=True):
            said = WorkerStatus(
                self._plan.parent.name, "n", name, state=status.state,
                num_trained=status.num_trained, failure=status.failure, failed=status.failed,
            )  # fmt: skip
            (folder / f"{said.plan}-n-{name}.json").write_bytes(said.to_bytes())
            for task, reason in status.failed:
                Failures(self._plan.parent).add(Failure("0" * 64, name, task, reason))
            if status.state == "finished":
                for task in self.grid.tasks:
                    if task.name not in dict(status.failed):
                        task.place.mkdir(parents=True, exist_ok=True)
        return names

    def script(self, count: int) -> str:
        return ""

    def look(self, jobs: Sequence[str]) -> dict[str, JobState]:
        return {job: JobState("ended") for job in jobs}

    def cancel(self, jobs: Sequence[str]) -> None: ...

    def log(self, job: str) -> str:
        return f"the log of {job}"


class Notes(Viewer):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.outcome: Outcome | None = None

    def note(self, text: str) -> None:
        self.notes.append(text)


def ended(state: str, failure: str = "", *, num_trained: int = 1) -> WorkerStatus:
    return WorkerStatus("", "", "", state=state, num_trained=num_trained, failure=failure)


FULL = "x: the disk is full; make room"


def play(*groups: list[WorkerStatus], monkeypatch: pytest.MonkeyPatch) -> Notes:
    monkeypatch.setitem(WORKPLACES._members, "played", Played)
    monkeypatch.setattr(Played, "ends", list(groups))
    monkeypatch.setattr(Played, "started", 0)
    grid, notes = ticket_grid(load_params(Path("params.yaml"))), Notes()
    monkeypatch.setattr(Played, "grid", grid, raising=False)
    os.makedirs("masks", exist_ok=True)  # noqa: PTH103
    notes.outcome = run_on(grid, Team("played", 2), notes)
    return notes


def test_where_all_workers_fail_no_new_ones_are_started(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have trained something, and it could not be kept."""
    with pytest.raises(ClusterError) as error:
        play([ended("failed", FULL), ended("failed", FULL)], monkeypatch=monkeypatch)
    assert Played.started == 1
    assert str(error.value) == (
        f"2 workers have ended, and 6 of 6 are missing; the last one said:\n{FULL}"
    )


@pytest.mark.parametrize("state", ["out of time", "working"])  # the second was killed
def test_where_one_ended_otherwise_and_something_was_done_new_ones_are_started(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    first = [ended(state), ended("failed", FULL)]
    notes = play(first, [ended("finished"), ended("finished")], monkeypatch=monkeypatch)
    assert Played.started == 2
    assert "all workers have ended before all is done; new ones are started" in notes.notes


def test_failures_are_told_as_they_come_and_end_nothing_else(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "l1-r0.50-n2-s2"
    tried = replace(ended("finished"), failed=((name, "the training loss is nan"),))
    notes = play([tried, tried], monkeypatch=monkeypatch)
    assert notes.notes == [f"failed: {name}: the training loss is nan"] * 2  # by either worker
    assert notes.outcome is not None and len(notes.outcome.written) == 5
    assert notes.outcome.failed == [(name, "the training loss is nan")]


def test_where_nothing_was_done_no_new_ones_are_started(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [ended("starting", num_trained=0)] * 2
    with pytest.raises(ClusterError, match=r"6 of 6 are missing.*\n.*the log of 1_1"):
        play(first, monkeypatch=monkeypatch)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """The folder of a plan that a command on another machine looks after."""
    heart = Heartbeat(tmp_path, COORDINATOR)
    heart.beat(b"process 5 on elsewhere")
    return tmp_path


def test_a_command_on_another_machine_is_told_of(plan: Path) -> None:
    """Locks may not reach that far."""
    who = "process 5 on elsewhere looks after the workers"
    with pytest.raises(ClusterError, match=who), coordinating(plan):
        raise AssertionError("there are two")
    assert (plan / f"{COORDINATOR}.json").read_bytes() == b"process 5 on elsewhere"


def test_a_command_that_was_lost_is_followed_by_the_next(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the file server's clock: that of this machine may go wrong."""
    file = plan / f"{COORDINATOR}.json"
    shown = file.stat().st_mtime - STALE_SECONDS - 1
    os.utime(file, (shown, shown))
    monkeypatch.setattr("time.time", lambda: shown)
    with coordinating(plan) as heart:
        assert file.read_text() == heart.who
    assert not file.exists()

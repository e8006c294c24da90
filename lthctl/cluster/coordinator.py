"""The command that starts workers on a grid, shows how it goes, and ends when all is done.

It trains nothing, and nothing depends on it: it looks at the folders, at the heartbeats of workers
and at what the workplace says of their jobs. Killed, it leaves the workers at work. The same
command finds them again.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lthctl.artifacts.heartbeat import STALE_SECONDS
from lthctl.artifacts.store import Store
from lthctl.artifacts.trained_where import TRAINED, count_trained, machines_of
from lthctl.cluster.failures import Failures
from lthctl.cluster.jobs_file import Coordinator, coordinating, read_jobs, write_jobs
from lthctl.cluster.plan_file import WorkPlan, write_plan
from lthctl.cluster.progress import Picture, Viewer
from lthctl.cluster.status import WorkerStatus, forget_the_gone, read_statuses
from lthctl.cluster.workplace import WORKPLACES, JobState, Workplace
from lthctl.errors import ClusterError, ParamsError
from lthctl.families import trust
from lthctl.grid.grid import Grid
from lthctl.grid.outcome import Interrupted, Outcome
from lthctl.grid.places import check_places
from lthctl.grid.tasks import State
from lthctl.training.engines import may_differ

LOOK_SECONDS = 1.0  # between two looks, or longer where a look takes long

LOOK_SHARE = 0.1  # of the time that is spent on looking, at most

END_SECONDS = 30.0  # that workers have to end by themselves once all is done


@dataclass(frozen=True)
class Team:
    """Who is to work on a grid.

    Attributes:
      workplace: the name of one.
      workers: how many.
      num_jobs: trainings at a time of each; what its machine has cores for, if None.
      executor: where a worker trains.
      settings: of the cluster.
      detach: start the workers, and leave them.
    """

    workplace: str
    workers: int
    num_jobs: int | None = None
    executor: str = "threads"
    settings: Mapping[str, str] = field(default_factory=dict)
    detach: bool = False


def run_on(grid: Grid, team: Team, viewer: Viewer, *, replace: bool = False) -> Outcome | None:
    """Let workers make the folders of a grid that are not there yet.

    Args:
      grid: what is to be there.
      team: who works on it, and where.
      viewer: is told how it goes.
      replace: replace folders that hold something else.

    Returns:
      What became of the folders; None where the workers were left to themselves.

    Raises:
      ParamsError: there is no such workplace, or a setting of it is wrong.
      OutputError: a folder holds something else, or it or the store cannot be written.
      ClusterError: the workers are refused, die, or are another command's.
      Interrupted: by Ctrl-C; the workers were ended.
    """
    trust(team.workplace)
    kind = WORKPLACES.get(team.workplace)
    store = Store(grid.store)
    check_places(grid.tasks, store=store, replace=replace, option=grid.option)
    outcome = Outcome(present=[t.place for t in grid.tasks if t.state is State.PRESENT])
    if not grid.missing:
        return outcome
    is_foreign = store.is_foreign
    plan = _plan_of(grid, team, replace)
    workplace = kind(plan.path, team.num_jobs, team.settings)
    with coordinating(plan.place) as heart:
        watch = _Watch(grid, workplace, team, plan.place, heart, viewer)
        watch.attach()
        if team.detach:
            return None
        try:
            watch.until_the_end()
        except KeyboardInterrupt:
            workplace.cancel(watch.jobs)
            done = len(outcome.present) + watch.num_done
            raise Interrupted(f"{done} of {len(grid.tasks)} are finished") from None
        workplace.cancel(watch.jobs)
    watch.tell(outcome)
    if grid.train and may_differ(grid.train, kinds := machines_of(plan.place)):
        viewer.note(
            f"the workers had several kinds of processors, whose results may differ in the last "
            f"bits: {', '.join(kinds)}; {plan.place}/{TRAINED} says what was trained where, and "
            "a report of these runs says so, too"
        )
    outcome.by_workers = True
    if is_foreign:
        outcome.foreign_store = store.place
    return outcome


def script(grid: Grid, team: Team, *, replace: bool = False) -> str:
    """What `run_on` would run or submit; a plan is written for it, and nothing else.

    Raises: as `run_on`.
    """
    trust(team.workplace)
    kind = WORKPLACES.get(team.workplace)
    plan = _plan_of(grid, team, replace)
    return kind(plan.path, team.num_jobs, team.settings).script(team.workers)


def _plan_of(grid: Grid, team: Team, replace: bool) -> WorkPlan:
    if grid.asked is None:
        raise ParamsError("--on: this grid was made by hand, and workers could not make it again")
    return write_plan(
        grid.asked, grid.store, executor=team.executor, replace=replace, device=grid.device
    )


class _Watch:
    """Looks after the workers of a plan."""

    def __init__(
        self,
        grid: Grid,
        workplace: Workplace,
        team: Team,
        plan: Path,
        heart: Coordinator,
        viewer: Viewer,
    ) -> None:
        self._grid, self._workplace, self._team = grid, workplace, team
        self._plan, self._heart, self._viewer = plan, heart, viewer
        self._failures = Failures(plan)
        self._began = time.monotonic()
        self._left = {task.place: task for task in grid.missing}
        self._before = {
            task.place: task.place.lstat().st_ino
            for task in grid.missing
            if task.state is State.OTHER
        }
        self._ended: set[str] = set()  # jobs whose end was told
        self._trained_before = count_trained(plan)
        self._at_start = 0  # trainings and folders there were when workers were started last
        self._statuses: dict[str, tuple[float, WorkerStatus]] = {}
        self.jobs: list[str] = []

    @property
    def num_done(self) -> int:
        """Folders made since this command began."""
        return len(self._grid.missing) - len(self._left)

    def attach(self) -> None:
        """Take over workers that are there already, and start those that are missing."""
        before = read_jobs(self._plan)
        if before is not None and before.workplace == self._team.workplace:
            states = self._workplace.look(before.names)
            self.jobs = [name for name in before.names if states[name].kind != "ended"]
        if self.jobs:
            self._viewer.note(f"attached to {len(self.jobs)} workers that are there already")
        else:
            self._failures.forget()
            forget_the_gone(self._grid.store, self._plan.name, self._heart)
        self._start(self._team.workers - len(self.jobs))

    def _start(self, count: int) -> None:
        self._at_start = self._progress
        if count > 0:
            self.jobs += self._workplace.start(count)
            write_jobs(self._plan, self._team.workplace, self.jobs)

    @property
    def _progress(self) -> int:
        trained = sum(status.num_trained for _, status in self._statuses.values())
        return self.num_done + trained

    def until_the_end(self) -> None:
        """Look until nothing is left, or nobody who could do it."""
        self._viewer.planned(self._grid.missing)
        ended_at: float | None = None
        while True:
            began = time.monotonic()
            states = self._look()
            self._heart.show()
            alive = [job for job in self.jobs if states[job].kind != "ended"]
            if not alive and self._is_over(states):
                return
            if not self._left:
                ended_at = ended_at or began
                running = [job for job in alive if states[job].kind == "running"]
                if not running or began - ended_at > END_SECONDS:
                    return
            took = time.monotonic() - began
            time.sleep(max(LOOK_SECONDS, took * (1 / LOOK_SHARE - 1)) if alive else 0.05)

    def _look(self) -> dict[str, JobState]:
        states = self._workplace.look(self.jobs)
        self._statuses = read_statuses(self._grid.store, self._plan.name)
        self._take_away_finished()
        for failure in self._failures.look():
            self._viewer.note(f"failed: {failure.task}: {failure.reason}")
        for job, state in states.items():
            if state.kind == "ended" and job not in self._ended:
                self._ended.add(job)
                self._tell_end(job, state)
        picture = Picture(
            self._grid.missing,
            frozenset(self._left),
            [
                status
                for written, status in self._statuses.values()
                if self._heart.now - written < STALE_SECONDS
            ],
            states,
            time.monotonic() - self._began,
        )
        self._viewer.shown(picture)
        return states

    def _take_away_finished(self) -> None:
        for parent in {place.parent for place in self._left}:
            with suppress(OSError):
                names = set(os.listdir(parent))  # noqa: PTH208
                for place in [one for one in self._left if one.parent == parent]:
                    if place.name in names and not self._is_as_before(place):
                        del self._left[place]

    def _is_as_before(self, place: Path) -> bool:
        return place in self._before and place.lstat().st_ino == self._before[place]

    def _status_of(self, job: str) -> WorkerStatus | None:
        told = [status for _, status in self._statuses.values() if status.job == job]
        return told[-1] if told else None

    def _tell_end(self, job: str, state: JobState) -> None:
        status = self._status_of(job)
        if status is not None and status.state in ("finished", "out of time"):
            return
        if not self._left:
            return
        reason = status.failure if status is not None and status.failure else ""
        log = "" if reason else self._workplace.log(job)
        what = reason or (f"the end of its log:\n{log}" if log else self._silent())
        words = f" ({state.words})" if state.words else ""
        self._viewer.note(f"worker {job} ended{words}: {what}")

    def _silent(self) -> str:
        return (
            "it left no log, so perhaps its machine does not see this folder: "
            f"{os.path.realpath(self._plan)}; work in a folder that all machines share"
        )

    def _is_over(self, states: Mapping[str, JobState]) -> bool:
        """All workers have ended: whether that is all, or new ones go on.

        Raises:
          ClusterError: something is left, and the last ones did nothing.
        """
        self._take_away_finished()
        failed = self._failed()
        if all(task.name in failed for task in self._left.values()):
            return True
        said = [self._status_of(job) for job in self.jobs]
        reasons = [status.failure for status in said if status and status.failure]
        # New ones would fail as all of these have, such as where the disk is full.
        if self._progress > self._at_start and len(reasons) < len(self.jobs):
            self._viewer.note("all workers have ended before all is done; new ones are started")
            self.jobs = []
            self._start(self._team.workers)
            return False
        job = self.jobs[-1]
        last = reasons[-1] if reasons else (self._workplace.log(job) or self._silent())
        words = f" ({states[job].words})" if states[job].words else ""
        raise ClusterError(
            f"{len(self.jobs)} workers have ended{words}, and {len(self._left)} of "
            f"{len(self._grid.tasks)} are missing; the last one said:\n{last}"
        )

    def _failed(self) -> dict[str, str]:
        """Task -> reason, as workers that have ended said."""
        statuses = (status for _, status in self._statuses.values() if status.state == "finished")
        return {name: reason for status in statuses for name, reason in status.failed}

    def tell(self, outcome: Outcome) -> None:
        """What became of the tasks."""
        failed = self._failed()
        outcome.written = [t.place for t in self._grid.missing if t.place not in self._left]
        outcome.failed = [(t.name, failed.get(t.name, "")) for t in self._left.values()]
        outcome.num_trained = count_trained(self._plan) - self._trained_before
        for _, status in self._statuses.values():
            for method, tied in status.tied.items():
                outcome.note_ties(method, [tied])
        outcome.seconds = time.monotonic() - self._began

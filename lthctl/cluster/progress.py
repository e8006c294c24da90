"""How many workers get on, as one picture, and who is shown it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lthctl.cluster.status import RunningTraining, WorkerStatus
from lthctl.cluster.workplace import JobState
from lthctl.grid.tasks import Task


class Viewer:
    """Is shown how a team gets on; this one looks away."""

    def planned(self, tasks: Sequence[Task]) -> None:
        """These folders are to be made."""

    def note(self, text: str) -> None:
        """Something has happened, in a sentence."""

    def shown(self, picture: "Picture") -> None:
        """How it goes."""


@dataclass(frozen=True)
class Picture:
    """How it goes.

    Attributes:
      tasks: all that are to be done.
      left: the places of those that are not done yet.
      workers: what they say of themselves.
      jobs: how their jobs are.
      seconds: since the command began.
    """

    tasks: Sequence[Task]
    left: Collection[Path]
    workers: Sequence[WorkerStatus]
    jobs: Mapping[str, JobState]
    seconds: float

    @property
    def work(self) -> float:
        """All of it, in dense steps, equal trainings counted once."""
        return sum({one.key: one.work for task in self.tasks for one in task.trainings}.values())

    @property
    def work_done(self) -> float:
        """About how much of it is done."""
        left = {
            one.key: one.work
            for task in self.tasks
            if task.place in self.left
            for one in task.trainings
        }
        done = {
            one.key: one.work
            for task in self.tasks
            if task.place not in self.left
            for one in task.trainings
        }
        by_tasks = self.work - sum(work for key, work in left.items() if key not in done)
        by_workers = sum(worker.work_trained for worker in self.workers)
        running = sum(one.work * one.step / max(1, one.steps) for _, one in self.running)
        return min(self.work, max(by_tasks, by_workers) + running)

    @property
    def running(self) -> list[tuple[WorkerStatus, RunningTraining]]:
        """Who trains what."""
        return [
            (worker, one)
            for worker in self.workers
            if self._is_alive(worker)
            for one in worker.running
        ]

    @property
    def num_running(self) -> int:
        """Jobs that run."""
        return sum(state.kind == "running" for state in self.jobs.values())

    @property
    def queued(self) -> dict[str, int]:
        """Why jobs wait -> how many do."""
        reasons: dict[str, int] = {}
        for state in self.jobs.values():
            if state.kind == "queued":
                reasons[state.words] = reasons.get(state.words, 0) + 1
        return reasons

    def _is_alive(self, worker: WorkerStatus) -> bool:
        state = self.jobs.get(worker.job)
        return state is None or state.kind == "running"

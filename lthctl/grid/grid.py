"""Folders of tickets or of runs that are to be there: they can be planned, and made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lthctl.artifacts.store import Store
from lthctl.canonical import Json
from lthctl.cores import num_cores
from lthctl.families import EXECUTORS, trust
from lthctl.grid import plan as plans
from lthctl.grid.as_found import Taken
from lthctl.grid.asked import Asked
from lthctl.grid.outcome import Outcome
from lthctl.grid.running import run_tasks
from lthctl.grid.tasks import State, Task
from lthctl.grid.watcher import Watcher
from lthctl.params import TrainParams
from lthctl.training.devices import check_devices


@dataclass(frozen=True)
class Grid:
    """Folders of tickets or of runs that are to be there.

    Attributes:
      what: "ticket" or "run", what every folder holds.
      folder: where the folders are.
      tasks: one for each of them. Some may be there already.
      num_asked: how many were asked for, equal ones counted as often as they were.
      store: where finished trainings are kept.
      option: of the command line, that chooses other folders.
      asked: what was asked for, so that workers can make the same grid; None where nobody can.
      taken: of retrainings: ticket name -> how it is trained, and what of that is its own.
    """

    what: str
    folder: Path
    tasks: tuple[Task, ...]
    num_asked: int
    store: Path
    option: str = "--out"
    asked: Asked | None = None
    taken: Mapping[str, Taken] = field(default_factory=dict)

    @property
    def missing(self) -> list[Task]:
        """The tasks whose folder is not there yet."""
        return [task for task in self.tasks if task.state is not State.PRESENT]

    @property
    def device(self) -> str:
        """That its trainings are specified with; nothing where nothing is trained."""
        return "" if self.train is None else self.train.device

    @property
    def train(self) -> TrainParams | None:
        """How its first training is done; None where nothing is trained."""
        return next((one.params for task in self.tasks for one in task.trainings), None)

    def plan(
        self,
        num_jobs: int | None = None,
        *,
        executor: str = "threads",
        devices: Sequence[str] = (),
    ) -> Json:
        """What a run would do, and how long it would take. Nothing is written.

        Args:
          num_jobs: trainings that run at the same time; if not given, one per device, or one on a
            GPU, or one per core.
          executor: where trainings would run. The times are of threads, whatever it is.
          devices: as in `run`. The times are of one of them, with its share of the trainings.

        Raises:
          ParamsError: there is no such executor, or no such device.
        """
        trust(executor)
        EXECUTORS.get(executor)
        check_devices(devices, {self.device} - {""})
        num_jobs = num_jobs or self.jobs_at_a_time(devices)
        plan = plans.make_plan(self.tasks, Store(self.store))
        speeds = plan.measure(math.ceil(num_jobs / max(1, len(devices))))
        return plans.describe_plan(plan, self.tasks, speeds, self.num_asked, num_jobs)

    def run(
        self,
        num_jobs: int | None = None,
        *,
        executor: str = "threads",
        replace: bool = False,
        watcher: Watcher | None = None,
        devices: Sequence[str] = (),
    ) -> Outcome:
        """Make the folders that are not there yet.

        Args:
          num_jobs: trainings that run at the same time; if not given, one per device, or one on a
            GPU, or one per core.
          executor: where trainings run, "threads" or "processes". It changes no byte.
          replace: replace folders that hold something else.
          watcher: is told what happens.
          devices: those that trainings are spread over, such as "cuda:0" and "cuda:1". Several
            need processes.

        Raises:
          ParamsError: there is no such device.
          OutputError: a folder holds something else, or cannot be written.
        """
        trust(executor)
        return run_tasks(
            self.tasks,
            store=Store(self.store),
            num_jobs=num_jobs or self.jobs_at_a_time(devices),
            executor="processes" if len(devices) > 1 else executor,
            replace=replace,
            watcher=watcher,
            option=self.option,
            devices=devices,
        )

    def jobs_at_a_time(self, devices: Sequence[str]) -> int:
        """Trainings at a time where nobody says how many. Side by side on one GPU they share its
        memory, and hardly gain."""
        return len(devices) or (1 if self.device == "cuda" else num_cores())

    def finished(self, outcome: Outcome) -> list[Path]:
        """The folders that are there after a run, in the order of the grid."""
        there = {*outcome.written, *outcome.present}
        return [task.place for task in self.tasks if task.place in there]

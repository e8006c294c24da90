"""A worker: it does what it can of a plan, beside any number of others.

It holds leases on what it trains, writes finished trainings to the store and finished folders to
their places, and shows by a heartbeat how it goes. Nothing talks to it, and it talks to nobody.
"""

import os
import platform
import random
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.heartbeat import Heartbeat, worker_name
from lthctl.artifacts.store import Store
from lthctl.artifacts.trained_where import TRAINED
from lthctl.cluster.checking import check_folders
from lthctl.cluster.crew import Crew, margin
from lthctl.cluster.diary import Diary
from lthctl.cluster.failures import Failures
from lthctl.cluster.machine import machine_kind
from lthctl.cluster.plan_arguments import VerifyArguments
from lthctl.cluster.plan_file import WorkPlan
from lthctl.cluster.status import WORKERS, WorkerStatus
from lthctl.cores import num_cores
from lthctl.disk import write_errors
from lthctl.errors import ClusterError, LthctlError
from lthctl.grid.grid import Grid
from lthctl.grid.outcome import Outcome
from lthctl.grid.running import run_tasks
from lthctl.grid.tasks import Task
from lthctl.surroundings import refuse_libraries_of_the_folder
from lthctl.training.devices import all_gpus

LEASES = "leases"
"""The folder of the store with leases by files."""

KIND_FILE = "machine"
"""In the folder of a plan: the one kind of machine that works on it."""


@dataclass(frozen=True)
class Shift:
    """What a worker did.

    Attributes:
      outcome: what became of the tasks here.
      is_over: whether its time was up, and tasks are left.
    """

    outcome: Outcome
    is_over: bool


def work(
    plan: WorkPlan,
    *,
    num_jobs: int | None = None,
    seconds: float | None = None,
    spare: float | None = None,
    job: str = "",
    say: Callable[[str], None] = lambda _: None,
    trusted: Collection[str] = (),
) -> Shift:
    """Work on a plan until nothing is left of it, or the time is up.

    The process stands in the plan's folder afterwards.

    Args:
      plan: what is to be done.
      num_jobs: trainings at a time; one per GPU, or per core, if not given.
      seconds: that this worker has; it begins nothing that would not be finished.
      spare: seconds before their end in which it begins nothing; a part of them if not given.
      job: what a cluster calls this worker.
      say: told in a sentence what it does.
      trusted: names of code of one's own that may be run, though the plan may be somebody else's.

    Raises:
      ClusterError: this machine has other software than the plan wants, does not see its folder, or
        is of another kind than those that began; or the plan names code that is not trusted.
      LthctlError: the grid cannot be made here, or a place cannot be written.
      Interrupted: by a signal; what is finished is kept.
    """
    plan.trust_code(trusted)
    refuse_libraries_of_the_folder()
    place, store = _go_to(plan)
    say = _if_possible(say)
    name = worker_name(place.name)
    with write_errors(store.place):
        for folder in (WORKERS, LEASES):
            (store.place / folder).mkdir(parents=True, exist_ok=True)
    status = WorkerStatus(place.name, platform.node(), job or str(os.getpid()))
    diary = Diary(status, place / TRAINED / f"{name}.csv", say)
    heart = Heartbeat(store.place / WORKERS, name)
    if seconds is not None:
        seconds -= margin(seconds) if spare is None else spare
    crew = Crew(
        store.place, heart, Failures(place), say, diary.to_bytes, seconds, store.place / LEASES
    )
    diary.on_trained = crew.took
    crew.begin()
    try:
        plan.check_versions()
        if isinstance(asked := plan.arguments, VerifyArguments):
            diary.machine, diary.state = machine_kind(None), "working"
            outcome = check_folders(plan, asked, crew, name, num_jobs or num_cores())
            diary.finish(outcome, is_over=crew.is_over())
            return Shift(outcome, crew.is_over())
        grid = plan.grid(look=plan.said.replace)
        if grid.device != plan.said.device:
            raise ClusterError(
                f"{platform.node()}: trains on {grid.device or 'nothing'}, expected "
                f"{plan.said.device or 'nothing'} as the plan says; ask for machines with such a "
                "device, or set train.device"
            )
        diary.machine = _kind(grid, place)
        crew.expect_replacement(grid.tasks)
        diary.state = "working"
        # Several GPUs need processes, as in `Grid.run`.
        devices = all_gpus() if grid.device == "cuda" else []
        outcome = run_tasks(
            in_own_order(grid.tasks, name),
            store=store,
            num_jobs=num_jobs or grid.jobs_at_a_time(devices),
            executor="processes" if len(devices) > 1 else plan.said.executor,
            replace=plan.said.replace,
            watcher=diary,
            option=grid.option,
            others=crew,
            devices=devices,
        )
        is_over = crew.is_over()
        diary.finish(outcome, is_over=is_over)
        return Shift(outcome, is_over)
    except KeyboardInterrupt:
        diary.state = "interrupted"
        raise
    except Exception as error:
        is_ours = isinstance(error, LthctlError)
        diary.fail(str(error) if is_ours else f"{type(error).__name__}: {error}")
        raise
    finally:
        crew.end()
        diary.close()


def _if_possible(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same, but a log that cannot be written ends no training."""

    def said(text: str) -> None:
        with suppress(OSError):
            say(text)

    return said


def _go_to(plan: WorkPlan) -> tuple[Path, Store]:
    """Stand in the folder of a plan; its own place, and its store."""
    place = Path(os.path.realpath(plan.place))
    try:
        os.chdir(plan.folder)
    except ValueError as error:  # a name that no system has
        raise ClusterError(f"{plan.place}: names no folder that can be ({error})") from None
    except OSError as error:
        raise ClusterError(
            f"{plan.folder}: cannot be entered on {platform.node()} ({error.strerror}), and the "
            "plan was made there; work in a folder that all machines see at one place relative to "
            "the store"
        ) from None
    if plan.said.by_dvc:
        os.environ.setdefault("DVC_STAGE", "lthctl")  # DVC waits for the command that made the plan
    return place, Store(plan.store)


def _kind(grid: Grid, place: Path) -> str:
    """The kind of this machine. As GPUs sum in orders of their own, the first that works on a plan
    decides which kind does.

    Raises:
      ClusterError: it is another one.
    """
    train = grid.train
    kind = machine_kind(train)
    if train is None or train.device == "cpu":
        return kind
    file = place / KIND_FILE
    with suppress(FileExistsError), write_errors(file), file.open("x") as opened:
        opened.write(kind)
    first = file.read_text()
    if first and first != kind:
        raise ClusterError(
            f"{platform.node()}: has {kind}, and the first worker of this plan had {first}: they "
            "may give different bytes; ask for one kind, such as with --slurm constraint=NAME, or "
            f"delete {file}"
        )
    return kind


def in_own_order(tasks: Sequence[Task], name: str) -> list[Task]:
    """The tasks in another order for every worker, so that they do not ask for the same."""
    return random.Random(name).sample(tasks, len(tasks))

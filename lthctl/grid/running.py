"""Tasks are done: their trainings run side by side, equal ones once, and finished ones are kept.

The order of tasks, the number of jobs and the executor change nothing but the time it takes.
"""

import time
from collections.abc import Sequence

from lthctl.artifacts.store import Store
from lthctl.families import trust
from lthctl.grid.driver import Driver
from lthctl.grid.executors.base import EXECUTORS
from lthctl.grid.executors.device_pool import DevicePool
from lthctl.grid.others import Others
from lthctl.grid.outcome import Interrupted, Outcome
from lthctl.grid.places import check_places
from lthctl.grid.scheduler import Scheduler
from lthctl.grid.signals import interrupts_noted
from lthctl.grid.tasks import State, Task
from lthctl.grid.watcher import Watcher
from lthctl.training.devices import check_devices


def run_tasks(
    tasks: Sequence[Task],
    *,
    store: Store,
    num_jobs: int,
    executor: str = "threads",
    replace: bool = False,
    watcher: Watcher | None = None,
    option: str = "--out",
    others: Others | None = None,
    devices: Sequence[str] = (),
) -> Outcome:
    """Do tasks, each to its folder.

    Args:
      tasks: folders to be made; none twice.
      store: knows finished trainings and is given new ones.
      num_jobs: trainings that run at a time, at least 1.
      executor: where they run, one of `EXECUTORS`.
      replace: put folders in the place of others that hold something else.
      watcher: is told what happens.
      option: of the command line, that chooses other folders.
      others: knows of those that work on the same tasks.
      devices: those that trainings are spread over, such as "cuda:0" and "cuda:1".

    Returns:
      What became of them. A task that fails does not stop the others.

    Raises:
      ParamsError: there is no such executor, or no such device.
      OutputError: a folder holds something else, it or the store cannot be written, or the disk is
        full; what is finished is kept.
      Interrupted: by Ctrl-C; what is finished is kept.
    """
    trust(executor)
    kind = EXECUTORS.get(executor)
    check_devices(devices, {one.params.device for task in tasks for one in task.trainings})
    check_places(tasks, store=store, replace=replace, option=option)
    is_foreign = store.is_foreign
    present = [task.place for task in tasks if task.state is State.PRESENT]
    outcome = Outcome(present=present)
    began = time.monotonic()
    missing = [task for task in tasks if task.state is not State.PRESENT]
    watcher = watcher or Watcher()
    watcher.planned(missing)
    others = others or Others()
    running = kind(num_jobs)
    running.devices = DevicePool(devices)
    # Numbers in somebody else's can be invented, as results can.
    running.checkpoints = checkpoints = None if is_foreign else store.checkpoints(ends=others.ends)
    with store.leases() as leases:
        try:
            with interrupts_noted() as interrupted:
                Driver(
                    Scheduler(missing, num_jobs),
                    store,
                    others.leases(leases),
                    running,
                    replace,
                    watcher,
                    outcome,
                    interrupted,
                    others,
                    checkpoints,
                ).drive()
        except KeyboardInterrupt:
            raise Interrupted(
                f"{len(outcome.written) + len(present)} of {len(tasks)} are finished"
            ) from None
        finally:
            running.cancel()
            running.close()
    outcome.seconds = time.monotonic() - began
    if is_foreign and outcome.num_from_store:
        outcome.foreign_store = store.place
    return outcome

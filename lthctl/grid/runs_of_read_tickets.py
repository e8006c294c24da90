"""The grid of retrainings of tickets that another process has read.

A worker makes it without reading them: each is read when its run begins. Hundreds of workers would
else ask the file server for every ticket at once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lthctl.artifacts.names import run_place
from lthctl.grid.as_found import Sources
from lthctl.grid.asked import ReadTicket
from lthctl.grid.grid import Grid
from lthctl.grid.retraining_tasks import Retraining
from lthctl.grid.tasks import Task
from lthctl.lottery.controls import variants_of
from lthctl.params import Params


def runs_of_read_tickets(
    tickets: Mapping[str, Sequence[ReadTicket]],
    sources: Sources,
    *,
    params: Params,
    out: Path,
    store: Path,
) -> Grid:
    """A run of every ticket under some controls, as `lthctl.grid.grids.run_grid` makes them. No
    folder of a run is looked at. Of the first run alone it is known which trainings it takes.

    Args:
      tickets: control -> those that it is for.
      sources: what gives a ticket its model, dataset and training.
      params: of the grid.
      out: folder for the runs.
      store: where finished trainings are kept.

    Raises:
      LthctlError: the first run is impossible.
    """
    # The command that read the tickets has asked whether DVC owns a folder. Workers do not, as each
    # would search through all folders for that.
    tasks: list[Task] = []
    for control, of_control in tickets.items():
        for variant in variants_of(control, params.retrain):
            for one in of_control:
                sibling = None if one.sibling is None else (Path(one.sibling[0]), one.sibling[1])
                keep = params.retrain.keep_weights
                begin = Retraining(Path(one.path), one.digest, sibling, variant, keep, sources)
                if tasks:
                    place = out / run_place(*variant, one.name)
                    tasks.append(Task(one.name, place, begin, (), what="run"))
                else:
                    tasks.append(begin.task(*begin.tickets(), out, look=False))
    return Grid("run", out, tuple(tasks), len(tasks), store)

"""What `lthctl prune`, `retrain` and `run` make, for Python: a grid of folders.

It can be planned, and run.

grid = ticket_grid(Params(), data="data/mnist", out="masks")
print(grid.plan()["steps"])
outcome = grid.run()
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from lthctl.artifacts.names import run_place
from lthctl.artifacts.store import default_store
from lthctl.canonical import Json
from lthctl.errors import ParamsError
from lthctl.families import choices, trust
from lthctl.grid.as_found import Sources
from lthctl.grid.asked import Asked, ReadTicket
from lthctl.grid.dvc import refuse_if_owned
from lthctl.grid.grid import Grid
from lthctl.grid.prunings import asked_prunings
from lthctl.grid.retraining_tasks import RetrainingTask, retraining_tasks
from lthctl.grid.tasks import State
from lthctl.grid.ticket_tasks import asked_tickets, ticket_tasks
from lthctl.grid.whole import run_tasks_of
from lthctl.lottery.controls import CONTROLS, variants_of
from lthctl.models.entry import model_from
from lthctl.params import Params


def ticket_grid(
    params: Params,
    *,
    data: Path | str | None = None,
    out: Path | str = "masks",
    store: Path | str | None = None,
    look: bool = True,
) -> Grid:
    """The tickets that the parameters ask for: the product of the lists of `prune`.

    Args:
      params: the sections data, model, train and prune are read.
      data: folder of the dataset; data/<its name> if not given.
      out: folder for the tickets' folders.
      store: where finished trainings are kept; if not given, the folder that LTHCTL_STORE names,
        or .lthctl.
      look: whether to look what the folders hold; else they count as missing.

    Raises:
      ParamsError: an experiment is impossible.
      DataError: the dataset is missing or altered.
      OutputError: DVC owns a folder that is to be written.

    Example:
      >>> ticket_grid(Params().override({"prune.ratio": [0, 0.8]})).run()
    """
    folder = Path(out)
    num_asked = len(asked_prunings(params.prune, model_from(params.model)))
    tasks = ticket_tasks(params, None if data is None else Path(data), folder, look=look)
    refuse_if_owned(*(task.place for task in tasks if task.state is not State.PRESENT))
    asked = Asked("ticket_grid", params, {"data": _text(data), "out": str(out)})
    place = default_store() if store is None else Path(store)
    return Grid("ticket", folder, tuple(tasks), num_asked, place, asked=asked)


def run_grid(
    paths: Sequence[Path | str],
    *,
    control: str | Sequence[str] = "rewind",
    params: Params | None = None,
    data: Path | str | None = None,
    out: Path | str = "runs",
    store: Path | str | None = None,
    look: bool = True,
    held_to: Collection[str] = (),
) -> Grid:
    """A run of every ticket at or below some paths, under one control or some. With
    `retrain.order_seed` each has a second copy beside it.

    Args:
      paths: tickets, or folders with tickets below them.
      control: what training starts from; "rewind", "reinit", "shuffle", or your own as
        "module:name"; or a list of them.
      params: the sections data, model, train and retrain are read. Model and dataset are the
        ticket's own; what `train` does not state is as the ticket was found.
      data: folder of the dataset; data/<its name> if not given.
      out: folder for the runs; they go to a folder per control in it, second copies to one more,
        and further draws to a folder per draw in that.
      store: where finished trainings are kept; if not given, the folder that LTHCTL_STORE names,
        or .lthctl.
      look: whether to look what the folders hold; else they count as missing.
      held_to: parameters, such as "model.layers", in which tickets have to agree with `params`.

    Raises:
      ParamsError: there is no such control, or the order of second copies is a ticket's own.
      TicketError: there is no ticket, or one is damaged, or of another model or dataset.
      DataError: the dataset is missing or altered.
      OutputError: DVC owns a folder that is to be written, or two tickets have the same name.

    Example:
      >>> run_grid(["masks"], control="reinit").run()
    """
    controls, params = known_controls(control), params or Params()
    variants = [one for name in controls for one in variants_of(name, params.retrain)]
    folders = [Path(out) / run_place(*variant) for variant in variants]
    tickets = [Path(path) for path in paths]
    place = None if data is None else Path(data)
    sources = Sources(params, place, tickets, held_to)
    tasks = [
        task
        for variant in variants
        for task in retraining_tasks(
            params, place, tickets, variant, Path(out), sources=sources, look=look
        )
    ]
    refuse_if_owned(*(task.place for task in tasks if task.state is not State.PRESENT))
    folder = folders[0] if len(folders) == 1 else Path(out)
    given = {
        "paths": [str(path) for path in paths],
        "control": list(controls),
        "data": _text(data),
        "out": str(out),
        "held_to": sorted(held_to),
        "tickets": _read_tickets(tasks),
        "beside": [one.model_dump(mode="json", exclude_unset=True) for one in sources.beside],
    }
    asked = Asked("run_grid", params, given)
    kept = default_store() if store is None else Path(store)
    return Grid("run", folder, tuple(tasks), len(tasks), kept, asked=asked, taken=sources.taken)


def experiment_grid(
    params: Params,
    *,
    control: str | Sequence[str] | None = None,
    name: str = "run",
    data: Path | str | None = None,
    store: Path | str | None = None,
    look: bool = True,
) -> Grid:
    """The tickets that the parameters ask for, with their runs, and the dense network of each seed.

    Tickets go to masks/<name>, and runs to runs/<name>/<control>.

    Args:
      params: the sections data, model, train, prune and retrain are read.
      control: what training starts from, see `run_grid`; what `retrain.control` says if not given,
        else "rewind" and "reinit".
      name: a plain name for a folder.
      data: folder of the dataset; data/<its name> if not given.
      store: where finished trainings are kept; see `ticket_grid`.
      look: see `ticket_grid`.

    Raises:
      ParamsError: an experiment is impossible, there is no such control, the name is a path, or
        the order of second copies is a ticket's own.
      DataError: the dataset is missing or altered.
      OutputError: DVC owns a folder.

    Example:
      >>> experiment_grid(Params()).plan()["trainings"]
    """
    wanted = params.retrain.control or ("rewind", "reinit")
    controls, prune = known_controls(wanted if control is None else control), params.prune
    masks, runs = folders_of(name)
    refuse_if_owned(masks, runs)
    if 0 not in prune.ratio:
        params = params.override({"prune.ratio": (0.0, *prune.ratio)})
    given = {"control": list(controls), "name": name, "data": _text(data)}
    asked = Asked("experiment_grid", params, given)
    tickets = asked_tickets(params, None if data is None else Path(data), masks, look=look)
    runs_of_all = run_tasks_of(tickets, controls, runs, params.retrain, look=look)
    tasks = (*(ticket.task for ticket in tickets), *runs_of_all)
    place = default_store() if store is None else Path(store)
    return Grid("folder", Path(), tasks, len(tasks), place, "--name", asked)


def _read_tickets(tasks: Sequence[RetrainingTask]) -> Json:
    """Control -> its tickets, each once, as workers take them."""
    tickets: dict[str, dict[str, Json]] = {}
    for task in tasks:
        begin = task.begin
        other = None if begin.sibling is None else (str(begin.sibling[0]), begin.sibling[1])
        said = ReadTicket(name=task.name, path=str(begin.path), digest=begin.digest, sibling=other)
        of_control = tickets.setdefault(begin.variant.control, {})
        of_control[task.name] = said.model_dump(mode="json", exclude_defaults=True)
    return {control: list(of_control.values()) for control, of_control in tickets.items()}


def _text(path: Path | str | None) -> str | None:
    return None if path is None else str(path)


def folders_of(name: str) -> tuple[Path, Path]:
    """Where an experiment of this name has its tickets and its runs.

    Raises:
      ParamsError: the name is none for a folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name):
        raise ParamsError(
            f"name: is {name!r}, expected letters, digits, dots, dashes and underscores"
        )
    return Path("masks", name), Path("runs", name)


def known_controls(control: str | Sequence[str]) -> tuple[str, ...]:
    """Controls by their names, each once; a person's own are imported.

    Raises:
      ParamsError: there is no such control, or none is given.
    """
    names = tuple(dict.fromkeys([control] if isinstance(control, str) else control))
    if not names:
        raise ParamsError(
            f"control: is an empty list, expected some of {choices(CONTROLS.names())}"
        )
    trust(*names)
    for name in names:
        CONTROLS.get(name)
    return names

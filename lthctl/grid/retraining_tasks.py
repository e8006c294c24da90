"""From tickets on disk to tasks that retrain them. All that can be checked is checked here, before
anything is trained."""

from collections.abc import Sequence
from pathlib import Path

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.names import Variant, run_place
from lthctl.artifacts.ticket import Ticket, find_tickets, load_ticket
from lthctl.errors import OutputError, TicketError
from lthctl.grid.as_found import Sources
from lthctl.grid.planned import trainings_to_pruning
from lthctl.grid.tasks import PlannedTraining, State, Task, Work, difference, state_of
from lthctl.grid.wanted import wanted_tickets
from lthctl.lottery.controls import CONTROLS
from lthctl.lottery.fitting import check_first_step, check_order_seed, check_ticket
from lthctl.lottery.retrain import retraining
from lthctl.lottery.runs import specify_run
from lthctl.lottery.siblings import no_sibling, siblings_of
from lthctl.lottery.trained import train_of, was_trained
from lthctl.models.base import Model
from lthctl.params import Params, TrainParams
from lthctl.training.engines import resolve


def retraining_tasks(
    params: Params,
    data: Path | None,
    paths: Sequence[Path],
    variant: Variant,
    out: Path,
    *,
    look: bool = True,
    sources: Sources | None = None,
) -> list[Task]:
    """A task for every ticket at or below some paths that `retrain` wants, for a control with one
    of its draws and one order of the batches; where, `run_place` says. These tickets are read and
    verified first.

    Args:
      params: the sections data, model, train and retrain.
      data: folder of the dataset; where it lies if that is None.
      paths: tickets, or folders with tickets below them.
      variant: control, order of the batches, and draw.
      out: folder for the runs.
      sources: what gives a ticket its model, dataset and training; the ticket itself, with what
        `params` states, if not given.

    Raises:
      ParamsError: that order is the ticket's own.
      TicketError: a ticket is damaged, or of another model or dataset, or a sibling is missing.
      OutputError: two different tickets have the same name.
      DataError: the dataset is missing or altered.
    """
    control, order_seed, draw = variant
    folders = wanted_tickets(params.retrain, control, paths)
    siblings: dict[Path, Path] = {}
    if CONTROLS.get(control).needs_sibling:
        siblings = siblings_of(
            {path: TicketFolder(path).document.specification for path in find_tickets(*paths)}
        )
    sources = sources or Sources(params, data, paths, ())
    tasks: dict[str, Task] = {}
    origin: dict[str, tuple[str, Path]] = {}
    # Seed by seed: with images held out, every seed has a dataset of its own.
    for path in sorted(folders, key=lambda path: str(TicketFolder(path).document.seed)):
        ticket = load_ticket(path)
        if ticket.name in origin:
            digest, first = origin[ticket.name]
            if digest != ticket.digest:
                raise OutputError(
                    f"{first} and {path}: are different tickets of one name; retrain each to "
                    "another --out"
                )
            continue
        origin[ticket.name] = ticket.digest, path
        model = sources.model(ticket, where=str(path))
        dataset = sources.dataset(ticket)
        check_ticket(ticket, model, dataset, where=str(path))
        train = resolve(sources.train(ticket, where=str(path)), model, dataset.augment)
        check_order_seed(order_seed, ticket.seed, where=str(path))
        check_first_step(ticket, control, train, where=str(path))
        sibling = None
        if CONTROLS.get(control).needs_sibling:
            if path not in siblings:
                raise TicketError(no_sibling(ticket.specification, control))
            sibling = load_ticket(siblings[path])

        def begin(
            path: Path = path,
            digest: str = ticket.digest,
            other: tuple[Path, str] | None = None
            if sibling is None
            else (siblings[path], sibling.digest),
            model: Model = model,
            train: TrainParams = train,
        ) -> Work:
            # Read again, so that a grid holds the arrays of the tickets under way and not of all.
            ticket = _same_ticket(path, digest)
            sibling = None if other is None else _same_ticket(*other)
            dataset = sources.dataset(ticket)
            return retraining(
                ticket,
                dataset,
                control=control,
                draw=draw,
                train=train,
                model=model,
                order_seed=order_seed,
                sibling=sibling,
                keep_weights=params.retrain.keep_weights,
            )

        specification = specify_run(ticket, dataset, control, train, order_seed, sibling, draw=draw)
        place = out / run_place(*variant, ticket.name)
        key = specification.variant, ticket.digest
        density, at = ticket.mask.density, specification.first_step
        planned = PlannedTraining(key, train, density, dataset.num_evaluated, at)
        before: tuple[PlannedTraining, ...] = ()
        if CONTROLS.get(control).needs_trained:
            by_rounds = was_trained(ticket)
            own = train_of(ticket, train) if by_rounds else train
            before = trainings_to_pruning(
                ticket.specification, own, dataset.num_evaluated, by_rounds=by_rounds
            )
        held = RunFolder(place)
        state = state_of(held, specification) if look else State.MISSING
        differs = difference(held, specification) if state is State.OTHER else ""
        tasks[ticket.name] = Task(
            ticket.name, place, begin, (*before, planned), state, differs, "run"
        )
    places = {path: position for position, path in enumerate(folders)}
    return sorted(tasks.values(), key=lambda task: places[origin[task.name][1]])


def _same_ticket(path: Path, digest: str) -> Ticket:
    """The ticket of a folder, which had this digest before."""
    ticket = load_ticket(path)
    if ticket.digest != digest:
        raise TicketError(
            f"{path}: was replaced since this command began: has digest "
            f"{ticket.digest[:12]}..., expected {digest[:12]}...; run the command again"
        )
    return ticket

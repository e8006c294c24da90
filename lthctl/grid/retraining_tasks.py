"""From tickets on disk to tasks that retrain them. All that can be checked is checked here, before
anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.names import Variant, run_place
from lthctl.artifacts.ticket import Ticket, find_tickets, load_ticket
from lthctl.datasets.base import Dataset
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


@dataclass(frozen=True)
class Retraining:
    """What a run is made from; called, it begins.

    Attributes:
      path, digest: of the ticket.
      sibling: path and digest of the ticket of another seed, where the control takes one.
      variant: control, order of the batches, and draw.
      keep_weights: whether the run keeps its final weights.
      sources: what gives the ticket its model, dataset and training.
    """

    path: Path
    digest: str
    sibling: tuple[Path, str] | None
    variant: Variant
    keep_weights: bool
    sources: Sources

    def __call__(self) -> Work:
        # Read now, so that a grid holds the arrays of the tickets under way and not of all.
        ticket, sibling = self.tickets()
        model, dataset, train = self.setting(ticket)
        control, order_seed, draw = self.variant
        return retraining(
            ticket,
            dataset,
            control=control,
            draw=draw,
            train=train,
            model=model,
            order_seed=order_seed,
            sibling=sibling,
            keep_weights=self.keep_weights,
        )

    def tickets(self) -> tuple[Ticket, Ticket | None]:
        """The ticket and its sibling, read.

        Raises:
          TicketError: one is damaged, or was replaced.
        """
        sibling = None if self.sibling is None else _same_ticket(*self.sibling)
        return _same_ticket(self.path, self.digest), sibling

    def setting(self, ticket: Ticket) -> tuple[Model, Dataset, TrainParams]:
        """What is trained, on which data, and how, with nothing left to choose."""
        model = self.sources.model(ticket, where=str(self.path))
        dataset = self.sources.dataset(ticket)
        train = self.sources.train(ticket, where=str(self.path))
        return model, dataset, resolve(train, model, dataset.augment)

    def task(
        self, ticket: Ticket, sibling: Ticket | None, out: Path, *, look: bool
    ) -> "RetrainingTask":
        """The task of the run, once all is checked that can be.

        Args:
          ticket, sibling: as `tickets` gives them.
          out: folder for the runs.
          look: whether to look what the run's folder holds.

        Raises:
          LthctlError: the run is impossible.
        """
        (control, order_seed, draw), where = self.variant, str(self.path)
        model, dataset, train = self.setting(ticket)
        check_ticket(ticket, model, dataset, where=where)
        check_order_seed(order_seed, ticket.seed, where=where)
        check_first_step(ticket, control, train, where=where)
        specification = specify_run(ticket, dataset, control, train, order_seed, sibling, draw=draw)
        place = out / run_place(*self.variant, ticket.name)
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
        return RetrainingTask(ticket.name, place, self, (*before, planned), state, differs, "run")


@dataclass(frozen=True)
class RetrainingTask(Task):
    """A task for a run.

    Attributes:
      begin: says from which ticket.
    """

    begin: Retraining


def retraining_tasks(
    params: Params,
    data: Path | None,
    paths: Sequence[Path],
    variant: Variant,
    out: Path,
    *,
    look: bool = True,
    sources: Sources | None = None,
) -> list[RetrainingTask]:
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
    control = variant.control
    folders = wanted_tickets(params.retrain, control, paths)
    siblings: dict[Path, Path] = {}
    if CONTROLS.get(control).needs_sibling:
        siblings = siblings_of(
            {path: TicketFolder(path).document.specification for path in find_tickets(*paths)}
        )
    sources = sources or Sources(params, data, paths, ())
    tasks: dict[str, RetrainingTask] = {}
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
        sibling = other = None
        if CONTROLS.get(control).needs_sibling:
            if path not in siblings:
                raise TicketError(no_sibling(ticket.specification, control))
            sibling = load_ticket(siblings[path])
            other = siblings[path], sibling.digest
        begin = Retraining(
            path, ticket.digest, other, variant, params.retrain.keep_weights, sources
        )
        tasks[ticket.name] = begin.task(ticket, sibling, out, look=look)
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

"""From parameters to tasks that make tickets. All that can be checked is checked here, before
anything is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lthctl.artifacts.folders import TicketFolder
from lthctl.artifacts.ticket_document import TicketSpecification
from lthctl.datasets.base import Dataset
from lthctl.datasets.entry import open_folder
from lthctl.grid.planned import trainings_of
from lthctl.grid.prunings import asked_prunings
from lthctl.grid.sizes import check_sizes
from lthctl.grid.tasks import PlannedTraining, State, Task, Work, difference, state_of
from lthctl.lottery.find import prune_rounds, specify_ticket
from lthctl.models.base import Model
from lthctl.models.entry import model_from
from lthctl.params import Params, TrainParams
from lthctl.training.asked import refuse_unread_training
from lthctl.training.engines import resolve


def ticket_tasks(params: Params, data: Path | None, out: Path, *, look: bool = True) -> list[Task]:
    """A task for every ticket in the product of `prune`'s lists, to `out`/<ticket>; at ratio 0 one
    per seed.

    Raises:
      ParamsError: an experiment is impossible.
      DataError: the dataset is missing or altered.
    """
    return [asked.task for asked in asked_tickets(params, data, out, look=look)]


@dataclass(frozen=True)
class AskedTicket:
    """A ticket that is asked for.

    Attributes:
      task: makes its folder.
      specification: what it will be.
      open_dataset: gives the dataset of its seed.
      num_evaluated: images of an evaluation.
      model, train: what is trained, and how, with nothing left to choose.
    """

    task: Task
    specification: TicketSpecification
    open_dataset: Callable[[], Dataset]
    num_evaluated: int
    model: Model
    train: TrainParams


def asked_tickets(
    params: Params, data: Path | None, out: Path, *, look: bool = True
) -> list[AskedTicket]:
    """The tickets in the product of `prune`'s lists; see `ticket_tasks`."""
    folder, model = open_folder(params.data, data), model_from(params.model)
    num_images = 0
    if params.train.epochs is not None:
        num_images = len(folder.dataset(params.data, params.prune.seed[0]).train)
    in_steps = params.train.for_images(num_images)
    refuse_unread_training(in_steps)
    train = resolve(in_steps, model, params.data.augment)
    prunings = {one.ticket_name: one for one in asked_prunings(params.prune, model)}
    tickets: dict[str, AskedTicket] = {}
    # Seed by seed, and in no task: with images held out, every seed has a dataset of its own.
    for name, pruning in sorted(prunings.items(), key=lambda item: item[1].seed):
        open_dataset = partial(folder.dataset, params.data, pruning.seed)
        dataset = open_dataset()
        check_sizes(model, dataset)
        specification = specify_ticket(model, dataset, pruning, train)

        def begin(
            open_dataset: Callable[[], Dataset] = open_dataset,
            specification: TicketSpecification = specification,
        ) -> Work:
            return prune_rounds(model, open_dataset(), specification, train)

        place = out / name
        trainings: tuple[PlannedTraining, ...] = ()
        if specification.train is not None:
            trainings = trainings_of(specification, train, dataset.num_evaluated)
        held = TicketFolder(place)
        state = state_of(held, specification) if look else State.MISSING
        differs = difference(held, specification) if state is State.OTHER else ""
        task = Task(name, place, begin, trainings, state, differs)
        tickets[name] = AskedTicket(
            task, specification, open_dataset, dataset.num_evaluated, model, train
        )
    return [tickets[name] for name in prunings]

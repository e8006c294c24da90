"""From parameters to tasks: the product of the lists, every experiment once.

All that can be checked is checked here, before anything is trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.names import Variant, run_place
from lthctl.artifacts.pruning import Pruning
from lthctl.artifacts.ticket import Ticket, find_tickets, load_ticket
from lthctl.artifacts.ticket_document import TicketSpecification
from lthctl.datasets.base import Dataset
from lthctl.datasets.entry import open_folder
from lthctl.errors import OutputError, ParamsError, TicketError
from lthctl.grid.as_found import Sources
from lthctl.grid.tasks import PlannedTraining, State, Task, Work, difference, state_of
from lthctl.grid.wanted import wanted_tickets
from lthctl.lottery.asked import RateAsked, refuse_unread, specify_pruning
from lthctl.lottery.controls import CONTROLS
from lthctl.lottery.find import params_of_round, prune_rounds, specify_ticket, until_rewind
from lthctl.lottery.retrain import (
    check_first_step,
    check_order_seed,
    check_ticket,
    retraining,
    specify_run,
)
from lthctl.lottery.scores import needs_training
from lthctl.lottery.siblings import no_sibling, siblings_of
from lthctl.lottery.trained import train_of, was_trained
from lthctl.models.base import Model
from lthctl.models.entry import model_from
from lthctl.models.mlp import MLP
from lthctl.models.network import Network
from lthctl.params import Params, PruneParams, TrainParams
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
        _check_sizes(model, dataset)
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


def asked_prunings(prune: PruneParams, model: Model) -> list[Pruning]:
    """The product of the lists, in their order; equal ones as often as they are asked for.

    Raises:
      ParamsError: one is impossible.
    """
    ratios: list[tuple[float | None, RateAsked, tuple[float, ...] | None]]
    if prune.rate is None and prune.layer_ratio is None:
        ratios = [(ratio, None, None) for ratio in prune.ratio]
    else:  # in the place of the ratios, but for the dense network
        ratios = [(0.0, None, None)] if 0 in prune.ratio else []
        ratios.append((None, prune.rate, prune.layer_ratio))
    rounds = range(1, max(prune.rounds) + 1) if prune.every_round else prune.rounds
    prunings = [
        specify_pruning(
            model,
            method=method,
            ratio=ratio,
            rounds=number,
            seed=seed,
            biases=prune.biases,
            rate=rate,
            layer_ratio=layer_ratio,
            exclude=prune.exclude,
            output_factor=prune.output_factor,
            scope=prune.scope,
            rewind_step=rewind_step,
        )
        for method, number, (ratio, rate, layer_ratio), rewind_step, seed in product(
            prune.method, rounds, ratios, prune.rewind_step, prune.seed
        )
    ]
    refuse_unread(prunings, output_factor=prune.output_factor, scope=prune.scope)
    return prunings


def trainings_of(
    specification: TicketSpecification, train: TrainParams, num_images: int
) -> tuple[PlannedTraining, ...]:
    """What a ticket takes: a training to the step that it rewinds to, and one before each pruning.
    The first of both are the same for all tickets of a seed with as many steps a round. On a ladder
    with a rate, each further one retrains the ticket of the round before, under the key that its
    run has."""
    pruning, at = specification.pruning, specification.rewind_step
    params = params_of_round(train, pruning)
    begin = until_rewind(train)
    first = (
        [PlannedTraining((pruning.seed, begin, at), begin, 1.0, num_images, 0, at)] if at else []
    )
    num_rounds = pruning.rounds if needs_training(pruning.method) else 0

    def key(number: int) -> tuple[object, ...]:
        if not number:
            return pruning.seed, params, *([at] if at else [])
        if pruning.per_round is None:
            return pruning.ticket_name, number
        before = pruning.model_copy(update={"rounds": number})
        return "rewind", before.ticket_name

    rounds = [
        PlannedTraining(
            key(number),
            params,
            (1 - pruning.ratio) ** (number / pruning.rounds),
            num_images,
            at,
        )
        for number in range(num_rounds)
    ]
    return (*first, *rounds)


def trainings_to_pruning(
    specification: TicketSpecification, train: TrainParams, num_images: int, *, by_rounds: bool
) -> tuple[PlannedTraining, ...]:
    """What a control takes that starts from the weights that a ticket was pruned from.

    Args:
      specification: of the ticket.
      train: how the ticket's trainings are done; where it has none, how the dense network is.
      num_images: how many images an evaluation takes.
      by_rounds: whether the ticket has trainings.
    """
    if by_rounds:
        return trainings_of(specification, train, num_images)
    return (PlannedTraining((specification.seed, train), train, 1.0, num_images),)


def _check_sizes(model: Model, dataset: Dataset) -> None:
    """Refuse a model that cannot take the images, or has too few outputs."""
    if not isinstance(model, MLP):
        _check_outputs(model, dataset)
        return
    shape = dataset.train.images.shape[1:]
    num_inputs = int(np.prod(shape))
    num_classes = int(dataset.train.labels.max()) + 1
    if model.layers[0] != num_inputs:
        pictures = "take a model for pictures, such as conv2, " if len(shape) == 3 else ""
        raise ParamsError(
            f"model.layers: starts with {model.layers[0]}, and an image of {dataset.name} has "
            f"{num_inputs} values, of shape {shape}; begin with {num_inputs}, {pictures}or choose "
            "another data.name"
        )
    if model.layers[-1] < num_classes:
        raise ParamsError(
            f"model.layers: ends with {model.layers[-1]}, expected at least {num_classes}, the "
            "classes of the labels"
        )


def _check_outputs(model: Model, dataset: Dataset) -> None:
    from lthctl.training.dense.evaluation import outputs_of

    name, images = model.describe().name, dataset.train.images[:2]
    num_classes = int(dataset.train.labels.max()) + 1
    try:
        shape = outputs_of(model, images)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        hint = (
            "; give it their channels and size, such as model.kwargs {channels: 1, size: 28}"
            if isinstance(model, Network)
            else ""
        )
        raise ParamsError(
            f"model {name}: cannot take images of shape {images.shape[1:]} "
            f"({type(error).__name__}: {reason}){hint}"
        ) from error
    if len(shape) != 2 or shape[1] < num_classes:
        raise ParamsError(
            f"model {name}: gives outputs of shape {shape} for 2 images, expected (2, classes) "
            f"with at least {num_classes} classes"
            + (f"; set model.kwargs.classes={num_classes}" if isinstance(model, Network) else "")
        )

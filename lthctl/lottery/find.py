"""The lottery ticket experiment: train-prune-rewind rounds, and retraining with its controls.

Both are written as generators: they yield the trainings that they need, one at a time, and are sent
the results. So the algorithm reads from top to bottom, and whoever drives it decides where
trainings run, which of them are equal, and what is known already. `find_ticket` and `retrain` drive
it in the plainest way; `lthctl.grid` drives many at once.

Rewinding is an argument and not an edit: a round starts from `mask.apply(init)` in a new network
with a new optimizer. No live network is ever put back into an earlier state.
"""

from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

import numpy as np

from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import LayerCounts, RoundCounts, TicketSpecification
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.families import sources_of, trust
from lthctl.lottery.rates import check_survivable, rates_of
from lthctl.lottery.scores import SCORES, ScoreContext, needs_training, scored_by
from lthctl.lottery.select import select
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.models.entry import MODELS
from lthctl.params import TrainParams
from lthctl.seeding import Stream
from lthctl.training.engines import resolve, run
from lthctl.training.history import Result
from lthctl.training.spec import Training, sources_of_training

T = TypeVar("T")


Rounds = Generator[Training, Result, Ticket]


def find_ticket(
    model: Model,
    dataset: Dataset,
    *,
    method: str = "l1",
    ratio: float = 0.8,
    rounds: int = 1,
    seed: int = 1,
    biases: bool = True,
    train: TrainParams | None = None,
    train_with: Callable[[Training], Result] = run,
) -> Ticket:
    """Find a ticket: train, prune, rewind, `rounds` times (Frankle & Carbin, ICLR 2019).

    Args:
      model: the architecture.
      dataset: what to train on.
      method: "l1" (lowest magnitude goes), "random", or a score of your own as "module:name".
        Random pruning needs no training, so none is done.
      ratio: final sparsity, in [0, 1); the output layer is pruned at half the per-round rate, so
        the total is a little lower. With 0 the dense ticket of the seed is returned, whatever
        method and rounds are.
      rounds: at least 1; every round trains `train.steps // rounds` steps.
      seed: decides initial weights, batch order and random scores, each from a stream of its own.
      biases: prune biases too, each at its layer's rate.
      train: how to train; the defaults are those of params.yaml.
      train_with: runs a training.

    Raises:
      ParamsError: a value is out of range, or leaves a layer with no weight.
      TrainingError: a training diverged.

    Example:
      >>> ticket = find_ticket(MLP(), load_mnist("data/mnist"), ratio=0.8)
    """
    trust(method)
    resolved = resolve(train or TrainParams(), model)
    specification = specify_ticket(
        model,
        dataset,
        method=method,
        ratio=ratio,
        rounds=rounds,
        seed=seed,
        biases=biases,
        train=resolved,
    )
    return run_all(prune_rounds(model, dataset, specification, resolved), train_with)


def specify_ticket(
    model: Model,
    dataset: Dataset,
    *,
    method: str,
    ratio: float,
    rounds: int,
    seed: int,
    biases: bool,
    train: TrainParams,
) -> TicketSpecification:
    """What a ticket will be, checked before anything is trained.

    It holds what the ticket depends on and nothing else: trainings only where the method needs
    them, and of those not how often they are evaluated.

    Raises:
      ParamsError: a value is out of range, or leaves a layer with no weight.
    """
    SCORES.get(method)  # now, and not after hours of training
    if not 0 <= ratio < 1:
        raise ParamsError(
            f"ratio: is {ratio}, expected in [0, 1): the fraction of weights to prune"
        )
    if rounds < 1:
        raise ParamsError(f"rounds: is {rounds}, expected at least 1")
    if train.steps < rounds:
        raise ParamsError(
            f"steps: is {train.steps}, expected at least one step for each of the {rounds} rounds"
        )
    if ratio == 0:
        method, rounds = "dense", 0
    shapes = model.prunable(biases=biases)
    if fault := check_survivable(shapes, rates_of(model, shapes, ratio, rounds), rounds):
        raise ParamsError(
            f"ratio {ratio} in {rounds} round{'s' * (rounds > 1)}: {fault}; choose a lower ratio "
            "or larger layers"
        )
    trains = needs_training(method)
    code_of_model = sources_of((MODELS, getattr(model, "name", "")))
    code_of_training = sources_of_training(getattr(model, "name", ""), train) if trains else {}
    return TicketSpecification(
        method=method,
        ratio=float(ratio),
        rounds=rounds,
        seed=seed,
        biases=biases,
        model=model.describe(),
        data=dataset.describe(),
        train=train.of_rounds() if trains else None,
        sources={**sources_of((SCORES, method)), **code_of_model, **code_of_training},
    )


def prune_rounds(
    model: Model, dataset: Dataset, specification: TicketSpecification, train: TrainParams
) -> Rounds:
    """Train, prune and rewind as often as is specified, training as `train` says."""
    ratio, rounds, seed = specification.ratio, specification.rounds, specification.seed
    shapes = model.prunable(biases=specification.biases)
    init = model.draw(Stream(seed, "init"))
    mask = Mask.full(shapes)
    rate = rates_of(model, shapes, ratio, rounds)
    trains = needs_training(specification.method)
    counts = []
    for number in range(1, rounds + 1):
        weights: Weights = init
        steps = 0
        if trains:
            params = params_of_round(train, rounds)
            steps = params.steps
            weights = (yield Training(model, mask.apply(init), mask, dataset, seed, params)).weights
        context = ScoreContext(
            weights=mask.apply(weights),
            mask=mask,
            seed=seed,
            stream=Stream(seed, "prune", number),
            get_model=lambda: model,
            get_dataset=lambda: dataset,
        )
        mask = select(scored_by(specification.method, context), mask, rate=rate)
        trained = digest_of_arrays(weights) if trains else None
        counts.append(counts_after(number, steps, trained, mask, rate))
    return Ticket(specification, rate, tuple(counts), mask, init)


def params_of_round(train: TrainParams, rounds: int) -> TrainParams:
    """How the training before a pruning is done: its share of the steps, evaluated at the end
    alone, as nothing but its weights is used. A single round's is also what retrains the dense
    ticket, and is evaluated as often."""
    steps = train.steps // rounds
    return (
        train if rounds == 1 else train.model_copy(update={"steps": steps, "evaluate_every": steps})
    )


def run_all(
    generator: Generator[Training, Result, T], train_with: Callable[[Training], Result]
) -> T:
    try:
        training = next(generator)
        while True:
            training = generator.send(train_with(training))
    except StopIteration as done:
        value: T = done.value
        return value


def counts_after(
    number: int,
    steps: int,
    trained: str | None,
    mask: Mask,
    rate: Mapping[str, float],
    *,
    desired: float | None = None,
) -> RoundCounts:
    """What is left after a round, total and per parameter.

    Args:
      number: of the round, from 1.
      steps: that were trained before it.
      trained: digest of the weights that were scored; None where scores need no training.
      mask: after the round.
      rate: parameter -> fraction of the remaining weights removed per round.
      desired: total sparsity asked for; what follows from the rates of the hidden layers by
        default.
    """
    layers = {
        name: LayerCounts(
            size=array.size,
            kept=int(np.count_nonzero(array)),
            desired=1 - (1 - rate[name]) ** number,
            actual=1 - np.count_nonzero(array) / array.size,
        )
        for name, array in mask.items()
    }
    return RoundCounts(
        round=number,
        steps=steps,
        trained=trained,
        desired=1 - (1 - max(rate.values())) ** number if desired is None else desired,
        actual=mask.sparsity,
        layers=layers,
    )

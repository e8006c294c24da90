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
from lthctl.canonical import Json, digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.families import trust
from lthctl.lottery.rates import check_survivable, rates_of
from lthctl.lottery.scores import SCORES, ScoreContext, needs_training, scored_by
from lthctl.lottery.select import select
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.params import TrainParams
from lthctl.seeding import Stream
from lthctl.training.engines import resolve, run
from lthctl.training.history import Result
from lthctl.training.spec import Training

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
    request = ticket_request(
        model,
        dataset,
        method=method,
        ratio=ratio,
        rounds=rounds,
        seed=seed,
        biases=biases,
        train=resolved,
    )
    return run_all(prune_rounds(model, dataset, request, resolved), train_with)


def ticket_request(
    model: Model,
    dataset: Dataset,
    *,
    method: str,
    ratio: float,
    rounds: int,
    seed: int,
    biases: bool,
    train: TrainParams,
) -> Json:
    """What `Ticket.request` of the ticket will be, checked before anything is trained.

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
    return {
        "method": method,
        "ratio": float(ratio),
        "rounds": rounds,
        "seed": seed,
        "biases": biases,
        "model": model.describe(),
        "data": dataset.describe(),
        "train": train.identity(without={"evaluate_every"}) if needs_training(method) else {},
    }


def prune_rounds(model: Model, dataset: Dataset, request: Json, train: TrainParams) -> Rounds:
    """Train, prune and rewind as often as `request` (of `ticket_request`) asks for, training as
    `train` says."""
    ratio, rounds, seed = request["ratio"], request["rounds"], request["seed"]
    shapes = model.prunable(biases=request["biases"])
    init = model.draw(Stream(seed, "init"))
    mask = Mask.full(shapes)
    rate = rates_of(model, shapes, ratio, rounds)
    trains = needs_training(request["method"])
    sparsity = []
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
        mask = select(scored_by(request["method"], context), mask, rate=rate)
        trained = digest_of_arrays(weights) if trains else None
        sparsity.append(sparsity_after(number, steps, trained, mask, rate))
    return Ticket(**request, rate=rate, sparsity=tuple(sparsity), mask=mask, init=init)


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


def sparsity_after(
    number: int, steps: int, trained: str | None, mask: Mask, rate: Mapping[str, float]
) -> Json:
    """Desired and actual sparsity after a round, total and per parameter; `trained` is the digest
    of the weights that were scored."""
    layers = {
        name: {
            "size": array.size,
            "kept": int(np.count_nonzero(array)),
            "desired": 1 - (1 - rate[name]) ** number,
            "actual": 1 - np.count_nonzero(array) / array.size,
        }
        for name, array in mask.items()
    }
    hidden_rate = max(rate.values())
    return {
        "round": number,
        "steps": steps,
        "trained": trained,
        "desired": 1 - (1 - hidden_rate) ** number,
        "actual": mask.sparsity,
        "layers": layers,
    }

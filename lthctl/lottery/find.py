"""The lottery ticket experiment: train-prune-rewind rounds, and retraining with its controls.

Both are written as generators: they yield the trainings that they need, one at a time, and are sent
the results. So the algorithm reads from top to bottom, and whoever drives it decides where
trainings run, which of them are equal, and what is known already. `find_ticket` and `retrain` drive
it in the plainest way; `lthctl.grid` drives many at once.

Rewinding is an argument and not an edit: a round starts from the masked weights that it rewinds to,
in a new network with a new optimizer. No live network is ever put back into an earlier state. These
weights are the initial ones, or those of an early step of the dense network.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from lthctl.artifacts.pruning import Pruning
from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import LayerCounts, RoundCounts, TicketSpecification
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.families import sources_of, trust
from lthctl.lottery.asked import RateAsked, refuse_unread, specify_pruning
from lthctl.lottery.pruning_round import prune_once
from lthctl.lottery.rates import (
    desired_after,
    desired_of_layers,
    fault_beforehand,
    rates_of,
    steps_of_round,
)
from lthctl.lottery.scores import SCORES, ScoreContext, needs_training
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.models.entry import MODELS
from lthctl.parameter_types import Scope, rate_text
from lthctl.params import TrainParams
from lthctl.seeding import Stream
from lthctl.training.asked import refuse_unread_training
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
    rate: RateAsked = None,
    layer_ratio: Sequence[float] | None = None,
    exclude: Sequence[str] = (),
    output_factor: float = 0.5,
    scope: Scope = "layer",
    rewind_step: int = 0,
    train: TrainParams | None = None,
    train_with: Callable[[Training], Result] = run,
) -> Ticket:
    """Find a ticket: train, prune, rewind, `rounds` times (Frankle & Carbin, ICLR 2019).

    Args:
      model: the architecture.
      dataset: what to train on.
      method: "l1" (lowest magnitude goes), "random", another of `docs/METHODS.md`, or a score of
        your own as "module:name". No training is done for a method that needs none, such as
        "random". "dense" prunes nothing; with a `rewind_step` it is the dense network as it is
        there, for the analysis of its stability.
      ratio: final sparsity, in [0, 1); the output layer is pruned at half the per-round rate, so
        the total is a little lower. With 0 the dense ticket of the seed is returned, whatever
        the rest is.
      rounds: at least 1; every round trains `train.steps // rounds` steps.
      seed: decides initial weights, batch order and random scores, each from a stream of its own.
      biases: prune biases too, each at its layer's rate.
      rate: the fraction of the remaining weights that every round removes, in (0, 1); or one by
        the names of layers, such as {"conv*": 0.1, "fc*": 0.2}, where a layer's own name wins over
        a pattern. It takes the place of `ratio`, and every round trains all steps.
      layer_ratio: a final sparsity for each layer, in the model's order. It takes the place of
        `ratio`.
      exclude: layers that are never pruned, by their names, such as ["conv1"]; `*` stands for
        anything.
      output_factor: the output layer is pruned at this fraction of the per-round rate, in [0, 1].
      scope: "layer", weights compete within their layer; "global", all with each other.
      rewind_step: the step whose weights the ticket rewinds to, those of the dense network's
        training (Frankle et al., ICML 2020). Rounds and retraining go on from there, with the
        batches of these steps and a fresh optimizer. With 0 they are the initial weights.
      train: how to train; the defaults are those of params.yaml.
      train_with: runs a training.

    Raises:
      ParamsError: a value is out of range, or leaves a layer with no weight.
      TrainingError: a training diverged.

    Example:
      >>> ticket = find_ticket(MLP(), load_mnist("data/mnist"), ratio=0.8)
    """
    trust(method)
    asked = train or TrainParams()
    refuse_unread_training(asked)
    resolved = resolve(asked, model, dataset.augment)
    pruning = specify_pruning(
        model,
        method=method,
        ratio=ratio,
        rounds=rounds,
        seed=seed,
        biases=biases,
        rate=rate,
        layer_ratio=layer_ratio,
        exclude=exclude,
        output_factor=output_factor,
        scope=scope,
        rewind_step=rewind_step,
    )
    refuse_unread([pruning], output_factor=output_factor, scope=scope)
    specification = specify_ticket(model, dataset, pruning, resolved)
    return run_all(prune_rounds(model, dataset, specification, resolved), train_with)


def specify_ticket(
    model: Model, dataset: Dataset, pruning: Pruning, train: TrainParams
) -> TicketSpecification:
    """What a ticket will be, checked before anything is trained.

    It holds what the ticket depends on and nothing else: trainings only where the method needs
    them, and of those not how often they are evaluated.

    Raises:
      ParamsError: a value is out of range, or leaves a layer with no weight.
    """
    method, rounds = pruning.method, pruning.rounds
    if steps_of_round(pruning, train.steps) < 1:
        raise ParamsError(
            f"steps: is {train.steps}, expected at least one step for each of the {rounds} rounds"
        )
    shapes = model.prunable(biases=pruning.biases)
    rates = rates_of(model, shapes, pruning)
    if fault := fault_beforehand(pruning, shapes, rates):
        raise ParamsError(
            f"{_asked_words(pruning)} in {rounds} round{'s' * (rounds > 1)}: {fault}; choose a "
            "lower ratio or larger layers"
        )
    _check_rewind_step(pruning, train)
    if needs_training(method):
        _check_schedule_of_rounds(pruning, train)
    trains = needs_training(method) or pruning.rewind_step > 0
    code_of_model = sources_of((MODELS, getattr(model, "name", "")))
    code_of_training = sources_of_training(getattr(model, "name", ""), train) if trains else {}
    return TicketSpecification(
        **dict(pruning),
        model=model.describe(),
        data=dataset.describe(),
        train=train.of_rounds() if trains else None,
        sources={**sources_of((SCORES, method)), **code_of_model, **code_of_training},
    )


def _check_rewind_step(pruning: Pruning, train: TrainParams) -> None:
    rounds, at = pruning.rounds, pruning.rewind_step
    steps = train.steps
    whose = "of a training"
    if needs_training(pruning.method) and steps_of_round(pruning, steps) < steps:
        steps = steps_of_round(pruning, steps)
        whose = f"of each of the {rounds} rounds, which share {train.steps}"
    if at >= steps:
        raise ParamsError(
            f"rewind_step: is {at}, expected less than {steps}, the steps {whose}; rewind to an "
            "earlier one, or train for more steps"
        )


def _check_schedule_of_rounds(pruning: Pruning, train: TrainParams) -> None:
    params = params_of_round(train, pruning)
    if params.warmup > params.steps:
        raise ParamsError(
            f"train.warmup: is {params.warmup}, expected at most {params.steps}, the steps of each "
            f"of the {pruning.rounds} rounds; warm up for fewer steps, or train for more"
        )


def _asked_words(pruning: Pruning) -> str:
    if pruning.layer_ratio is not None:
        return f"layer_ratio {list(pruning.layer_ratio)}"
    if pruning.per_round is not None:
        return f"rate {rate_text(pruning.layer_rate or pruning.per_round)}"
    return f"ratio {pruning.ratio}"


def prune_rounds(
    model: Model, dataset: Dataset, specification: TicketSpecification, train: TrainParams
) -> Rounds:
    """Train, prune and rewind as often as is specified, training as `train` says."""
    rounds, seed = specification.rounds, specification.seed
    shapes = model.prunable(biases=specification.biases)
    init = model.draw(Stream(seed, "init"))
    mask = Mask.full(shapes)
    start, rewound, at = init, None, specification.rewind_step
    if at:
        begin = Training(model, init, mask, dataset, seed, until_rewind(train), last_step=at)
        start = rewound = (yield begin).weights
    rate = rates_of(model, shapes, specification)
    trains = needs_training(specification.method)
    counts, tied = [], []
    for number in range(1, rounds + 1):
        weights: Weights = start
        steps = 0
        if trains:
            params = params_of_round(train, specification)
            steps = params.steps
            begins = mask.apply(start)
            weights = (yield Training(model, begins, mask, dataset, seed, params, at)).weights
        context = ScoreContext(
            weights=mask.apply(weights),
            initial=mask.apply(init),
            mask=mask,
            seed=seed,
            stream=Stream(seed, "prune", number),
            get_model=lambda: model,
            get_dataset=lambda: dataset,
        )
        pruned = prune_once(specification, context, rate, number)
        mask = pruned.mask
        tied.append(pruned.tied)
        trained = digest_of_arrays(weights) if trains else None
        sizes = {name: array.size for name, array in mask.items()}
        desired = desired_after(specification, rate, sizes, number)
        layers = desired_of_layers(specification.method, shapes, rate, number)
        counts.append(counts_after(number, steps, trained, mask, layers, desired=desired))
    return Ticket(specification, rate, tuple(counts), mask, init, rewound, tuple(tied))


def until_rewind(train: TrainParams) -> TrainParams:
    """How the dense network is trained to the step that tickets rewind to: as one of all steps is,
    but evaluated at its end alone. So it is the same for all tickets of a seed."""
    return train.model_copy(update={"evaluate_every": train.steps})


def params_of_round(train: TrainParams, pruning: Pruning) -> TrainParams:
    """How the training before a pruning is done: `steps_of_round`, evaluated at the end alone where
    nothing but its weights is used. One of all steps is also what retrains the ticket of the round
    before, and is evaluated as often."""
    steps = steps_of_round(pruning, train.steps)
    if steps == train.steps:
        return train
    return train.model_copy(update={"steps": steps, "evaluate_every": steps})


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
    layers: Mapping[str, float],
    *,
    desired: float,
) -> RoundCounts:
    """What is left after a round, total and per parameter.

    Args:
      number: of the round, from 1.
      steps: that were trained before it.
      trained: digest of the weights that were scored; None where scores need no training.
      mask: after the round.
      layers: parameter -> sparsity asked for.
      desired: total sparsity asked for.
    """
    counts = {
        name: LayerCounts(
            size=array.size,
            kept=int(np.count_nonzero(array)),
            desired=layers[name],
            actual=1 - np.count_nonzero(array) / array.size,
        )
        for name, array in mask.items()
    }
    return RoundCounts(
        round=number,
        steps=steps,
        trained=trained,
        desired=desired,
        actual=mask.sparsity,
        layers=counts,
    )

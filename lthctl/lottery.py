"""The lottery ticket experiment: train-prune-rewind rounds, and retraining with its controls.

Both are written as generators: they yield the trainings that they need, one at a time, and are sent the results. So the
algorithm reads from top to bottom, and whoever drives it decides where trainings run, which of them are equal, and what
is known already. `find_ticket` and `retrain` drive it in the plainest way; `lthctl.grid` drives many at once.

Rewinding is an argument and not an edit: a round starts from `mask.apply(init)` in a new network with a new optimizer.
No live network is ever put back into an earlier state.
"""

from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

import numpy as np

from lthctl.data import Dataset
from lthctl.engine import resolve, run
from lthctl.errors import ParamsError, TicketError
from lthctl.files import Json, digest_of_arrays
from lthctl.mask import Mask, Weights
from lthctl.model import Model, from_description
from lthctl.params import TrainParams
from lthctl.pruning import METHODS, OUTPUT_LAYER_FACTOR, check_survivable, rate_per_round, select
from lthctl.schema import Start
from lthctl.seeding import Stream
from lthctl.ticket import Run, Ticket
from lthctl.training import Result, Training, metrics_of

STARTS: tuple[Start, ...] = ("rewind", "reinit", "shuffle")

T = TypeVar("T")
Rounds = Generator[Training, Result, Ticket]
Retraining = Generator[Training, Result, Run]


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
      method: "l1" (lowest magnitude goes) or "random"; random pruning needs no training, so none is done.
      ratio: final sparsity, in [0, 1); the output layer is pruned at half the per-round rate, so the total is a little
        lower. With 0 the dense ticket of the seed is returned, whatever method and rounds are.
      rounds: at least 1; every round trains `train.steps // rounds` steps.
      seed: decides initial weights, batch order and random scores, each from a stream of its own.
      biases: prune biases too, each at its layer's rate.
      train: how to train; the defaults are those of params.yaml.
      train_with: runs a training.

    Raises:
      ParamsError: a value is out of range, or leaves a layer with no weight.
      TrainingError: a training diverged.

    Example:
      >>> ticket = find_ticket(MLP(), MnistFolder(Path("data/mnist")).dataset(DataParams(), seed=1), ratio=0.8)
    """
    resolved = resolve(train or TrainParams(), model)
    request = ticket_request(
        model, dataset, method=method, ratio=ratio, rounds=rounds, seed=seed, biases=biases, train=resolved
    )
    return _drive(prune_rounds(model, dataset, request, resolved), train_with)


def retrain(
    ticket: Ticket,
    dataset: Dataset,
    *,
    start: Start = "rewind",
    train: TrainParams | None = None,
    model: Model | None = None,
    train_with: Callable[[Training], Result] = run,
) -> Run:
    """Train a ticket, or a control of it.

    Args:
      ticket: the ticket.
      dataset: the one that it was found on.
      start: "rewind", the ticket's own weights; "reinit", fresh weights under the same mask; "shuffle", the ticket's
        weights under a mask with the same count in every parameter at positions given by chance.
      train: how to train; the defaults are those of params.yaml.
      model: needed where the ticket is not of an MLP.
      train_with: runs a training.

    Raises:
      TicketError: the ticket is of another model or dataset.
      TrainingError: the training diverged.
    """
    resolved = resolve(train or TrainParams(), _model_of(ticket, model))
    return _drive(retraining(ticket, dataset, start=start, train=resolved, model=model), train_with)


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

    It holds what the ticket depends on and nothing else: trainings only where the method needs them, and of those not
    how often they are evaluated.

    Raises:
      ParamsError: a value is out of range, or leaves a layer with no weight.
    """
    if method not in METHODS:
        raise ParamsError(f"method: is {method!r}, expected one of {', '.join(METHODS)}")
    if not 0 <= ratio < 1:
        raise ParamsError(f"ratio: is {ratio}, expected in [0, 1): the fraction of weights to prune")
    if rounds < 1:
        raise ParamsError(f"rounds: is {rounds}, expected at least 1")
    if train.steps < rounds:
        raise ParamsError(f"steps: is {train.steps}, expected at least one step for each of the {rounds} rounds")
    if ratio == 0:
        method, rounds = "dense", 0
    shapes = model.prunable(biases=biases)
    if fault := check_survivable(shapes, rates_of(model, shapes, ratio, rounds), rounds):
        raise ParamsError(
            f"ratio {ratio} in {rounds} round{'s' * (rounds > 1)}: {fault}; choose a lower ratio or larger layers"
        )
    return {
        "method": method,
        "ratio": float(ratio),
        "rounds": rounds,
        "seed": seed,
        "biases": biases,
        "model": model.describe(),
        "data": dataset.describe(),
        "train": train.model_dump(mode="json", exclude={"evaluate_every"}) if needs_training(method) else {},
    }


def prune_rounds(model: Model, dataset: Dataset, request: Json, train: TrainParams) -> Rounds:
    """Train, prune and rewind as often as `request` (of `ticket_request`) asks for, training as `train` says."""
    ratio, rounds, seed = request["ratio"], request["rounds"], request["seed"]
    shapes = model.prunable(biases=request["biases"])
    init = model.draw(Stream(seed, "init"))
    mask = Mask.full(shapes)
    rate = rates_of(model, shapes, ratio, rounds)
    sparsity = []
    for number in range(1, rounds + 1):
        method = METHODS[request["method"]]
        weights: Weights = init
        steps = 0
        if method.needs_training:
            params = params_of_round(train, rounds)
            steps = params.steps
            weights = (yield Training(model, mask.apply(init), mask, dataset, seed, params)).weights
        scores = method.score({name: weights[name] for name in mask}, Stream(seed, "prune", number))
        mask = select(scores, mask, rate=rate)
        trained = digest_of_arrays(weights) if method.needs_training else None
        sparsity.append(sparsity_after(number, steps, trained, mask, rate))
    return Ticket(**request, rate=rate, sparsity=tuple(sparsity), mask=mask, init=init)


def params_of_round(train: TrainParams, rounds: int) -> TrainParams:
    """How the training before a pruning is done: its share of the steps, evaluated at the end alone, as nothing but
    its weights is used. A single round's is also what retrains the dense ticket, and is evaluated as often."""
    steps = train.steps // rounds
    return train if rounds == 1 else train.model_copy(update={"steps": steps, "evaluate_every": steps})


def retraining(
    ticket: Ticket,
    dataset: Dataset,
    *,
    start: Start,
    train: TrainParams,
    model: Model | None = None,
    keep_weights: bool = True,
) -> Retraining:
    """Train a ticket or a control of it, `train` being resolved; see `retrain`."""
    training = specify_retraining(ticket, dataset, start=start, train=train, model=model)
    result = yield training
    proof = proof_of(training.mask, training.start, result.weights)
    assert proof["pruned_nonzero"] == 0, "an engine let a pruned weight come back"
    return Run(
        ticket=summary_of(ticket),
        start=start,
        train=training.params.model_dump(mode="json"),
        model=ticket.model,
        data=dataset.describe(),
        training=training.digest,
        proof=proof,
        metrics=metrics_of(result.history),
        history=result.history,
        weights=result.weights if keep_weights else None,
    )


def specify_retraining(
    ticket: Ticket, dataset: Dataset, *, start: Start, train: TrainParams, model: Model | None = None
) -> Training:
    """The training that `retrain` runs.

    Raises:
      TicketError: the ticket is of another model or dataset, or of a module that only its maker can build.
    """
    model = _model_of(ticket, model)
    check_ticket(ticket, model, dataset, where=ticket.name)
    mask, weights = starting_point(ticket, start, model)
    return Training(model, weights, mask, dataset, ticket.seed, train)


def starting_point(ticket: Ticket, start: Start, model: Model) -> tuple[Mask, Weights]:
    """The mask and the masked weights that a retraining starts from."""
    mask, weights = ticket.mask, ticket.init
    if start == "reinit":
        weights = model.draw(Stream(ticket.seed, "reinit"))
    elif start == "shuffle":
        stream = Stream(ticket.seed, "shuffle")
        mask = mask.shuffled({name: stream.words(array.size) for name, array in mask.items()})
    return mask, mask.apply(weights)


def _model_of(ticket: Ticket, model: Model | None) -> Model:
    found = model or from_description(ticket.model)
    if found is None:
        name = ticket.model.get("name")
        raise TicketError(f"{ticket.name}: is of the module {name!r}, that only you can build; pass it as `model`")
    return found


def check_ticket(ticket: Ticket, model: Model, dataset: Dataset, *, where: str) -> None:
    """Refuse a ticket that is of another model or dataset.

    Args:
      ticket: the ticket.
      model, dataset: what it is to be used with.
      where: what the message starts with, such as a folder.

    Raises:
      TicketError: it is; both sides are named.
    """
    if model.describe() != ticket.model:
        found, expected = _told_model(ticket.model), _told_model(model.describe())
        raise TicketError(
            f"{where}: is a ticket of {found}, expected {expected}; "
            "change the model's parameters or choose other tickets"
        )
    if ticket.data and dataset.describe() != ticket.data:
        differing = [
            f"{key} {ticket.data.get(key)!r}, here {value!r}"
            for key, value in dataset.describe().items()
            if ticket.data.get(key) != value
        ]
        raise TicketError(
            f"{where}: was found on other data ({'; '.join(differing)}); use its own dataset and data.holdout"
        )


def _told_model(description: Json) -> str:
    if description.get("kind") == "mlp":
        return f"an MLP {'-'.join(map(str, description['layers']))} with {description['init']} weights"
    return f"the module {description.get('name')!r} with parameters {description.get('shapes')}"


def proof_of(mask: Mask, start: Weights, weights: Weights) -> Json:
    """Counts that show what a training under `mask`, from the weights `start` to `weights`, kept to.

    `pruned`: weights outside the mask; `pruned_nonzero`: those of them that are not exactly 0 at the end, which must be
    0;
    `kept`: weights inside; `kept_moved`: those of them that training changed (weights of pixels that are always black
    never move).
    `start`: SHA-256 of the weights that it started from.
    """
    counts = {"pruned": 0, "pruned_nonzero": 0, "kept": 0, "kept_moved": 0}
    for name, kept in mask.items():
        before, after = start[name], weights[name]
        counts["pruned"] += int(np.count_nonzero(~kept))
        counts["pruned_nonzero"] += int(np.count_nonzero(after[~kept]))
        counts["kept"] += int(np.count_nonzero(kept))
        counts["kept_moved"] += int(np.count_nonzero((after != before) & kept))
    return {**counts, "start": digest_of_arrays(start)}


def run_request(ticket: Ticket, dataset: Dataset, start: Start, train: TrainParams) -> Json:
    """What `Run.request` of a retraining will be."""
    return {
        "ticket": summary_of(ticket),
        "start": start,
        "train": train.model_dump(mode="json"),
        "model": ticket.model,
        "data": dataset.describe(),
    }


def _drive(generator: Generator[Training, Result, T], train_with: Callable[[Training], Result]) -> T:
    try:
        training = next(generator)
        while True:
            training = generator.send(train_with(training))
    except StopIteration as done:
        value: T = done.value
        return value


def needs_training(method: str) -> bool:
    """Whether tickets of this method came out of trainings that lthctl ran."""
    return method in METHODS and METHODS[method].needs_training


def rates_of(model: Model, shapes: Mapping[str, tuple[int, ...]], ratio: float, rounds: int) -> dict[str, float]:
    """The rate per round of every prunable parameter; half of the others' in the output layer."""
    if rounds == 0:
        return dict.fromkeys(shapes, 0.0)
    rate = rate_per_round(ratio, rounds)
    return {name: rate * OUTPUT_LAYER_FACTOR if model.is_output(name) else rate for name in shapes}


def summary_of(ticket: Ticket) -> Json:
    """What a run says of its ticket."""
    return {
        "name": ticket.name,
        "digest": ticket.digest,
        "method": ticket.method,
        "ratio": ticket.ratio,
        "rounds": ticket.rounds,
        "seed": ticket.seed,
        "sparsity": ticket.mask.sparsity,
        "sparsity_by_round": [after["actual"] for after in ticket.sparsity],
        "biases": ticket.biases,
        "train": ticket.train,
    }


def sparsity_after(number: int, steps: int, trained: str | None, mask: Mask, rate: Mapping[str, float]) -> Json:
    """Desired and actual sparsity after a round, total and per parameter; `trained` is the digest of the weights that
    were scored."""
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

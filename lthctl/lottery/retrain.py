"""Retraining a ticket, or a control of it."""

from collections.abc import Callable, Generator

import numpy as np

from lthctl.artifacts.run import Run
from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import Json, digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import TicketError
from lthctl.lottery.controls import apply_control
from lthctl.lottery.find import run_all
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.models.described import known_model
from lthctl.params import TrainParams
from lthctl.training.engines import resolve, run
from lthctl.training.history import Result, metrics_of
from lthctl.training.spec import Training

Retraining = Generator[Training, Result, Run]


def retrain(
    ticket: Ticket,
    dataset: Dataset,
    *,
    control: str = "rewind",
    train: TrainParams | None = None,
    model: Model | None = None,
    train_with: Callable[[Training], Result] = run,
) -> Run:
    """Train a ticket, or a control of it.

    Args:
      ticket: the ticket.
      dataset: the one that it was found on.
      control: "rewind", the ticket's own weights; "reinit", fresh weights under the same mask;
        "shuffle", the ticket's weights under a mask with the same count in every parameter at
        positions given by chance.
      train: how to train; the defaults are those of params.yaml.
      model: needed where the ticket is not of an MLP.
      train_with: runs a training.

    Raises:
      TicketError: the ticket is of another model or dataset.
      TrainingError: the training diverged.
    """
    resolved = resolve(train or TrainParams(), _model_of(ticket, model))
    return run_all(
        retraining(ticket, dataset, control=control, train=resolved, model=model), train_with
    )


def retraining(
    ticket: Ticket,
    dataset: Dataset,
    *,
    control: str,
    train: TrainParams,
    model: Model | None = None,
    keep_weights: bool = True,
) -> Retraining:
    """Train a ticket or a control of it, `train` being resolved; see `retrain`."""
    training = specify_retraining(ticket, dataset, control=control, train=train, model=model)
    result = yield training
    proof = proof_of(training.mask, training.start, result.weights)
    assert proof["pruned_nonzero"] == 0, "an engine let a pruned weight come back"
    return Run(
        ticket=summary_of(ticket),
        control=control,
        train=training.params.identity(),
        model=ticket.model,
        data=dataset.describe(),
        training=training.digest,
        proof=proof,
        metrics=metrics_of(result.history),
        history=result.history,
        weights=result.weights if keep_weights else None,
    )


def specify_retraining(
    ticket: Ticket,
    dataset: Dataset,
    *,
    control: str,
    train: TrainParams,
    model: Model | None = None,
) -> Training:
    """The training that `retrain` runs.

    Raises:
      TicketError: the ticket is of another model or dataset, or of a module that only its maker can
        build.
    """
    model = _model_of(ticket, model)
    check_ticket(ticket, model, dataset, where=ticket.name)
    mask, weights = apply_control(ticket, control, model)
    return Training(model, weights, mask, dataset, ticket.seed, train)


def _model_of(ticket: Ticket, model: Model | None) -> Model:
    found = model or known_model(ticket.model)
    if found is None:
        name = ticket.model.get("name")
        raise TicketError(
            f"{ticket.name}: is of the module {name!r}, that only you can build; pass it as "
            "`model`, or name its code in params.yaml, such as model: mynets:LeNet5"
        )
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
            f"{where}: was found on other data ({'; '.join(differing)}); use its own dataset and "
            "data.holdout"
        )


def _told_model(description: Json) -> str:
    if description.get("kind") == "mlp":
        return (
            f"an MLP {'-'.join(map(str, description['layers']))} with {description['init']} weights"
        )
    return f"the module {description.get('name')!r} with parameters {description.get('shapes')}"


def proof_of(mask: Mask, start: Weights, weights: Weights) -> Json:
    """Counts that show what a training under `mask`, from the weights `start` to `weights`, kept
    to.

    `pruned`: weights outside the mask; `pruned_nonzero`: those of them that are not exactly 0 at
    the end, which must be 0;
    `kept`: weights inside; `kept_moved`: those of them that training changed (weights of pixels
    that are always black never move).
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


def run_request(ticket: Ticket, dataset: Dataset, control: str, train: TrainParams) -> Json:
    """What `Run.request` of a retraining will be."""
    return {
        "ticket": summary_of(ticket),
        "start": control,
        "train": train.identity(),
        "model": ticket.model,
        "data": dataset.describe(),
    }


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

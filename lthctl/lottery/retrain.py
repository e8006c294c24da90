"""Retraining a ticket, or a control of it."""

import json
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np

from lthctl.artifacts.run import Run
from lthctl.artifacts.run_document import Proof, RunSpecification, TicketSummary
from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError, TicketError, TrainingError
from lthctl.families import is_own, sources_of, trust
from lthctl.lottery.as_found import train_as_found
from lthctl.lottery.controls import CONTROLS, apply_control, first_step_of
from lthctl.lottery.find import run_all
from lthctl.lottery.trained import params_under, trained_weights
from lthctl.mask import Mask, Weights
from lthctl.models.base import MlpDescription, Model, ModelDescription, ModuleDescription
from lthctl.models.described import known_model
from lthctl.models.entry import MODELS
from lthctl.params import TrainParams
from lthctl.training.asked import refuse_unread_training
from lthctl.training.engines import resolve, run
from lthctl.training.history import Result, metrics_of
from lthctl.training.spec import Training, sources_of_training

Retraining = Generator[Training, Result, Run]


def retrain(
    ticket: Ticket,
    dataset: Dataset,
    *,
    control: str = "rewind",
    draw: int = 1,
    train: TrainParams | None = None,
    model: Model | None = None,
    order_seed: int | None = None,
    sibling: Ticket | None = None,
    train_with: Callable[[Training], Result] = run,
) -> Run:
    """Train a ticket, or a control of it.

    Args:
      ticket: the ticket.
      dataset: the one that it was found on.
      control: "rewind", the ticket's own weights; "reinit", fresh weights under the same mask;
        "shuffle", the ticket's weights under a mask with the same count in every parameter at
        positions given by chance; "finetune" and "lr-rewind", the weights that the ticket was
        pruned from; another built-in one; or your own as "module:name".
      draw: which draw of the control's random numbers, from 1.
      train: how to train; as the ticket was found if not given, see `train_as_found`.
      model: needed where the ticket is not of an MLP.
      order_seed: another seed for the order of the batches, and for that alone: it makes a second
        copy, to be joined with the first by `lthctl.connect`. A module that draws numbers while it
        trains, as dropout does, draws others too.
      sibling: the ticket of another seed, for a control that takes its mask, such as "other-mask".
      train_with: runs a training.

    Raises:
      ParamsError: there is no such control, or it draws nothing and `draw` is above 1.
      TicketError: the ticket is of another model or dataset.
      ParamsError: the order's seed is the ticket's own.
      TrainingError: the training diverged.

    Example:
      >>> run = retrain(ticket, dataset, control="reinit")
      >>> run.metrics.best_accuracy
    """
    trust(control)
    if train is not None:
        refuse_unread_training(train)
    asked = train_as_found(TrainParams(), ticket.train) if train is None else train
    resolved = resolve(asked, _model_of(ticket, model), dataset.augment)
    work = retraining(
        ticket,
        dataset,
        control=control,
        draw=draw,
        train=resolved,
        model=model,
        order_seed=order_seed,
        sibling=sibling,
    )
    return run_all(work, train_with)


def retraining(
    ticket: Ticket,
    dataset: Dataset,
    *,
    control: str,
    draw: int = 1,
    train: TrainParams,
    model: Model | None = None,
    order_seed: int | None = None,
    sibling: Ticket | None = None,
    keep_weights: bool = True,
) -> Retraining:
    """Train a ticket or a control of it, `train` being resolved; see `retrain`."""
    trained = None
    if CONTROLS.get(control).needs_trained:
        built = _model_of(ticket, model)
        check_ticket(ticket, built, dataset, where=ticket.name)
        check_first_step(ticket, control, train, where=ticket.name)
        trained = yield from trained_weights(ticket, built, dataset, train)
    training = specify_retraining(
        ticket,
        dataset,
        control=control,
        draw=draw,
        train=train,
        model=model,
        order_seed=order_seed,
        sibling=sibling,
        trained=trained,
    )
    result = yield training
    proof = proof_of(training.mask, training.start, result.weights)
    if proof.pruned_nonzero:
        raise TrainingError(
            f"{ticket.name}: the engine {training.params.engine} let {proof.pruned_nonzero:,} of "
            f"{proof.pruned:,} pruned weights come back; it is a mistake of the engine: train with "
            "another"
        )
    return Run(
        specify_run(ticket, dataset, control, train, order_seed, sibling, draw=draw),
        training.digest,
        proof,
        metrics_of(result.history),
        result.history,
        result.weights if keep_weights else None,
    )


def specify_retraining(
    ticket: Ticket,
    dataset: Dataset,
    *,
    control: str,
    draw: int = 1,
    train: TrainParams,
    model: Model | None = None,
    order_seed: int | None = None,
    sibling: Ticket | None = None,
    trained: Weights | None = None,
) -> Training:
    """The training that `retrain` runs.

    Raises:
      TicketError: the ticket is of another model or dataset, or of a module that only its maker can
        build.
      ParamsError: the order's seed is the ticket's own.
    """
    check_order_seed(order_seed, ticket.seed, where=ticket.name)
    model = _model_of(ticket, model)
    check_ticket(ticket, model, dataset, where=ticket.name)
    check_first_step(ticket, control, train, where=ticket.name)
    mask, weights = apply_control(
        ticket, control, model, draw=draw, sibling=sibling, trained=trained
    )
    seed = ticket.seed if order_seed is None else order_seed
    first_step = first_step_of(control, ticket.specification)
    params = params_under(control, train)
    return Training(model, weights, mask, dataset, seed, params, first_step)


def check_first_step(ticket: Ticket, control: str, train: TrainParams, *, where: str) -> None:
    """Refuse a retraining that would be over before it begins.

    Args:
      ticket, control, train: of the retraining.
      where: what the message starts with, such as the ticket's name.

    Raises:
      ParamsError: it would.
    """
    if (at := first_step_of(control, ticket.specification)) >= train.steps:
        raise ParamsError(
            f"{where}: rewinds to step {at:,}, and a retraining of {train.steps:,} steps is over "
            "by then; train for more steps"
        )


def check_order_seed(order_seed: int | None, seed: int, *, where: str) -> None:
    """Refuse a second copy of a run that would be the first again.

    Args:
      order_seed: of the order of its batches; None for a first copy.
      seed: of its ticket.
      where: what the message starts with, such as the ticket's name.

    Raises:
      ParamsError: both seeds are the same.
    """
    if order_seed == seed:
        raise ParamsError(
            f"{where}: has seed {seed}, so with --order-seed {seed} its second copy would be the "
            "first again; give a seed that no ticket here has"
        )


def _model_of(ticket: Ticket, model: Model | None) -> Model:
    built = model or known_model(ticket.model)
    if built is None:
        raise TicketError(
            f"{ticket.name}: is of the module {ticket.model.name!r}, that only you can build; pass "
            "it as `model`, or name its code in params.yaml, such as model: mynets:LeNet5"
        )
    return built


def check_ticket(ticket: Ticket, model: Model, dataset: Dataset, *, where: str) -> None:
    """Refuse a ticket that is of another model or dataset, or of another version of one's own code.

    Args:
      ticket: the ticket.
      model, dataset: what it is to be used with.
      where: what the message starts with, such as a folder.

    Raises:
      TicketError: it is; both sides are named.
    """
    if model.describe() != ticket.model:
        theirs, expected = _model_words(ticket.model), _model_words(model.describe())
        raise TicketError(
            f"{where}: is a ticket of {theirs}, expected {expected}; "
            f"{_way_to(ticket.model, model.describe())}"
        )
    check_code(getattr(ticket.model, "name", ""), ticket.specification.sources, where=where)
    if ticket.data is not None and (here := dataset.describe()) != ticket.data:
        differing = [
            f"{name} {value!r}, here {getattr(here, name)!r}"
            for name, value in ticket.data
            if getattr(here, name) != value
        ]
        raise TicketError(
            f"{where}: was found on other data ({'; '.join(differing)}); use its own dataset and "
            "data.holdout"
        )


def check_code(name: str, sources: Mapping[str, str], *, where: str) -> None:
    """Refuse another version of a model of one's own than the one of a ticket or a run.

    Args:
      name: of the model.
      sources: of the ticket or the run: name -> SHA-256 of the file that its code came from.
      where: what the message starts with.

    Raises:
      TicketError: it is.
    """
    source, here = sources.get(name), MODELS.source_digest(name)
    if source is not None and here is not None and source != here:
        raise TicketError(
            f"{where}: was found with another version of {name} (SHA-256 {source[:12]}..., here "
            f"{here[:12]}...); restore that file, or find the ticket again"
        )


def _model_words(model: ModelDescription) -> str:
    if isinstance(model, MlpDescription):
        return f"an MLP {model.name} with {model.init} weights"
    if isinstance(model, ModuleDescription) and model.init is not None:
        return model.words
    shapes = (
        {name: list(shape) for name, shape in model.shapes.items()}
        if isinstance(model, ModuleDescription)
        else None
    )
    return f"the module {model.name!r} with parameters {shapes}"


def _way_to(theirs: ModelDescription, here: ModelDescription) -> str:
    """What to do where a ticket is of another model than the parameters ask for."""
    if not isinstance(theirs, ModuleDescription) or theirs.name == getattr(here, "name", ""):
        return "change the model's parameters or choose other tickets"
    if theirs.init is not None:
        said = {"name": theirs.name, "init": theirs.init, "kwargs": theirs.kwargs}
        return f"set model in params.yaml: {json.dumps({k: v for k, v in said.items() if v})}"
    if not is_own(theirs.name):
        return "that module only you can build: call lthctl.retrain with it as `model`"
    return (
        f"if you trust that code, give --model {theirs.name}, or set model in params.yaml: "
        f"{{name: {theirs.name}, output: {theirs.output}}}"
    )


def proof_of(mask: Mask, start: Weights, weights: Weights) -> Proof:
    """Counts that show what a training under `mask`, from the weights `start` to `weights`, kept
    to."""
    pruned = pruned_nonzero = num_kept = kept_moved = 0
    for name, kept in mask.items():
        before, after = start[name], weights[name]
        pruned += int(np.count_nonzero(~kept))
        pruned_nonzero += int(np.count_nonzero(after[~kept]))
        num_kept += int(np.count_nonzero(kept))
        kept_moved += int(np.count_nonzero((after != before) & kept))
    return Proof(
        start=digest_of_arrays(start),
        pruned=pruned,
        pruned_nonzero=pruned_nonzero,
        kept=num_kept,
        kept_moved=kept_moved,
    )


def specify_run(
    ticket: Ticket,
    dataset: Dataset,
    control: str,
    train: TrainParams,
    order_seed: int | None = None,
    sibling: Ticket | None = None,
    *,
    draw: int = 1,
) -> RunSpecification:
    """What a run of a ticket will be."""
    further: dict[str, Any] = {
        "order_seed": order_seed,
        "sibling": None if sibling is None else sibling.digest,
    }
    return RunSpecification(
        ticket=summary_of(ticket),
        control=control,
        draw=draw,
        train=train,
        model=ticket.model,
        data=dataset.describe(),
        first_step=first_step_of(control, ticket.specification),
        **{name: value for name, value in further.items() if value is not None},
        sources={
            **ticket.specification.sources,
            **sources_of((CONTROLS, control)),
            **sources_of_training(getattr(ticket.model, "name", ""), train),
        },
    )


def summary_of(ticket: Ticket) -> TicketSummary:
    """What a run says of its ticket."""
    return TicketSummary(
        **dict(ticket.specification.pruning),
        name=ticket.name,
        digest=ticket.digest,
        train=ticket.train,
        sparsity=ticket.mask.sparsity,
        sparsity_by_round=tuple(after.actual for after in ticket.counts),
    )

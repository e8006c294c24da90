"""Retraining a ticket, or a control of it."""

from collections.abc import Callable, Generator

from lthctl.artifacts.run import Run
from lthctl.artifacts.ticket import Ticket
from lthctl.datasets.base import Dataset
from lthctl.errors import TicketError, TrainingError
from lthctl.families import trust
from lthctl.lottery.as_found import train_as_found
from lthctl.lottery.controls import CONTROLS, apply_control, first_step_of
from lthctl.lottery.find import run_all
from lthctl.lottery.fitting import check_first_step, check_order_seed, check_ticket
from lthctl.lottery.runs import proof_of, specify_run
from lthctl.lottery.trained import params_under, trained_weights
from lthctl.mask import Weights
from lthctl.models.base import Model
from lthctl.models.described import known_model
from lthctl.params import TrainParams
from lthctl.training.asked import refuse_unread_training
from lthctl.training.engines import resolve, run
from lthctl.training.history import Result, metrics_of
from lthctl.training.spec import Training

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


def _model_of(ticket: Ticket, model: Model | None) -> Model:
    built = model or known_model(ticket.model)
    if built is None:
        raise TicketError(
            f"{ticket.name}: is of the module {ticket.model.name!r}, that only you can build; pass "
            "it as `model`, or name its code in params.yaml, such as model: mynets:LeNet5"
        )
    return built

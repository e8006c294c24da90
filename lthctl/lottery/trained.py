"""The trained weights of a ticket, which its folder does not keep: asked for again.

Fine-tuning and learning-rate rewinding go on from the weights that a ticket was pruned from. They
are the result of its last training. The store has that, or it is done again and checked.
"""

from collections.abc import Generator

from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError, TicketError
from lthctl.lottery.controls import CONTROLS
from lthctl.lottery.find import prune_rounds
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.params import RoundParams, TrainParams
from lthctl.training.history import Result
from lthctl.training.schedules import at_one_rate, rates
from lthctl.training.spec import Training


def trained_weights(
    ticket: Ticket, model: Model, dataset: Dataset, train: TrainParams
) -> Generator[Training, Result, Weights]:
    """The weights that a ticket was pruned from, all of them.

    Where its method trains nothing, they are those of the dense network after all steps: what a
    random mask prunes when it prunes a trained network. So they are for the dense ticket.

    Args:
      ticket: the ticket.
      model, dataset: its own.
      train: how it is retrained, with nothing left to choose.

    Raises:
      TicketError: its trainings end in other weights here.
    """
    if not was_trained(ticket):
        everything = Mask.full({name: array.shape for name, array in ticket.mask.items()})
        dense = Training(model, ticket.init, everything, dataset, ticket.seed, train)
        return (yield dense).weights
    rounds = prune_rounds(model, dataset, ticket.specification, train_of(ticket, train))
    training = next(rounds)
    weights: Weights = {}
    while True:
        result = yield training
        weights = result.weights
        try:
            training = rounds.send(result)
        except StopIteration:
            break
    if (expected := ticket.counts[-1].trained) != (here := digest_of_arrays(weights)):
        raise TicketError(
            f"{ticket.name}: was pruned from weights with digest {str(expected)[:12]}..., and its "
            f"trainings end in others here ({here[:12]}...); another version of the engine or "
            "another processor made it: find the ticket again here"
        )
    return weights


def was_trained(ticket: Ticket) -> bool:
    """Whether the weights that were scored were trained."""
    return bool(ticket.counts) and ticket.counts[-1].trained is not None


def train_of(ticket: Ticket, train: TrainParams) -> TrainParams:
    """How the trainings of a ticket were done, evaluated as often as the retraining: so they are
    found in the store where they were done beside it."""
    own = ticket.train or RoundParams()
    return TrainParams(**dict(own), evaluate_every=train.evaluate_every)


def params_under(control: str, train: TrainParams) -> TrainParams:
    """How a training under a control is done: as is said, or at the last of these rates.

    Raises:
      ParamsError: that is 0.
    """
    if not CONTROLS.get(control).at_the_last_rate:
        return train
    last = float(rates(train, train.steps - 1, 1)[0])
    if last == 0:
        raise ParamsError(
            f"train.schedule: {train.schedule} ends at a rate of 0, at which {control} cannot "
            "train; choose another schedule"
        )
    return at_one_rate(train).model_copy(update={"lr": last})

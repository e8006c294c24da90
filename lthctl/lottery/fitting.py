"""Whether a ticket fits the model, the dataset and the training that it is to be used with."""

import json
from collections.abc import Mapping

from lthctl.artifacts.ticket import Ticket
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError, TicketError
from lthctl.families import is_own
from lthctl.lottery.controls import first_step_of
from lthctl.models.base import MlpDescription, Model, ModelDescription, ModuleDescription
from lthctl.models.entry import MODELS
from lthctl.params import TrainParams


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

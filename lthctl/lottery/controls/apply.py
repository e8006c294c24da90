"""The start that a control gives, checked."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lthctl.artifacts.ticket import Ticket
from lthctl.errors import ParamsError, TicketError, TrainingError
from lthctl.lottery.controls.base import CONTROLS
from lthctl.lottery.siblings import kind_of
from lthctl.mask import Array, Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def apply_control(
    ticket: Ticket,
    control: str,
    model: Model | None,
    *,
    draw: int = 1,
    sibling: Ticket | None = None,
    trained: Weights | None = None,
) -> tuple[Mask, Weights]:
    """The mask and the masked weights that a retraining starts from.

    Args:
      ticket: the ticket.
      control: the name of one.
      model: the ticket's; None only for a control that needs none.
      draw: which of its draws, from 1. Each has a random stream of its own.
      sibling: the ticket of another seed, for a control that needs one.
      trained: the weights that the ticket was pruned from, for a control that needs them.

    Raises:
      ParamsError: there is no such control, or it may not be imported; or it draws no random
        numbers, and another draw than the first is asked for.
      TicketError: a sibling is needed and missing, or is no sibling.
      TrainingError: a control of somebody's own gives a mask or weights that are not the model's.
    """
    member = CONTROLS.get(control)
    if draw < 1 or (draw > 1 and not member.is_random):
        expected = "at least 1" if member.is_random else "1, as it draws no random numbers"
        raise ParamsError(f"draw: is {draw}, and control {control} expects {expected}")
    stream = Stream(ticket.seed, control, *([draw] if draw > 1 else []))
    rewound = None if ticket.rewound is None else _read_only(ticket.rewound)
    lent = replace(ticket, init=_read_only(ticket.init), rewound=rewound)
    more: list[Ticket | Weights] = [*_siblings(ticket, control, sibling)]
    if member.needs_trained:
        if trained is None:
            raise TicketError(
                f"{ticket.name}: control {control} needs the weights that it was pruned from; give "
                "them, or call lthctl.retrain, which trains for them"
            )
        more.append(_read_only(trained))
    given = CONTROLS.call(control, member.function, lent, model, stream, *more)
    match given:
        case (Mask() as mask, Mapping() as weights):
            pass
        case _:
            kinds = ", ".join(type(part).__name__ for part in _parts(given))
            raise TrainingError(
                f"control {control}: its function returned {kinds}, expected a lthctl.Mask and a "
                "mapping of parameter name to weights"
            )
    _check(control, mask, ticket.mask, "the mask")
    _check(control, weights, ticket.init, "the weights")
    if wild := sorted(name for name, array in weights.items() if not np.isfinite(array).all()):
        raise TrainingError(
            f"control {control}: the weights of {', '.join(wild)} that it gives are not all "
            "finite numbers"
        )
    return mask, mask.apply(weights)


def _siblings(ticket: Ticket, control: str, sibling: Ticket | None) -> list[Ticket]:
    """The argument that a control takes beside the others, if it takes one."""
    if not CONTROLS.get(control).needs_sibling:
        if sibling is not None:
            raise TicketError(
                f"{ticket.name}: control {control} takes no ticket of another seed; leave it out"
            )
        return []
    if sibling is None:
        raise TicketError(
            f"{ticket.name}: control {control} needs the ticket of another seed; give one that was "
            "found in the same way"
        )
    if kind_of(sibling.specification) != kind_of(ticket.specification):
        raise TicketError(
            f"{ticket.name}: control {control} needs a ticket that was found in the same way by "
            f"another seed, and {sibling.name} was not"
        )
    return [sibling]


def _read_only(weights: Weights) -> Weights:
    """The same memory; a control that writes to the ticket is told so."""
    views: dict[str, Array] = {name: array.view() for name, array in weights.items()}
    for view in views.values():
        view.flags.writeable = False
    return views


def _parts(given: object) -> tuple[object, ...]:
    return given if isinstance(given, tuple) and given else (given,)


def _check(control: str, given: Weights, expected: Weights, what: str) -> None:
    kinds = {name: (np.shape(array), np.asarray(array).dtype) for name, array in given.items()}
    if kinds != {name: (array.shape, array.dtype) for name, array in expected.items()}:
        raise TrainingError(
            f"control {control}: {what} that it gives have other names, shapes or types than the "
            "ticket's"
        )

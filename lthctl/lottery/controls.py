"""What a ticket is retrained from: its own weights, or a control.

A control of one's own is a function `(ticket, model, stream) -> (mask, weights)`. It is called
`module:name` in `retrain --control`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lthctl import families
from lthctl.artifacts.names import Variant
from lthctl.artifacts.pruning import Pruning
from lthctl.artifacts.ticket import Ticket
from lthctl.errors import ParamsError, TicketError, TrainingError
from lthctl.families import Family, checked_callable
from lthctl.lottery.siblings import kind_of
from lthctl.mask import Array, Mask, Weights
from lthctl.models.base import Model
from lthctl.params import RetrainParams
from lthctl.seeding import Stream


@dataclass(frozen=True)
class Control:
    """What a ticket is retrained from.

    Attributes:
      function: takes the ticket, its model and random numbers, and returns the mask and the weights
        to start from. The weights are multiplied by the mask afterwards.
      words: what that is, for people, such as "fresh weights".
      line: dashes and gaps of its lines in figures and on the page, in line widths; solid if empty.
      marker: of its points in figures, as matplotlib names them.
      needs_model: whether the function looks at the model.
      from_the_start: whether its training takes all steps, where a ticket that rewinds to a later
        step goes on from there.
      is_random: whether it draws random numbers. Only then can a ticket have several draws of it.
      needs_sibling: whether the function takes one more argument, the ticket of another seed that
        was found in the same way.
      needs_trained: whether the function takes one more argument, the weights that the ticket was
        pruned from; see `lthctl.lottery.trained`.
      at_the_last_rate: whether it trains at the last learning rate of the schedule.
    """

    function: Callable[..., tuple[Mask, Weights]]
    words: str = "a control of one's own"
    line: tuple[float, ...] = (5, 1, 1, 1, 1, 1)
    marker: str = "D"
    needs_model: bool = True
    from_the_start: bool = False
    is_random: bool = True
    needs_sibling: bool = False
    needs_trained: bool = False
    at_the_last_rate: bool = False


def as_control(name: str, given: object) -> Control:
    """A member of the family from what a person brought: a `Control`, or its function.

    Raises:
      TypeError: it is neither; says what was expected.
    """
    if isinstance(given, Control):
        return given
    expected = "a function (ticket, model, stream), or a lthctl.lottery.controls.Control"
    return own_control(name, checked_callable(given, 3, expected))


def own_control(
    name: str, function: Callable[[Ticket, Any, Stream], tuple[Mask, Weights]] | None = None
) -> Control:
    """A control of somebody's own that says nothing of itself; without a function, to be drawn
    only."""
    return Control(function or _rewind, words=f"what {name} gives")


def _rewind(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    return ticket.mask, ticket.weights


def _reinit(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    return ticket.mask, _fresh_weights("reinit", ticket, model, stream)


def _fresh_weights(control: str, ticket: Ticket, model: Model, stream: Stream) -> Weights:
    """A draw of the model, refused where the model makes the same weights for every seed."""
    drawn = model.draw(stream)
    same = [
        name
        for name, kept in ticket.mask.items()
        if drawn[name].ndim >= 2
        and len(np.unique(drawn[name])) > 1  # zeros are fresh zeros
        and np.array_equal(drawn[name][kept], ticket.init[name][kept])
    ]
    if same:
        raise TrainingError(
            f"control {control}: the model makes {', '.join(map(repr, same))} the same for every "
            f"seed, as a pretrained one does, so that {control} is rewind there; let it draw fresh "
            "weights, or leave this control out"
        )
    return drawn


def _shuffle(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    order = {name: stream.words(array.size) for name, array in ticket.mask.items()}
    return ticket.mask.shuffled(order), ticket.weights


def _reinit_signs(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    drawn = _fresh_weights("reinit-signs", ticket, model, stream)
    return ticket.mask, {
        name: np.copysign(array, ticket.init[name]) if array.dtype.kind == "f" else array
        for name, array in drawn.items()
    }


def _random_ticket(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    drawn = _fresh_weights("random-ticket", ticket, model, stream)
    return _shuffle(ticket, model, stream)[0], drawn


def _other_mask(
    ticket: Ticket, model: Model, stream: Stream, sibling: Ticket
) -> tuple[Mask, Weights]:
    return sibling.mask, ticket.weights


def _trained(
    ticket: Ticket, model: Model, stream: Stream, trained: Weights
) -> tuple[Mask, Weights]:
    return ticket.mask, trained


REWIND = Control(
    _rewind, words="its own weights", line=(), marker="o", needs_model=False, is_random=False
)

REINIT = Control(_reinit, words="fresh weights", line=(3.7, 1.6), marker="s", from_the_start=True)

SHUFFLE = Control(
    _shuffle,
    words="its own weights, the mask permuted",
    line=(1, 1.65),
    marker="^",
    needs_model=False,
)

REINIT_SIGNS = Control(
    _reinit_signs,
    words="fresh magnitudes, the signs kept",
    line=(6, 1.6),
    marker="v",
    from_the_start=True,
)
"""Keeps the signs of the initial weights, as in "Deconstructing Lottery Tickets" (Zhou et al.,
2019)."""

RANDOM_TICKET = Control(
    _random_ticket,
    words="fresh weights, the mask permuted",
    line=(1, 1.2, 1, 1.2, 4, 1.2),
    marker="*",
    from_the_start=True,
)
"""A random sparse network with each layer's count, as in the paper (Frankle & Carbin, 2019).
`shuffle` keeps the ticket's own weights."""

OTHER_MASK = Control(
    _other_mask,
    words="its own weights, another seed's mask",
    line=(6, 1.2, 1, 1.2),
    marker="P",
    needs_model=False,
    is_random=False,
    needs_sibling=True,
)

FINETUNE = Control(
    _trained,
    words="its trained weights, at the last learning rate",
    line=(8, 1.2),
    marker="X",
    needs_model=False,
    is_random=False,
    needs_trained=True,
    at_the_last_rate=True,
)
"""Fine-tuning: what is pruned goes on from its trained weights. The next is its rival in "Comparing
Rewinding and Fine-tuning in Neural Network Pruning" (Renda, Frankle & Carbin, ICLR 2020)."""

LR_REWIND = replace(
    FINETUNE,
    words="its trained weights, the schedule rewound",
    line=(4, 1.2, 2, 1.2),
    marker="d",
    at_the_last_rate=False,
)
"""Learning-rate rewinding, of the same paper: the trained weights, at the rates that the schedule
has from the step on that the ticket rewinds to."""

CONTROLS: Family[Control] = families.CONTROLS


def first_step_of(control: str, pruning: Pruning) -> int:
    """The step that a retraining under a control goes on from."""
    return 0 if CONTROLS.get(control).from_the_start else pruning.rewind_step


def variants_of(control: str, params: RetrainParams) -> list[Variant]:
    """How a ticket is retrained under a control: each draw, in each order of the batches."""
    return [
        Variant(control, order_seed, draw)
        for order_seed in params.orders
        for draw in draws_of(control, params.draws)
    ]


def draws_of(control: str, draws: int) -> range:
    """Which draws of a control there are, if `draws` are asked for: one of a control that draws no
    random numbers, as a second would be the same.

    Example:
      >>> list(draws_of("reinit", 3)), list(draws_of("rewind", 3))
      ([1, 2, 3], [1])
    """
    return range(1, 1 + (draws if CONTROLS.get(control).is_random else 1))


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

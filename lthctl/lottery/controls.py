"""What a ticket is retrained from: its own weights, or a control.

A control of one's own is a function `(ticket, model, stream) -> (mask, weights)`. It is called
`module:name` in `retrain --control`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lthctl import families
from lthctl.artifacts.pruning import Pruning
from lthctl.artifacts.ticket import Ticket
from lthctl.errors import TrainingError
from lthctl.families import Family, checked_callable
from lthctl.mask import Array, Mask, Weights
from lthctl.models.base import Model
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
    """

    function: Callable[[Ticket, Any, Stream], tuple[Mask, Weights]]
    words: str = "a control of one's own"
    line: tuple[float, ...] = (5, 1, 1, 1, 1, 1)
    marker: str = "D"
    needs_model: bool = True
    from_the_start: bool = False


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
            f"control reinit: the model makes {', '.join(map(repr, same))} the same for every "
            "seed, as a pretrained one does, so that reinit is rewind there; let it draw fresh "
            "weights, or leave this control out"
        )
    return ticket.mask, drawn


def _shuffle(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    order = {name: stream.words(array.size) for name, array in ticket.mask.items()}
    return ticket.mask.shuffled(order), ticket.weights


REWIND = Control(_rewind, words="its own weights", line=(), marker="o", needs_model=False)

REINIT = Control(_reinit, words="fresh weights", line=(3.7, 1.6), marker="s", from_the_start=True)

SHUFFLE = Control(
    _shuffle,
    words="its own weights, the mask permuted",
    line=(1, 1.65),
    marker="^",
    needs_model=False,
)

CONTROLS: Family[Control] = families.CONTROLS


def first_step_of(control: str, pruning: Pruning) -> int:
    """The step that a retraining under a control goes on from."""
    return 0 if CONTROLS.get(control).from_the_start else pruning.rewind_step


def apply_control(ticket: Ticket, control: str, model: Model | None) -> tuple[Mask, Weights]:
    """The mask and the masked weights that a retraining starts from.

    Args:
      ticket: the ticket.
      control: the name of one.
      model: the ticket's; None only for a control that needs none.

    Raises:
      ParamsError: there is no such control, or it may not be imported.
      TrainingError: a control of somebody's own gives a mask or weights that are not the model's.
    """
    function = CONTROLS.get(control).function
    rewound = None if ticket.rewound is None else _read_only(ticket.rewound)
    lent = replace(ticket, init=_read_only(ticket.init), rewound=rewound)
    given = CONTROLS.call(control, function, lent, model, Stream(ticket.seed, control))
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

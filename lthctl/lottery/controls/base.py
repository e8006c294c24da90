"""What a control is, and which runs of a ticket it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lthctl import families
from lthctl.artifacts.names import Variant
from lthctl.artifacts.pruning import Pruning
from lthctl.artifacts.ticket import Ticket
from lthctl.families import Family, checked_callable
from lthctl.mask import Mask, Weights
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
    return Control(function or _as_found, words=f"what {name} gives")


def _as_found(ticket: Ticket, model: Any, stream: Stream) -> tuple[Mask, Weights]:
    return ticket.mask, ticket.weights


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

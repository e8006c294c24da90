"""A random sparse network with each layer's count: mask and weights are drawn.

Source: Frankle & Carbin, "The Lottery Ticket Hypothesis", ICLR 2019. `shuffle` keeps the ticket's
own weights.
"""

from lthctl.artifacts.ticket import Ticket
from lthctl.lottery.controls import shuffle
from lthctl.lottery.controls.base import Control
from lthctl.lottery.controls.fresh import fresh_weights
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def start(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    """A permuted mask, and a new draw of the model."""
    drawn = fresh_weights("random-ticket", ticket, model, stream)
    return shuffle.start(ticket, model, stream)[0], drawn


RANDOM_TICKET = Control(
    start,
    words="fresh weights, the mask permuted",
    line=(1, 1.2, 1, 1.2, 4, 1.2),
    marker="*",
    from_the_start=True,
)

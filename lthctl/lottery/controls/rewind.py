"""The ticket itself: its own weights under its own mask (Frankle & Carbin, ICLR 2019)."""

from lthctl.artifacts.ticket import Ticket
from lthctl.lottery.controls.base import Control
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def start(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    """The ticket, untouched."""
    return ticket.mask, ticket.weights


REWIND = Control(
    start, words="its own weights", line=(), marker="o", needs_model=False, is_random=False
)

"""Fresh weights under the ticket's mask: what the initialization adds."""

from lthctl.artifacts.ticket import Ticket
from lthctl.lottery.controls.base import Control
from lthctl.lottery.controls.fresh import fresh_weights
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def start(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    """The mask, and a new draw of the model."""
    return ticket.mask, fresh_weights("reinit", ticket, model, stream)


REINIT = Control(start, words="fresh weights", line=(3.7, 1.6), marker="s", from_the_start=True)

"""The ticket's weights under a mask permuted inside each layer: what the places add."""

from lthctl.artifacts.ticket import Ticket
from lthctl.lottery.controls.base import Control
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def start(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    """As many kept in each parameter, elsewhere."""
    order = {name: stream.words(array.size) for name, array in ticket.mask.items()}
    return ticket.mask.shuffled(order), ticket.weights


SHUFFLE = Control(
    start,
    words="its own weights, the mask permuted",
    line=(1, 1.65),
    marker="^",
    needs_model=False,
)

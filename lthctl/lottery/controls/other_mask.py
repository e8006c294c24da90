"""The ticket's weights under the mask that another seed found: what is this seed's own."""

from lthctl.artifacts.ticket import Ticket
from lthctl.lottery.controls.base import Control
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def start(ticket: Ticket, model: Model, stream: Stream, sibling: Ticket) -> tuple[Mask, Weights]:
    """The mask of the other ticket."""
    return sibling.mask, ticket.weights


OTHER_MASK = Control(
    start,
    words="its own weights, another seed's mask",
    line=(6, 1.2, 1, 1.2),
    marker="P",
    needs_model=False,
    is_random=False,
    needs_sibling=True,
)

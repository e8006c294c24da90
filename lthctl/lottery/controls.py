"""What a ticket is retrained from: its own weights, or a control."""

from lthctl.artifacts.documents import Control
from lthctl.artifacts.ticket import Ticket
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream

CONTROLS: tuple[Control, ...] = ("rewind", "reinit", "shuffle")


def apply_control(ticket: Ticket, control: Control, model: Model) -> tuple[Mask, Weights]:
    """The mask and the masked weights that a retraining starts from."""
    mask, weights = ticket.mask, ticket.init
    if control == "reinit":
        weights = model.draw(Stream(ticket.seed, "reinit"))
    elif control == "shuffle":
        stream = Stream(ticket.seed, "shuffle")
        mask = mask.shuffled({name: stream.words(array.size) for name, array in mask.items()})
    return mask, mask.apply(weights)

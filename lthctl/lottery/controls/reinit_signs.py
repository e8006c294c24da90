"""Fresh magnitudes with the signs of the initial weights.

Source: "Deconstructing Lottery Tickets" (Zhou et al., NeurIPS 2019).
"""

import numpy as np

from lthctl.artifacts.ticket import Ticket
from lthctl.lottery.controls.base import Control
from lthctl.lottery.controls.fresh import fresh_weights
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def start(ticket: Ticket, model: Model, stream: Stream) -> tuple[Mask, Weights]:
    """A new draw of the model, each number with the sign that it had."""
    drawn = fresh_weights("reinit-signs", ticket, model, stream)
    return ticket.mask, {
        name: np.copysign(array, ticket.init[name]) if array.dtype.kind == "f" else array
        for name, array in drawn.items()
    }


REINIT_SIGNS = Control(
    start,
    words="fresh magnitudes, the signs kept",
    line=(6, 1.6),
    marker="v",
    from_the_start=True,
)

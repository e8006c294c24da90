"""Fresh weights: what `reinit`, `reinit-signs` and `random-ticket` share."""

import numpy as np

from lthctl.artifacts.ticket import Ticket
from lthctl.errors import TrainingError
from lthctl.mask import Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def fresh_weights(control: str, ticket: Ticket, model: Model, stream: Stream) -> Weights:
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

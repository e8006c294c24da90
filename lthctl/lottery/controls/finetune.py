"""Fine-tuning: what is pruned goes on from its trained weights, at the last learning rate.

`lr_rewind` is its rival in "Comparing Rewinding and Fine-tuning in Neural Network Pruning" (Renda,
Frankle & Carbin, ICLR 2020).
"""

from lthctl.artifacts.ticket import Ticket
from lthctl.lottery.controls.base import Control
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.seeding import Stream


def start(ticket: Ticket, model: Model, stream: Stream, trained: Weights) -> tuple[Mask, Weights]:
    """The mask, and the weights that the ticket was pruned from."""
    return ticket.mask, trained


FINETUNE = Control(
    start,
    words="its trained weights, at the last learning rate",
    line=(8, 1.2),
    marker="X",
    needs_model=False,
    is_random=False,
    needs_trained=True,
    at_the_last_rate=True,
)

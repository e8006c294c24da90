"""Tickets and runs with other parts, as no reader would have let them through."""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from lthctl.artifacts.run import Run
from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import LayerCounts, RoundCounts, TicketSpecification
from lthctl.canonical import Json
from lthctl.mask import Mask

Part = TypeVar("Part", Ticket, Run)


def respecified(part: Part, **changes: object) -> Part:
    """A ticket or a run that was asked for differently; nothing is checked."""
    specification = part.specification.model_copy(update=changes)
    return replace(part, specification=specification)  # type: ignore[arg-type]


def specification_of(content: Json) -> TicketSpecification:
    """What was asked for, from JSON."""
    return TicketSpecification.model_validate(content)


def one_round(mask: Mask, ratio: float, steps: int = 30) -> RoundCounts:
    """The counts of a ticket of one round that has this mask."""
    layers = {
        name: LayerCounts(
            size=array.size,
            kept=int(np.count_nonzero(array)),
            desired=ratio,
            actual=float(1 - np.count_nonzero(array) / array.size),
        )
        for name, array in mask.items()
    }
    return RoundCounts(
        round=1, steps=steps, trained=None, desired=ratio, actual=mask.sparsity, layers=layers
    )

"""What a run says of itself: what it is, of which ticket, and what its training kept to."""

from typing import Any

import numpy as np

from lthctl.artifacts.run_document import Proof, RunSpecification, TicketSummary
from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.families import sources_of
from lthctl.lottery.controls import CONTROLS, first_step_of
from lthctl.mask import Mask, Weights
from lthctl.params import TrainParams
from lthctl.training.spec import sources_of_training


def specify_run(
    ticket: Ticket,
    dataset: Dataset,
    control: str,
    train: TrainParams,
    order_seed: int | None = None,
    sibling: Ticket | None = None,
    *,
    draw: int = 1,
) -> RunSpecification:
    """What a run of a ticket will be."""
    further: dict[str, Any] = {
        "order_seed": order_seed,
        "sibling": None if sibling is None else sibling.digest,
    }
    return RunSpecification(
        ticket=summary_of(ticket),
        control=control,
        draw=draw,
        train=train,
        model=ticket.model,
        data=dataset.describe(),
        first_step=first_step_of(control, ticket.specification),
        **{name: value for name, value in further.items() if value is not None},
        sources={
            **ticket.specification.sources,
            **sources_of((CONTROLS, control)),
            **sources_of_training(getattr(ticket.model, "name", ""), train),
        },
    )


def summary_of(ticket: Ticket) -> TicketSummary:
    """What a run says of its ticket."""
    return TicketSummary(
        **dict(ticket.specification.pruning),
        name=ticket.name,
        digest=ticket.digest,
        train=ticket.train,
        sparsity=ticket.mask.sparsity,
        sparsity_by_round=tuple(after.actual for after in ticket.counts),
    )


def proof_of(mask: Mask, start: Weights, weights: Weights) -> Proof:
    """Counts that show what a training under `mask`, from the weights `start` to `weights`, kept
    to."""
    pruned = pruned_nonzero = num_kept = kept_moved = 0
    for name, kept in mask.items():
        before, after = start[name], weights[name]
        pruned += int(np.count_nonzero(~kept))
        pruned_nonzero += int(np.count_nonzero(after[~kept]))
        num_kept += int(np.count_nonzero(kept))
        kept_moved += int(np.count_nonzero((after != before) & kept))
    return Proof(
        start=digest_of_arrays(start),
        pruned=pruned,
        pruned_nonzero=pruned_nonzero,
        kept=num_kept,
        kept_moved=kept_moved,
    )

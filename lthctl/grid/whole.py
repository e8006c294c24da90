"""Tickets and their runs as tasks of one grid.

A run of a ticket that is yet to be made goes through the ticket's own trainings first. Those are
equal to the ticket's, so they are run once, and the run waits for them like any other task.
"""

from collections.abc import Sequence
from pathlib import Path

from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.names import folder_part, variant_name
from lthctl.artifacts.ticket import load_ticket
from lthctl.grid.tasks import PlannedTraining, State, Task, Work, state_of
from lthctl.grid.walk import AskedTicket
from lthctl.grid.wanted import refuse_unknown
from lthctl.lottery.controls import first_step_of
from lthctl.lottery.find import prune_rounds
from lthctl.lottery.retrain import check_order_seed, retraining, specify_run
from lthctl.params import RetrainParams


def run_tasks_of(
    tickets: Sequence[AskedTicket], controls: Sequence[str], out: Path, params: RetrainParams
) -> list[Task]:
    """A task for every ticket and control that is for it, to `out`/<control>/<ticket>; and one for
    its second copy, where there is to be one.

    Args:
      tickets: those that are asked for, there already or not.
      controls: names of controls that are known.
      out: folder for the runs.
      params: which tickets a control is for, the order of second copies, and whether runs keep
        their final weights.

    Raises:
      ParamsError: that order is a ticket's own, or a control is for a ticket that is not asked for.
    """
    for ticket in tickets:
        check_order_seed(
            params.order_seed, ticket.specification.seed, where=f"ticket {ticket.task.name}"
        )
    names = {ticket.specification.name_of_replicates for ticket in tickets}
    for control in controls:
        refuse_unknown(params, control, names, where="prune")
    return [
        _run_task(ticket, control, order_seed, out, params.keep_weights)
        for control in controls
        for order_seed in params.orders
        for ticket in tickets
        if params.wants(
            control, ticket.specification.method, ticket.specification.name_of_replicates
        )
    ]


def _run_task(
    asked: AskedTicket, control: str, order_seed: int | None, out: Path, keep_weights: bool
) -> Task:
    ticket_place, name = asked.task.place, asked.task.name
    variant = variant_name(control, order_seed)
    place = out / folder_part(variant) / name
    is_made = asked.task.state is State.PRESENT

    def begin() -> Work:
        dataset = asked.open_dataset()
        ticket = (
            load_ticket(ticket_place)
            if is_made
            else (yield from prune_rounds(asked.model, dataset, asked.specification, asked.train))
        )
        return (
            yield from retraining(
                ticket,
                dataset,
                control=control,
                train=asked.train,
                model=asked.model,
                order_seed=order_seed,
                keep_weights=keep_weights,
            )
        )

    density = 1 - asked.specification.ratio
    num_images = asked.open_dataset().num_evaluated
    first = first_step_of(control, asked.specification)
    planned = PlannedTraining((variant, name), asked.train, density, num_images, first)
    trainings = (planned,) if is_made else (*asked.task.trainings, planned)
    state = State.MISSING
    if is_made:  # else nobody knows yet what the run would be of
        ticket = load_ticket(ticket_place)
        dataset = asked.open_dataset()
        specification = specify_run(ticket, dataset, control, asked.train, order_seed)
        state = state_of(RunFolder(place), specification)
    return Task(f"{name} {variant}", place, begin, trainings, state, what="run")

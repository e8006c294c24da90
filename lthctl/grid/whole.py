"""Tickets and their runs as tasks of one grid.

A run of a ticket that is yet to be made goes through the ticket's own trainings first. Those are
equal to the ticket's, so they are run once, and the run waits for them like any other task.
"""

from collections.abc import Generator, Sequence
from pathlib import Path

from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.names import Variant, run_place, variant_name
from lthctl.artifacts.ticket import Ticket, load_ticket
from lthctl.errors import TicketError
from lthctl.grid.planned import trainings_to_pruning
from lthctl.grid.tasks import PlannedTraining, State, Task, Work, state_of
from lthctl.grid.ticket_tasks import AskedTicket
from lthctl.grid.wanted import refuse_unknown
from lthctl.lottery.controls import CONTROLS, first_step_of, variants_of
from lthctl.lottery.find import prune_rounds
from lthctl.lottery.fitting import check_order_seed
from lthctl.lottery.retrain import retraining
from lthctl.lottery.runs import specify_run
from lthctl.lottery.scores import needs_training
from lthctl.lottery.siblings import no_sibling, siblings_of
from lthctl.params import RetrainParams
from lthctl.training.history import Result
from lthctl.training.spec import Training


def run_tasks_of(
    tickets: Sequence[AskedTicket],
    controls: Sequence[str],
    out: Path,
    params: RetrainParams,
    *,
    look: bool = True,
) -> list[Task]:
    """A task for every ticket and control that is for it, with each of its draws, and a second copy
    where there is to be one; where, `run_place` says.

    Args:
      tickets: those that are asked for, there already or not.
      controls: names of controls that are known.
      out: folder for the runs.
      params: which tickets a control is for, how many draws it has, the order of second copies,
        and whether runs keep their final weights.
      look: whether to look what the folders of runs hold.

    Raises:
      ParamsError: that order is a ticket's own, or a control is for a ticket that is not asked for.
      TicketError: a control needs the ticket of another seed, and there is none.
    """
    for ticket in tickets:
        check_order_seed(
            params.order_seed, ticket.specification.seed, where=f"ticket {ticket.task.name}"
        )
    names = {ticket.specification.name_of_replicates for ticket in tickets}
    for control in controls:
        refuse_unknown(params, control, names, where="prune")
    siblings = siblings_of({number: one.specification for number, one in enumerate(tickets)})

    def sibling_of(number: int, control: str) -> AskedTicket | None:
        if not CONTROLS.get(control).needs_sibling:
            return None
        if number not in siblings:
            raise TicketError(no_sibling(tickets[number].specification, control))
        return tickets[siblings[number]]

    return [
        _run_task(ticket, variant, out, params.keep_weights, sibling_of(number, control), look)
        for control in controls
        for variant in variants_of(control, params)
        for number, ticket in enumerate(tickets)
        if params.wants(
            control, ticket.specification.method, ticket.specification.name_of_replicates
        )
    ]


def _run_task(
    asked: AskedTicket,
    kind: Variant,
    out: Path,
    keep_weights: bool,
    asked_sibling: AskedTicket | None,
    look: bool,
) -> Task:
    ticket_place, name = asked.task.place, asked.task.name
    control, order_seed, draw = kind
    variant = variant_name(*kind)
    place = out / run_place(*kind, name)

    def begin() -> Work:
        dataset = asked.open_dataset()
        ticket = yield from _found(asked)
        sibling = None
        if asked_sibling is not None:
            sibling = yield from _found(asked_sibling)
        return (
            yield from retraining(
                ticket,
                dataset,
                control=control,
                draw=draw,
                train=asked.train,
                model=asked.model,
                order_seed=order_seed,
                sibling=sibling,
                keep_weights=keep_weights,
            )
        )

    density = 1 - asked.specification.ratio
    num_images = asked.num_evaluated  # asked here, its dataset would be made again for every run
    first = first_step_of(control, asked.specification)
    planned = PlannedTraining((variant, name), asked.train, density, num_images, first)
    needed = [one for one in (asked, asked_sibling) if one is not None]
    missing = [one for one in needed if one.task.state is not State.PRESENT]
    before: tuple[PlannedTraining, ...] = ()
    if CONTROLS.get(control).needs_trained:
        by_rounds = needs_training(asked.specification.method)
        before = trainings_to_pruning(
            asked.specification, asked.train, num_images, by_rounds=by_rounds
        )
    found = [training for one in missing for training in one.task.trainings]
    trainings = (*found, *before, planned)
    state = State.MISSING
    if look and not missing:  # else nobody knows yet what the run would be of
        ticket = load_ticket(ticket_place)
        dataset = asked.open_dataset()
        sibling = None if asked_sibling is None else load_ticket(asked_sibling.task.place)
        specification = specify_run(
            ticket, dataset, control, asked.train, order_seed, sibling, draw=draw
        )
        state = state_of(RunFolder(place), specification)
    return Task(f"{name} {variant}", place, begin, trainings, state, what="run")


def _found(asked: AskedTicket) -> Generator[Training, Result, Ticket]:
    """A ticket that is there, or that is found now."""
    if asked.task.state is State.PRESENT:
        return load_ticket(asked.task.place)
    return (
        yield from prune_rounds(asked.model, asked.open_dataset(), asked.specification, asked.train)
    )

"""Which trainings a task will need, told before anything is trained."""

from lthctl.artifacts.ticket_document import TicketSpecification
from lthctl.grid.tasks import PlannedTraining
from lthctl.lottery.find import params_of_round, until_rewind
from lthctl.lottery.scores import needs_training
from lthctl.params import TrainParams


def trainings_of(
    specification: TicketSpecification, train: TrainParams, num_images: int
) -> tuple[PlannedTraining, ...]:
    """What a ticket takes: a training to the step that it rewinds to, and one before each pruning.
    The first of both are the same for all tickets of a seed with as many steps a round. On a ladder
    with a rate, each further one retrains the ticket of the round before, under the key that its
    run has."""
    pruning, at = specification.pruning, specification.rewind_step
    params = params_of_round(train, pruning)
    begin = until_rewind(train)
    first = (
        [PlannedTraining((pruning.seed, begin, at), begin, 1.0, num_images, 0, at)] if at else []
    )
    num_rounds = pruning.rounds if needs_training(pruning.method) else 0

    def key(number: int) -> tuple[object, ...]:
        if not number:
            return pruning.seed, params, *([at] if at else [])
        if pruning.per_round is None:
            return pruning.ticket_name, number
        before = pruning.model_copy(update={"rounds": number})
        return "rewind", before.ticket_name

    rounds = [
        PlannedTraining(
            key(number),
            params,
            (1 - pruning.ratio) ** (number / pruning.rounds),
            num_images,
            at,
        )
        for number in range(num_rounds)
    ]
    return (*first, *rounds)


def trainings_to_pruning(
    specification: TicketSpecification, train: TrainParams, num_images: int, *, by_rounds: bool
) -> tuple[PlannedTraining, ...]:
    """What a control takes that starts from the weights that a ticket was pruned from.

    Args:
      specification: of the ticket.
      train: how the ticket's trainings are done; where it has none, how the dense network is.
      num_images: how many images an evaluation takes.
      by_rounds: whether the ticket has trainings.
    """
    if by_rounds:
        return trainings_of(specification, train, num_images)
    return (PlannedTraining((specification.seed, train), train, 1.0, num_images),)

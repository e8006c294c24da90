"""Tasks: folders to be made, and the trainings that each will need."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.run import Run
from lthctl.artifacts.run_document import RunSpecification
from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import TicketSpecification
from lthctl.canonical import flat
from lthctl.errors import LthctlError, OutputError
from lthctl.grid.cost import equivalent_steps
from lthctl.params import TrainParams
from lthctl.reading import is_there
from lthctl.training.engines import relative_cost
from lthctl.training.history import Result, steps_evaluated
from lthctl.training.spec import Training

Work = Generator[Training, Result, Ticket | Run]


class State(Enum):
    """What the folder of a task holds, in words for people."""

    MISSING = "to be made"
    PRESENT = "there already"
    OTHER = "holds something else, or something damaged"


@dataclass(frozen=True)
class PlannedTraining:
    """A training that a task will need, as far as it is known before anything is trained.

    Attributes:
      key: equal for trainings that are known to be equal beforehand; others may turn out to be.
      params: how it is done.
      density: about how much of the model it trains, in (0, 1].
      num_images: how many images an evaluation takes.
      first_step, last_step: as in `lthctl.training.spec.Training`.
    """

    key: tuple[object, ...]
    params: TrainParams
    density: float
    num_images: int
    first_step: int = 0
    last_step: int | None = None

    @property
    def steps(self) -> int:
        """How many it takes."""
        return (self.params.steps if self.last_step is None else self.last_step) - self.first_step

    @property
    def num_evaluations(self) -> int:
        return 1 + len(steps_evaluated(self.params, self.first_step, self.last_step))

    @property
    def work(self) -> float:
        """About what it costs, in dense steps."""
        cost = relative_cost(self.params.engine, self.density)
        evaluations = self.num_evaluations * self.num_images
        return cost * equivalent_steps(self.steps, evaluations, self.params.batch_size)


@dataclass(frozen=True)
class Task:
    """A folder to be made.

    Attributes:
      name: for people.
      place: the folder.
      begin: begins the work.
      trainings: the trainings that it will yield, in order.
      state: what `place` holds already.
      differs: where that is something else, in what, for people.
      what: the folder will hold.
    """

    name: str
    place: Path
    begin: Callable[[], Work]
    trainings: tuple[PlannedTraining, ...]
    state: State = State.MISSING
    differs: str = ""
    what: Literal["ticket", "run"] = "ticket"

    @property
    def num_steps(self) -> int:
        """Steps of its trainings, some of which may be known already or shared."""
        return sum(training.steps for training in self.trainings)


def state_of(
    folder: TicketFolder | RunFolder, specification: TicketSpecification | RunSpecification
) -> State:
    """What a folder holds: nothing, what is specified and whole, or anything else.

    Args:
      folder: the place of a task.
      specification: what is asked for.

    Raises:
      LthctlError: it cannot be read, so nobody knows.
    """
    if not is_there(folder.path, OutputError):
        return State.MISSING
    try:
        folder.check_files()
        same = folder.document.specification == specification
    except LthctlError as error:
        if error.unread:
            raise
        return State.OTHER
    return State.PRESENT if same else State.OTHER


MOST_NAMED = 3
"""Differences that are named; there may be more."""


def difference(
    folder: TicketFolder | RunFolder, specification: TicketSpecification | RunSpecification
) -> str:
    """In what a folder differs from what is asked for; nothing if its document cannot be read."""
    try:
        there = dict(flat(folder.document.specification.to_json()))
    except LthctlError:
        return ""
    asked = dict(flat(specification.to_json()))
    keys = [key for key in {**there, **asked} if there.get(key) != asked.get(key)]
    named = [f"{key} {_differs(there.get(key), asked.get(key))}" for key in keys[:MOST_NAMED]]
    more = [f"{len(keys) - MOST_NAMED} more"] if len(keys) > MOST_NAMED else []
    return ", ".join([*named, *more])


def _differs(there: object, asked: object) -> str:
    """A document leaves out what stands at its default, or does not apply; it never holds null."""
    if there is None:
        return f"is not there, expected {asked}"
    return f"is {there}, expected {asked}" if asked is not None else f"is {there}, not asked for"

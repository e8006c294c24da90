"""What a worker process does: it runs the trainings that it is sent, one after another."""

import pickle
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.errors import LthctlError, TrainingError
from lthctl.families import trust
from lthctl.grid.executors.base import Cancelled
from lthctl.grid.executors.pooled import resources_of
from lthctl.surroundings import refuse_libraries_of_the_folder
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.spec import Training

REPORT_SECONDS = 0.1  # between two reports of the steps done

LEAVE = b"leave"
"""What is sent meanwhile to end a training, once it has kept a checkpoint."""


@dataclass(frozen=True)
class Failure:
    """What ended a training.

    Attributes:
      kind: the error to raise where the training was asked for.
      message: what it says.
    """

    kind: type[LthctlError]
    message: str

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        if isinstance(error, LthctlError):
            return cls(type(error), str(error))
        return cls(TrainingError, f"{type(error).__name__}: {error}")


Answer = int | Result | Failure
"""Steps done so far, or how a training ended."""


def serve(connection: Connection, trusted: tuple[str, ...]) -> None:
    """Run trainings until the other end is closed, or its process has ended.

    A training comes as a pickle, with where it keeps its checkpoints and on which device it runs.
    Answers are numbers of steps and, at the end, a result or a failure. A training ends where
    something else is sent meanwhile, or nobody is at the other end.

    Args:
      connection: to the process that asks for trainings.
      trusted: names of a person's own code that may be imported there, and so here.
    """
    trust(*trusted)
    refuse_libraries_of_the_folder()
    try:
        while True:
            connection.send(_run(connection.recv_bytes(), connection))
    except (EOFError, OSError):
        pass  # nobody is there any more


def _run(pickled: bytes, connection: Connection) -> Result | Failure:
    reported = time.monotonic()

    def report(step: int) -> None:
        nonlocal reported
        if connection.poll():
            raise Cancelled
        now = time.monotonic()
        if now - reported >= REPORT_SECONDS:
            reported = now
            connection.send(step)

    try:
        asked: tuple[Training, CheckpointStore | None, str | None] = pickle.loads(pickled)
    except LthctlError as error:
        return Failure.of(error)
    except Exception as error:
        return Failure(
            TrainingError,
            f"its model or dataset cannot be made in another process ({type(error).__name__}: "
            f"{error}); define it in a module that can be imported, or use --executor threads",
        )
    try:
        return run(asked[0], report, resources_of(*asked, connection.poll))
    except Exception as error:
        return Failure.of(error)

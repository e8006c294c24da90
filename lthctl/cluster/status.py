"""What a worker says of itself in its heartbeat, and the reading of all of them."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lthctl.artifacts.heartbeat import STALE_SECONDS, Heartbeat
from lthctl.canonical import canonical_json

WORKERS = "workers"
"""The folder of the store with a file for each worker."""


@dataclass(frozen=True)
class RunningTraining:
    """A training that a worker runs.

    Attributes:
      name: for people.
      step, steps: taken of so many.
      work: in dense steps, of all of it.
    """

    name: str
    step: int
    steps: int
    work: float


@dataclass(frozen=True)
class WorkerStatus:
    """What a worker says of itself.

    Attributes:
      plan: the name of its plan's folder.
      host: the machine.
      job: its job in a cluster's own words, or its process.
      machine: the kind of machine.
      state: "working", "stopping" as its time is up, "finished", or "failed".
      running: its trainings.
      num_trained, num_from_store, num_written: trainings and folders so far.
      work_trained: of the trainings so far, in dense steps.
      failed: name and reason of each task that failed, once it has ended.
      tied: as in `lthctl.grid.outcome.Outcome`.
      failure: why it ended, where it failed.
    """

    plan: str
    host: str
    job: str
    machine: str = ""
    state: str = "starting"
    running: tuple[RunningTraining, ...] = ()
    num_trained: int = 0
    num_from_store: int = 0
    num_written: int = 0
    work_trained: float = 0.0
    failed: tuple[tuple[str, str], ...] = ()
    tied: dict[str, dict[str, int]] = field(default_factory=dict)
    failure: str = ""

    def to_bytes(self) -> bytes:
        return canonical_json(asdict(self))


_STATUS = TypeAdapter(WorkerStatus)


def read_statuses(store: Path, plan: str) -> dict[str, tuple[float, WorkerStatus]]:
    """Worker -> the file server's time of its last sign of life, and what it said; of one plan."""
    found = {}
    for name in worker_names(store, plan):
        path = store / WORKERS / f"{name}.json"
        try:
            found[name] = path.stat().st_mtime, _STATUS.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
    return found


OVER = ("finished", "out of time", "failed", "interrupted")
"""States of a worker that has ended by itself."""


def forget_the_gone(store: Path, plan: str, heart: Heartbeat) -> None:
    """Delete what workers of a plan have left that have ended, or that were lost."""
    for name, (written, status) in read_statuses(store, plan).items():
        if status.state in OVER or heart.now - written > STALE_SECONDS:
            (store / WORKERS / f"{name}.json").unlink(missing_ok=True)


def worker_names(store: Path, plan: str) -> Sequence[str]:
    """The workers of a plan that have shown themselves, sorted."""
    try:
        names = os.listdir(store / WORKERS)  # noqa: PTH208
    except OSError:
        return []
    return sorted(
        name.removesuffix(".json")
        for name in names
        if name.startswith(f"{plan}-") and name.endswith(".json")
    )

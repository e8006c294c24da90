"""Runs logged to a tracker: each once, whoever asks how often."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.run import Run
from lthctl.families import trust
from lthctl.tracking.base import TRACKERS, Record, Tracker
from lthctl.tracking.records import record_of


@dataclass(frozen=True)
class Tracked:
    """What a call logged.

    Attributes:
      added: names of the runs that were logged.
      num_known: how many were there already.
      look: the command that shows them.
    """

    added: tuple[str, ...]
    num_known: int
    look: str


def open_tracker(name: str, folder: Path | str = ".") -> Tracker:
    """A tracker whose store lies in a folder.

    Args:
      name: "mlflow", "tensorboard", "wandb", or your own as `module:class`.
      folder: where its store is, or will be.

    Raises:
      ParamsError: there is no such tracker, or its library is not installed.
      OutputError: its store cannot be opened.
    """
    trust(name)
    return TRACKERS.get(name)(Path(folder))


def track(runs: Iterable[Run], to: str | Tracker, *, folder: Path | str = ".") -> Tracked:
    """Log parameters, curves and metrics of runs to a tracker, each run once.

    Nothing is sent anywhere, unless the settings of the library itself name a server.

    Args:
      runs: such as `lthctl.show("runs").runs.values()`.
      to: see `open_tracker`.
      folder: where the store of the tracker is, or will be.

    Raises:
      ParamsError, OutputError: see `open_tracker`.

    Example:
      >>> track(show("runs").runs.values(), "tensorboard").added
      ('l1-r0.80-n5-s1, rewind',)
    """
    tracker = open_tracker(to, folder) if isinstance(to, str) else to
    records: dict[str, Record] = {}
    for run in runs:  # the same run in two places counts once
        record = record_of(run)
        records.setdefault(record.identity, record)
    known = tracker.known()
    new = [record for identity, record in records.items() if identity not in known]
    for record in new:
        tracker.log(record)
    return Tracked(tuple(record.name for record in new), len(records) - len(new), tracker.look)

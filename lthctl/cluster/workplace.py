"""What a workplace is: something that starts workers, such as this machine or a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from lthctl import families
from lthctl.families import Family


@dataclass(frozen=True)
class JobState:
    """How a worker's job is.

    Attributes:
      kind: waiting for a place, running, or over.
      words: more about it in the words of the workplace: why it waits, where it runs, how it ended.
    """

    kind: Literal["queued", "running", "ended"]
    words: str = ""


class Workplace(Protocol):
    """Starts workers, looks how they are, and ends them.

    Attributes:
      words: what it is, for help.
    """

    words: str

    def __init__(self, plan: Path, num_jobs: int | None, settings: Mapping[str, str]) -> None:
        """Workers for a plan.

        Args:
          plan: its file.
          num_jobs: trainings at a time of each worker; see `work`, if None.
          settings: of the cluster, by the names that people give.

        Raises:
          LthctlError: a setting is wrong, or this is no such workplace.
        """

    def script(self, count: int) -> str:
        """What would be run or submitted for so many workers."""

    def start(self, count: int) -> list[str]:
        """Start so many workers; their jobs, by which they can be found again by another process.

        Raises:
          ClusterError: they are refused.
        """

    def look(self, jobs: Sequence[str]) -> dict[str, JobState]:
        """How jobs are."""

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs, those that are over excepted."""

    def log(self, job: str) -> str:
        """The end of what a job has printed; nothing where there is no such file."""


WORKPLACES: Family[type[Workplace]] = families.WORKPLACES


def as_workplace(name: str, given: object) -> type[Workplace]:
    """A member of the family from what a person brought.

    Raises:
      TypeError: it is no class with the methods of a workplace.
    """
    methods = ("script", "start", "look", "cancel", "log")
    if isinstance(given, type) and all(callable(getattr(given, key, None)) for key in methods):
        return given
    raise TypeError(
        "a class with the methods script, start, look, cancel and log, made with a plan, a number "
        "of jobs and settings"
    )


LAST_LINES = 15


def tail(path: Path) -> str:
    """The last lines of a log."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LAST_LINES:])

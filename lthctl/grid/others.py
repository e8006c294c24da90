"""What a command knows of others that work on the same tasks at the same time."""

import math
from collections.abc import Sequence

from lthctl.artifacts.leases import Leases
from lthctl.grid.tasks import Task

ASK_SECONDS = 0.1  # between two looks at what other processes do


class Others:
    """What is known of others with the same tasks. This one knows of none.

    Attributes:
      most_looks: trainings and tasks of others that are looked at in one go.
      most_seconds: between two looks, if nothing changes for long.
      ends: when, by `time.monotonic`, nothing more is to be begun here.
    """

    most_looks = 1_000_000
    most_seconds = ASK_SECONDS
    ends = math.inf

    def leases(self, leases: Leases) -> Leases:
        """The leases that hold among all of them, given those of this machine."""
        return leases

    def holders(self, leases: Leases, digests: Sequence[str]) -> list[int | None]:
        """The processes that run some trainings, as far as somebody wants to see them."""
        return [leases.holder(digest) for digest in digests]

    def is_over(self) -> bool:
        """Whether nothing more is to be begun here, and others are to go on."""
        return False

    def has_done(self, task: Task) -> bool:
        """Whether another has made the folder of a task meanwhile."""
        return False

    def is_seen_done(self, task: Task) -> bool:
        """The same, as far as that is known without asking for this one folder."""
        return False

    def lease_of(self, task: Task) -> str | None:
        """A digest by which the whole task is leased while one of its trainings runs; None if that
        is not worth it. Others then see that somebody is at it, and read none of its results."""
        return None

    def failure_of(self, digest: str) -> str | None:
        """Why a training failed elsewhere, so that it need not be tried here."""
        return None

    def note_failure(self, digest: str, task: Task, reason: str) -> None:
        """A training has failed here."""

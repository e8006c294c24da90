"""Which jobs work on a plan, so that another command can find them, and who coordinates them."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.heartbeat import Heartbeat
from lthctl.canonical import canonical_json
from lthctl.disk import write_errors, write_file
from lthctl.errors import ClusterError
from lthctl.locks import take_lock

JOBS_FILE = "jobs.json"

LOCK_FILE, COORDINATOR = "coordinator.lock", "coordinator"


@dataclass(frozen=True)
class Jobs:
    """Jobs of a plan.

    Attributes:
      workplace: the name of it.
      host: where they were started, as local jobs are known there only.
      names: by which it knows them.
    """

    workplace: str
    host: str
    names: tuple[str, ...]


def write_jobs(plan: Path, workplace: str, names: Sequence[str]) -> None:
    """Raises OutputError where that cannot be written."""
    said = {"workplace": workplace, "host": platform.node(), "jobs": list(names)}
    write_file(plan / JOBS_FILE, canonical_json(said))


def read_jobs(plan: Path) -> Jobs | None:
    """The jobs that were started last; None where there were none."""
    try:
        said = json.loads((plan / JOBS_FILE).read_bytes())
        names = tuple(str(name) for name in said["jobs"])
        return Jobs(str(said["workplace"]), str(said["host"]), names)
    except (OSError, ValueError, LookupError, TypeError):
        return None


class Coordinator(Heartbeat):
    """The heartbeat of a command that looks after workers."""

    def __init__(self, plan: Path) -> None:
        super().__init__(plan, COORDINATOR)
        self.who = f"process {os.getpid()} on {platform.node()}"

    def show(self) -> None:
        """Show that it lives."""
        self.beat(self.who.encode())


@contextmanager
def coordinating(plan: Path) -> Iterator[Coordinator]:
    """Be the one command that looks after the workers of a plan.

    A lock tells that from machine to machine where there are such locks, and else a heartbeat.

    Raises:
      ClusterError: another command does.
    """
    heart = Coordinator(plan)
    with write_errors(plan):
        descriptor = os.open(plan / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        is_free = take_lock(descriptor)
        heart.touch(plan / LOCK_FILE)
        other = _said(heart.path)
        is_elsewhere = not other.endswith(f" on {platform.node()}")
        if is_free is False or (other and is_elsewhere and heart.lives(COORDINATOR)):
            raise ClusterError(
                f"{plan}: {other or 'another command'} looks after the workers of this plan; wait "
                "for it, or end it and give the command again, which takes over"
            )
        heart.show()
        try:
            yield heart
        finally:
            with suppress(OSError):
                heart.path.unlink()
    finally:
        os.close(descriptor)


def _said(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""

"""What a worker knows of the others on its plan, and what it shows them of itself."""

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from lthctl.artifacts.heartbeat import BEAT_SECONDS, Heartbeat, host_of
from lthctl.artifacts.leases import Leases
from lthctl.artifacts.shared_leases import SharedLeases
from lthctl.canonical import sha256
from lthctl.cluster.failures import Failure, Failures
from lthctl.cluster.status import worker_names
from lthctl.errors import OutputError
from lthctl.grid.others import Others
from lthctl.grid.tasks import State, Task

NO_LOCKS = "locks-do-not-reach"
"""A file in the store that says so, once a worker has seen it."""

PAUSE_SECONDS = 10.0  # between two looks at the same folder or lease, if nothing changes for long

SECONDS_PER_WORKER = 0.1  # added to such times, so that hundreds of workers ask less often

MARGIN_SECONDS, MARGIN_SHARE = 60.0, 0.2  # of its time, before whose end a worker begins nothing


def margin(seconds: float) -> float:
    """Seconds before the end of its time in which a worker begins nothing more."""
    return min(MARGIN_SECONDS, MARGIN_SHARE * seconds)


class Crew(Others):
    """The others on a plan, for one worker; see `Others`.

    Args:
      store: shared by all.
      heart: of this worker.
      failures: of the plan.
      say: told in a sentence what is noteworthy.
      status: gives what the heartbeat shows.
      seconds: in which this worker may finish what it begins; None if nothing ends it.
      lease_folder: for leases by files.
    """

    most_looks = 8
    most_seconds = PAUSE_SECONDS

    def __init__(
        self,
        store: Path,
        heart: Heartbeat,
        failures: Failures,
        say: Callable[[str], None],
        status: Callable[[], bytes],
        seconds: float | None,
        lease_folder: Path,
    ) -> None:
        self._store, self._heart, self._failures = store, heart, failures
        self.say, self._status, self._lease_folder = say, status, lease_folder
        self.ends = math.inf if seconds is None else time.monotonic() + seconds
        self._longest = 0.0
        self._shared: SharedLeases | None = None
        self._listed: dict[Path, tuple[float, frozenset[str]]] = {}
        self._before: dict[Path, tuple[int, int]] = {}
        self._believed: dict[str, str] = {}
        self._stop = threading.Event()
        self._soon = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    # What the driver asks.

    def leases(self, leases: Leases) -> Leases:
        self._shared = SharedLeases(leases, self._lease_folder, self._heart)
        return self._shared

    def holders(self, leases: Leases, digests: Sequence[str]) -> list[int | None]:
        return [None] * len(digests)

    def is_over(self) -> bool:
        """Whether the time is up: what is begun now would not be finished."""
        return time.monotonic() + self._longest > self.ends

    def has_done(self, task: Task) -> bool:
        if self.is_seen_done(task):
            return True
        return os.path.lexists(task.place) and not self._is_as_before(task.place)

    def is_seen_done(self, task: Task) -> bool:
        seen = task.place.name in self._names(task.place.parent)
        return seen and not self._is_as_before(task.place)

    def lease_of(self, task: Task) -> str | None:
        plan = self._heart.name.partition("-")[0]
        return sha256(f"{plan}/{task.place}".encode(errors="surrogateescape"))

    def failure_of(self, digest: str) -> str | None:
        return self._believed.get(digest)

    def note_failure(self, digest: str, task: Task, reason: str) -> None:
        with suppress(OutputError):
            self._failures.add(Failure(digest, self._heart.name, task.name, reason))
        self._soon.set()

    def _is_as_before(self, place: Path) -> bool:
        if place in self._before:
            with suppress(OSError):
                return _identity(place) == self._before[place]
        return False

    # What the worker does.

    def expect_replacement(self, tasks: Sequence[Task]) -> None:
        """Folders that hold something else are to be replaced: they are done once they change."""
        for task in tasks:
            if task.state is State.OTHER:
                self._before[task.place] = _identity(task.place)

    def took(self, seconds: float) -> None:
        """A training took so long here."""
        self._longest = max(self._longest, seconds)

    def begin(self) -> None:
        """Show the first sign of life, and others in the background."""
        self._heart.beat(self._status())
        self._look_at_failures()
        self._thread.start()

    def end(self) -> None:
        """Show the last sign of life."""
        self._stop.set()
        self._soon.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._shared is not None:
            self._shared.give_up_all()
        self._heart.beat(self._status())

    def _beat(self) -> None:
        seconds = 1.0
        while True:
            self._soon.wait(seconds)
            self._soon.clear()
            if self._stop.is_set():
                return
            self._heart.beat(self._status())
            names = worker_names(self._store, self._heart.name.partition("-")[0])
            more = SECONDS_PER_WORKER * len(names)
            seconds = min(BEAT_SECONDS, max(1.0, more))
            self.most_seconds = max(PAUSE_SECONDS, more)
            self._look_at_failures()
            self._test_locks(names)

    def _look_at_failures(self) -> None:
        self._failures.look()
        self._believed = dict(self._failures.believed())

    def _test_locks(self, names: Sequence[str]) -> None:
        """Find out whether locks reach the other machines, and whether leases need files."""
        shared = self._shared
        if shared is None:
            return
        marker = self._store / NO_LOCKS
        if marker.exists():
            shared.by_files = True
            return
        if not shared.by_files:
            return
        host = host_of(self._heart.name)
        others = [name for name in names if host_of(name) != host]
        verdicts = [shared.locks_reach(name) for name in others[-3:]]
        if False in verdicts:
            with suppress(OSError):
                marker.touch()
            self.say(
                f"locks do not reach from machine to machine in {self._store}; leases are files"
            )
        elif True in verdicts:
            shared.by_files = False

    def _names(self, folder: Path) -> frozenset[str]:
        """The names in a folder, as they were a moment ago."""
        now = time.monotonic()
        listed = self._listed.get(folder)
        if listed is None or now - listed[0] > self.most_seconds:
            names: frozenset[str] = frozenset()
            with suppress(OSError):
                names = frozenset(os.listdir(folder))  # noqa: PTH208
            listed = self._listed[folder] = now, names
        return listed[1]


def _identity(place: Path) -> tuple[int, int]:
    status = place.lstat()
    return status.st_ino, status.st_mtime_ns

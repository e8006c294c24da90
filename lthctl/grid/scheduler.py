"""Which task goes on next, and which training it waits for.

Knows trainings by their digests, and nothing of threads, processes, signals, screens and files. It
decides; whoever drives it acts and says what has happened.
"""

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Scheduler(Generic[T]):
    """Tasks, each of which needs one training after another.

    A training is wanted by at most one task that leads it, and by others that wait for the same.
    Those begin again from their start when it has ended; what they need is known then.

    Args:
      tasks: in the order in which they begin.
      num_jobs: trainings that may run here at a time, at least 1.
    """

    def __init__(self, tasks: Iterable[T], num_jobs: int) -> None:
        self._pending = deque(tasks)
        self._num_jobs = num_jobs
        self._running: set[str] = set()
        self._elsewhere: dict[str, None] = {}  # a set in the order of arrival
        self._waiting: dict[str, list[T]] = {}  # a training not ended yet -> who else needs it
        self._known: set[str] = set()

    @property
    def is_done(self) -> bool:
        """Whether no task is left."""
        return not (self._pending or self._running or self._elsewhere)

    @property
    def has_room(self) -> bool:
        """Whether another training may run here."""
        return len(self._running) < self._num_jobs

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The trainings that other processes run, and tasks here wait for."""
        return tuple(self._elsewhere)

    def next_task(self) -> T | None:
        """The next task to begin; None where there is none, or no room for its training."""
        return self._pending.popleft() if self._pending and self.has_room else None

    def wait_for(self, digest: str, task: T) -> bool:
        """Let a task wait for a training, if that is under way; whether it is."""
        if digest not in self._waiting:
            return False
        self._waiting[digest].append(task)
        return True

    def start(self, digest: str) -> None:
        """A training runs here now."""
        self._running.add(digest)
        self._waiting[digest] = []

    def leave(self, digest: str) -> None:
        """A training runs in another process."""
        self._elsewhere[digest] = None
        self._waiting[digest] = []

    def retake(self, digest: str) -> None:
        """A training that another process ran has ended, one way or the other."""
        del self._elsewhere[digest]
        self._begin_again(digest)

    def look_later(self, digest: str) -> None:
        """A training still runs in another process: the others come before it next time."""
        del self._elsewhere[digest]
        self._elsewhere[digest] = None

    def finish(self, digest: str) -> None:
        """A training that ran here has a result."""
        self._running.remove(digest)
        self._known.add(digest)
        self._begin_again(digest)

    def fail(self, digest: str) -> list[T]:
        """A training that ran here has failed; the tasks that waited for it and fail with it."""
        self._running.remove(digest)
        return self._waiting.pop(digest)

    def recall(self, digest: str) -> bool:
        """A result was known already; whether it is met for the first time."""
        is_new = digest not in self._known
        self._known.add(digest)
        return is_new

    def _begin_again(self, digest: str) -> None:
        self._pending.extendleft(reversed(self._waiting.pop(digest)))

"""A task is leased while somebody is at it: others read nothing of it, and take it when it is left."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lthctl.artifacts.leases import Leases
from lthctl.artifacts.store import Store
from lthctl.grid.executors.threads import ThreadExecutor
from lthctl.grid.others import Others
from lthctl.grid.running import run_tasks
from lthctl.grid.tasks import Task
from lthctl.grid.watcher import Watcher
from lthctl.params_file import load_params
from lthctl.training.history import Result
from lthctl.training.spec import Training

from .test_grid import tasks_for

MISSING = "l1-r0.50-n2-s1"
"""The task that another is at in these tests; its second round is missing."""


class Held(Leases):
    """Leases of which another has some."""

    def __init__(self, by_another: set[str]) -> None:
        super().__init__(None)
        self.by_another, self.ours, self.asked = by_another, set[str](), 0

    def take(self, digest: str) -> bool:
        self.asked += 1
        if digest in self.by_another:
            return False
        self.ours.add(digest)
        return True

    def give_up(self, digest: str) -> None:
        self.ours.discard(digest)


class Other(Others):
    """Somebody who is at one task, and ends one way or the other when we have waited for a while.

    Args:
      is_done: whether the folder is there in the end.
    """

    def __init__(self, *, is_done: bool) -> None:
        self.held = Held({MISSING})
        self.is_done, self.waited, self.has_ended = is_done, 0, False
        self.read: list[str] = []

    def leases(self, leases: Leases) -> Leases:
        return self.held

    def lease_of(self, task: Task) -> str:
        return task.name

    def is_seen_done(self, task: Task) -> bool:
        return self.is_done and self.has_ended and task.name == MISSING

    def holders(self, leases: Leases, digests: Sequence[str]) -> list[int | None]:
        assert list(digests) == [MISSING]
        self.waited += 1
        assert self.waited < 100
        if self.waited == 3:
            assert not self.read
            self.has_ended = True
            if not self.is_done:
                self.held.by_another.clear()
        return []


@pytest.fixture
def tasks(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """A dense network, and a ticket whose first round is in the store."""
    params = load_params(Path("params.yaml"))
    found = tasks_for(params, method=("l1",), seed=(1,), ratio=(0, 0.5))
    assert [task.name for task in found] == ["dense-s1", MISSING]
    first = Store(Path(".lthctl"))
    work = found[1].begin()
    training = next(work)
    outcome = run_tasks(found[1:], store=first, num_jobs=1)
    assert outcome.num_trained == 2
    for digest in first:
        if digest != training.digest:
            first.throw_out(digest)
    for path in Path("masks", MISSING).iterdir():
        path.unlink()
    Path("masks", MISSING).rmdir()
    monkeypatch.setattr("lthctl.grid.driver.ASK_SECONDS", 0.001)
    return found


def run(tasks: list[Task], other: Other, monkeypatch: pytest.MonkeyPatch) -> int:
    get = Store.get

    def noting(store: Store, training: Training) -> Result | None:
        other.read.append(training.digest)
        return get(store, training)

    monkeypatch.setattr(Store, "get", noting)
    return run_tasks(tasks, store=Store(Path(".lthctl")), num_jobs=1, others=other).num_trained


def test_nothing_is_read_of_a_task_that_another_is_at_and_then_has_left(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other(is_done=False)
    assert run(tasks, other, monkeypatch) == 1
    assert other.has_ended
    assert Path("masks", MISSING, "ticket.json").is_file()
    assert not other.held.ours  # nothing stays leased


def test_a_task_that_another_has_done_is_never_looked_into(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other(is_done=True)
    assert run(tasks, other, monkeypatch) == 0
    assert not other.read and not other.held.ours


def test_a_task_stays_leased_while_it_is_trained(tasks: list[Task]) -> None:
    other = Other(is_done=False)
    other.held.by_another.clear()
    seen = []

    class Looking(Watcher):
        def training_started(self, task: Task, number: int, training: Training) -> None:
            seen.append(other.held.ours == {task.name, training.digest})

    run_tasks(tasks, store=Store(Path(".lthctl")), num_jobs=1, others=other, watcher=Looking())
    assert seen == [True] and not other.held.ours


def test_a_task_that_fails_is_leased_no_longer(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other(is_done=False)
    other.held.by_another.clear()
    monkeypatch.setattr(ThreadExecutor, "_run", None)
    outcome = run_tasks(tasks, store=Store(Path(".lthctl")), num_jobs=1, others=other)
    assert [name for name, _ in outcome.failed] == [MISSING] and not other.held.ours


def test_who_waits_long_asks_less_and_less_often(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In vain: what others have done does not make it ask more often either."""
    other = Other(is_done=True)
    other.most_seconds = 10.0
    other.waited = -60
    run(tasks, other, monkeypatch)
    assert other.held.asked < 15  # of 63 times that it could have

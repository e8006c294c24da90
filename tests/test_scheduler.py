"""The scheduler by itself: what goes on next, told what has happened."""

import ast
import random
from pathlib import Path

import pytest

from lthctl.grid import scheduler
from lthctl.grid.scheduler import Scheduler

Chain = tuple[int, list[str]]


def test_it_knows_nothing_but_names() -> None:
    """No threads, signals, screens, files, and nothing else of lthctl."""
    tree = ast.parse(Path(scheduler.__file__).read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == ["collections", "collections.abc", "typing"]
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))


def test_as_many_trainings_run_as_may() -> None:
    tasks = Scheduler(["a", "b", "c"], num_jobs=2)
    assert tasks.next_task() == "a"
    tasks.start("1")
    assert tasks.next_task() == "b"
    tasks.start("2")
    assert (tasks.has_room, tasks.next_task()) == (False, None)
    tasks.finish("1")
    assert (tasks.has_room, tasks.next_task()) == (True, "c")
    assert (tasks.next_task(), tasks.is_done) == (None, False)
    tasks.finish("2")
    assert tasks.is_done


def test_who_needs_the_same_training_waits_and_begins_again_before_others() -> None:
    tasks = Scheduler(["a", "b", "c", "d"], num_jobs=2)
    assert tasks.next_task() == "a"
    assert tasks.wait_for("1", "a") is False
    tasks.start("1")
    assert [tasks.next_task(), tasks.next_task()] == ["b", "c"]
    assert tasks.wait_for("1", "b") and tasks.wait_for("1", "c")
    tasks.finish("1")
    assert [tasks.next_task() for _ in range(4)] == ["b", "c", "d", None]
    assert tasks.recall("1") is False  # it was met when it ran


def test_who_waits_for_a_training_that_fails_fails_too() -> None:
    tasks = Scheduler(["a", "b"], num_jobs=2)
    tasks.next_task()
    tasks.start("1")
    assert tasks.next_task() == "b" and tasks.wait_for("1", "b")
    assert tasks.fail("1") == ["b"]
    assert tasks.is_done
    assert tasks.wait_for("1", "c") is False  # a training that failed may be tried again


def test_a_training_of_another_process_takes_no_room() -> None:
    tasks = Scheduler(["a", "b", "c"], num_jobs=1)
    tasks.next_task()
    tasks.leave("1")
    assert tasks.elsewhere == ("1",) and tasks.has_room
    assert tasks.next_task() == "b" and tasks.wait_for("1", "b")
    assert tasks.next_task() == "c"
    tasks.start("2")
    assert not tasks.has_room and not tasks.is_done
    tasks.finish("2")
    assert not tasks.is_done
    tasks.retake("1")  # whoever led it goes on by itself
    assert tasks.elsewhere == () and tasks.next_task() == "b"
    assert tasks.is_done


def test_what_the_store_knows_is_met_once() -> None:
    tasks = Scheduler(["a"], num_jobs=1)
    assert [tasks.recall("1"), tasks.recall("1"), tasks.recall("2")] == [True, False, True]


class Run:
    """Tasks driven by chance. A task is a chain of trainings, many of which others need, too."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.num_jobs = self.chance.randrange(1, 4)
        self.tasks: list[Chain] = [
            (number, [f"{k}.{self.chance.randrange(3)}" for k in range(self.chance.randrange(5))])
            for number in range(12)
        ]
        self.scheduler = Scheduler(self.tasks, self.num_jobs)
        self.leading: dict[str, Chain] = {}
        self.results: set[str] = set()
        self.ended: list[int] = []

    def drive(self) -> None:
        while not self.scheduler.is_done:
            while (task := self.scheduler.next_task()) is not None:
                self.advance(task)
            away = self.scheduler.elsewhere
            can_end = [key for key in self.leading if self.scheduler.has_room or key not in away]
            if can_end:
                self.end(self.chance.choice(can_end))

    def advance(self, task: Chain) -> None:
        for digest in task[1]:
            if self.scheduler.wait_for(digest, task):
                return
            if digest in self.results:
                self.scheduler.recall(digest)
                continue
            assert digest not in self.leading
            self.leading[digest] = task
            if self.chance.random() < 0.2:
                self.scheduler.leave(digest)
            else:
                self.scheduler.start(digest)
            assert len(self.leading) - len(self.scheduler.elsewhere) <= self.num_jobs
            return
        self.ended.append(task[0])

    def end(self, digest: str) -> None:
        task = self.leading.pop(digest)
        if digest not in self.scheduler.elsewhere and self.chance.random() < 0.1:
            self.ended += [task[0], *(waiting[0] for waiting in self.scheduler.fail(digest))]
            return
        self.results.add(digest)
        if digest in self.scheduler.elsewhere:
            self.scheduler.retake(digest)
        else:
            self.scheduler.finish(digest)
        self.advance(task)


@pytest.mark.parametrize("seed", range(100))
def test_whatever_happens_every_task_ends_once_and_no_training_runs_twice_at_a_time(
    seed: int,
) -> None:
    run = Run(seed)
    run.drive()
    assert sorted(run.ended) == [number for number, _ in run.tasks]
    assert not run.leading

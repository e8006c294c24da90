"""Many workers on one store, without training: claims lost, work repeated, file operations counted.

    python benchmarks/workers.py --workers 200 --trainings 20000

Every worker is a process with the real driver, leases, heartbeat and store. What is not real is the
training: it sleeps for a moment and gives back what it was given. Some workers are killed on the
way, and others take over what they held.
"""

import argparse
import collections
import json
import os
import platform
import random
import shutil
import signal
import time
from collections.abc import Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from lthctl.artifacts import leases
from lthctl.artifacts.heartbeat import Heartbeat, worker_name
from lthctl.artifacts.store import Store
from lthctl.cluster.crew import Crew
from lthctl.cluster.diary import Diary
from lthctl.cluster.failures import Failures
from lthctl.cluster.status import WORKERS, WorkerStatus
from lthctl.cluster.worker import LEASES, in_own_order
from lthctl.datasets.base import Dataset, Split
from lthctl.families import EXECUTORS
from lthctl.grid.running import run_tasks
from lthctl.grid.tasks import Task
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.training.history import Result, Row
from lthctl.training.spec import Training

ROUNDS = 5  # trainings of a task, one after another

PLAN = "simulation"

COUNTED = (
    "open", "stat", "lstat", "mkdir", "rename", "replace", "unlink", "rmdir", "link", "listdir",
    "scandir", "utime", "fsync",
)  # fmt: skip

counts: collections.Counter[str] = collections.Counter()


class Instant:
    """An executor that trains nothing."""

    words = "nothing"
    seconds = 0.0
    log = -1

    def __init__(self, num_jobs: int) -> None: ...

    def submit(self, training: Training, on_step: object) -> "Future[Result]":
        time.sleep(self.seconds * random.uniform(0.5, 1.5))
        os.write(self.log, f"{training.digest}\n".encode())
        future: Future[Result] = Future()
        future.set_result(Result(training.start, (Row(1, 1.0, 1.0, 0.5),)))
        return future

    def cancel(self) -> None: ...
    def close(self) -> None: ...


class Made:
    """What a task ends in."""

    def files(self) -> dict[str, bytes]:
        return {"ticket.json": b"{}", "mask.safetensors": b"x" * 1000, "init.safetensors": b"x"}


def tasks_of(number: int, out: Path) -> list[Task]:
    model, dataset = MLP((4, 2)), _dataset()
    params = TrainParams(steps=1, evaluate_every=1, engine="torch", device="cpu")
    mask = Mask.full({"layers.0.weight": (2, 4)})

    def begin(task: int) -> Generator[Training, Result, Any]:
        for turn in range(ROUNDS):
            values = np.full((2, 4), task * ROUNDS + turn + 1, np.float32)
            start = {"layers.0.weight": values, "layers.0.bias": np.zeros(2, np.float32)}
            yield Training(model, start, mask, dataset, 1, params)
        return Made()

    return [
        Task(f"task-{n}", out / f"task-{n}", lambda n=n: begin(n), ())  # type: ignore[misc]
        for n in range(number // ROUNDS)
    ]


def _dataset() -> Dataset:
    split = Split(np.zeros((2, 4), np.uint8), np.array([0, 1]))
    return Dataset("nothing", split, split)


def count_operations() -> None:
    def counting(name: str, function: Any) -> Any:
        def counted(*args: Any, **more: Any) -> Any:
            counts[name] += 1
            return None if name == "fsync" else function(*args, **more)

        return counted

    for name in COUNTED:
        setattr(os, name, counting(name, getattr(os, name)))
    import builtins
    import io

    builtins.open = io.open = counting("open", builtins.open)  # type: ignore[assignment]
    locking = leases.take_lock

    def take_lock(*args: Any, **more: Any) -> bool | None:
        counts["lock"] += 1
        return locking(*args, **more)

    leases.take_lock = take_lock


def worker(number: int, root: Path, given: argparse.Namespace) -> None:
    """One of them."""
    platform.node = lambda: f"node{number // given.per_node}"
    Instant.seconds = given.seconds
    Instant.log = os.open(root / "log" / str(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    EXECUTORS._members["instant"] = Instant
    if given.no_locks:
        leases.take_lock = lambda *_, **__: None
    count_operations()
    store = Store(root / "store")
    name = worker_name(PLAN)
    status = WorkerStatus(PLAN, platform.node(), str(number))
    diary = Diary(status, root / "trained" / f"{name}.csv", lambda _: None)
    heart = Heartbeat(store.place / WORKERS, name)
    crew = Crew(
        store.place, heart, Failures(root), lambda _: None, diary.to_bytes, None,
        store.place / LEASES,
    )  # fmt: skip
    crew.begin()
    try:
        run_tasks(
            in_own_order(tasks_of(given.trainings, root / "out"), name),
            store=store, num_jobs=1, executor="instant", watcher=diary, others=crew,
        )  # fmt: skip
    finally:
        crew.end()
    (root / "counts" / str(number)).write_text(json.dumps(counts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--trainings", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a training, on average")
    parser.add_argument("--killed", type=int, default=5, help="workers, on the way")
    parser.add_argument("--per-node", type=int, default=8, help="workers of a node")
    parser.add_argument("--minutes", type=float, default=60.0, help="after which all is ended")
    parser.add_argument("--no-locks", action="store_true", help="leases by files alone")
    parser.add_argument("--place", type=Path, default=Path("workers-simulation"))
    given = parser.parse_args()
    root = given.place
    shutil.rmtree(root, ignore_errors=True)
    for name in ("log", "counts", "trained", f"store/{WORKERS}", f"store/{LEASES}", "out"):
        (root / name).mkdir(parents=True)
    began = time.monotonic()
    workers: dict[int, int] = {}
    for number in range(given.workers):
        if (process := os.fork()) == 0:
            code = 1
            try:
                worker(number, root, given)
                code = 0
            finally:
                os._exit(code)
        workers[process] = number
    rest = sorted(workers)
    dying = random.Random(1).sample(rest, min(given.killed, len(rest) - 1))
    lasts = given.trainings * given.seconds / given.workers
    ended: dict[int, int] = {}
    while len(ended) < len(workers):
        if time.monotonic() - began > 60 * given.minutes:
            print(f"ended after {given.minutes} minutes")
            for process in workers.keys() - ended.keys():
                os.kill(process, signal.SIGKILL)
            given.minutes = float("inf")
        if dying and time.monotonic() - began > lasts * (given.killed - len(dying) + 1) / (
            given.killed + 2
        ):
            os.kill(dying.pop(), signal.SIGKILL)
        process, code = os.waitpid(-1, os.WNOHANG)
        if process:
            ended[process] = code
        else:
            time.sleep(0.05)
    report(root, given, time.monotonic() - began, sum(code == 0 for code in ended.values()))


def report(root: Path, given: argparse.Namespace, seconds: float, well: int) -> None:
    done = collections.Counter(
        line for path in (root / "log").iterdir() for line in path.read_text().split()
    )
    folders = sum(1 for _ in (root / "out").glob("task-*/ticket.json"))
    kept = sum(1 for _ in (root / "store" / "trainings").glob("*/*/training.json"))
    total: collections.Counter[str] = collections.Counter()
    for path in (root / "counts").iterdir():
        total.update(json.loads(path.read_text()))
    print(f"{given.workers} workers, {well} ended well; {seconds:.0f} s")
    print(f"trainings: {kept} of {given.trainings} kept; folders: {folders}")
    print(f"repeated: {sum(done.values()) - len(done)}")
    each = {name: round(count / kept, 2) for name, count in total.most_common()}
    print(f"file operations per training: {sum(total.values()) / kept:.1f}: {each}")
    print(f"file operations a second: {sum(total.values()) / seconds:.0f}")


if __name__ == "__main__":
    main()

"""Threads and processes: the same bytes, whatever ends and whoever dies."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn, zeros

from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import ParamsError, TrainingError
from lthctl.grid.executors.base import EXECUTORS, Cancelled, Executor, as_executor
from lthctl.grid.executors.threads import ThreadExecutor
from lthctl.mask import Mask
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.seeding import Stream
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.spec import Training

MakeTraining = Callable[..., Training]
PATIENCE = 300  # seconds, for a machine that has much else to do
PIDS = "LTHCTL_TEST_PIDS"
"""Names the folder in which `Slow` notes the processes that it was trained in."""


class Dropout(nn.Module):
    """Draws from torch's generator at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(784, 16), nn.Linear(16, 10)
        self.dropout = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.dropout(self.hidden(images.flatten(1)).relu()))
        return logits


class Deadly(nn.Module):
    """Kills the process that trains it."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(784, 10)

    def forward(self, images: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return images


class DiesOnce(nn.Module):
    """Kills the process that trains it at the 25th step, unless it has done so before."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(784, 10)
        self.register_buffer("steps", zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            mark = Path(os.environ[PIDS], "dead")
            if self.steps == 25 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        logits: Tensor = self.output(images.flatten(1))
        return logits


class Slow(nn.Module):
    """Notes in which process it is trained, and takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(784, 10)

    def forward(self, images: Tensor) -> Tensor:
        Path(os.environ[PIDS], str(os.getpid())).touch()
        time.sleep(0.005)
        logits: Tensor = self.output(images.flatten(1))
        return logits


def of_module(kind: type[nn.Module], dataset: Dataset, **params: object) -> Training:
    model = ModuleModel(kind.__name__, kind, output="output")
    mask = Mask.full(model.prunable(biases=True))
    given = {"steps": 60, "evaluate_every": 30, "engine": "torch", "device": "cpu"} | params
    start = mask.apply(model.draw(Stream(1, "init")))
    return Training(model, start, mask, dataset, 1, TrainParams(**given))


def content(result: Result) -> tuple[object, ...]:
    return result.history, digest_of_arrays(result.weights)


def pids_in(folder: Path, count: int) -> set[int]:
    """The processes that have trained `Slow`, once there are so many."""
    deadline = time.monotonic() + PATIENCE
    while len(names := list(folder.iterdir())) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(names) >= count
    return {int(path.name) for path in names}


def is_there(pid: int) -> bool:
    """Whether a process runs, or has ended and nobody took note."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def pids_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set before any worker starts, as workers inherit the environment."""
    folder = tmp_path_factory.mktemp("pids")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PIDS, str(folder))
        yield folder


@pytest.fixture(scope="module")
def processes(pids_folder: Path) -> Iterator[Executor]:
    """One for all tests, as a worker takes seconds to start."""
    executor = EXECUTORS.get("processes")(2)
    yield executor
    executor.close()
    assert multiprocessing.active_children() == []


EVERYWHERE = [
    pytest.param(name, marks=[pytest.mark.long] if name == "processes" else [])
    for name in EXECUTORS.names()
]


@pytest.fixture(params=EVERYWHERE)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "processes":
        yield request.getfixturevalue("processes")
        return
    executor = EXECUTORS.get(request.param)(2)
    yield executor
    executor.close()


@pytest.mark.parametrize("engine", ["sparse", "torch"])
def test_a_training_gives_the_same_bytes_everywhere(
    executor: Executor, make_training: MakeTraining, engine: str
) -> None:
    trainings = [make_training(seed=seed, engine=engine) for seed in (1, 2, 3)]
    futures = [executor.submit(training, lambda _: None) for training in trainings]
    for training, future in zip(trainings, futures, strict=True):
        assert content(future.result(PATIENCE)) == content(run(training))


@pytest.mark.long
def test_dropout_in_two_processes_gives_the_same_bytes_as_alone(
    processes: Executor, dataset: Dataset
) -> None:
    trainings = [of_module(Dropout, dataset, lr=lr) for lr in (0.01, 0.02, 0.03)]
    futures = [processes.submit(training, lambda _: None) for training in trainings]
    results = [content(future.result(PATIENCE)) for future in futures]
    assert results == [content(run(training)) for training in trainings]
    assert len(set(results)) == 3


@pytest.mark.long
def test_a_dataset_in_memory_goes_along(processes: Executor) -> None:
    images = np.random.default_rng(0).random((60, 784), np.float32)
    split = Split(images, np.arange(60) % 10)
    training = of_module(Dropout, Dataset("noise", split, split), batch_size=20)
    future = processes.submit(training, lambda _: None)
    assert content(future.result(PATIENCE)) == content(run(training))


def test_an_error_is_the_same_everywhere(executor: Executor, make_training: MakeTraining) -> None:
    training = make_training(lr=1e30)
    with pytest.raises(TrainingError) as alone:
        run(training)
    with pytest.raises(TrainingError) as there:
        executor.submit(training, lambda _: None).result(PATIENCE)
    assert str(there.value) == str(alone.value)
    assert executor.submit(make_training(), lambda _: None).result(PATIENCE)


@pytest.mark.long
def test_a_model_that_no_other_process_can_make(processes: Executor, dataset: Dataset) -> None:
    class Local(Dropout):
        pass

    with pytest.raises(TrainingError) as failure:
        processes.submit(of_module(Local, dataset), lambda _: None).result(PATIENCE)
    message = str(failure.value)  # in the middle are the words of Python, which change
    assert message.startswith("its model or dataset cannot go to another process (Can't ")
    assert message.endswith(
        ".<locals>.Local'); define it at the top level of a module, or use --executor threads"
    )


@pytest.mark.long
def test_a_worker_that_is_killed_loses_one_training_which_is_run_again(
    processes: Executor, dataset: Dataset, pids_folder: Path
) -> None:
    training = of_module(Slow, dataset, steps=200, evaluate_every=20)
    steps: list[int] = []
    future = processes.submit(training, steps.append)
    (first,) = pids_in(pids_folder, 1)
    other = processes.submit(of_module(Dropout, dataset), lambda _: None)
    os.kill(first, signal.SIGKILL)
    result = future.result(PATIENCE)
    assert len(pids_in(pids_folder, 2)) == 2 and not is_there(first)
    assert content(result) == content(run(training))
    assert content(other.result(PATIENCE)) == content(run(of_module(Dropout, dataset)))
    assert steps and set(steps) <= set(range(10, 201, 10))  # they come back meanwhile


@pytest.mark.long
def test_a_training_whose_workers_die_fails_and_the_others_go_on(
    processes: Executor, dataset: Dataset, make_training: MakeTraining
) -> None:
    deadly = processes.submit(of_module(Deadly, dataset), lambda _: None)
    other = processes.submit(make_training(), lambda _: None)
    assert content(other.result(PATIENCE)) == content(run(make_training()))
    with pytest.raises(TrainingError) as failure:
        deadly.result(PATIENCE)
    assert str(failure.value) == (
        "its worker process was killed by SIGKILL, and a second one was killed by SIGKILL; perhaps "
        "there is too little memory: try fewer --jobs"
    )


@pytest.mark.long
def test_a_training_whose_worker_dies_goes_on_from_its_checkpoint(
    processes: Executor, pids_folder: Path, dataset: Dataset, tmp_path: Path
) -> None:
    (pids_folder / "dead").unlink(missing_ok=True)
    training = of_module(DiesOnce, dataset, evaluate_every=10)
    seen: list[int] = []
    processes.checkpoints = kept = CheckpointStore(tmp_path / "checkpoints", 0.0)
    result = processes.submit(training, seen.append).result(PATIENCE)
    processes.checkpoints = None
    assert (pids_folder / "dead").exists()
    assert kept.digests() == [training.digest]
    assert content(result) == content(run(training))


@pytest.mark.parametrize("name", EVERYWHERE)
def test_cancelling_ends_all(
    name: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PIDS, str(tmp_path))
    threads, children = threading.active_count(), multiprocessing.active_children()
    executor = EXECUTORS.get(name)(1)
    endless = of_module(Slow, dataset, steps=10**6, evaluate_every=10)
    futures = [executor.submit(endless, lambda _: None) for _ in range(3)]
    (pid,) = pids_in(tmp_path, 1)
    executor.cancel()
    executor.close()
    assert isinstance(futures[0].exception(0), Cancelled)
    assert all(future.cancelled() or future.exception(0) for future in futures[1:])
    assert threading.active_count() == threads
    assert multiprocessing.active_children() == children
    assert is_there(pid) is (name == "threads")


def test_what_is_no_executor() -> None:
    assert as_executor("own:Mine", ThreadExecutor) is ThreadExecutor
    with pytest.raises(TypeError, match="a class with the methods submit, cancel and close"):
        as_executor("own:Mine", ThreadExecutor(1))
    with pytest.raises(ParamsError) as refusal:
        EXECUTORS.get("slurm")
    assert str(refusal.value) == (
        "executor: is 'slurm', expected 'threads' or 'processes', or your own as module:name, such "
        "as mypackage.cluster:Executor"
    )

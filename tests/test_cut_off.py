"""Trainings that were cut off go on from their last checkpoint, to the same bytes."""

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lthctl.artifacts import checkpoints
from lthctl.artifacts.checkpoints import CheckpointStore, seconds_between
from lthctl.artifacts.history_csv import history_bytes
from lthctl.artifacts.housekeeping import check_store, store_size
from lthctl.artifacts.store import Store
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import ParamsError, RunError
from lthctl.families import EXECUTORS
from lthctl.grid.executors.base import Cancelled
from lthctl.grid.executors.threads import ThreadExecutor
from lthctl.grid.others import Others
from lthctl.grid.running import run_tasks
from lthctl.grid.tasks import State, Task
from lthctl.grid.watcher import Watcher
from lthctl.mask import Mask
from lthctl.models.module import ModuleModel
from lthctl.params import Augment, TrainParams
from lthctl.seeding import Stream
from lthctl.training import processor
from lthctl.training.dense import engine
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.resources import Resources
from lthctl.training.spec import Training

from .command_line import lthctl as invoke
from .faults import failing
from .test_disk import tree

MakeTraining = Callable[..., Training]


class Killed(BaseException):
    """Stands for SIGKILL: nothing is tidied up by whoever is killed."""


class Restless(nn.Module):
    """Batch normalization, dropout, and a buffer that is in no state_dict."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, stride=3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.2)
        self.output = nn.Linear(4 * 8 * 8, 10)
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.seen += 1
        hidden = self.drop(self.norm(self.conv(images)).relu().flatten(1))
        logits: Tensor = self.output(hidden * (1 + 0.01 * self.seen))
        return logits


class Counting(nn.Module):
    """Remembers something that is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.output, self.calls = nn.Linear(784, 10), 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += self.training
        logits: Tensor = self.output(images.flatten(1)) * (1 + 0.1 * self.calls)
        return logits


class Fixed(Counting):
    """The same, and remembers nothing."""

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(images.flatten(1))
        return logits


def of_module(kind: type[nn.Module], dataset: Dataset, **changes: object) -> Training:
    train, validation = (
        Split(split.images.reshape(-1, 1, 28, 28), split.labels)
        for split in (dataset.train, dataset.validation)
    )
    model = ModuleModel(kind.__name__, kind, output="output")
    random = np.random.default_rng(1)
    shapes = model.prunable(biases=True)
    mask = Mask({name: random.random(shape) > 0.5 for name, shape in shapes.items()})
    params = TrainParams(steps=30, evaluate_every=10, engine="torch", device="cpu")
    start = mask.apply(model.draw(Stream(1, "init")))
    data = Dataset("digits", train, validation, validation)
    return Training(model, start, mask, data, 1, params.model_copy(update=changes))


SGD = {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9}

CASES: dict[str, dict[str, object]] = {
    "adam": {},
    "sgd": {"optimizer": "sgd"},
    "momentum, cosine": {**SGD, "schedule": "cosine", "warmup": 4},
    "nesterov, drops": {**SGD, "nesterov": True, "schedule": "step", "lr_drops": ((12, 0.1),)},
    "adamw, line": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "linear"},
    "bfloat16": {"precision": "bfloat16"},
    "evaluated at the end alone": {"evaluate_every": 30},
}


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is kept after every step, and nobody waits for the disk."""
    monkeypatch.setattr("lthctl.disk.os.fsync", lambda _: None)
    monkeypatch.setattr(engine, "STEPS_PER_REPORT", 1)
    monkeypatch.setattr(checkpoints, "MOST_OF_THE_TIME", math.inf)


@pytest.fixture
def kept(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", seconds=0.0)


def content(result: Result) -> tuple[bytes, bytes]:
    return tensors_bytes(result.weights), history_bytes(result.history)


def cut_off(training: Training, kept: CheckpointStore, step: int) -> list[int]:
    """Run a training until it is killed after a step; the steps that it reported."""
    seen: list[int] = []

    def kill(now: int) -> None:
        seen.append(now)
        if now >= step:
            raise Killed

    with pytest.raises(Killed):
        run(training, kill, Resources(kept.of(training)))
    return seen


def finished(
    training: Training, kept: CheckpointStore, kills: Sequence[int] = ()
) -> tuple[Result, int]:
    """The result of a training that is killed after some steps, and where it began at last."""
    for step in kills:
        cut_off(training, kept, step)
    seen: list[int] = []
    result = run(training, seen.append, Resources(kept.of(training)))
    return result, seen[0]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("network", ["mlp", "restless"])
def test_a_training_that_is_killed_again_and_again_gives_the_same_bytes(
    network: str,
    case: str,
    make_training: MakeTraining,
    dataset: Dataset,
    kept: CheckpointStore,
) -> None:
    changes = CASES[case]
    training = (
        make_training(**changes) if network == "mlp" else of_module(Restless, dataset, **changes)
    )
    torch.manual_seed(5)  # which nobody asks for
    result, begun = finished(training, kept, [3, 10, 11, 17, 29])
    assert begun == 29  # the checkpoint of a step is kept before it is reported
    assert content(result) == content(run(training))


def test_augmented_pictures_are_the_same_ones_too(dataset: Dataset, kept: CheckpointStore) -> None:
    plain = of_module(Restless, dataset)
    data = replace(plain.dataset, augment=Augment(crop=2, flip=True))
    training = replace(plain, dataset=data)
    result, begun = finished(training, kept, [14])
    assert (begun, content(result)) == (14, content(run(training)))
    assert content(result) != content(run(plain))


def test_a_training_of_some_steps_goes_on_too(
    make_training: MakeTraining, kept: CheckpointStore
) -> None:
    whole = make_training(schedule="cosine")
    part = Training(whole.model, whole.start, whole.mask, whole.dataset, 1, whole.params, 5, 25)
    result, begun = finished(part, kept, [14])
    assert begun == 14
    assert content(result) == content(run(part))


def test_every_part_of_a_checkpoint_counts(dataset: Dataset, kept: CheckpointStore) -> None:
    """Otherwise the test above would not see that one is missing."""
    training = of_module(Restless, dataset)
    right = content(run(training))
    cut_off(training, kept, 14)
    checkpoint = kept.read(training)
    assert checkpoint is not None and checkpoint.step == 14
    parts = {name.partition("/")[0] for name in checkpoint.state}
    assert parts == {"network", "buffers", "optimizer", "generator", "loss sum"}

    class Altered:
        def __init__(self, part: str) -> None:
            self._part = part

        def load(self) -> object:
            arrays = {
                name: np.zeros_like(array) if name.partition("/")[0] == self._part else array
                for name, array in checkpoint.state.items()
            }
            if self._part == "generator":
                torch.manual_seed(99)
                arrays["generator"] = torch.get_rng_state().numpy()
            return type(checkpoint)(checkpoint.step, checkpoint.history, arrays)

        def is_due(self) -> bool:
            return False

    for part in parts:
        with torch.random.fork_rng():
            result = run(training, lambda _: None, Resources(Altered(part)))  # type: ignore[arg-type]
        assert content(result) != right, part


# ---- when they are kept ----


def test_short_trainings_keep_none(make_training: MakeTraining, tmp_path: Path) -> None:
    kept = CheckpointStore(tmp_path / "checkpoints", seconds=60.0)
    cut_off(make_training(), kept, 20)
    assert kept.digests() == []


def test_checkpoints_take_a_small_share_of_the_time(
    make_training: MakeTraining, kept: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MOST_OF_THE_TIME", 0.02)
    now = [100.0]
    monkeypatch.setattr("lthctl.artifacts.checkpoints.time.monotonic", lambda: now[0])
    monkeypatch.setattr(CheckpointStore, "write", lambda *_: now.__setitem__(0, now[0] + 3.0))
    of_one = kept.of(make_training())
    assert of_one.is_due()
    of_one.save(None)  # type: ignore[arg-type]
    now[0] += 149.0
    assert not of_one.is_due()
    now[0] += 1.1
    assert of_one.is_due()


def test_one_more_is_due_when_the_machine_is_soon_to_be_left(
    make_training: MakeTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("lthctl.artifacts.checkpoints.time.monotonic", lambda: now[0])
    monkeypatch.setattr(CheckpointStore, "write", lambda *_: None)
    of_one = CheckpointStore(tmp_path, 60.0, ends=130.0).of(make_training())
    never = CheckpointStore(tmp_path, math.inf, ends=130.0).of(make_training())
    now[0] = 129.0
    assert not of_one.is_due()
    now[0] = 130.0
    assert of_one.is_due() and not never.is_due()
    of_one.save(None)  # type: ignore[arg-type]
    now[0] = 189.0
    assert not of_one.is_due()
    now[0] = 190.0
    assert of_one.is_due()


def test_a_command_that_may_take_some_time_says_when_that_is(
    make_training: MakeTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others, ends = Others(), list[float]()
    others.ends = 1e9

    class Looking(ThreadExecutor):
        def submit(self, *given: Any) -> Future[Result]:
            assert self.checkpoints is not None
            ends.append(self.checkpoints.ends)
            return super().submit(*given)

    monkeypatch.setitem(EXECUTORS._members, "looking", Looking)
    tasks, store = [task_of(make_training(), tmp_path / "out")], Store(tmp_path / ".lthctl")
    run_tasks(tasks, store=store, num_jobs=1, executor="looking", others=others)
    assert ends == [1e9]


@pytest.mark.parametrize("seconds", [60.0, math.inf])
@pytest.mark.parametrize("executor", ["threads", pytest.param("processes", marks=pytest.mark.long)])
def test_a_training_that_is_ended_keeps_one_before(
    executor: str, seconds: float, make_training: MakeTraining, tmp_path: Path
) -> None:
    """By Ctrl-C, or by a cluster, long before the next one is due."""
    training, steps = make_training(steps=50_000, evaluate_every=49_999), list[int]()
    running = EXECUTORS.get(executor)(1)
    running.checkpoints = kept = CheckpointStore(tmp_path / "checkpoints", seconds)
    future = running.submit(training, steps.append)
    while not steps and not future.done():
        time.sleep(0.001)
    running.cancel()
    running.close()
    assert isinstance(future.exception(0), Cancelled)
    if seconds == math.inf:
        assert kept.digests() == []
        return
    checkpoint = kept.read(training)
    assert checkpoint is not None and steps[0] <= checkpoint.step < 50_000
    often = CheckpointStore(tmp_path / "often", 0.0)
    cut_off(training, often, checkpoint.step)
    assert often.path(training.digest).read_bytes() == kept.path(training.digest).read_bytes()


@pytest.mark.parametrize(("text", "seconds"), [("", 60.0), ("0", 0.0), ("7.5", 7.5)])
def test_the_environment_says_how_often(
    text: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTHCTL_CHECKPOINT_SECONDS", text)
    assert seconds_between() == seconds
    monkeypatch.setenv("LTHCTL_CHECKPOINT_SECONDS", "never")
    assert seconds_between() == math.inf


@pytest.mark.parametrize("text", ["often", "-1", "nan", "inf"])
def test_an_environment_that_says_no_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTHCTL_CHECKPOINT_SECONDS", text)
    with pytest.raises(ParamsError) as refusal:
        seconds_between()
    assert str(refusal.value) == (
        f"LTHCTL_CHECKPOINT_SECONDS: is {text!r}, expected seconds between two checkpoints, such "
        "as 60, or never"
    )


def test_a_full_disk_costs_no_training(make_training: MakeTraining, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("in the way")
    training = make_training()
    result, _ = finished(training, CheckpointStore(tmp_path / "checkpoints", 0.0))
    assert content(result) == content(run(training))


# ---- which are refused ----


def altered(path: Path, **note: object) -> None:
    """Write a checkpoint with another note."""
    from safetensors.numpy import load

    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    said = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["lthctl"])
    path.write_bytes(tensors_bytes(load(content), note=json.dumps(said | note)))


def test_a_damaged_checkpoint_is_refused_and_the_training_begins_anew(
    make_training: MakeTraining, kept: CheckpointStore
) -> None:
    training = make_training()
    right = content(run(training))
    path = kept.path(training.digest)
    for damage, said in (
        (lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]), "does not match its own digest"),
        (lambda whole: whole[: len(whole) // 2], "is no safetensors file"),
        (lambda _: b"", "is no safetensors file"),
        (lambda _: tensors_bytes({"step": np.array(3)}), "is no checkpoint of lthctl's"),
    ):
        cut_off(training, kept, 14)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(RunError, match=said):
            kept.read(training)
        result, begun = finished(training, kept)
        assert (begun, content(result)) == (1, right)
        kept.remove(training.digest)


def test_a_checkpoint_of_another_training_version_or_processor_is_refused(
    make_training: MakeTraining, kept: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, other = make_training(), make_training(lr=0.002)
    path = kept.path(training.digest)
    cut_off(other, kept, 14)
    assert kept.read(training) is None
    path.write_bytes(kept.path(other.digest).read_bytes())
    with pytest.raises(RunError, match="is of another training; the training begins anew"):
        kept.read(training)
    altered(path, training=training.digest)  # its arrays fit, and nobody can tell: the maker can
    assert kept.read(training) is not None
    kept.remove(training.digest)

    cut_off(training, kept, 14)
    altered(path, processor="m68k")
    with pytest.raises(RunError, match=r"was computed by 'm68k', and this is '.+'; the"):
        kept.read(training)

    monkeypatch.setattr("lthctl.training.spec.version", lambda package: "99.0")
    newer = make_training()
    assert newer.digest != training.digest
    assert kept.read(newer) is None


def test_a_checkpoint_names_the_gpu_that_it_was_computed_by(
    make_training: MakeTraining, kept: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two kinds in one machine, one may go on from what the other has computed by mistake."""
    cut_off(make_training(), kept, 14)
    checkpoint = kept.read(make_training())
    assert checkpoint is not None
    training, kinds = make_training(device="cuda"), {"cuda": "A", "cuda:0": "A", "cuda:1": "B"}
    monkeypatch.setattr(checkpoints, "processor_of", kinds.__getitem__)
    monkeypatch.setattr(processor, "processor_of", kinds.__getitem__)
    monkeypatch.setattr(processor, "all_gpus", lambda: ["cuda:0", "cuda:1"])
    kept.of(training, "cuda:1").save(checkpoint)
    assert kept.read(training) is not None  # by one of the two it can be used
    assert kept.of(training, "cuda:1").load() is not None
    with pytest.raises(RunError, match="was computed by 'B', and this is 'A'"):
        kept.read(training, "cuda:0")
    monkeypatch.setattr(processor, "all_gpus", lambda: ["cuda:0"])
    with pytest.raises(RunError, match="was computed by 'B', and this is 'A'"):
        kept.read(training)


@pytest.mark.parametrize("step", [0, 30, 31, -1])
def test_steps_that_are_none_of_the_training(
    step: int, make_training: MakeTraining, kept: CheckpointStore
) -> None:
    training = make_training()
    cut_off(training, kept, 14)
    checkpoint = kept.read(training)
    assert checkpoint is not None
    kept.write(training, type(checkpoint)(step, checkpoint.history, checkpoint.state))
    with pytest.raises(RunError, match=f"is of step {step}, which is none of the training's"):
        kept.read(training)
    kept.write(training, type(checkpoint)(25, checkpoint.history, checkpoint.state))
    with pytest.raises(RunError, match="has other evaluations than the training"):
        kept.read(training)


def test_a_state_of_another_form_is_passed_over(
    make_training: MakeTraining, kept: CheckpointStore
) -> None:
    training = make_training()
    cut_off(training, kept, 14)
    checkpoint = kept.read(training)
    assert checkpoint is not None
    for name in ("loss sum", "network/layers.1.bias", "optimizer/layers.0.weight/exp_avg"):
        arrays = {**checkpoint.state, name: np.zeros((3, 1, 4), np.float32)}
        kept.write(training, type(checkpoint)(14, checkpoint.history, arrays))
        result, begun = finished(training, kept)
        assert begun == 1, name
    assert content(result) == content(run(training))


# ---- what cannot be kept whole ----


def test_a_network_that_remembers_something_else_has_no_checkpoints(
    dataset: Dataset, kept: CheckpointStore
) -> None:
    training = of_module(Counting, dataset)
    right = content(run(training))
    result, begun = finished(training, kept, [14])
    assert (begun, content(result), kept.digests()) == (1, right, [])
    cut_off(of_module(Fixed, dataset), kept, 14)
    assert len(kept.digests()) == 1


class Drifting(torch.optim.SGD):
    """An optimizer of somebody's own, with a memory of its own."""


def test_an_optimizer_of_ones_own_has_no_checkpoints(
    make_training: MakeTraining, kept: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.optim, "SGD", Drifting)
    cut_off(make_training(optimizer="sgd"), kept, 14)
    assert kept.digests() == []


# ---- the store ----


def test_it_is_gone_once_the_result_is_there(make_training: MakeTraining, tmp_path: Path) -> None:
    store = Store(tmp_path / ".lthctl")
    training = make_training()
    cut_off(training, store.checkpoints(0.0), 14)
    assert store.checkpoints(0.0).digests() == [training.digest]
    store.put(training, run(training))
    assert store.checkpoints(0.0).digests() == []


class Noting(Watcher):
    """Remembers what is told of checkpoints."""

    def __init__(self) -> None:
        self.resumed: list[int] = []
        self.refused: list[str] = []

    def training_resumed(self, digest: str, step: int) -> None:
        self.resumed.append(step)

    def checkpoint_refused(self, reason: str) -> None:
        self.refused.append(reason)


def task_of(training: Training, place: Path) -> Task:
    """A task that wants one training and writes its result."""

    class Written:
        def __init__(self, result: Result) -> None:
            self._result = result

        def files(self) -> dict[str, bytes]:
            weights, history = content(self._result)
            return {"weights": weights, "history": history}

    def begin() -> Generator[Training, Result, Written]:
        return Written((yield training))

    return Task("it", place, begin, (), State.MISSING)  # type: ignore[arg-type]


def test_a_command_says_where_it_goes_on_or_why_it_begins_anew(
    make_training: MakeTraining, tmp_path: Path
) -> None:
    training = make_training()
    store = Store(tmp_path / ".lthctl")
    store.begin()
    kept = store.checkpoints(0.0)
    weights, history = content(run(training))
    for damaged in (False, True):
        cut_off(training, kept, 14)
        path = kept.path(training.digest)
        if damaged:
            path.write_bytes(path.read_bytes()[:-1])
        watcher, place = Noting(), tmp_path / str(damaged)
        run_tasks([task_of(training, place)], store=store, num_jobs=1, watcher=watcher)
        assert watcher.resumed == ([] if damaged else [14])
        assert len(watcher.refused) == damaged
        assert (place / "weights").read_bytes() == weights
        assert (place / "history").read_bytes() == history
        assert kept.digests() == []
        store.throw_out(training.digest)


def test_a_checkpoint_that_cannot_be_read_is_not_replaced_by_an_earlier_one(
    make_training: MakeTraining, tmp_path: Path
) -> None:
    training = make_training()
    store = Store(tmp_path / ".lthctl")
    store.begin()
    kept = store.checkpoints(0.0)
    cut_off(training, kept, 14)
    before = kept.path(training.digest).read_bytes()
    with failing(kept.path(training.digest)):
        outcome = run_tasks([task_of(training, tmp_path / "out")], store=store, num_jobs=1)
        with pytest.raises(RunError, match="cannot be read"):
            run(training, resources=Resources(kept.of(training)))
    ((_, reason),) = outcome.failed
    assert "cannot be read" in reason
    assert kept.path(training.digest).read_bytes() == before
    watcher = Noting()
    run_tasks([task_of(training, tmp_path / "out")], store=store, num_jobs=1, watcher=watcher)
    assert watcher.resumed == [14]


def test_checkpoints_in_somebody_elses_store_are_not_used(
    make_training: MakeTraining, tmp_path: Path
) -> None:
    training = make_training()
    theirs = Store(tmp_path / ".lthctl")
    cut_off(training, theirs.checkpoints(0.0), 14)
    watcher = Noting()
    task = task_of(training, tmp_path / "out")
    run_tasks([task], store=theirs, num_jobs=1, watcher=watcher)
    assert watcher.resumed == []
    assert theirs.is_foreign


def test_housekeeping_knows_them(make_training: MakeTraining, tmp_path: Path) -> None:
    store = Store(tmp_path / ".lthctl")
    finished_one, whole, damaged = (make_training(seed=seed) for seed in (1, 2, 3))
    store.put(finished_one, run(finished_one))
    kept = store.checkpoints(0.0)
    before = store_size(store.place)
    for training in finished_one, whole, damaged:
        cut_off(training, kept, 14)
    kept.path(damaged.digest).write_bytes(b"?")
    (kept.folder / f".{whole.digest}.safetensors.0123456789abcdef.new").write_bytes(b"half")
    size = store_size(store.place)
    assert (size.num_trainings, size.num_checkpoints) == (1, 3)
    assert size.num_bytes == before.num_bytes + sum(map(kept.size, kept.digests()))
    assert check_store(store.place).damaged == ()
    assert [path.name for path in kept.folder.iterdir()] == [kept.path(whole.digest).name]


@pytest.mark.long
def test_a_command_that_is_killed_goes_on_to_the_same_bytes(
    workspace_of_workers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTHCTL_CHECKPOINT_SECONDS", "0")
    settings = ["--set", "train.engine=torch", "--steps", "1200", "--seed", "1", "--method", "l1"]
    words = ["prune", *settings, "--ratio", "0.5", "--rounds", "2"]
    command = [sys.executable, "-m", "lthctl", *words, "--out"]
    env = dict(os.environ)
    kept = Store(Path(".lthctl")).checkpoints(0.0)
    killed = subprocess.Popen([*command, "cut-off"], env=env, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not kept.digests() and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert len(kept.digests()) == 1
    again = subprocess.run([*command, "cut-off"], env=env, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert re.search(r"goes on from step [0-9,]+, where it was cut off", again.stderr)
    assert kept.digests() == []
    env["LTHCTL_STORE"] = "another"
    subprocess.run([*command, "whole"], env=env, check=True, capture_output=True)
    assert tree(Path("cut-off")) == tree(Path("whole"))


def test_store_commands_name_them(workspace: Path, make_training: MakeTraining) -> None:
    assert invoke("prune", "--method", "random", "--quiet").exit_code == 0
    kept = Store(Path(".lthctl")).checkpoints(0.0)
    cut_off(make_training(), kept, 14)
    size = f"{kept.size(make_training().digest) / 1e6:,.1f} MB"
    assert invoke("store").stdout == f".lthctl: 0 trainings and 1 checkpoint, {size}\n"
    words = ("store", "prune", "masks")
    said = f".lthctl: 0 trainings and 1 checkpoint would be thrown out, {size}; 0 stay\n"
    assert invoke(*words, "--dry-run").stdout == said
    assert len(kept.digests()) == 1
    assert invoke(*words).stdout == said.replace("would be ", "")
    assert kept.digests() == []


def test_the_processor_is_named() -> None:
    assert processor.processor_of("cpu").split()[-1] == torch.backends.cpu.get_cpu_capability()

"""Synthetic digits instead of MNIST, and folders that hold them as MNIST's four files."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.ticket import Ticket, save_ticket
from lthctl.canonical import sha256
from lthctl.datasets import mnist
from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.idx import idx_bytes
from lthctl.families import FAMILIES, own_code
from lthctl.grid import cost
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.lottery.scores import ScoreContext, Scores, scored_by
from lthctl.mask import Mask, Weights
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.reporting import figures
from lthctl.seeding import Stream
from lthctl.training.spec import Training

from . import fast
from .command_line import lthctl
from .pictures import PICTURES


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-golden",
        action="store_true",
        help="write golden files anew instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C is tested, and whoever runs the tests in the background has them begin with that
    ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(fast, "fast tests")


SPARSE = {
    "test_cli",
    "test_dry_run",
    "test_engine_sparse",
    "test_grid",
    "test_interruptions",
    "test_invariants",
    "test_plan",
    "test_report_command",
    "test_run",
    "test_store_commands",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that nobody waits for it at the end. Then what needs the sparse engine:
    where its kernels are yet to be compiled, one of two workers does that, and the other meanwhile
    the rest."""
    items.sort(
        key=lambda item: (item.name != "test_the_whole_pipeline", item.path.stem not in SPARSE)
    )


NUM_TRAIN, NUM_TEST = 600, 203  # 203: the last batch of an evaluation is a partial one


def synthetic_digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 784) of ten blurred patterns with noise, mostly black like MNIST's, and labels
    (count,)."""
    patterns = np.random.default_rng(0).random((10, 784)) > 0.85
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    images = (
        patterns[labels] * random.integers(60, 255, (count, 784))
        + (random.random((count, 784)) > 0.97) * 200
    )
    images[:, :28] = 0  # pixels that are always black
    return np.minimum(images, 255).astype(np.uint8), labels.astype(np.int64)


def synthetic_dataset() -> Dataset:
    return Dataset(
        "digits", Split(*synthetic_digits(NUM_TRAIN, 1)), Split(*synthetic_digits(NUM_TEST, 2))
    )


@pytest.fixture(autouse=True)
def trusts_nobody_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test trusts is not trusted afterwards, as a plan names all that its process trusts."""
    monkeypatch.setattr(own_code, "_trusted", set(own_code._trusted))


@pytest.fixture(autouse=True)
def _measured_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans say how fast a training is; how right they are is not tested."""
    monkeypatch.setattr(cost, "MEASURED_SECONDS", 0.005)


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports readline gets COLUMNS, and so do the workers of pytest-xdist."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The key that marks stores as the user's is one of the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """600 training and 203 validation images."""
    return synthetic_dataset()


@pytest.fixture
def small_model() -> MLP:
    return MLP((784, 20, 12, 10))


@pytest.fixture
def train_params() -> TrainParams:
    """A training of 30 steps, evaluated every 10."""
    return TrainParams(steps=30, evaluate_every=10, batch_size=60, engine="torch", device="cpu")


@pytest.fixture
def make_training(
    dataset: Dataset, small_model: MLP, train_params: TrainParams
) -> Callable[..., Training]:
    """A training of the small model; keyword arguments replace what it starts from or its
    parameters."""

    def make(**changes: object) -> Training:
        mask = changes.pop("mask", Mask.full(small_model.prunable(biases=True)))
        seed = changes.pop("seed", 1)
        start = changes.pop("start", None) or mask.apply(small_model.draw(Stream(seed, "init")))
        given = changes.pop("dataset", dataset)
        return Training(
            small_model, start, mask, given, seed, train_params.model_copy(update=changes)
        )

    return make


def scores_of(method: str, weights: Weights, stream: Stream) -> Scores:
    """What a built-in method that looks at neither model nor data gives some weights."""

    def nothing() -> Any:
        raise AssertionError("it looks at the model or the data")

    mask = Mask.full({name: array.shape for name, array in weights.items()})
    return scored_by(method, ScoreContext(weights, weights, mask, 1, stream, nothing, nothing))


@cache
def digits_files() -> dict[str, bytes]:
    """Synthetic digits as the four IDX files."""
    contents = {}
    for images_name, labels_name, count, seed in (
        (mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS, NUM_TRAIN, 1),
        (mnist.TEST_IMAGES, mnist.TEST_LABELS, NUM_TEST, 2),
    ):
        images, labels = synthetic_digits(count, seed)
        contents[images_name] = idx_bytes(images.reshape(-1, 28, 28))
        contents[labels_name] = idx_bytes(labels.astype(np.uint8))
    return contents


def write_digits(folder: Path) -> dict[str, str]:
    """Write synthetic digits as the four IDX files; returns file name -> SHA-256, to put in the
    place of MNIST's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in digits_files().items():
        (folder / name).write_bytes(content)
    return {name: sha256(content) for name, content in digits_files().items()}


def let_pass_for_mnist(monkeypatch: pytest.MonkeyPatch, digests: dict[str, str]) -> None:
    """Trust other files in the place of MNIST's."""
    for name, digest in digests.items():
        monkeypatch.setitem(mnist.MNIST, name, digest)


@pytest.fixture
def digits_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with synthetic digits that passes for MNIST."""
    folder = tmp_path / "data" / "mnist"
    let_pass_for_mnist(monkeypatch, write_digits(folder))
    return folder


def make_workspace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in this folder, with synthetic digits in data/mnist and a params.yaml of a small
    experiment."""
    let_pass_for_mnist(monkeypatch, write_digits(folder / "data" / "mnist"))
    (folder / "params.yaml").write_text(
        "model:\n  layers: [784, 20, 12, 10]\n"
        "train:\n  steps: 30\n  evaluate_every: 10\n  device: cpu\n"
        "prune:\n  method: [l1, random]\n  ratio: [0, 0.5]\n  rounds: 2\n  seed: [1, 2]\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing but the digits and parameters of a small experiment."""
    return make_workspace(tmp_path, monkeypatch)


@pytest.fixture
def workspace_of_workers(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The same for processes that are started from here: they, too, take the digits for MNIST."""
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(
        f"from lthctl.datasets import mnist\nmnist.MNIST.update({mnist.MNIST!r})\n"
    )
    root = Path(__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{root}", prepend=os.pathsep)
    return workspace


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the tickets and runs of the fixtures, also for processes started
    there."""
    fixtures = Path(__file__).parent / "fixtures" / "schema-1"
    shutil.copytree(fixtures / "masks", tmp_path / "masks")
    shutil.copytree(fixtures / "tickets", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    return tmp_path


@pytest.fixture
def ticket(small_model: MLP, dataset: Dataset, train_params: TrainParams) -> Ticket:
    """A ticket of two rounds, which need no training."""
    return find_ticket(
        small_model, dataset, method="random", ratio=0.75, rounds=2, seed=3, train=train_params
    )


@pytest.fixture
def run(ticket: Ticket, dataset: Dataset, train_params: TrainParams) -> Run:
    """Its retraining."""
    return retrain(ticket, dataset, train=train_params)


@pytest.fixture
def ticket_folder(ticket: Ticket, tmp_path: Path) -> Path:
    """The folder of that ticket."""
    return save_ticket(ticket, tmp_path / "ticket")


@pytest.fixture
def run_folder(run: Run, tmp_path: Path) -> Path:
    """The folder of that run."""
    return save_run(run, tmp_path / "run")


@pytest.fixture(scope="session")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small experiment after `lthctl prune`, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        folder = make_workspace(tmp_path_factory.mktemp("pruned"), patch)
        assert lthctl("prune", "--quiet").exit_code == 0
    return folder


@pytest.fixture(scope="session")
def retrained(pruned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """And after `lthctl retrain`, from two starts."""
    folder = shutil.copytree(pruned, tmp_path_factory.mktemp("retrained"), dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        make_workspace(folder, patch)
        for control in ("--rewind", "--reinit"):
            assert lthctl("retrain", "masks", control, "--quiet").exit_code == 0
    return folder


@pytest.fixture
def tickets(workspace: Path, pruned: Path) -> Path:
    """A copy of those tickets, in a working folder of their own."""
    return shutil.copytree(pruned, workspace, dirs_exist_ok=True) / "masks"


@pytest.fixture
def runs(workspace: Path, retrained: Path) -> Path:
    """A copy of those runs, beside their tickets."""
    return shutil.copytree(retrained, workspace, dirs_exist_ok=True) / "runs"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what a report does besides drawing, which takes longer than all the rest of it."""
    monkeypatch.setattr(figures, "figure_files", lambda group, survivors, formats=(): PICTURES)


@pytest.fixture(autouse=True)
def _undrawn_if_fast(request: pytest.FixtureRequest) -> None:
    """Reports of fast tests are undrawn, but for those with the mark `drawn`."""
    if fast.is_fast(request.node) and request.node.get_closest_marker("drawn") is None:
        request.getfixturevalue("undrawn")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def families_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test adds or imports is gone afterwards."""
    for family in FAMILIES:
        monkeypatch.setattr(family, "_members", dict(family._members))
        monkeypatch.setattr(family, "_sources", dict(family._sources))
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        if name.split(".")[0].startswith("own"):
            del sys.modules[name]

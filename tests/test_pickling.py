"""What goes to another process: masks, trainings, tickets and runs, and datasets by their name."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts.run import load_run
from lthctl.artifacts.ticket import load_ticket
from lthctl.canonical import sha256
from lthctl.datasets import candidates, mnist, reference
from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.idx import idx_bytes
from lthctl.errors import DataError
from lthctl.mask import Mask
from lthctl.params import DataParams
from lthctl.training.engines import run
from lthctl.training.spec import Training

from .conftest import synthetic_digits

MakeTraining = Callable[..., Training]
SCHEMA_1 = Path(__file__).parent / "fixtures" / "schema-1"
COPIES = [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]


@pytest.fixture(autouse=True)
def _another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder is open yet."""
    reference._open_folder.cache_clear()


@pytest.mark.parametrize("copied", COPIES)
def test_a_mask_stays_what_it_is_and_immutable(copied: Callable[[Mask], Mask]) -> None:
    mask = Mask({"b": np.array([True, False]), "a": np.array([[False], [True]])})
    other = copied(mask)
    assert other == mask and list(other) == ["a", "b"]
    with pytest.raises(ValueError, match="read-only"):
        other["a"][0] = True


@pytest.mark.parametrize("copied", COPIES)
def test_tickets_and_runs_give_the_same_files(copied: Callable[[object], object]) -> None:
    ticket = load_ticket(SCHEMA_1 / "masks" / "l1-r0.50-n2-s1")
    folder = next(SCHEMA_1.rglob("run.json")).parent
    for value in (ticket, load_run(folder)):
        assert copied(value).files() == value.files()  # type: ignore[attr-defined]


@pytest.mark.parametrize("holdout", [0, 100])
def test_a_training_names_its_dataset_and_does_not_carry_it(
    digits_folder: Path, make_training: MakeTraining, holdout: int
) -> None:
    dataset = mnist.FILES.open(digits_folder).dataset(DataParams(holdout=holdout), 3)
    training = make_training(dataset=dataset)
    content = pickle.dumps(training)
    weights = sum(array.nbytes for array in training.start.values()) + training.mask.size
    assert len(content) < weights + 4096 < dataset.train.images.nbytes
    other = pickle.loads(content)
    assert other.digest == training.digest
    assert other.dataset is not dataset and other.dataset.digest == dataset.digest
    assert other.dataset.describe() == dataset.describe()
    results = run(training), run(other)
    assert results[0].history == results[1].history
    for name, array in results[0].weights.items():
        assert array.tobytes() == results[1].weights[name].tobytes()


def test_a_process_opens_a_folder_once(
    digits_folder: Path, make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [
        pickle.dumps(
            make_training(dataset=mnist.FILES.open(digits_folder).dataset(DataParams(), seed))
        )
        for seed in (1, 2)
    ]
    monkeypatch.chdir(digits_folder)  # where a worker is does not matter
    opened: list[Path] = []
    original = candidates.read_file
    monkeypatch.setattr(
        candidates,
        "read_file",
        lambda path, *a, **k: opened.append(path) or original(path, *a, **k),
    )
    trainings = [pickle.loads(content) for content in contents]
    assert trainings[0].dataset is trainings[1].dataset
    assert len(opened) == 4


def test_a_dataset_in_memory_is_carried(dataset: Dataset, make_training: MakeTraining) -> None:
    training = make_training()
    other = pickle.loads(pickle.dumps(training))
    assert other.digest == training.digest
    assert other.dataset.digest == dataset.digest
    np.testing.assert_array_equal(other.dataset.train.images, dataset.train.images)
    assert copy.deepcopy(training).dataset is dataset


def test_a_source_is_carried(dataset: Dataset) -> None:
    split = Dataset("half", Split(*synthetic_digits(9, 1)), dataset.validation, source="a" * 64)
    assert pickle.loads(pickle.dumps(split)).describe() == split.describe()


def test_a_folder_that_was_damaged_meanwhile_is_refused(digits_folder: Path) -> None:
    content = pickle.dumps(mnist.FILES.open(digits_folder).dataset(DataParams(), 1))
    (digits_folder / mnist.TEST_LABELS).write_bytes(b"something else")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte has SHA-256"):
        pickle.loads(content)


def test_a_folder_that_holds_another_dataset_now_is_refused(
    digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a family take whatever lies in a folder, the digest of the dataset still tells."""
    dataset = mnist.FILES.open(digits_folder).dataset(DataParams(), 1)
    content = pickle.dumps(dataset)
    labels = idx_bytes(dataset.validation.labels[::-1].astype(np.uint8))
    (digits_folder / mnist.TEST_LABELS).write_bytes(labels)
    monkeypatch.setitem(mnist.MNIST, mnist.TEST_LABELS, sha256(labels))
    with pytest.raises(DataError) as refusal:
        pickle.loads(content)
    now = mnist.FILES.open(digits_folder).dataset(DataParams(), 1).digest
    assert str(refusal.value) == (
        f"{digits_folder}: now holds a dataset with SHA-256 {now[:12]}..., expected "
        f"{dataset.digest[:12]}...; it was changed meanwhile: restore it, or run the command again"
    )

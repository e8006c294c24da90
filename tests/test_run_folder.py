"""Folders of runs: what they hold, and what is refused."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.names import (
    HISTORY_FILE,
    RUN_JSON,
    WEIGHTS_FILE,
)
from lthctl.artifacts.run import Run, load_run, save_run
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.artifacts.ticket import Ticket
from lthctl.datasets.base import Dataset
from lthctl.errors import RunError
from lthctl.lottery.retrain import retrain
from lthctl.params import TrainParams
from lthctl.training.history import Row, metrics_of

from .test_forged_tickets import Touch
from .test_histories import HISTORY
from .test_ticket import contents_of, refusal_of, rewrite

# ---- runs ----


def test_run_round_trip(run: Run, run_folder: Path) -> None:
    loaded = load_run(str(run_folder))
    assert loaded.specification == run.specification
    assert (loaded.training, loaded.proof, loaded.metrics) == (run.training, run.proof, run.metrics)
    assert loaded.history == run.history
    assert [row.step for row in loaded.history] == [10, 20, 30]
    assert loaded.weights is not None
    assert run.weights is not None
    assert loaded.weights.keys() == run.weights.keys()
    assert all(
        loaded.weights[name].tobytes() == array.tobytes() for name, array in run.weights.items()
    )
    assert loaded.files() == run.files() == contents_of(run_folder)


def test_run_names_its_ticket(run: Run, ticket: Ticket) -> None:
    assert (run.ticket.name, run.ticket.digest) == (ticket.name, ticket.digest)


def test_run_read_without_its_weights(run: Run, run_folder: Path) -> None:
    (run_folder / WEIGHTS_FILE).unlink()  # such as one that is not checked out
    loaded = load_run(run_folder, with_weights=False)
    assert loaded.weights is None
    assert loaded.history == run.history
    assert str(refusal_of(run_folder, load_run)).startswith(
        f"{run_folder / WEIGHTS_FILE}: is missing;"
    )


def test_run_whose_weights_were_not_kept(run: Run, tmp_path: Path) -> None:
    slim = replace(run, weights=None)
    folder = save_run(slim, tmp_path / "slim")
    assert contents_of(folder).keys() == {RUN_JSON, HISTORY_FILE}
    loaded = load_run(folder)
    assert loaded.weights is None
    assert loaded.files() == slim.files()


def test_run_with_a_test_split(
    dataset: Dataset, ticket: Ticket, train_params: TrainParams, tmp_path: Path
) -> None:
    tested = Dataset("digits", dataset.train, dataset.validation, dataset.validation)
    own = replace(
        ticket,
        specification=ticket.specification.model_copy(update={"data": tested.describe()}),
    )
    run = retrain(own, tested, train=train_params)
    loaded = load_run(save_run(run, tmp_path / "tested"))
    assert loaded.history == run.history
    assert all(row.test_accuracy == row.validation_accuracy for row in loaded.history)
    assert loaded.metrics.early_stop_test_accuracy is not None


@pytest.mark.parametrize("name", [RUN_JSON, HISTORY_FILE, WEIGHTS_FILE])
def test_damaged_runs(run_folder: Path, name: str) -> None:
    whole = (run_folder / name).read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in b"", whole[:middle], whole[:-2], flipped:
        (run_folder / name).write_bytes(damaged)
        refusal = refusal_of(run_folder, load_run)
        assert isinstance(refusal, RunError)
        assert str(refusal).startswith(f"{run_folder / name}: ")
    (run_folder / name).unlink()
    assert str(refusal_of(run_folder, load_run)).startswith(f"{run_folder / name}: is missing;")


def test_altered_history(run_folder: Path) -> None:
    path = run_folder / HISTORY_FILE
    path.write_bytes(path.read_bytes() + b"40,0,0,1\n")
    assert str(refusal_of(run_folder, load_run)).startswith(f"{path}: has SHA-256 ")
    assert str(refusal_of(run_folder, load_run)).endswith(
        "; it is truncated or altered: restore it"
    )


def test_newer_run(run_folder: Path) -> None:
    rewrite(run_folder, RUN_JSON, schema=4)
    for load in load_run, lambda path: RunFolder(path).document:
        assert str(refusal_of(run_folder, load)) == (
            f"{run_folder / RUN_JSON}: has schema 4, this lthctl reads up to 3; upgrade lthctl"
        )


@pytest.mark.parametrize("key", ["files", "ticket", "start", "metrics", "proof", "training"])
def test_run_that_lacks_something(run_folder: Path, key: str) -> None:
    rewrite(run_folder, RUN_JSON, **{key: None})
    assert str(refusal_of(run_folder, load_run)) == (
        f"{run_folder / RUN_JSON}: {key} is missing; it is damaged or not written by lthctl: make it again"
    )


def test_history_of_the_right_digest_that_is_none(run_folder: Path) -> None:
    rewrite(run_folder, RUN_JSON, put={HISTORY_FILE: HISTORY.replace(b"2.5", b"x")})
    assert str(refusal_of(run_folder, load_run)).startswith(
        f"{run_folder / HISTORY_FILE}: could not convert"
    )


@pytest.mark.parametrize(
    "content", [HISTORY.replace(b"2.5", b"2\r5"), HISTORY.replace(b"2.5", b"2" * 200_000)]
)
def test_history_of_the_right_digest_that_is_no_csv(run_folder: Path, content: bytes) -> None:
    rewrite(run_folder, RUN_JSON, put={HISTORY_FILE: content})
    assert isinstance(refusal_of(run_folder, load_run), RunError)


def test_weights_of_a_run_that_are_a_pickle(run_folder: Path, tmp_path: Path) -> None:
    rewrite(run_folder, RUN_JSON, put={WEIGHTS_FILE: pickle.dumps(Touch(tmp_path / "executed"))})
    assert str(refusal_of(run_folder, load_run)).startswith(
        f"{run_folder / WEIGHTS_FILE}: is no safetensors file ("
    )
    assert not (tmp_path / "executed").exists()


# ---- forged with right digests ----


def with_history(run: Run, rows: tuple[Row, ...]) -> Run:
    return replace(run, history=rows, metrics=metrics_of(rows))


def test_a_history_that_is_not_of_its_training(run: Run, tmp_path: Path) -> None:
    """Its metrics are right, and so are all digests."""
    late = (*run.history[:2], run.history[2]._replace(step=31))
    for number, rows in enumerate([run.history[:2], (*run.history, run.history[2]), late]):
        folder = save_run(with_history(run, rows), tmp_path / str(number))
        said = (
            f"{folder / HISTORY_FILE}: is not of 30 steps, evaluated every 10; make the run again"
        )
        assert str(refusal_of(folder, load_run)) == said


def test_columns_for_test_images_where_there_are_none(run: Run, tmp_path: Path) -> None:
    rows = tuple(row._replace(test_loss=1.0, test_accuracy=0.5) for row in run.history)
    folder = save_run(with_history(run, rows), tmp_path / "tested")
    assert str(refusal_of(folder, load_run)) == (
        f"{folder / HISTORY_FILE}: has columns for test images, of which there are none; make the run again"
    )


def test_weights_of_a_run_that_are_not_of_its_model(run: Run, run_folder: Path) -> None:
    assert run.weights is not None
    weights = {**run.weights, "layers.0.bias": np.zeros(3, np.float32)}
    rewrite(run_folder, RUN_JSON, put={WEIGHTS_FILE: tensors_bytes(weights)})
    assert str(refusal_of(run_folder, load_run)).startswith(
        f"{run_folder / WEIGHTS_FILE}: 'layers.0.bias' has shape (3,), the model has (20,); "
    )

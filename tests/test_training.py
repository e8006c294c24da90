"""What names a training, and what it is judged by."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lthctl.datasets.base import Dataset, Split
from lthctl.errors import ParamsError
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.training import spec
from lthctl.training.engine import ENGINES
from lthctl.training.history import Row, history_fault, metrics_of
from lthctl.training.spec import Training

from .conftest import synthetic_digits

MakeTraining = Callable[..., Training]

CHANGES: dict[str, object] = {
    "steps": 31,
    "evaluate_every": 11,
    "batch_size": 59,
    "optimizer": "sgd",
    "lr": 1.3e-3,
    "schedule": "cosine",
    "warmup": 5,
    "lr_drops": ((20, 0.1),),
    "momentum": 0.5,
    "nesterov": True,
    "weight_decay": 0.1,
    "label_smoothing": 0.1,
    "precision": "bfloat16",
    "engine": "sparse",
    "device": "cuda",
    "threads": 2,
}


def test_every_parameter_of_a_training_is_tried_below() -> None:
    assert CHANGES.keys() == TrainParams.model_fields.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_every_parameter_changes_the_digest(name: str, make_training: MakeTraining) -> None:
    assert make_training().digest != make_training(**{name: CHANGES[name]}).digest


def test_weights_mask_data_seed_and_model_change_the_digest(
    make_training: MakeTraining, dataset: Dataset
) -> None:
    base = make_training()
    moved = {name: array.copy() for name, array in base.start.items()}
    moved["layers.0.bias"][3] = np.nextafter(moved["layers.0.bias"][3], np.float32(1))
    smaller = {name: array.copy() for name, array in base.mask.items()}
    smaller["layers.0.bias"][3] = False
    images, labels = synthetic_digits(50, 8)
    others = [
        make_training(start=moved),
        make_training(mask=Mask(smaller), start=base.start),
        make_training(dataset=Dataset("digits", dataset.train, Split(images, labels))),
        make_training(dataset=Dataset("digits", Split(images, labels), dataset.validation)),
        make_training(
            dataset=Dataset("digits", dataset.train, dataset.validation, Split(images, labels))
        ),
        make_training(seed=2, start=base.start),
        Training(
            MLP(base.model.layers, "glorot"), base.start, base.mask, base.dataset, 1, base.params
        ),  # type: ignore[attr-defined]
    ]
    digests = [base.digest, *(other.digest for other in others)]
    assert len(set(digests)) == len(digests)


def test_a_part_of_a_training_has_a_digest_of_its_own(make_training: MakeTraining) -> None:
    whole = make_training()
    same = replace(whole, first_step=0, last_step=30)
    parts = [replace(whole, first_step=10), replace(whole, last_step=10)]
    parts.append(replace(whole, first_step=10, last_step=20))
    assert same.digest == whole.digest
    assert len({whole.digest, *(part.digest for part in parts)}) == 4


@pytest.mark.parametrize(("first", "last"), [(-1, None), (30, None), (10, 10), (20, 10), (0, 31)])
def test_steps_that_are_no_part_of_a_training_are_refused(
    first: int, last: int | None, make_training: MakeTraining
) -> None:
    end = 30 if last is None else last
    said = f"from step {first} to {end} is no part of one of 30 steps; train for more of them"
    with pytest.raises(ParamsError, match=said):
        replace(make_training(), first_step=first, last_step=last)


@pytest.mark.parametrize(
    ("first", "last", "rows"),
    [(0, None, [10, 20, 25]), (10, None, [20, 25]), (13, None, [20, 25]), (24, None, [25]), (0, 10, [10]),
     (3, 20, [10, 20]), (3, 5, [5])],
)  # fmt: skip
def test_a_history_is_that_of_its_steps(first: int, last: int | None, rows: list[int]) -> None:
    train = TrainParams(steps=25, evaluate_every=10)
    history = tuple(Row(step, 1.0, 1.0, 0.5) for step in rows)
    own = {"first_step": first, "last_step": last}
    assert history_fault(history, train, with_test=False, **own) is None  # type: ignore[arg-type]
    fewer, more = history[1:], (*history, Row(26, 1.0, 1.0, 0.5))
    for other in (fewer, more, (Row(1, 1.0, 1.0, 0.5), *history)):
        assert history_fault(other, train, with_test=False, **own)  # type: ignore[arg-type]
    if first == 13:
        assert history_fault((), train, with_test=False, **own) == (  # type: ignore[arg-type]
            "is not of 25 steps from step 13, evaluated every 10"
        )


def test_versions_of_engine_and_library_change_the_digest(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [make_training().digest]
    with monkeypatch.context() as patch:
        patch.setattr(ENGINES.get("torch"), "numerics", 99)
        digests.append(make_training().digest)
    monkeypatch.setattr(spec, "version", lambda package: "0.0")
    digests.append(make_training().digest)
    assert len(set(digests)) == 3


def test_nothing_else_changes_the_digest(make_training: MakeTraining, dataset: Dataset) -> None:
    base = make_training()
    backwards = {name: base.start[name] for name in reversed(list(base.start))}
    copied = {name: np.asfortranarray(array) for name, array in base.start.items()}
    renamed = Dataset("other name", dataset.train, dataset.validation, source="elsewhere")
    for same in (
        make_training(),
        make_training(start=backwards),
        make_training(start=copied),
        make_training(dataset=renamed),
    ):
        assert same.digest == base.digest


def test_of_equal_evaluations_the_earliest_counts() -> None:
    rows = [(10, 1.0, 0.5, 0.8), (20, 0.9, 0.4, 0.9), (30, 0.8, 0.4, 0.9), (40, 0.7, 0.6, 0.85)]
    assert metrics_of([Row(*row) for row in rows]).to_json() == {
        "best_accuracy": 0.9,
        "best_step": 20,
        "early_stop_accuracy": 0.9,
        "early_stop_step": 20,
        "final_accuracy": 0.85,
    }

"""What a person states and nothing would read is refused, with the way out."""

from pathlib import Path
from typing import Any

import pytest

from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams

from .test_families import done, refusal

MOMENTUM = (
    "train.momentum: is 0.9, but train.optimizer is adam, which has no momentum; set "
    "train.optimizer to sgd, or leave it out"
)
TRAINING: list[tuple[dict[str, Any], str]] = [
    ({"optimizer": "adam", "momentum": 0.9}, MOMENTUM),
    ({"optimizer": "adamw", "momentum": 0.9}, MOMENTUM.replace("adam,", "adamw,")),
    (
        {"schedule": "step", "lr_drops": ((4, 0.1), (9, 0.01)), "steps": 9},
        "train.lr_drops: has one after 9 steps, expected fewer than 9, the steps of a training; "
        "train for more, or set train.lr_drops={4: 0.1}",
    ),
    (
        {"schedule": "step", "lr_drops": ((20, 0.1), (25, 0.01)), "warmup": 20},
        "train.lr_drops: has one after 20 steps, expected fewer than 9, the steps of a training; "
        "train for more, or set train.warmup=0, train.schedule=constant and train.lr_drops={}",
    ),
]


@pytest.mark.parametrize(("given", "said"), TRAINING)
def test_of_a_training(given: dict[str, Any], said: str, dataset: Dataset) -> None:
    train = TrainParams(**{"steps": 9, "device": "cpu", **given})
    ticket = find_ticket(MLP(), dataset, method="random")
    for refused in (
        lambda: find_ticket(MLP(), dataset, method="random", train=train),
        lambda: retrain(ticket, dataset, train=train),
    ):
        with pytest.raises(ParamsError) as error:
            refused()
        assert str(error.value) == said


@pytest.mark.long
def test_only_what_a_person_states_is_refused(workspace: Path) -> None:
    """A ticket of a former version may have been found with a momentum that Adam never read."""
    done("prune", "--steps", "4", "--quiet")
    found = "train: {steps: 4, device: cpu, optimizer: adam"
    Path("params.yaml").write_text(f"{found}, momentum: 0.9}}\n")
    assert refusal("prune", "--quiet") == refusal("retrain", "masks", "--quiet") == MOMENTUM
    Path("params.yaml").write_text(f"{found}}}\n")
    done("retrain", "masks", "--quiet")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--scope", "global", "--output-factor", "1"],
            "output_factor: is 1.0, but with scope global the output layer has no rate of its own; "
            "leave it out",
        ),
        (
            ["--layer-ratio", "0.5,0.5,0.5", "--output-factor", "1"],
            "output_factor: is 1.0, but layer_ratio says it of each layer; leave it out",
        ),
        (
            ["--rate", "*=0.5", "--output-factor", "1"],
            "output_factor: is 1.0, but rate says it of each layer; leave it out",
        ),
        (
            ["--method", "erk", "--output-factor", "1"],
            "output_factor: is 1.0, but method erk says itself how dense each layer is; leave it "
            "out",
        ),
        (
            ["--method", "erk", "--scope", "global"],
            "scope: is global, but method erk says itself how dense each layer is; leave it out",
        ),
    ],
)
def test_of_a_pruning(words: list[str], said: str, workspace: Path) -> None:
    assert refusal("prune", "--quiet", *words) == said
    # Where one ticket has a use for it, or nothing is pruned, it is fine.
    plan = ["prune", "--quiet", "--dry-run", "--ratio", "0", *words]
    if "--method" in words:
        done("prune", "--quiet", "--dry-run", *words, "--method", "random")
        done(*plan)

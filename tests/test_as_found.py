"""What `retrain` and others take from a ticket: its model, its dataset, and how it was found."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lthctl.artifacts.ticket import load_ticket
from lthctl.cli.app import app
from lthctl.datasets.base import Dataset
from lthctl.grid.grids import run_grid
from lthctl.lottery.as_found import train_as_found
from lthctl.lottery.retrain import retrain
from lthctl.params import Params, RoundParams, TrainParams

TICKET, DENSE = "masks/l1-r0.50-n2-s1", "masks/dense-s1"
SMALL = "model:\n  layers: [784, 6, 10]\ntrain:\n  device: cpu\n  steps: 20\n  lr: 0.01\n"


def lthctl(*words: str) -> Any:
    return CliRunner().invoke(app, [*words])


def said(*words: str) -> str:
    result = lthctl(*words)
    assert result.exit_code == 0, result.output
    return str(result.stderr)


def refusal(code: int, *words: str) -> str:
    result = lthctl(*words)
    assert result.exit_code == code, result.output
    return str(result.stderr).rstrip("\n")


def run_of(name: str, place: str = "runs/rewind") -> dict[str, Any]:
    run: dict[str, Any] = json.loads((Path(place) / name / "run.json").read_text())
    return run


@pytest.fixture
def colleagues(workspace: Path) -> Path:
    """Tickets of a colleague, in a folder without the params.yaml that they were found with."""
    Path("params.yaml").write_text(SMALL)
    said("prune", "--seed", "1", "--rounds", "2", "--ratio", "0,0.5", "--batch-size", "30", "-q")
    Path("params.yaml").unlink()
    shutil.rmtree(".lthctl")
    return workspace


def test_stated_before_found_before_default() -> None:
    found = RoundParams(steps=2000, lr=0.1, batch_size=7, device="cuda", threads=3)
    taken = train_as_found(TrainParams(lr=0.2), found)
    assert (taken.lr, taken.steps, taken.batch_size, taken.threads) == (0.2, 2000, 7, 3)
    assert (taken.evaluate_every, taken.device) == (250, "auto")  # what no ticket decides
    assert train_as_found(TrainParams(steps=5), None) == TrainParams(steps=5)


def test_momentum_is_not_taken_along_to_adam() -> None:
    found = RoundParams(optimizer="sgd", momentum=0.9, nesterov=True)
    taken = train_as_found(TrainParams(optimizer="adam"), found)
    assert (taken.momentum, taken.nesterov) == (0.0, False)
    assert train_as_found(TrainParams(lr=0.2), found).momentum == 0.9
    older = RoundParams(optimizer="adam", momentum=0.9)
    assert train_as_found(TrainParams(), older).momentum == 0.9  # it is trained as ever


def test_a_colleagues_ticket_is_trained_as_it_was_found(colleagues: Path) -> None:
    assert (
        "Training as the ticket was found: 20 steps, adam 0.01, batch 30 "
        "(from the ticket; --steps N for others)"
    ) in said("retrain", TICKET)
    run = run_of("l1-r0.50-n2-s1")
    named = ("steps", "lr", "batch_size", "evaluate_every")
    assert [run["train"][key] for key in named] == [20, 0.01, 30, 250]
    assert run["model"]["layers"] == [784, 6, 10]


@pytest.mark.long
def test_the_dense_network_is_trained_like_the_tickets_beside_it(colleagues: Path) -> None:
    """It holds no settings: nothing was trained to find it."""
    said("retrain", "masks", "--reinit", "-q")
    said("retrain", DENSE, "-q")
    as_found = run_of("l1-r0.50-n2-s1", "runs/reinit")["train"]
    assert run_of("dense-s1", "runs/reinit")["train"] == as_found
    assert run_of("dense-s1")["train"] == as_found
    shutil.move(DENSE, "alone/dense-s1")
    assert "15,000 steps, adam 0.0012, batch 60 (the ticket holds no settings; --steps N for" in (
        said("retrain", "alone/dense-s1", "--dry-run")
    )


@pytest.mark.parametrize("by_flag", [True, False])
def test_a_flag_or_the_file_wins_key_by_key(by_flag: bool, colleagues: Path) -> None:
    if not by_flag:
        Path("params.yaml").write_text("train:\n  steps: 25\n")
    line = said("retrain", TICKET, *(["--steps", "25"] if by_flag else []))
    assert (
        "Training: 25 steps, adam 0.01, batch 30, as a flag or params.yaml says (the ticket was "
        "found with steps 20)"
    ) in line
    train = run_of("l1-r0.50-n2-s1")["train"]
    assert (train["steps"], train["lr"], train["batch_size"]) == (25, 0.01, 30)


@pytest.mark.long
def test_a_file_that_states_all_wins_to_the_byte(colleagues: Path) -> None:
    """As in a pipeline: what the ticket holds has no say then."""
    stated = {**TrainParams(steps=12, device="cpu").model_dump(mode="json"), "lr_drops": {}}
    Path("params.yaml").write_text(json.dumps({"train": stated}))
    line = said("retrain", TICKET)
    assert (
        "as a flag or params.yaml says (the ticket was found with steps 20, batch_size 30" in line
    )
    stated |= {"steps": 20, "batch_size": 30, "lr": 0.01}
    Path("params.yaml").write_text(json.dumps({"train": stated}))
    line = said("retrain", TICKET, "--dry-run")
    assert "Training as the ticket was found: 20 steps, adam 0.01, batch 30\n" in line
    expected = TrainParams(steps=12, engine="sparse", device="cpu").identity()
    assert run_of("l1-r0.50-n2-s1")["train"] == expected


def test_tickets_of_several_settings_each_get_their_own(colleagues: Path) -> None:
    said("prune", "--layers", "784,6,10", "--ratio", "0.6", "--seed", "1", "--steps", "16", "-q")
    refused = refusal(2, "retrain", "masks")
    assert refused == (
        "Error: masks/dense-s1: holds no training settings, and the tickets beside it were found "
        "with several: steps 16 and 20, batch_size 30 and 60, lr 0.0012 and 0.01; give these as "
        "flags or in params.yaml, or retrain it by itself"
    )
    shutil.rmtree(DENSE)
    lines = said("retrain", "masks")
    assert "Training as l1-r0.50-n2-s1 was found: 20 steps, adam 0.01, batch 30" in lines
    assert "Training as l1-r0.60-n1-s1 was found: 16 steps, adam 0.0012, batch 60" in lines
    steps = [run_of(name)["train"]["steps"] for name in ("l1-r0.50-n2-s1", "l1-r0.60-n1-s1")]
    assert steps == [20, 16]


def test_the_model_of_the_ticket_counts_and_not_that_of_the_file(colleagues: Path) -> None:
    Path("params.yaml").write_text("model:\n  layers: [784, 30, 10]\n")
    assert (
        "params.yaml says model 784-30-10, and they are of 784-6-10: the tickets' own counts"
        in (said("retrain", TICKET))
    )
    assert run_of("l1-r0.50-n2-s1")["model"]["layers"] == [784, 6, 10]


def test_a_flag_that_contradicts_the_ticket_is_refused(colleagues: Path) -> None:
    assert "is a ticket of an MLP 784-6-10 with uniform weights, expected an MLP 784-9-10" in (
        refusal(3, "retrain", TICKET, "--layers", "784,9,10")
    )
    assert (
        f"Error: {TICKET}: was found with data.holdout 0, expected 100; leave that out, or "
        "choose other tickets"
    ) == refusal(3, "retrain", TICKET, "--set", "data.holdout=100")
    assert lthctl("retrain", TICKET, "--layers", "784,6,10", "--dry-run").exit_code == 0


@pytest.mark.long
def test_held_out_images_are_those_of_the_ticket(workspace: Path) -> None:
    words = ["--method", "l1", "--ratio", "0.5", "--rounds", "1", "--seed", "1", "-q"]
    said("prune", *words, "--set", "data.holdout=100", "--set", "data.normalize=standard")
    said("retrain", "masks", "-q")
    said("verify", "masks", "runs", "--replay")
    data = run_of("l1-r0.50-n1-s1")["data"]
    assert (data["validation"], data["test"], data["normalize"]) == (100, 203, "standard")
    assert "params.yaml says" not in said("retrain", "masks", "--force")
    file = Path("params.yaml")
    file.write_text(file.read_text() + "data:\n  holdout: 50\n")
    assert "params.yaml says data.holdout 50, and they were found with 100" in (
        said("retrain", "masks")
    )


def test_a_module_of_the_ticket_is_built_if_its_code_is_trusted(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "as_found_net.py").write_text(
        "from torch import nn\n\n\ndef small():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.ReLU(), nn.Linear(6, 10))\n"
    )
    Path("params.yaml").unlink()
    monkeypatch.setattr("lthctl.families.own_code._trusted", set())
    words = ["--method", "l1", "--ratio", "0.5", "--rounds", "1", "--seed", "1", "-q"]
    said(
        "prune",
        *words,
        "--model",
        "as_found_net:small",
        "--steps",
        "6",
        "--set",
        "train.device=cpu",
    )
    monkeypatch.setattr("lthctl.families.own_code._trusted", set())
    refused = refusal(3, "retrain", "masks")
    assert "is a ticket of the module 'as_found_net:small'" in refused
    assert "if you trust that code, give --model as_found_net:small" in refused
    line = said("retrain", "masks", "--model", "as_found_net:small")
    assert "Training as the ticket was found: 6 steps" in line


def test_from_python_too(colleagues: Path, dataset: Dataset) -> None:
    ticket = load_ticket(TICKET)
    shown = []

    def note(training: Any) -> Any:
        shown.append(training.params)
        raise KeyError

    def params_of(**how: Any) -> TrainParams:
        with pytest.raises(KeyError):
            retrain(ticket, own, train_with=note, **how)
        return shown.pop()

    from lthctl.datasets.mnist import load_mnist

    own = load_mnist("data/mnist")
    assert (params_of().steps, params_of().batch_size) == (20, 30)
    assert params_of(train=TrainParams(steps=9)).batch_size == 60  # a whole one is taken whole


def test_workers_of_a_plan_take_the_same_from_the_ticket(colleagues: Path) -> None:
    """A plan says what was stated, and no default in its place."""
    from lthctl.cluster.plan_file import write_plan

    grid = run_grid([TICKET], params=Params().override({"train.lr": 0.5}))
    assert grid.asked is not None
    plan = write_plan(grid.asked, Path(".lthctl"), executor="threads", replace=False)
    assert plan.said.params["train"] == {"lr": 0.5}
    (task,) = plan.grid().tasks
    assert (task.trainings[0].params.lr, task.trainings[0].params.steps) == (0.5, 20)

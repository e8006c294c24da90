"""A second copy of a run differs from the first in the order of its batches, and in nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.names import RUN_JSON
from lthctl.artifacts.run import load_run, save_run
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.ticket import Ticket
from lthctl.cli.app import app
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError, ReportError, RunError
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain, specify_retraining
from lthctl.models.mlp import MLP
from lthctl.params import Params, ReportParams, TrainParams
from lthctl.reporting.compare import compare
from lthctl.reporting.reading import make_report
from lthctl.reporting.sides import read_side
from lthctl.reporting.tables import report_files
from lthctl.tracking.records import record_of
from lthctl.verification.paths import verify

from .test_report import make_run


def call(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def ticket(dataset: Dataset, small_model: MLP, train_params: TrainParams) -> Ticket:
    return find_ticket(
        small_model, dataset, method="random", ratio=0.5, rounds=1, seed=1, train=train_params
    )


@pytest.fixture
def grid(workspace: Path) -> Path:
    """Two tickets that need no training, with both copies of each."""
    call("prune", "--method", "random", "--ratio", "0.5", "--rounds", "1", "--quiet")
    call("retrain", "masks", "--rewind", "--order-seed", "7", "--quiet")
    return workspace


# ---- what a second copy is ----


def test_only_the_order_of_the_batches_is_another(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams
) -> None:
    first, second = (
        specify_retraining(
            ticket, dataset, control="reinit", train=train_params, order_seed=order_seed
        )
        for order_seed in (None, 7)
    )
    assert (first.seed, second.seed) == (1, 7)
    assert first.digest != second.digest
    assert first.mask == second.mask and first.dataset is second.dataset
    for name, weights in first.start.items():
        assert np.array_equal(weights, second.start[name])
    orders = [training.batch_order().batches(0, 10) for training in (first, second)]
    assert not np.array_equal(*orders)
    assert sorted(orders[0].ravel()) == sorted(orders[1].ravel())  # an epoch of 600 images


def test_a_second_copy_is_kept_and_read(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams, tmp_path: Path
) -> None:
    first = retrain(ticket, dataset, train=train_params)
    second = retrain(ticket, dataset, train=train_params, order_seed=7)
    assert first.proof.start == second.proof.start
    assert first.history != second.history
    read = load_run(save_run(second, tmp_path / "run"))
    assert (read.order_seed, read.variant) == (7, "rewind-order7")
    document = json.loads((tmp_path / "run" / RUN_JSON).read_bytes())
    assert (document["schema"], document["order_seed"]) == (3, 7)
    document = json.loads((save_run(first, tmp_path / "first") / RUN_JSON).read_bytes())
    assert document["schema"] == 1 and "order_seed" not in document


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"order_seed": 1}, "order_seed is 1, the ticket's own seed"),
        ({"order_seed": None}, "order_seed: is null; it may be left out"),
        ({"order_seed": -1}, "order_seed is -1, expected"),
        ({"schema": 1}, "schema is 1, expected 3 for what it says"),
    ],
)
def test_an_order_that_no_second_copy_has_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    run = make_run()
    run = type(run)(
        run.specification.model_copy(update={"order_seed": 7}),
        *(run.training, run.proof, run.metrics, run.history, None),
    )
    folder = save_run(run, tmp_path / "run")
    assert load_run(folder).order_seed == 7
    document = json.loads((folder / RUN_JSON).read_bytes()) | changes
    del document["digest"]
    (folder / RUN_JSON).write_bytes(seal(document))
    with pytest.raises(RunError) as refusal:
        load_run(folder)
    assert said in str(refusal.value)


def test_the_own_seed_of_a_ticket_makes_no_second_copy(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams
) -> None:
    with pytest.raises(ParamsError, match="its second copy would be the first again"):
        retrain(ticket, dataset, train=train_params, order_seed=1)


# ---- on the command line ----


def test_both_copies_are_made_and_hold_what_they_claim(grid: Path) -> None:
    folders = sorted(path.parent.relative_to(grid) for path in grid.glob("runs/*/*/run.json"))
    assert [str(folder) for folder in folders] == [
        f"runs/{variant}/random-r0.50-n1-s{seed}"
        for variant in ("rewind", "rewind-order7")
        for seed in (1, 2)
    ]
    trainings = {RunFolder(folder).document.training for folder in folders}
    assert len(trainings) == 4
    checks = verify("masks", "runs")
    assert not [check for check in checks if check.state == "failed"]
    named = [check for check in checks if check.claim == "its training is named by its digest"]
    assert [check.state for check in named] == ["held"] * 4
    output = call("retrain", "masks", "--rewind", "--order-seed", "7")
    assert "there already" in output and "Next: lthctl connect runs" in output
    output = call("show", "runs")
    assert "rewind-order7" in output
    output = call("show", "runs/rewind-order7/random-r0.50-n1-s1")
    assert "in the order of seed 7: a second copy, no replicate" in output


def test_trained_again_a_second_copy_has_the_same_bytes(grid: Path) -> None:
    place = "runs/rewind-order7/random-r0.50-n1-s1"
    output = call("verify", "masks/random-r0.50-n1-s1", place, "--replay", "--json", "--quiet")
    checks = [check for check in json.loads(output) if check["path"] == place]
    assert {check["state"] for check in checks} == {"held"}
    assert checks[-1]["claim"] == "trained again, the run has the same bytes"


def test_an_altered_order_is_found_out(grid: Path) -> None:
    folder = grid / "runs/rewind-order7/random-r0.50-n1-s1"
    document = json.loads((folder / RUN_JSON).read_bytes()) | {"order_seed": 8}
    del document["digest"]
    (folder / RUN_JSON).write_bytes(seal(document))
    named = [
        check
        for check in verify("masks", folder)
        if check.claim == "its training is named by its digest"
    ]
    assert [check.state for check in named] == ["unchecked"]


@pytest.mark.long
def test_a_parameter_asks_for_second_copies_too(workspace: Path) -> None:
    file = workspace / "params.yaml"
    file.write_text(file.read_text() + "retrain:\n  order_seed: 7\n  control: rewind\n")
    plan = json.loads(
        call("run", "--dry-run", "--json", "--method", "random", "--ratio", "0.5", "--rounds", "1")
    )
    # Dense and the ticket, two seeds each, both copies.
    assert plan["trainings"]["to_run"] == 8
    call("prune", "--method", "random", "--ratio", "0.5", "--rounds", "1", "--quiet")
    planned = CliRunner().invoke(app, ["retrain", "masks", "--dry-run", "--json"]).stdout
    assert json.loads(planned)["trainings"]["to_run"] == 4


@pytest.mark.parametrize("command", [("retrain", "masks"), ("run", "--ratio", "0.5")])
def test_an_order_that_a_ticket_has_already_is_refused_before_anything_is_trained(
    workspace: Path, command: tuple[str, ...]
) -> None:
    call("prune", "--method", "random", "--ratio", "0.5", "--rounds", "1", "--quiet")
    output = call(*command, "--order-seed", "2", code=2)
    assert "so with --order-seed 2 its second copy would be the first again" in output
    assert not (workspace / "runs").exists()


# ---- a second copy is no replicate ----


def test_a_report_does_not_count_second_copies(grid: Path) -> None:
    alone = make_report([Path("runs/rewind")], ReportParams())
    both = make_report([Path("runs")], ReportParams())
    assert report_files(both) == report_files(alone)
    assert [run.variant for run in both.copies] == ["rewind-order7"] * 2
    output = call("report", "runs")
    assert "2 second copies with another order of the batches" in output
    with pytest.raises(ReportError, match="there are 2 second copies only"):
        make_report([Path("runs/rewind-order7")], ReportParams())


def test_a_comparison_does_not_mix_copies(grid: Path) -> None:
    sides = [read_side(name, Path(name)) for name in ("runs", "runs")]
    assert compare(sides, ReportParams()).experiments == ()
    sides = [read_side(name, Path(name)) for name in ("runs/rewind", "runs/rewind-order7")]
    (experiment,) = compare(sides, ReportParams()).experiments
    assert experiment.label == "random-r0.50-n1 rewind / rewind-order7"
    assert experiment.difference.n == 2


def test_a_tracker_tells_copies_apart(grid: Path) -> None:
    first, second = (
        record_of(load_run(Path("runs", variant, "random-r0.50-n1-s1")))
        for variant in ("rewind", "rewind-order7")
    )
    assert "order_seed" not in first.params and second.params["order_seed"] == 7
    assert first.identity != second.identity
    assert first.folder != second.folder and first.group != second.group


def test_the_default_is_no_second_copy() -> None:
    assert Params().retrain.orders == (None,)
    assert "order_seed" not in Params().retrain.identity()

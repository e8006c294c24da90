"""Ladders that keep a ticket of every round: sizes, shared trainings, names, and bad input."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lthctl.artifacts.pruning import Pruning, ratio_after
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import load_ticket
from lthctl.cli.app import app
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError, TrainingError
from lthctl.grid.grids import experiment_grid, run_grid, ticket_grid
from lthctl.lottery.asked import specify_pruning
from lthctl.lottery.find import find_ticket
from lthctl.lottery.rates import rates_of
from lthctl.lottery.select import select
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import Params, ReportParams, TrainParams
from lthctl.reporting.ladders import LadderKey, ladders_of
from lthctl.reporting.report import report
from lthctl.seeding import Stream
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.spec import Training
from lthctl.verification.paths import verify

LENET = MLP(init="glorot")

LABELS = {3: 51.3, 7: 21.1, 9: 13.5, 12: 7.0, 15: 3.6, 18: 1.9}
"""Round -> percent of the weights that remain, as Frankle & Carbin (2019) print them."""


def lenet_after(rounds: int) -> Pruning:
    return specify_pruning(
        LENET, method="random", ratio=None, rounds=rounds, seed=1, biases=False, rate=0.2
    )


def test_the_sizes_of_the_paper() -> None:
    shapes = LENET.prunable(biases=False)
    rate = rates_of(LENET, shapes, lenet_after(18))
    assert sorted(set(rate.values())) == [0.1, 0.2]
    mask, stream = Mask.full(shapes), Stream(1, "prune")
    assert mask.size == 266_200
    for number in range(1, 19):
        before = mask
        scores = {name: stream.uniform(kept.shape) for name, kept in sorted(mask.items())}
        mask = select(scores, mask, rate=rate)
        assert mask.is_nested_in(before)
        if number in LABELS:
            assert round(100 * mask.density, 1) == LABELS[number]


@pytest.fixture
def ladder(workspace: Path) -> Params:
    return Params().override({
        "model.layers": (784, 20, 12, 10), "train.steps": 20, "train.evaluate_every": 10,
        "train.engine": "torch", "train.device": "cpu", "prune.ratio": (0,), "prune.rate": 0.2,
        "prune.rounds": (3,), "prune.every_round": True, "prune.biases": False,
    })  # fmt: skip


def num_trainings() -> int:
    return len(list(Store(Path(".lthctl"))))


def test_it_walks_down_once_and_leaves_a_ticket_at_every_round(ladder: Params) -> None:
    ticket_grid(ladder).run(1)
    names = ["dense-s1", *(f"l1-rate0.20-n{number}-s1" for number in (1, 2, 3))]
    assert sorted(path.name for path in Path("masks").iterdir()) == names
    assert num_trainings() == 3
    tickets = [load_ticket(Path("masks", name)) for name in names]
    assert all(later.mask.is_nested_in(one.mask) for one, later in pairwise(tickets))
    assert [round(ticket.ratio, 9) for ticket in tickets] == [0, 0.2, 0.36, 0.488]
    assert all(after.steps == 20 for ticket in tickets for after in ticket.counts)
    assert {check.state for check in verify("masks")} <= {"held", "unchecked"}


def test_the_training_of_a_round_is_the_retraining_of_the_ticket_before(ladder: Params) -> None:
    ticket_grid(ladder).run(1)
    run_grid(["masks"], params=ladder).run(1)
    assert num_trainings() == 4  # only the last ticket's is new


def test_a_ladder_goes_on_later(ladder: Params) -> None:
    ticket_grid(ladder.override({"prune.rounds": (2,)})).run(1)
    before = {path: path.read_bytes() for path in Path("masks").rglob("*") if path.is_file()}
    assert num_trainings() == 2
    ticket_grid(ladder).run(1)
    assert num_trainings() == 3
    assert all(path.read_bytes() == content for path, content in before.items())


def test_the_plan_of_a_ladder_counts_each_training_once(ladder: Params) -> None:
    grid = experiment_grid(ladder, control=["rewind"])
    assert grid.plan(1)["trainings"]["to_run"] == 4
    grid.run(1)
    assert num_trainings() == 4


def test_it_is_the_rounds_by_hand(dataset: Dataset, train_params: TrainParams) -> None:
    model = MLP((784, 20, 12, 10))
    trainings: list[Training] = []

    def trained(training: Training) -> Result:
        trainings.append(training)
        return run(training)

    ticket = find_ticket(
        model, dataset, rounds=2, rate=0.25, train=train_params, train_with=trained
    )
    assert [training.params for training in trainings] == [trainings[0].params] * 2
    init = model.draw(Stream(1, "init"))
    for name, start in trainings[1].start.items():
        kept = trainings[1].mask[name]
        assert np.array_equal(start, np.where(kept, init[name], 0))
    assert ticket.ratio == ratio_after(0.25, 2) == 0.4375


def test_a_ratio_for_each_layer(dataset: Dataset) -> None:
    model = MLP((784, 20, 12, 10))
    ticket = find_ticket(model, dataset, method="random", layer_ratio=[0.8, 0.5, 0.0], rounds=2)
    kept = {name: array.mean() for name, array in ticket.mask.items()}
    for layer, ratio in enumerate([0.8, 0.5, 0.0]):
        assert kept[f"layers.{layer}.weight"] == pytest.approx(1 - ratio, abs=2e-3)
    assert ticket.name == "random-layers0.8_0.5_0-n2-s1"
    last = ticket.counts[-1]
    assert last.layers["layers.1.weight"].desired == pytest.approx(0.5)
    assert last.desired == pytest.approx(ticket.ratio)


def test_the_rate_of_the_output_layer(dataset: Dataset) -> None:
    ticket = find_ticket(
        MLP((784, 20, 12, 10)), dataset, method="random", ratio=0.5, output_factor=1.0
    )
    assert ticket.name == "random-r0.50-n1-out1-s1"
    assert ticket.mask["layers.2.weight"].mean() == 0.5


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rate": 1.0}, "rate: is 1.0, expected in (0, 1)"),
        ({"rate": 0.2, "layer_ratio": [0.5]}, "layer_ratio: excludes rate"),
        (
            {"layer_ratio": [0.5]},
            "prune.layer_ratio: has 1 ratios, expected 3, one for each of the layers layers.0, "
            "layers.1, layers.2",
        ),
        ({"layer_ratio": [0.5, 1.0, 0.5]}, "layer_ratio: has 1.0, expected ratios in [0, 1)"),
        (
            {"rate": 0.6, "rounds": 20, "output_factor": 1.0},
            "leaves none of the 15680 weights of 'layers.0.weight' after round 12",
        ),
        ({"rate": 0.5, "rounds": 60}, "rate: 0.5 in 60 rounds leaves no weight; ask for fewer"),
        ({"output_factor": 2.0}, "output_factor: is 2.0, expected in [0, 1]"),
    ],
)
def test_refused(asked: dict[str, object], said: str, dataset: Dataset) -> None:
    with pytest.raises(ParamsError) as refusal:
        find_ticket(MLP((784, 20, 12, 10)), dataset, method="random", **asked)  # type: ignore[arg-type]
    assert said in str(refusal.value)


def test_all_weights_compete_in_the_global_scope(dataset: Dataset) -> None:
    model = MLP((784, 20, 12, 10))
    ticket = find_ticket(model, dataset, method="random", ratio=0.5, rounds=2, scope="global")
    assert ticket.name == "random-r0.50-n2-global-s1"
    left = ticket.mask.size
    for after in ticket.counts:
        left -= round(ticket.rate["layers.0.weight"] * left)
        assert sum(layer.kept for layer in after.layers.values()) == left
    assert ticket.mask.num_kept == left
    of_layers = find_ticket(model, dataset, method="random", ratio=0.5, rounds=2)
    assert of_layers.mask["layers.2.weight"].sum() != ticket.mask["layers.2.weight"].sum()


def test_the_global_scope_says_which_layer_it_emptied(dataset: Dataset) -> None:
    model = MLP((784, 20, 12, 10))
    with pytest.raises(TrainingError, match=r"round 1 leaves none of the .* weights of 'layers"):
        find_ticket(model, dataset, method="random", ratio=0.999, scope="global")


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("", ["dense-s1", "random-rate0.20-n1-s1", "random-rate0.20-n2-s1"]),
        ("--ratio 0.8", ["random-r0.80-n2-s1"]),
        ("--layer-ratio 0.8,0.5,0.1", ["dense-s1", "random-layers0.8_0.5_0.1-n2-s1"]),
        ("--rate 0.5", ["dense-s1", "random-rate0.50-n1-s1", "random-rate0.50-n2-s1"]),
    ],
)
def test_a_flag_for_the_size_wins_over_a_file_that_says_it_otherwise(
    workspace: Path, flags: str, names: list[str]
) -> None:
    text = Path("params.yaml").read_text().split("prune:")[0]
    ladder = "{method: random, ratio: 0, rate: 0.2, every_round: true, rounds: 2}"
    Path("params.yaml").write_text(f"{text}prune: {ladder}\n")
    result = CliRunner().invoke(app, ["prune", "--quiet", *flags.split()])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in Path("masks").iterdir()) == names


def test_in_the_report_all_rounds_are_one_ladder(ladder: Params) -> None:
    experiment_grid(ladder.override({"prune.seed": (1, 2)}), control=["rewind"]).run(1)
    params = ReportParams(primary=("l1-rate0.20",))
    (group,) = report(["runs/run"], masks="masks/run", out="report", params=params).report.groups
    (found,) = (one for one in ladders_of(group) if one.key.method == "l1")
    assert (found.key.name, found.key.walk) == ("l1-rate0.20", "20 % a round")
    assert [size.key.rounds for size in found.sizes] == [1, 2, 3]
    assert found.is_primary
    assert LadderKey.named("l1-rate0.20-global").variant == "global"

"""Fine-tuning and learning-rate rewinding: retraining from the weights that a ticket was pruned
from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts.run import load_run
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import RoundCounts
from lthctl.datasets.base import Dataset
from lthctl.datasets.mnist import load_mnist
from lthctl.errors import ParamsError, TicketError
from lthctl.grid.grids import experiment_grid, run_grid, ticket_grid
from lthctl.lottery.controls import apply_control
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.lottery.trained import params_under
from lthctl.models.mlp import MLP
from lthctl.params import Params, TrainParams
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.schedules import rates
from lthctl.training.spec import Training
from lthctl.verification.paths import verify

CONTROLS = ("finetune", "lr-rewind")


@pytest.fixture
def dropping(train_params: TrainParams) -> TrainParams:
    """30 steps of SGD, the last 10 at a tenth of the rate."""
    drops = {"schedule": "step", "lr_drops": ((20, 0.1),), "warmup": 5}
    return train_params.model_copy(update={"optimizer": "sgd", "lr": 0.2, **drops})


class Watched:
    """Runs trainings, and knows which."""

    def __init__(self) -> None:
        self.trainings: list[Training] = []
        self.results: list[Result] = []

    def __call__(self, training: Training) -> Result:
        self.trainings.append(training)
        self.results.append(run(training))
        return self.results[-1]


@pytest.mark.long
@pytest.mark.parametrize("step", [0, 7])
@pytest.mark.parametrize("control", CONTROLS)
def test_they_start_from_the_weights_that_were_pruned(
    control: str, step: int, small_model: MLP, dataset: Dataset, dropping: TrainParams
) -> None:
    finding, again = Watched(), Watched()
    ticket = find_ticket(
        small_model, dataset, rounds=2, rewind_step=step, train=dropping, train_with=finding
    )
    made = retrain(ticket, dataset, control=control, train=dropping, train_with=again)
    assert [one.digest for one in again.trainings[:-1]] == [one.digest for one in finding.trainings]
    last = again.trainings[-1]
    expected = ticket.mask.apply(finding.results[-1].weights)
    assert last.mask == ticket.mask
    for name, array in expected.items():
        assert last.start[name].tobytes() == array.tobytes(), name
    assert any(array.any() for array in last.start.values())
    # As many steps as rewinding takes, so that all cost the same.
    assert (last.first_step, last.end) == (step, 30)
    assert made.history[-1].step == 30 and made.control == control


@pytest.mark.long
def test_only_the_schedule_tells_them_apart(
    small_model: MLP, dataset: Dataset, dropping: TrainParams
) -> None:
    ticket = find_ticket(small_model, dataset, train=dropping)
    last = {}
    for control in CONTROLS:
        watched = Watched()
        made = retrain(ticket, dataset, control=control, train=dropping, train_with=watched)
        assert made.train == dropping  # what was asked for, so that runs are compared
        last[control] = watched.trainings[-1].params
    assert set(rates(last["finetune"], 0, 30)) == {0.1 * 0.2}
    assert rates(last["lr-rewind"], 0, 30).tolist() == rates(dropping, 0, 30).tolist()
    constant = dropping.model_copy(update={"schedule": "constant", "warmup": 0, "lr_drops": ()})
    digests = set()
    for control in CONTROLS:
        digests.add(retrain(ticket, dataset, control=control, train=constant).training)
    assert len(digests) == 1


def test_a_rate_of_0_trains_nothing(dropping: TrainParams) -> None:
    to_0 = dropping.model_copy(update={"lr_drops": ((20, 0.0),)})
    with pytest.raises(ParamsError, match="step ends at a rate of 0, at which finetune cannot"):
        params_under("finetune", to_0)
    assert params_under("lr-rewind", to_0) == to_0


@pytest.mark.long
@pytest.mark.parametrize(("method", "ratio"), [("random", 0.5), ("l1", 0)])
def test_where_nothing_was_trained_the_dense_networks_trained_weights_are_meant(
    method: str, ratio: float, small_model: MLP, dataset: Dataset, dropping: TrainParams
) -> None:
    ticket = find_ticket(small_model, dataset, method=method, ratio=ratio, train=dropping)
    dense = find_ticket(small_model, dataset, ratio=0, train=dropping)
    watched = Watched()
    retrain(ticket, dataset, control="finetune", train=dropping, train_with=watched)
    first, last = watched.trainings
    assert first.digest == retrain(dense, dataset, train=dropping).training
    trained = ticket.mask.apply(watched.results[0].weights)
    assert all(np.array_equal(last.start[name], trained[name]) for name in trained)


def test_other_trained_weights_than_the_ticket_was_pruned_from_are_refused(
    small_model: MLP, dataset: Dataset, dropping: TrainParams
) -> None:
    ticket = find_ticket(small_model, dataset, train=dropping)
    counts: tuple[RoundCounts, ...] = (ticket.counts[0].model_copy(update={"trained": "5" * 64}),)
    other: Ticket = replace(ticket, counts=counts)
    with pytest.raises(
        TicketError, match=r"was pruned from weights with digest 555555555555\.\.\."
    ):
        retrain(other, dataset, control="finetune", train=dropping)
    with pytest.raises(TicketError, match="finetune needs the weights that it was pruned from"):
        apply_control(ticket, "finetune", None)


@pytest.fixture
def grid(workspace: Path) -> Params:
    return Params().override({
        "model.layers": (784, 20, 12, 10), "train.steps": 30, "train.evaluate_every": 10,
        "train.engine": "torch", "train.device": "cpu", "train.optimizer": "sgd", "train.lr": 0.2,
        "train.schedule": "cosine", "train.warmup": 3, "prune.ratio": (0, 0.5), "prune.rounds": (2,),
        "prune.rewind_step": (0, 7), "prune.method": ("l1", "random"),
    })  # fmt: skip


def num_trainings() -> int:
    return len(list(Store(Path(".lthctl"))))


@pytest.mark.long
def test_grids_find_the_trained_weights_in_the_store(grid: Params) -> None:
    ticket_grid(grid).run(1)
    assert num_trainings() == 1 + 2 * 2  # to step 7, and two rounds from each
    run_grid(["masks"], params=grid).run(1)
    before = num_trainings()
    for control in CONTROLS:
        run_grid(["masks"], control=control, params=grid).run(1)
    names = sorted(path.name for path in Path("masks").iterdir())
    assert len(names) == 5
    assert num_trainings() == before + 5 * 2  # the retrainings alone
    checks = verify("masks", "runs", replay=load_mnist("data/mnist"))
    assert [check for check in checks if check.state == "failed"] == []
    unchecked = {check.claim for check in checks if check.state == "unchecked"}
    assert unchecked == {"made again, the ticket has the same bytes"}  # dense, and random from 0
    alone = verify("masks", "runs")
    starts = [check for check in alone if check.claim.startswith("the start is")]
    assert {check.detail for check in starts if check.state == "unchecked"} == {
        "it starts from trained weights: --replay trains again"
    }


@pytest.mark.long
def test_all_of_an_experiment_at_once_asks_for_the_same(grid: Params) -> None:
    small = grid.override({"prune.rewind_step": (7,), "retrain.control": ("rewind", "finetune")})
    planned = experiment_grid(small)
    steps = {task.name: task.num_steps for task in planned.tasks}
    assert steps["l1-r0.50-n2-w7-s1 finetune"] == 2 * (7 + 2 * (15 - 7)) + 30 - 7
    assert steps["random-r0.50-n2-w7-s1 finetune"] == 7 + 30 + 30 - 7
    planned.run(1)
    places = {task.name: task.place for task in planned.tasks}
    assert load_run(places["l1-r0.50-n2-w7-s1 finetune"]).specification.first_step == 7
    again = experiment_grid(small)
    again.run(1)
    assert {task.state.value for task in again.tasks} == {"there already"}

"""Finding and retraining through the Python API, and what it refuses."""

import numpy as np
import pytest

from lthctl.datasets.base import Dataset, Split
from lthctl.errors import ParamsError, TicketError, TrainingError
from lthctl.lottery.asked import specify_pruning
from lthctl.lottery.find import find_ticket, prune_rounds, specify_ticket
from lthctl.lottery.retrain import retrain
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.spec import Training

from .conftest import synthetic_digits


def test_rounds_share_the_steps_and_rewind_every_time(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    trainings: list[Training] = []

    def record(training: Training) -> Result:
        trainings.append(training)
        return run(training)

    ticket = find_ticket(
        small_model, dataset, ratio=0.8, rounds=3, train=train_params, train_with=record
    )
    assert [training.params.steps for training in trainings] == [10, 10, 10]
    for training in trainings:
        for name, kept in training.mask.items():
            np.testing.assert_array_equal(
                training.start[name], np.where(kept, ticket.init[name], 0)
            )
    sparsities = [training.mask.sparsity for training in trainings]
    assert sparsities[0] == 0 and sparsities == sorted(sparsities)
    assert [after.actual for after in ticket.counts[:2]] == sparsities[1:]


def test_random_and_dense_tickets_need_no_training(small_model: MLP, dataset: Dataset) -> None:
    def refuse(training: Training) -> Result:
        raise AssertionError("nothing was to be trained")

    for method, ratio in (("random", 0.8), ("l1", 0.0)):
        ticket = find_ticket(
            small_model, dataset, method=method, ratio=ratio, rounds=3, train_with=refuse
        )
        assert ticket.train is None


def test_biases_may_be_left_alone(small_model: MLP, dataset: Dataset) -> None:
    ticket = find_ticket(small_model, dataset, method="random", ratio=0.8, biases=False)
    assert set(ticket.mask) == {"layers.0.weight", "layers.1.weight", "layers.2.weight"}


def test_proof_counts(small_model: MLP, dataset: Dataset, train_params: TrainParams) -> None:
    ticket = find_ticket(small_model, dataset, method="random", ratio=0.5, train=train_params)
    proof = retrain(ticket, dataset, train=train_params).proof
    assert (proof.pruned, proof.pruned_nonzero) == (
        ticket.mask.size - ticket.mask.num_kept,
        0,
    )
    assert proof.kept == ticket.mask.num_kept
    assert 0 < proof.kept_moved < proof.kept  # pixels that are always black move no weight


def test_an_engine_that_lets_a_pruned_weight_come_back_gives_no_run(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    """With `python -O` too: it is no assertion."""
    ticket = find_ticket(small_model, dataset, method="random", ratio=0.5, train=train_params)

    def revive(training: Training) -> Result:
        result = run(training)
        weights = {name: np.array(array) for name, array in result.weights.items()}
        name = "layers.0.weight"
        weights[name][~training.mask[name]] = 1e-30
        return Result(weights, result.history)

    with pytest.raises(TrainingError) as failure:
        retrain(ticket, dataset, train=train_params, train_with=revive)
    assert str(failure.value) == (
        "random-r0.50-n1-s1: the engine torch let 7,840 of 8,008 pruned weights come back; it is a "
        "mistake of the engine: train with another"
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"method": "l2"},
            "method: is 'l2', expected 'l1', 'random', 'magnitude-init', 'magnitude-increase', 'snip', 'grasp', 'synflow' or 'erk', or your own as module:name, such as mypackage.scores:taylor",
        ),
        ({"ratio": 1.0}, "ratio: is 1.0, expected in [0, 1): the fraction of weights to prune"),
        (
            {"ratio": float("nan")},
            "ratio: is nan, expected in [0, 1): the fraction of weights to prune",
        ),
        ({"rounds": 0}, "rounds: is 0, expected at least 1"),
        ({"rounds": 31}, "steps: is 30, expected at least one step for each of the 31 rounds"),
        (
            {"ratio": 0.999},
            "ratio 0.999 in 1 round: leaves none of the 240 weights of 'layers.1.weight'; "
            "choose a lower ratio or larger layers",
        ),
    ],
)
def test_impossible_tickets_are_refused_before_training(
    wrong: dict[str, object],
    message: str,
    small_model: MLP,
    dataset: Dataset,
    train_params: TrainParams,
) -> None:
    with pytest.raises(ParamsError) as refusal:
        find_ticket(small_model, dataset, train=train_params, **wrong)
    assert str(refusal.value) == message


def test_rounds_are_evaluated_at_their_end_alone(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    evaluated: list[tuple[int, ...]] = []

    def train(training: Training) -> Result:
        result = run(training)
        evaluated.append(tuple(row.step for row in result.history))
        return result

    find_ticket(small_model, dataset, rounds=2, train=train_params, train_with=train)
    assert evaluated == [(15,), (15,)]  # and not at step 10
    dense = find_ticket(small_model, dataset, ratio=0, train=train_params)
    once: list[str] = []

    def note(training: Training) -> Result:
        once.append(training.digest)
        return run(training)

    find_ticket(small_model, dataset, rounds=1, train=train_params, train_with=note)
    retrain(dense, dataset, train=train_params, train_with=note)
    assert once[0] == once[1]  # evaluated as often, so that it need not be run again


def test_tickets_of_other_models_and_data_are_refused(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    ticket = find_ticket(small_model, dataset, method="random")
    with pytest.raises(
        TicketError,
        match=r"is a ticket of an MLP 784-20-12-10 with uniform weights, expected an MLP",
    ):
        retrain(ticket, dataset, model=MLP(), train=train_params)
    other = Dataset("digits", Split(*synthetic_digits(50, 9)), dataset.validation)
    with pytest.raises(
        TicketError,
        match=r"was found on other data \(digest '.*', here '.*'; .*train 600, here 50\)",
    ):
        retrain(ticket, other, train=train_params)


def test_a_module_must_be_given_back(dataset: Dataset, train_params: TrainParams) -> None:
    from torch import nn

    model = ModuleModel("linear", lambda: nn.Sequential(nn.Linear(784, 10)), output="0")
    ticket = find_ticket(model, dataset, method="random", ratio=0.5)
    with pytest.raises(
        TicketError, match="is of the module 'linear', that only you can build; pass it as `model`"
    ):
        retrain(ticket, dataset, train=train_params)
    assert retrain(ticket, dataset, train=train_params, model=model).proof.pruned_nonzero == 0


def test_a_request_is_what_the_ticket_says_of_itself(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    pruning = specify_pruning(small_model, method="random", ratio=0.5, rounds=2, seed=4)
    specification = specify_ticket(small_model, dataset, pruning, train_params)
    with pytest.raises(StopIteration) as ended:
        next(prune_rounds(small_model, dataset, specification, train_params))
    assert ended.value.value.specification == specification

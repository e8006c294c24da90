"""Tickets that rewind to the weights of a later step: what they hold, and where they go on from."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts.names import REWIND_FILE
from lthctl.artifacts.run import load_run, save_run
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import Ticket, load_ticket, save_ticket
from lthctl.datasets.base import Dataset
from lthctl.datasets.mnist import load_mnist
from lthctl.errors import ParamsError, TicketError
from lthctl.grid.grids import experiment_grid, run_grid, ticket_grid
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain, specify_retraining
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import Params, TrainParams
from lthctl.reporting.report import report
from lthctl.seeding import Stream
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.spec import Training
from lthctl.verification.paths import verify

from .by_hand import respecified

AT = 7


@pytest.fixture
def ticket(small_model: MLP, dataset: Dataset, train_params: TrainParams) -> Ticket:
    return find_ticket(small_model, dataset, rounds=2, rewind_step=AT, train=train_params)


def test_it_holds_the_weights_of_the_dense_network_at_that_step(
    ticket: Ticket, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    init = small_model.draw(Stream(1, "init"))
    everything = Mask.full(small_model.prunable(biases=True))
    params = train_params.model_copy(update={"steps": AT, "evaluate_every": AT})
    at = run(Training(small_model, init, everything, dataset, 1, params)).weights
    assert ticket.rewound is not None
    for name in init:
        assert ticket.init[name].tobytes() == init[name].tobytes()
        assert ticket.rewound[name].tobytes() == at[name].tobytes()
    assert ticket.name == f"l1-r0.80-n2-w{AT}-s1"
    assert ticket.weights is ticket.rewound


def test_every_round_and_the_retraining_go_on_from_there(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    seen: list[Training] = []

    def train(training: Training) -> Result:
        seen.append(training)
        return run(training)

    ticket = find_ticket(
        small_model, dataset, rounds=3, rewind_step=AT, train=train_params, train_with=train
    )
    retrain(ticket, dataset, train=train_params, train_with=train)
    begin, *others = seen
    assert (begin.first_step, begin.end, begin.mask.density) == (0, AT, 1)
    assert [(one.first_step, one.end) for one in others] == [(AT, 10)] * 3 + [(AT, 30)]
    for one in others:  # invariant 5: start == mask * what it rewinds to
        expected = one.mask.apply(ticket.weights)
        assert all(one.start[name].tobytes() == expected[name].tobytes() for name in expected)
    assert others[-1].mask == ticket.mask
    assert [after.steps for after in ticket.counts] == [10] * 3


def test_rewind_train_rewind_gives_the_same_bits(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams
) -> None:
    before = specify_retraining(ticket, dataset, control="rewind", train=train_params)
    first = run(before)
    after = specify_retraining(ticket, dataset, control="rewind", train=train_params)
    again = run(after)
    for name in before.start:
        assert before.start[name].tobytes() == after.start[name].tobytes()
        assert first.weights[name].tobytes() == again.weights[name].tobytes()


def test_step_0_is_rewinding_to_the_initial_weights_bit_for_bit(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    usual = find_ticket(small_model, dataset, rounds=2, train=train_params)
    to_0 = find_ticket(small_model, dataset, rounds=2, rewind_step=0, train=train_params)
    assert to_0.files() == usual.files() and REWIND_FILE not in usual.files()
    assert (to_0.name, to_0.digest) == ("l1-r0.80-n2-s1", usual.digest)
    runs = [retrain(one, dataset, train=train_params).files() for one in (usual, to_0)]
    assert runs[0] == runs[1]


def test_the_dense_network_has_nothing_to_rewind(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    dense = [
        find_ticket(small_model, dataset, ratio=0, rewind_step=step, train=train_params)
        for step in (0, AT)
    ]
    assert dense[0].files() == dense[1].files()


def test_the_dense_network_itself_goes_on_from_a_step(
    ticket: Ticket, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    """Two copies of it tell from which step on the dense network is stable."""
    dense = find_ticket(small_model, dataset, method="dense", rewind_step=AT, train=train_params)
    assert (dense.name, dense.mask.sparsity, dense.counts) == (f"dense-w{AT}-s1", 0, ())
    assert ticket.rewound is not None and dense.rewound is not None
    assert all(
        dense.rewound[name].tobytes() == ticket.rewound[name].tobytes() for name in dense.init
    )
    asked = specify_retraining(dense, dataset, control="rewind", train=train_params)
    assert (asked.first_step, asked.mask.density) == (AT, 1)
    whole = find_ticket(small_model, dataset, ratio=0, train=train_params)
    plain = find_ticket(small_model, dataset, method="dense", train=train_params)
    assert plain.files() == whole.files()


@pytest.mark.parametrize(
    ("step", "rounds", "method", "said"),
    [
        (-1, 1, "l1", "rewind_step: is -1, expected at least 0"),
        (30, 1, "l1", "rewind_step: is 30, expected less than 30, the steps of a training"),
        (15, 2, "l1", "is 15, expected less than 15, the steps of each of the 2 rounds, which share"),
        (30, 2, "random", "rewind_step: is 30, expected less than 30, the steps of a training"),
    ],
)  # fmt: skip
def test_a_step_beyond_the_training_is_refused(
    step: int, rounds: int, method: str, said: str, small_model: MLP, dataset: Dataset,
    train_params: TrainParams,
) -> None:  # fmt: skip
    def train(training: Training) -> Result:
        raise AssertionError("it trains first")

    with pytest.raises(ParamsError, match=said):
        find_ticket(
            small_model, dataset, method=method, rounds=rounds, rewind_step=step,
            train=train_params, train_with=train,
        )  # fmt: skip


def test_a_retraining_that_is_over_before_it_begins_is_refused(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams
) -> None:
    short = train_params.model_copy(update={"steps": AT})
    with pytest.raises(ParamsError, match="rewinds to step 7, and a retraining of 7 steps is over"):
        retrain(ticket, dataset, train=short)
    retrain(ticket, dataset, control="reinit", train=short)  # fresh weights begin at the start


def test_controls_of_such_a_ticket(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams
) -> None:
    def specified(control: str) -> Training:
        return specify_retraining(ticket, dataset, control=control, train=train_params)

    fresh, shuffled = specified("reinit"), specified("shuffle")
    assert (fresh.first_step, shuffled.first_step) == (0, AT)
    moved = shuffled.mask.apply(ticket.weights)
    assert all(shuffled.start[name].tobytes() == moved[name].tobytes() for name in moved)
    assert shuffled.mask != ticket.mask


def test_random_tickets_train_for_the_step_alone(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    seen: list[int] = []

    def train(training: Training) -> Result:
        seen.append(training.end)
        return run(training)

    made = find_ticket(
        small_model, dataset, method="random", rounds=2, rewind_step=AT, train=train_params,
        train_with=train,
    )  # fmt: skip
    usual = find_ticket(small_model, dataset, method="random", rounds=2, train=train_params)
    assert seen == [AT]
    assert made.mask == usual.mask and made.train is not None
    assert [after.trained for after in made.counts] == [None, None]


# ---- in folders ----


@pytest.fixture
def folder(ticket: Ticket, tmp_path: Path) -> Path:
    return save_ticket(ticket, tmp_path / ticket.name)


def test_a_folder_is_read_and_would_be_written_the_same(folder: Path, ticket: Ticket) -> None:
    read = load_ticket(folder)
    assert read.files() == ticket.files() == {p.name: p.read_bytes() for p in folder.iterdir()}
    assert read.digest == ticket.digest


def test_what_is_wrong_with_such_a_folder(folder: Path, ticket: Ticket, tmp_path: Path) -> None:
    content = (folder / REWIND_FILE).read_bytes()
    (folder / REWIND_FILE).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(TicketError, match=r"rewind.safetensors: has SHA-256"):
        load_ticket(folder)
    (folder / REWIND_FILE).unlink()
    with pytest.raises(TicketError, match=r"rewind.safetensors: is missing"):
        load_ticket(folder)
    usual = respecified(ticket, rewind_step=0)
    with pytest.raises(TicketError, match=r"rewind_step is 0, and there is a rewind.safetensors"):
        load_ticket(save_ticket(usual, tmp_path / "usual"))
    bare = Ticket(ticket.specification, ticket.rate, ticket.counts, ticket.mask, ticket.init)
    with pytest.raises(TicketError, match=r"rewind_step is 7, and there is no rewind.safetensors"):
        load_ticket(save_ticket(bare, tmp_path / "bare"))


def test_a_run_says_where_it_went_on_from(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams, tmp_path: Path
) -> None:
    made = retrain(ticket, dataset, train=train_params)
    assert [row.step for row in made.history] == [10, 20, 30]
    assert made.specification.to_json()["first_step"] == AT
    assert load_run(save_run(made, tmp_path / "run")).specification == made.specification
    fresh = retrain(ticket, dataset, control="reinit", train=train_params)
    assert "first_step" not in fresh.specification.to_json()
    for step in (5, 30):
        wrong = save_run(respecified(made, first_step=step), tmp_path / f"wrong{step}")
        with pytest.raises(Exception, match=f"first_step is {step}, in a training of 30 steps"):
            load_run(wrong)


# ---- in grids ----


@pytest.fixture
def grid(workspace: Path) -> Params:
    return Params().override({
        "model.layers": (784, 20, 12, 10), "train.steps": 30, "train.evaluate_every": 10,
        "train.engine": "torch", "train.device": "cpu", "prune.ratio": (0, 0.5), "prune.rounds": (1, 2),
        "prune.rewind_step": (0, 4, 7),
    })  # fmt: skip


def num_trainings() -> int:
    return len(list(Store(Path(".lthctl"))))


def failures(paths: Sequence[str], *, replay: bool = False) -> set[tuple[str, str]]:
    checks = verify(*paths, replay=load_mnist("data/mnist") if replay else None)
    return {(check.claim, check.detail) for check in checks if check.state == "failed"}


@pytest.mark.long
def test_a_grid_of_steps(grid: Params) -> None:
    planned = ticket_grid(grid)
    planned.run(1)
    assert sorted(path.name for path in Path("masks").iterdir()) == [
        "dense-s1", "l1-r0.50-n1-s1", "l1-r0.50-n1-w4-s1", "l1-r0.50-n1-w7-s1", "l1-r0.50-n2-s1",
        "l1-r0.50-n2-w4-s1", "l1-r0.50-n2-w7-s1",
    ]  # fmt: skip
    # To steps 4 and 7, each once; one round of all steps from 0, 4, 7; two rounds from each.
    assert num_trainings() == 2 + 3 + 3 * 2
    run_grid(["masks"], params=grid).run(1)
    assert num_trainings() == 11 + 6  # the dense run was the first round of one-shot pruning
    assert failures(["masks", "runs"]) == set()


@pytest.mark.long
def test_a_grid_with_the_dense_network_at_a_step(grid: Params) -> None:
    asked = {"prune.method": ("dense", "l1"), "prune.ratio": (0, 0.5), "prune.rewind_step": (0, 7)}
    small = grid.override({**asked, "prune.rounds": (1,)})
    ticket_grid(small).run(1)
    assert sorted(path.name for path in Path("masks").iterdir()) == [
        "dense-s1", "dense-w7-s1", "l1-r0.50-n1-s1", "l1-r0.50-n1-w7-s1",
    ]  # fmt: skip
    run_grid(["masks"], params=small).run(1)
    assert failures(["masks", "runs"]) == set()
    rows = report("runs", params=small.report).summary_rows()
    judged = [(row["method"], row["variant"], row["difference_n"]) for row in rows]
    # Tickets are judged against the whole training alone, which neither of the two dense ones is.
    assert judged == [("dense", "", None), ("dense", "w7", None), ("l1", "", 1), ("l1", "w7", 1)]


@pytest.mark.long
def test_all_of_an_experiment_at_once_asks_for_the_same(grid: Params) -> None:
    small = grid.override({"prune.rounds": (2,), "prune.rewind_step": (7,)})
    planned = experiment_grid(small)
    steps = {task.name: task.num_steps for task in planned.tasks}
    assert steps["l1-r0.50-n2-w7-s1"] == 7 + 2 * (15 - 7)
    assert steps["l1-r0.50-n2-w7-s1 rewind"] == 7 + 2 * (15 - 7) + 30 - 7
    assert steps["l1-r0.50-n2-w7-s1 reinit"] == 7 + 2 * (15 - 7) + 30
    planned.run(1)
    places = {task.name: task.place for task in planned.tasks}
    went_on = load_run(places["l1-r0.50-n2-w7-s1 rewind"])
    assert went_on.specification.first_step == 7
    assert failures([str(place) for place in places.values()]) == set()


@pytest.mark.long
def test_verify_trains_such_tickets_again(grid: Params) -> None:
    small = grid.override({"prune.method": ("l1", "random"), "prune.ratio": (0.5,), "prune.rounds": (2,),
                           "prune.rewind_step": (7,)})  # fmt: skip
    ticket_grid(small).run(1)
    for control in ("rewind", "shuffle", "reinit"):
        run_grid(["masks"], control=control, params=small).run(1)
    checks = verify("masks", "runs", replay=load_mnist("data/mnist"))
    assert {check.state for check in checks} == {"held"}
    said = {check.detail for check in checks if check.claim.startswith("the weights to rewind")}
    assert said == {"step 7, trained again, bit for bit"}


def test_verify_sees_other_weights_to_rewind_to(grid: Params) -> None:
    small = grid.override({"prune.ratio": (0.5,), "prune.rounds": (1,), "prune.rewind_step": (7,)})
    ticket_grid(small).run(1)
    path = Path("masks/l1-r0.50-n1-w7-s1")
    ticket = load_ticket(path)
    moved = {name: array + np.float32(1e-3) for name, array in ticket.weights.items()}
    forged = Ticket(
        ticket.specification, ticket.rate, ticket.counts, ticket.mask, ticket.init, moved
    )
    shutil.rmtree(path)
    save_ticket(forged, path)
    failed = {claim for claim, _ in failures(["masks"], replay=True)}
    assert failed == {
        "the weights to rewind to are those of that step",
        "made again, the ticket has the same bytes",
    }


@pytest.mark.parametrize("engine", ["sparse", "torch"])
def test_its_weights_go_on_to_the_whole_dense_training(
    engine: str, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    """Its rate is that of all steps, and plain SGD has nothing else to remember: so from there on
    the dense network's training is the one that goes through, bit for bit."""
    rate = {"optimizer": "sgd", "lr": 0.2, "schedule": "cosine", "warmup": 4}
    train = train_params.model_copy(update={"engine": engine, **rate})
    ticket = find_ticket(small_model, dataset, method="random", rewind_step=AT, train=train)
    everything = Mask.full(small_model.prunable(biases=True))
    through = run(Training(small_model, ticket.init, everything, dataset, 1, train))
    on = run(Training(small_model, ticket.weights, everything, dataset, 1, train, AT))
    for name, array in through.weights.items():
        assert on.weights[name].tobytes() == array.tobytes(), name

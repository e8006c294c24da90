"""The fifteen invariants of the design. Each was seen broken in a public implementation of the same
thing.

Number 14, that both engines give the same training, has its tests beside the second engine.
"""

import contextlib
import filecmp
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.utils import prune as torch_prune

from lthctl.artifacts.run import save_run
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import Ticket, save_ticket
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import MaskError
from lthctl.grid.running import run_tasks
from lthctl.grid.ticket_tasks import ticket_tasks
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain, specify_retraining
from lthctl.lottery.select import select
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import Params, TrainParams
from lthctl.params_file import load_params
from lthctl.seeding import Stream
from lthctl.training.dense import evaluation, masked_optimizer
from lthctl.training.engines import run
from lthctl.training.history import Result, Row, metrics_of
from lthctl.training.spec import Training

from .conftest import scores_of, synthetic_digits

MakeTraining = Callable[..., Training]

OPTIMIZERS = [
    {"optimizer": "adam"},
    {"optimizer": "adam", "weight_decay": 0.01},
    {"optimizer": "sgd", "lr": 0.1},
    {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9},
    {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
]


@pytest.fixture(params=["l1", "random"])
def ticket(
    request: pytest.FixtureRequest, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> Ticket:
    return find_ticket(
        small_model, dataset, method=request.param, ratio=0.8, rounds=3, train=train_params
    )


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_1_pruned_count_is_exact_and_torch_agrees(
    ratio: float, rounds: int, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    trained = []

    def train_and_keep(training: Training) -> Result:
        trained.append(run(training).weights)
        return Result(trained[-1], ())

    ticket = find_ticket(
        small_model,
        dataset,
        ratio=ratio,
        rounds=rounds,
        train=train_params,
        train_with=train_and_keep,
    )
    network = small_model.build()
    for weights, after in zip(trained, ticket.counts, strict=True):
        for index, layer in enumerate(network.layers):
            for kind in ("weight", "bias"):
                name = f"layers.{index}.{kind}"
                parameter = getattr(layer, f"{kind}_orig", None)
                with torch.no_grad():
                    (getattr(layer, kind) if parameter is None else parameter).copy_(
                        torch.from_numpy(weights[name])
                    )
            layer(
                torch.zeros(1, layer.in_features)
            )  # torch looks at the weights as the last forward pass left them
            for kind in ("weight", "bias"):
                name = f"layers.{index}.{kind}"
                torch_prune.l1_unstructured(layer, kind, amount=ticket.rate[name])
                assert int(getattr(layer, f"{kind}_mask").sum()) == after.layers[name].kept
    for index, layer in enumerate(network.layers):
        for kind in ("weight", "bias"):
            np.testing.assert_array_equal(
                getattr(layer, f"{kind}_mask").numpy().astype(bool),
                ticket.mask[f"layers.{index}.{kind}"],
            )


def test_1_remaining_counts_worked_out_by_hand(dataset: Dataset, train_params: TrainParams) -> None:
    ticket = find_ticket(MLP(), dataset, method="random", ratio=0.8, rounds=5, train=train_params)
    # 235200 weights at a rate of 1 - 0.2 ** (1/5) = 0.275220: 64732, 46916, 34004, 24645, 17863 are
    # removed
    kept = [after.layers["layers.0.weight"].kept for after in ticket.counts]
    assert kept == [170468, 123552, 89548, 64903, 47040]
    # the output layer at half of that: 1000 - 138 - 119 - 102 - 88 - 76
    kept = [after.layers["layers.2.weight"].kept for after in ticket.counts]
    assert kept == [862, 743, 641, 553, 477]


@pytest.mark.parametrize("method", ["l1", "random"])
def test_2_masks_are_nested_and_inputs_unmodified(method: str, small_model: MLP) -> None:
    weights = dict(small_model.draw(Stream(1, "init")))
    before = {name: array.copy() for name, array in weights.items()}
    mask = Mask.full(small_model.shapes())
    for number in range(1, 6):
        scores = scores_of(method, weights, Stream(1, "prune", number))
        smaller = select(scores, mask, rate=dict.fromkeys(mask, 0.3))
        assert smaller.is_nested_in(mask) and smaller.num_kept < mask.num_kept
        mask = smaller
    assert all(np.array_equal(weights[name], before[name]) for name in weights)


@pytest.mark.parametrize("changes", OPTIMIZERS)
def test_3_pruned_weights_and_moments_are_zero_after_every_step(
    changes: dict[str, object],
    make_training: MakeTraining,
    ticket: Ticket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    network: list[torch.nn.Module] = []
    make_optimizer = masked_optimizer.make_optimizer

    def watched(module: torch.nn.Module, params: TrainParams) -> torch.optim.Optimizer:
        optimizer = make_optimizer(module, params)
        network.append(module)

        def check(*_: object) -> None:
            for name, parameter in module.named_parameters():
                pruned = torch.from_numpy(~ticket.mask[name])
                assert torch.count_nonzero(parameter.detach()[pruned]) == 0
                for moment in optimizer.state[parameter].values():
                    if isinstance(moment, torch.Tensor) and moment.shape == parameter.shape:
                        assert torch.count_nonzero(moment[pruned]) == 0
            seen.append(1)

        optimizer.register_step_post_hook(check)
        return optimizer

    monkeypatch.setattr(masked_optimizer, "make_optimizer", watched)
    result = run(make_training(mask=ticket.mask, **changes))
    assert len(seen) == 30
    assert all(
        np.count_nonzero(result.weights[name][~kept]) == 0 for name, kept in ticket.mask.items()
    )


@pytest.mark.parametrize("changes", OPTIMIZERS)
def test_4_surviving_weights_all_receive_updates(
    changes: dict[str, object], make_training: MakeTraining, ticket: Ticket
) -> None:
    training = make_training(mask=ticket.mask, **changes)
    result = run(training)
    lit = training.dataset.train.images.any(
        axis=0
    )  # a weight of a pixel that is always black has no gradient
    before, after = training.start["layers.0.weight"], result.weights["layers.0.weight"]
    moved = before != after
    units_that_fire = moved.any(axis=1)
    assert units_that_fire.mean() > 0.5
    for sign in (before > 0, before < 0):
        chosen = ticket.mask["layers.0.weight"] & lit & sign & units_that_fire[:, None]
        assert chosen.sum() > 100
        assert (
            moved[chosen].mean() > 0.9
        )  # the rest belongs to pixels that are black whenever the unit fires


def test_5_rewind_train_rewind_gives_the_original_bits(
    ticket: Ticket, dataset: Dataset, small_model: MLP, train_params: TrainParams
) -> None:
    def start() -> Training:
        return specify_retraining(ticket, dataset, control="rewind", train=train_params)

    before = start()
    run(before)
    after = start()
    drawn = small_model.draw(Stream(1, "init"))
    for name in drawn:
        assert before.start[name].tobytes() == after.start[name].tobytes()
        np.testing.assert_array_equal(before.start[name], drawn[name] * ticket.mask[name])
        assert ticket.init[name].tobytes() == drawn[name].tobytes()


def test_6_every_training_has_a_fresh_optimizer(make_training: MakeTraining) -> None:
    first, _, again = run(make_training()), run(make_training(seed=2)), run(make_training())
    assert all(
        first.weights[name].tobytes() == again.weights[name].tobytes() for name in first.weights
    )
    # and one round continued by hand is not two rounds with a fresh optimizer
    half = run(make_training(steps=15))
    assert not np.array_equal(run(make_training(start=half.weights, steps=15)).weights["layers.0.weight"],
                              first.weights["layers.0.weight"])  # fmt: skip


def ticket_folders(
    params: Params, data: Path, out: Path, num_jobs: int, executor: str = "threads"
) -> Path:
    planned = ticket_tasks(params, data, out)
    store = Store(out / ".store")
    outcome = run_tasks(planned, store=store, num_jobs=num_jobs, executor=executor)
    assert not outcome.failed and len(outcome.written) == len(planned)
    return out


def same_trees(a: Path, b: Path) -> bool:
    files = sorted(
        p.relative_to(a) for p in a.rglob("*") if p.is_file() and ".store" not in p.parts
    )
    assert files == sorted(
        p.relative_to(b) for p in b.rglob("*") if p.is_file() and ".store" not in p.parts
    )
    assert files
    return all(filecmp.cmp(a / file, b / file, shallow=False) for file in files)


@pytest.mark.parametrize(
    "others",
    [
        [(3, "threads")],
        pytest.param([(1, "processes"), (2, "processes")], marks=pytest.mark.long),
    ],
    ids=["threads", "processes"],
)
def test_7_same_seed_same_bytes_whatever_the_jobs_and_the_executor(
    workspace_of_workers: Path, others: list[tuple[int, str]]
) -> None:
    params, data = load_params(Path("params.yaml")), Path("data/mnist")
    one = ticket_folders(params, data, Path("one"), 1)
    for num_jobs, executor in others:
        other = ticket_folders(params, data, Path(f"{executor}{num_jobs}"), num_jobs, executor)
        assert same_trees(one, other)
        assert list(Store(other / ".store")) == list(Store(one / ".store"))


def test_7_threads_are_part_of_the_specification(make_training: MakeTraining) -> None:
    assert make_training(threads=1).digest != make_training(threads=2).digest


def test_8_batch_order_depends_on_the_seed_alone(
    dataset: Dataset,
    small_model: MLP,
    train_params: TrainParams,
    ticket: Ticket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[np.ndarray]] = []

    class Recorded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = build(small_model).layers
            seen.append([])

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.training:
                seen[-1].append(images.numpy().copy())
            for layer in self.layers[:-1]:
                images = layer(images).relu()
            return self.layers[-1](images)

    build = MLP.build
    monkeypatch.setattr(MLP, "build", lambda self: Recorded())
    for control in ("rewind", "reinit", "shuffle"):
        retrain(ticket, dataset, control=control, train=train_params)
    retrain(ticket, dataset, train=train_params.model_copy(update={"evaluate_every": 7}))
    retrain(
        find_ticket(small_model, dataset, ratio=0.3, rounds=2, train=train_params),
        dataset,
        train=train_params,
    )
    first, *others = [batches for batches in seen if len(batches) == 30]
    assert len(others) == 4
    for batches in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, batches, strict=True))
    shorter = [batches for batches in seen if len(batches) == 15]  # the rounds of the ticket
    assert len(shorter) == 2
    assert all(
        np.array_equal(a, b)
        for batches in shorter
        for a, b in zip(first[:15], batches, strict=True)
    )


def test_8_evaluation_frequency_changes_no_weight(make_training: MakeTraining) -> None:
    often, rarely = run(make_training(evaluate_every=3)), run(make_training(evaluate_every=30))
    assert all(
        often.weights[name].tobytes() == rarely.weights[name].tobytes() for name in often.weights
    )
    assert (len(often.history), len(rarely.history)) == (10, 1)
    assert often.history[-1].validation_loss == rarely.history[-1].validation_loss


def test_8_evaluation_frequency_changes_no_ticket(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    tickets = [
        find_ticket(
            small_model,
            dataset,
            rounds=2,
            train=train_params.model_copy(update={"evaluate_every": every}),
        )
        for every in (4, 30)
    ]
    assert tickets[0].digest == tickets[1].digest


def test_9_reinit_keeps_the_mask_and_redraws_every_survivor(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams
) -> None:
    rewound = specify_retraining(ticket, dataset, control="rewind", train=train_params)
    fresh = specify_retraining(ticket, dataset, control="reinit", train=train_params)
    assert fresh.mask == ticket.mask
    for name, kept in ticket.mask.items():
        assert np.all(fresh.start[name][kept] != rewound.start[name][kept])
        assert np.count_nonzero(fresh.start[name][~kept]) == 0


def test_9_shuffle_keeps_each_count_and_moves_the_positions(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams
) -> None:
    shuffled = specify_retraining(ticket, dataset, control="shuffle", train=train_params)
    for name, kept in ticket.mask.items():
        assert np.count_nonzero(shuffled.mask[name]) == np.count_nonzero(kept)
    assert shuffled.mask != ticket.mask
    chosen = shuffled.mask["layers.0.weight"]
    np.testing.assert_array_equal(
        shuffled.start["layers.0.weight"], np.where(chosen, ticket.init["layers.0.weight"], 0)
    )


def test_10_selection_never_sees_the_test_split(
    dataset: Dataset, small_model: MLP, train_params: TrainParams
) -> None:
    def with_test(seed: int) -> Dataset:
        images, labels = synthetic_digits(100, seed)
        return Dataset(
            "digits",
            dataset.train,
            dataset.validation,
            Split(images, labels[::-1].copy()),
            source="digits",
        )

    def chosen(data: Dataset) -> tuple[object, ...]:
        ticket = find_ticket(small_model, data, ratio=0.5, train=train_params)
        result = retrain(ticket, data, train=train_params)
        metrics = dict(result.metrics)
        return ticket.mask.num_kept, metrics.pop("early_stop_test_accuracy"), metrics

    (kept_a, test_a, metrics_a), (kept_b, test_b, metrics_b) = (
        chosen(with_test(5)),
        chosen(with_test(6)),
    )
    assert kept_a == kept_b and metrics_a == metrics_b  # another test split chooses nothing else
    assert test_a != test_b  # and it is the test split that the figure is of


def test_10_the_test_figure_is_read_where_the_validation_loss_is_lowest() -> None:
    row = Row
    history = [
        row(10, 1.0, 0.5, 0.80, 0.1, 0.99),
        row(20, 1.0, 0.4, 0.85, 0.9, 0.70),
        row(30, 1.0, 0.6, 0.9, 0.1, 0.95),
    ]
    assert metrics_of(history).to_json() == {
        "best_accuracy": 0.9,
        "best_step": 30,
        "early_stop_accuracy": 0.85,
        "early_stop_step": 20,
        "early_stop_test_accuracy": 0.70,
        "final_accuracy": 0.9,
    }


def test_11_one_round_is_one_shot(
    small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    ticket = find_ticket(small_model, dataset, ratio=0.8, rounds=1, train=train_params)
    trained = run(
        Training(
            small_model, ticket.init, Mask.full(small_model.shapes()), dataset, 1, train_params
        )
    ).weights
    by_hand = {}
    for name, array in trained.items():
        rate = 0.4 if name.startswith("layers.2") else 0.8
        by_hand[name] = np.abs(array) > np.sort(np.abs(array).ravel())[round(rate * array.size) - 1]
    assert ticket.mask == Mask(by_hand)


@pytest.mark.parametrize(("method", "rounds"), [("l1", 1), ("random", 5)])
def test_11_ratio_0_is_the_dense_run_bit_for_bit(
    method: str, rounds: int, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    ticket = find_ticket(
        small_model, dataset, method=method, ratio=0, rounds=rounds, train=train_params
    )
    assert ticket.name == "dense-s1" and ticket.mask.sparsity == 0
    dense = run(
        Training(
            small_model, small_model.draw(Stream(1, "init")), Mask({}), dataset, 1, train_params
        )
    )
    weights = retrain(ticket, dataset, train=train_params).weights
    assert weights is not None
    assert all(weights[name].tobytes() == dense.weights[name].tobytes() for name in weights)


def test_12_a_mask_that_does_not_fit_is_refused_with_everything_named() -> None:
    mask = Mask({"a": np.ones((2, 3), bool), "extra": np.ones(2, bool)})
    with pytest.raises(MaskError) as refusal:
        mask.check_fits({"a": (2, 4), "missing": (5,)}, where="masks/x/mask.safetensors")
    assert str(refusal.value) == (
        "masks/x/mask.safetensors: 'missing' is missing, the model has it with shape (5,); "
        "'extra' is extra, the model has no such prunable parameter; 'a' has shape (2, 3), the model has (2, 4)"
    )


def test_13_accuracy_divides_by_the_examples_seen(
    make_training: MakeTraining, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        evaluation, "IMAGES_PER_BATCH", 50
    )  # 203 images: four full batches and three more
    result = run(make_training())
    images = dataset.validation.images.astype(np.float32) / 255
    for index in range(3):
        images = (
            images @ result.weights[f"layers.{index}.weight"].T
            + result.weights[f"layers.{index}.bias"]
        )
        images = np.maximum(images, 0) if index < 2 else images
    right = images.argmax(1) == dataset.validation.labels
    assert result.history[-1].validation_accuracy == right.sum() / 203
    exponentials = np.exp(images - images.max(1, keepdims=True))
    losses = -np.log(exponentials[np.arange(203), dataset.validation.labels] / exponentials.sum(1))
    assert result.history[-1].validation_loss == pytest.approx(losses.mean(), rel=1e-5)


class Killed(BaseException):
    """As little warning as SIGKILL gives, at a place that the test chooses."""


@pytest.mark.parametrize("kill_at", range(0, 60, 4))
def test_15_a_kill_at_any_moment_loses_only_what_was_in_flight(
    kill_at: int, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills at any write or rename; that nothing else happens between processes is tested with real
    kills elsewhere."""
    params = load_params(Path("params.yaml")).override(
        {"prune.seed": (1,), "prune.method": ("l1",)}
    )
    undisturbed = ticket_folders(params, Path("data/mnist"), Path("undisturbed"), 1)
    countdown = kill_at
    write, rename = Path.open, Path.rename

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(self: Path, *args: object, **kwargs: object) -> object:
            nonlocal countdown
            if "killed" in self.parts:
                countdown -= 1
                if countdown < 0:
                    raise Killed
            return original(self, *args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", counted(write))
        patch.setattr(Path, "rename", counted(rename))
        with contextlib.suppress(Killed):
            ticket_folders(params, Path("data/mnist"), Path("killed"), 1)
    for found in Path("killed").glob("*/ticket.json"):
        assert filecmp.cmp(found, undisturbed / found.relative_to("killed"), shallow=False)
    planned = ticket_tasks(params, Path("data/mnist"), Path("killed"))
    run_tasks(planned, store=Store(Path("killed/.store")), num_jobs=1)
    assert same_trees(undisturbed, Path("killed"))


def test_runs_are_the_same_bytes_twice(
    ticket: Ticket, dataset: Dataset, train_params: TrainParams, tmp_path: Path
) -> None:
    for place in ("a", "b"):
        save_ticket(ticket, tmp_path / place / "ticket")
        save_run(
            retrain(ticket, dataset, control="reinit", train=train_params), tmp_path / place / "run"
        )
    assert same_trees(tmp_path / "a", tmp_path / "b")

"""The sparse engine against dense float64 NumPy and against torch, and what must never change its
results."""

import ast
import gc
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lthctl.datasets.base import Dataset, Split
from lthctl.errors import DataError, ParamsError, TrainingError
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.training import history
from lthctl.training.dense import engine as torch_engine
from lthctl.training.engines import resolve, run
from lthctl.training.sparse import engine, kernels, layout, samples
from lthctl.training.sparse import engine as sparse_engine
from lthctl.training.sparse.kernels.compiling import _digest_of_folder
from lthctl.training.sparse.kernels.network import Network
from lthctl.training.sparse.kernels.optimizer import DUSTING
from lthctl.training.sparse.kernels.processor import LANES, WIDE
from lthctl.training.spec import Training

Arrays = dict[str, NDArray[Any]]

KERNELS = {
    "sparse": 2.0,
    "dense": -1.0,
    "auto": layout.CROSSOVER,
}  # density above which weights are kept in full


@pytest.fixture(params=["sparse", "dense"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of training a layer, whatever its density."""
    monkeypatch.setattr(layout, "CROSSOVER", KERNELS[request.param])
    return str(request.param)


def digits(count: int, inputs: int, classes: int, seed: int = 0) -> Split:
    """Images like MNIST's: mostly zeros, and something to learn."""
    random = np.random.default_rng(seed)
    strokes = np.random.default_rng(99).random((classes, inputs)) < 0.25
    labels = random.integers(0, classes, count)
    lit = strokes[labels] & (random.random((count, inputs)) < 0.8)
    return Split(np.where(lit, random.integers(1, 256, lit.shape), 0).astype(np.uint8), labels)


def ticket(
    sizes: tuple[int, ...], densities: tuple[float, ...], seed: int = 0
) -> tuple[Arrays, Arrays]:
    """Starting weights and masks; a layer of density 1 is not prunable."""
    random = np.random.default_rng(seed)
    start: Arrays = {}
    mask: Arrays = {}
    for i, density in enumerate(densities):
        shape = sizes[i + 1], sizes[i]
        start[f"layers.{i}.weight"] = random.normal(0, (2 / shape[1]) ** 0.5, shape)
        start[f"layers.{i}.bias"] = random.normal(0, 0.1, shape[0])
        if density < 1:
            mask[f"layers.{i}.weight"] = random.random(shape) < density
            mask[f"layers.{i}.bias"] = random.random(shape[0]) < 0.8
    return {k: (v * mask.get(k, True)).astype(np.float32) for k, v in start.items()}, mask


def make(
    sizes: tuple[int, ...] = (70, 33, 20, 10),
    densities: tuple[float, ...] = (0.2, 0.3, 1.0),
    *,
    given: tuple[Arrays, Arrays] | None = None,
    train: Split | None = None,
    validation: Split | None = None,
    **changes: Any,
) -> Training:
    start, mask = given or ticket(sizes, densities)
    params = TrainParams(
        steps=200,
        evaluate_every=50,
        batch_size=60,
        optimizer="sgd",
        lr=0.05,
        engine="sparse",
        device="cpu",
    )
    split = train or digits(600, sizes[0], sizes[-1])
    data = Dataset("digits", split, validation or Split(split.images[:20], split.labels[:20]))
    return Training(MLP(sizes), start, Mask(mask), data, 5, params.model_copy(update=changes))


def rate_at(step: int, params: TrainParams) -> float:
    """The learning rate of a step, from 1, as docs/COMMANDS.md describes it."""
    rising = min(1.0, step / params.warmup) if params.warmup else 1.0
    over = max(0, step - 1 - params.warmup) / (params.steps - params.warmup)
    dropped = [factor for at, factor in params.lr_drops if step > at]
    factor = {
        "constant": 1.0,
        "step": dropped[-1] if dropped else 1.0,
        "cosine": np.cos(np.pi / 2 * over) ** 2,
        "linear": 1 - over,
    }
    return float(params.lr * rising * factor[params.schedule])


def reference(training: Training) -> tuple[Arrays, list[float]]:
    """The same training in dense float64."""
    params, mask, data = training.params, training.mask, training.dataset.train
    weights = {k: v.astype(np.float64) for k, v in training.start.items()}
    first = {k: np.zeros_like(v) for k, v in weights.items()}
    second = {k: np.zeros_like(v) for k, v in weights.items()}
    losses, last = [], len(weights) // 2 - 1
    scale = 255.0 if data.images.dtype == np.uint8 else 1.0
    for step, batch in enumerate(training.batch_order().batches(0, params.steps), 1):
        rate = rate_at(step, params)
        outputs = [data.images[batch].astype(np.float64) / scale]
        for i in range(last + 1):
            z = outputs[-1] @ weights[f"layers.{i}.weight"].T + weights[f"layers.{i}.bias"]
            outputs.append(np.maximum(z, 0) if i < last else z)
        logits = outputs[-1] - outputs[-1].max(1, keepdims=True)
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        answers = np.arange(len(batch)), data.labels[batch]
        losses.append(float(-np.log(shares[answers]).mean()))
        shares[answers] -= 1
        g, gradient = shares / len(batch), {}
        for i in range(last, -1, -1):
            gradient[f"layers.{i}.weight"] = g.T @ outputs[i]
            gradient[f"layers.{i}.bias"] = g.sum(0)
            g = (g @ weights[f"layers.{i}.weight"]) * (outputs[i] > 0)
        for k, w in weights.items():
            d = gradient[k] * mask.get(k, True) + params.weight_decay * w
            if params.optimizer == "adam":
                first[k] = 0.9 * first[k] + 0.1 * d
                second[k] = 0.999 * second[k] + 0.001 * d * d
                scaled = np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8
                w -= rate * first[k] / (1 - 0.9**step) / scaled
            else:
                first[k] = params.momentum * first[k] + d
                w -= rate * first[k]
    return weights, losses


def check(training: Training, tolerance: float = 2e-5) -> None:
    """Agreement with float64.

    Over many steps some unit's input comes so near 0 that rounding decides on which side: that
    moves the unit's weights by the gradient of one sample, and the layers above a little. So after
    many steps a tenth of a layer's weights may be further off; after one step, none.
    """
    before = {k: v.copy() for k, v in training.start.items()}
    result = engine.train(training, lambda _: None)
    expected, losses = reference(training)
    for name, value in result.weights.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(training.start[name], before[name])
        assert not value[~training.mask.get(name, np.ones(value.shape, bool))].any()
        error = np.abs(value - expected[name])
        assert error.max() < (tolerance if training.params.steps == 1 else 100 * tolerance), name
        assert np.quantile(error, 0.9) < tolerance, name
    last = 0
    for row in result.history:
        assert row.train_loss == pytest.approx(np.mean(losses[last : row.step]), abs=tolerance)
        last = row.step
    assert last == training.params.steps


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9, "lr": 0.02},
    "momentum and decay": {"optimizer": "sgd", "momentum": 0.9, "lr": 0.02, "weight_decay": 1e-3},
    "adam": {"optimizer": "adam", "lr": 1e-3},
    "adam and decay": {"optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-3},
    "momentum and drops": {
        "optimizer": "sgd",
        "momentum": 0.9,
        "lr": 0.05,
        "schedule": "step",
        "warmup": 30,
        "lr_drops": ((90, 0.2), (150, 0.02)),
    },
    "adam and a cosine": {"optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "warmup": 50},
    "sgd and a line": {"optimizer": "sgd", "lr": 0.1, "schedule": "linear"},
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("crossover", KERNELS.values(), ids=KERNELS)
def test_weights_agree_with_float64(
    optimizer: str, crossover: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "CROSSOVER", crossover)
    check(make(densities=(0.2, 0.6, 1.0), **OPTIMIZERS[optimizer]))


@pytest.mark.parametrize("density", [1.0, 0.8, 0.2, 0.1, 0.03, 0.001, 0.0])
def test_densities(density: float, kernel: str) -> None:
    check(make((300, 40, 10), (density, density), steps=100))


def test_one_weight_left_and_dead_rows_and_columns(kernel: str) -> None:
    start, mask = ticket((70, 33, 20, 10), (0.2, 0.3, 1.0))
    for name, kept in mask.items():
        if kept.ndim == 2:
            kept[::3] = False
            kept[:, ::4] = False
        start[name] = start[name] * kept
    only = np.zeros_like(mask["layers.1.weight"])
    only[4, 7] = True
    mask["layers.1.weight"] = only
    start["layers.1.weight"] = np.where(only, np.float32(0.5), np.float32(0))
    check(make(given=(start, mask), steps=100))


@pytest.mark.parametrize("size", [1, 7, 8, 9, 63, 64, 65])
def test_odd_sizes(size: int, kernel: str) -> None:
    check(make((size, size, 3), (0.7, 0.7), batch_size=9, steps=50))
    check(
        make((size, size, 3), (0.7, 0.7), batch_size=64, steps=50)
    )  # no room is left beside a batch's
    check(make((20, 11, size), (0.7, 1.0), steps=50))
    check(make((size, 5), (0.7,), steps=50))


@pytest.mark.parametrize("batch_size", [1, 7, 60, 64, 100, 140])
def test_batch_sizes(batch_size: int, kernel: str) -> None:
    check(make(batch_size=batch_size, steps=60, lr=0.02))


def test_float_images(kernel: str) -> None:
    images = np.random.default_rng(0).normal(size=(600, 70)).astype(np.float32)
    labels = digits(600, 70, 10).labels
    check(make(train=Split(images, labels), steps=60, lr=0.02))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    density=st.sampled_from([0.0, 0.05, 0.3, 0.7, 1.0]),
    batch_size=st.integers(1, 40),
    crossover=st.sampled_from(sorted(KERNELS.values())),
    seed=st.integers(0, 1000),
)
def test_one_step_is_the_dense_gradient(
    sizes: list[int], density: float, batch_size: int, crossover: float, seed: int
) -> None:
    shape = tuple(sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CROSSOVER", crossover)
        start = ticket(shape, (density,) * (len(sizes) - 1), seed)
        train = digits(50, sizes[0], sizes[-1], seed)
        check(make(shape, given=start, train=train, batch_size=batch_size, steps=1, lr=1.0))


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> list[Network]:
    """The networks that trainings lay out, as they leave them."""
    networks: list[Network] = []
    lay_out = engine.lay_out

    def watched(*args: Any, **kwargs: Any) -> Network:
        networks.append(lay_out(*args, **kwargs))
        return networks[-1]

    monkeypatch.setattr(engine, "lay_out", watched)
    return networks


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_moments_of_pruned_weights_are_zero(
    optimizer: str, kernel: str, laid_out: list[Network]
) -> None:
    engine.train(make(densities=(0.2, 0.3, 0.9), steps=20, **OPTIMIZERS[optimizer]), lambda _: None)
    (network,) = laid_out
    assert network.moment1.any()
    kept = np.unpackbits(network.kept.view(np.uint8), bitorder="little")
    for layer in network.layers:
        if layer["dense"]:  # a pruned layer has no place for what was pruned
            part = slice(layer["weights"], layer["weights"] + layer["count"])
            pruned = kept[part] == 0
            assert pruned.any()
            assert (
                not network.moment1[part][pruned].any() and not network.moment2[part][pruned].any()
            )


def logits_of(weights: Any, x: NDArray[Any]) -> NDArray[Any]:
    last = len(weights) // 2 - 1
    for i in range(last + 1):
        x = x @ weights[f"layers.{i}.weight"].T.astype(np.float64) + weights[f"layers.{i}.bias"]
        x = np.maximum(x, 0) if i < last else x
    return x


def test_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    others = digits(333, 70, 10, seed=7)
    training = make(validation=others, steps=120)
    result = engine.train(training, lambda _: None)
    assert [row.step for row in result.history] == [50, 100, 120]
    expected = logits_of(result.weights, others.images / 255.0)
    shifted = expected - expected.max(1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(333), others.labels]
    assert result.history[-1].validation_loss == pytest.approx(losses.mean(), rel=1e-6)
    assert result.history[-1].validation_accuracy == (expected.argmax(1) == others.labels).mean()
    for crossover in KERNELS.values():
        monkeypatch.setattr(layout, "CROSSOVER", crossover)
        loss, accuracy = engine.evaluate((70, 33, 20, 10), result.weights, training.mask, others)
        assert loss == pytest.approx(losses.mean(), rel=1e-6)
        assert accuracy == result.history[-1].validation_accuracy


@pytest.mark.parametrize("count", [1, 15, 16, 17, 63, 64, 65, 100, 130])
@pytest.mark.parametrize(("tile", "batch"), [(5, 64), (16, 96), (160, 64)])
@pytest.mark.parametrize("floats", [False, True])
def test_evaluation_in_tiles_and_partial_batches(
    count: int, tile: int, batch: int, floats: bool, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (engine, samples):
        monkeypatch.setattr(module, "EVALUATION_BATCH", batch)
    monkeypatch.setattr(layout, "TILE", tile)
    monkeypatch.setattr(layout, "PIXEL_TILE", tile)
    monkeypatch.setattr(layout, "SHORTEST_PART", 1)
    sizes = (189, 33, 7)
    weights, mask = ticket(sizes, (0.3, 0.6), seed=count)
    others = digits(count, 189, 7, seed=tile)
    if floats:
        others = Split((others.images / 255).astype(np.float32), others.labels)
    expected = logits_of(weights, others.images.astype(np.float64) / (1 if floats else 255))
    shifted = expected - expected.max(1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(count), others.labels]
    loss, accuracy = engine.evaluate(sizes, weights, Mask(mask), others)
    assert loss == pytest.approx(losses.mean(), rel=1e-5)
    assert accuracy == (expected.argmax(1) == others.labels).mean()


def test_tiled_layers_train_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "TILE", 16)
    monkeypatch.setattr(layout, "SHORTEST_PART", 1)
    monkeypatch.setattr(layout, "CROSSOVER", KERNELS["sparse"])
    check(make(densities=(0.3, 0.3, 0.5)))


@pytest.mark.parametrize("tile", [7, 35, 255])
def test_pixels_are_found_where_they_are(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "PIXEL_TILE", tile)
    monkeypatch.setattr(samples, "IMAGES_AT_A_TIME", 8)
    images = digits(50, 300, 10).images.astype(np.float32)
    images[3], images[4, 10], images[49, 299] = 0, np.nan, -1e-30
    images[5, 11] = -0.0
    starts, places, shades = samples.find_pixels(images)
    tiles = -(-300 // tile)
    number = np.repeat(np.arange(50 * tiles), np.diff(starts))
    back = np.zeros_like(images)
    back[number // tiles, number % tiles * tile + places[: len(number)]] = shades[: len(number)]
    np.testing.assert_array_equal(back, images)
    # compiled code takes 16 at a time
    assert len(places) == len(shades) == np.count_nonzero(images) + LANES
    check(make(densities=(0.9, 0.3, 1.0), steps=50))


def test_pixels_are_kept_while_their_split_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    find = samples.find_pixels
    monkeypatch.setattr(
        samples, "find_pixels", lambda images: found.append(len(images)) or find(images)
    )
    train, validation, others = (
        digits(600, 70, 10),
        digits(40, 70, 10, seed=1),
        digits(30, 70, 10, seed=2),
    )
    before = len(samples._pixels)
    with ThreadPoolExecutor(2) as pool:
        for split in (validation, others):
            trainings = [
                make(densities=(1.0, 1.0, 1.0), train=train, validation=split, steps=5)
            ] * 3
            list(pool.map(lambda training: engine.train(training, lambda _: None), trainings))
    assert sorted(found) == [30, 40, 600]
    assert len(samples._pixels) == before + 3
    engine.train(make(densities=(0.1, 0.3, 1.0), train=digits(20, 70, 10), steps=5), lambda _: None)
    assert len(found) == 3  # a pruned first layer takes whole images
    del train, validation, others, split, trainings
    gc.collect()
    assert len(samples._pixels) == before


def test_of_equal_logits_the_first_class_is_the_answer() -> None:
    weights = {
        "layers.0.weight": np.zeros((4, 3), np.float32),
        "layers.0.bias": np.array([0, 1, 1, 0], np.float32),
    }
    split = Split(np.zeros((4, 3), np.uint8), np.arange(4))
    assert engine.evaluate((3, 4), weights, Mask({}), split)[1] == 0.25


def test_the_same_bits_again_and_in_threads_and_whatever_the_evaluations(kernel: str) -> None:
    def train(**changes: Any) -> "history.Result":
        return engine.train(make(optimizer="adam", lr=1e-3, steps=500, **changes), lambda _: None)

    once = train()
    with ThreadPoolExecutor(2) as pool:
        others = [train(), *pool.map(lambda _: train(), range(2))]
    for other in others:
        assert other.history == once.history
    for other in (*others, train(evaluate_every=7)):
        assert all(
            other.weights[name].tobytes() == array.tobytes() for name, array in once.weights.items()
        )


def test_cancelling() -> None:
    def cancel(step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.train(make(), cancel)


def test_divergence_is_an_error(kernel: str) -> None:
    with pytest.raises(
        TrainingError,
        match=r"the training loss is .* at step 50 with train.lr 1e\+30; try a smaller one",
    ):
        run(make(lr=1e30))


def test_vanishing_moments_become_0(kernel: str, laid_out: list[Network]) -> None:
    """Pixels lit once leave moments that decay for thousands of steps; below 1e-38 a step would
    take far longer."""
    images = (digits(600, 70, 10).images / 255).astype(np.float32)
    images[:, :35] = 0
    images[0, :20], images[0, 20:35] = (
        1,
        1e-14,
    )  # whose squared gradients are next to nothing from the first
    train = Split(images, digits(600, 70, 10).labels)
    training = make(train=train, steps=47 * DUSTING, batch_size=4, optimizer="adam", lr=1e-4)
    result = engine.train(training, lambda _: None)
    assert all(np.isfinite(array).all() for array in result.weights.values())
    (network,) = laid_out
    for moments in (network.moment1, network.moment2):
        assert not np.any((moments != 0) & (np.abs(moments) < 1e-30))
    assert np.any((network.moment1 == 0) & (network.moment2 != 0))  # some did vanish


def test_what_compiled_code_would_not_check_is_refused() -> None:
    with pytest.raises(DataError, match="labels are 0 to 9, expected 0 to 4, the model's classes"):
        run(make((70, 5), (0.5,), train=digits(600, 70, 10)))
    with pytest.raises(
        DataError,
        match=r"an image has 70 values, of shape \(70,\), expected 64, the model's inputs",
    ):
        run(make((64, 10), (0.5,), train=digits(600, 70, 10)))


# ---- beside torch ----


@pytest.mark.parametrize(
    "optimizer",
    [pytest.param(one, marks=[] if one == "adam" else [pytest.mark.long]) for one in OPTIMIZERS],
)
@pytest.mark.parametrize("densities", [(1.0, 1.0, 1.0), (0.5, 0.6, 0.9), (0.1, 0.1, 0.5)])
def test_both_engines_give_the_same_training(optimizer: str, densities: tuple[float, ...]) -> None:
    """Invariant 14: losses along the whole curve, and weights over the first hundreds of steps."""
    training = make(densities=densities, evaluate_every=20, **OPTIMIZERS[optimizer])
    ours, theirs = (
        engine.train(training, lambda _: None) for engine in (sparse_engine, torch_engine)
    )
    for a, b in zip(ours.history, theirs.history, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-3)
        assert a.validation_loss == pytest.approx(b.validation_loss, rel=5e-3)
    for name in ours.weights:
        error = np.abs(ours.weights[name] - theirs.weights[name])
        assert np.quantile(error, 0.9) < 1e-4, name


def test_auto_takes_the_sparse_engine_where_it_can() -> None:
    from torch import nn

    module = ModuleModel("linear", lambda: nn.Sequential(nn.Linear(3, 2)), output="0")
    assert resolve(TrainParams(), MLP()).engine == "sparse"
    assert resolve(TrainParams(engine="torch"), MLP()).engine == "torch"
    assert resolve(TrainParams(threads=2), MLP()).engine == "torch"
    assert resolve(TrainParams(), module).engine == "torch"
    with pytest.raises(ParamsError) as refusal:
        resolve(TrainParams(engine="sparse", threads=2), module)
    assert str(refusal.value) == (
        "train.engine: is sparse, which trains MLPs on a cpu with one thread each; "
        "the model is no MLP, train.threads is 2"
    )


def test_engines_have_digests_of_their_own() -> None:
    assert make().digest != make(engine="torch").digest


# ---- other processors ----


def digest_of_trainings() -> str:
    """Of the weights and histories of networks whose layers are kept in both ways, in full blocks
    and in parts."""
    digest = hashlib.sha256()
    for sizes, densities, batch_size in (
        ((300, 130, 70, 10), (1.0, 0.6, 0.9), 60),
        ((300, 130, 70, 10), (0.2, 0.1, 0.5), 60),
        ((37, 20, 33, 7), (0.9, 0.2, 1.0), 33),
        ((209, 17, 5), (0.4, 0.05), 130),
    ):
        for optimizer in ("adam", "momentum and decay"):
            training = make(
                sizes, densities, batch_size=batch_size, steps=140, **OPTIMIZERS[optimizer]
            )
            result = engine.train(training, lambda _: None)
            digest.update(repr(result.history).encode())
            for name in sorted(result.weights):
                digest.update(result.weights[name].tobytes())
    return digest.hexdigest()


@pytest.mark.slow
@pytest.mark.skipif(not WIDE, reason="this processor has no AVX-512 to do without")
def test_processors_without_avx512_give_the_same_bits(tmp_path: Path) -> None:
    """What is computed at a time differs between them, but no sum's order."""
    program = (
        "import tests.test_engine_sparse as t; assert not t.WIDE; print(t.digest_of_trainings())"
    )
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2,+f16c",
    }
    environment["NUMBA_CACHE_DIR"] = str(tmp_path)
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, digest_of_trainings()), done.stderr


# ---- the cache of compiled code ----

TINY = """
from lthctl.training.sparse.kernels.compiling import cached

@cached
def answer(x: int) -> int:
    return x * {factor}
"""


def test_a_damaged_stale_or_unwritable_cache_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call() -> tuple[int, int]:
        """The answer of the compiled function, and how often it came from the cache."""
        sys.modules.pop("tiny", None)
        importlib.invalidate_caches()
        tiny = importlib.import_module("tiny")
        return tiny.answer(6), sum(tiny.answer.stats.cache_hits.values())

    def spoil(pattern: str, change: Callable[[bytes], bytes]) -> None:
        (file,) = (tmp_path / "cache").rglob(pattern)
        file.write_bytes(change(file.read_bytes()))

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "tiny.py").write_text(TINY.format(factor=7))
    assert call() == (42, 0)
    assert call() == (42, 1)
    for pattern, change in (
        ("*.nbi", lambda content: content[:-20]),
        ("*.nbi", lambda content: b""),
        ("*.nbc", lambda content: content[:-20]),
        ("*.nbc", lambda content: content[:-200] + bytes([content[-200] ^ 1]) + content[-199:]),
    ):
        spoil(pattern, change)
        assert call() == (42, 0), pattern
        assert call() == (42, 1)  # mended
    (tmp_path / "tiny.py").write_text(TINY.format(factor=70))
    assert call() == (420, 0)
    (tmp_path / "file").write_text("in which no folder can be made")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    assert call() == (420, 0)
    assert call() == (420, 0)


PACKAGE = {
    "__init__.py": "",
    "scaling.py": """
from lthctl.training.sparse.kernels.compiling import compiled

@compiled
def scale(x: int) -> int:
    return x * 7
""",
    "entry.py": """
from compiled_package.scaling import scale
from lthctl.training.sparse.kernels.compiling import cached

@cached
def answer(x: int) -> int:
    return scale(x)
""",
}


@pytest.mark.long
def test_a_change_in_another_file_is_compiled_again(tmp_path: Path) -> None:
    folder = tmp_path / "compiled_package"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    program = "from compiled_package.entry import answer; print(answer(6), sum(answer.stats.cache_hits.values()))"
    root = Path(__file__).parent.parent
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": f"{root}:{tmp_path}",
        "PYTHONDONTWRITEBYTECODE": "1",  # what changes within a second looks the same to it
    }

    def call() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    assert call() == "42 0\n"
    assert call() == "42 1\n"
    (folder / "scaling.py").write_text(PACKAGE["scaling.py"].replace("7", "70"))
    assert call() == "420 0\n"
    assert call() == "420 1\n"


def test_compiled_code_depends_on_every_file_of_its_folder_and_on_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kernels"
    source = Path(kernels.__file__).parent
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = _digest_of_folder(folder)
    assert before == _digest_of_folder(source)
    for file in sorted(folder.glob("*.py")):
        text = file.read_text()
        file.write_text(f"{text}# a comment\n")
        assert _digest_of_folder(folder) != before, file.name
        file.write_text(text)
    assert _digest_of_folder(folder) == before
    for compiler in (numba, llvmlite):
        with monkeypatch.context() as patch:
            patch.setattr(compiler, "__version__", "0.0.1")
            assert _digest_of_folder(folder) != before


def test_kernels_import_nothing_of_ours_from_outside_their_folder() -> None:
    """What they took from there could change without being compiled again."""
    for file in Path(kernels.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "."]
            for name in names:
                assert not name.startswith((".", "lthctl")) or name.startswith(
                    f"{kernels.__name__}."
                ), f"{file.name}: {name}"


@pytest.mark.slow
def test_the_kernels_themselves_survive_a_damaged_cache(tmp_path: Path) -> None:
    program = (
        "import tests.test_engine_sparse as t; training = t.make(steps=20); before = t.sparse_engine.is_compiled(training)\n"
        "weights = t.sparse_engine.train(training, lambda _: None).weights\n"
        "print(before, t.sparse_engine.is_compiled(training), weights['layers.0.weight'].tobytes().hex()[:4000])"
    )

    def results() -> list[str]:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        root = Path(__file__).parent.parent
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
        )
        return done.stdout.split()

    first = results()
    assert first[:2] == ["False", "True"]
    for file in (tmp_path / "cache").rglob("*.nbc"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert results() == first
    assert results() == ["True", "True", first[2]]
    shutil.rmtree(tmp_path / "cache")
    assert results() == first

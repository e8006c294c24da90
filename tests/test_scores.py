"""Every pruning method against an independent float64 computation; counts, nestedness, ties."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lthctl.artifacts.pruning import Pruning
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import MaskError, ParamsError, TrainingError
from lthctl.families import SCORES
from lthctl.lottery.asked import specify_pruning
from lthctl.lottery.find import find_ticket
from lthctl.lottery.pruning_round import prune_once
from lthctl.lottery.rates import kept_by_density, rates_of
from lthctl.lottery.scores import Score, ScoreContext, densities_by, scored_by
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.seeding import Stream

GRADIENTS = ("snip", "grasp", "synflow")


class Conv(nn.Module):
    """Two convolutions, normalization, dropout and a tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, stride=2)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 4, 3, stride=2)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(4 * 2 * 2, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.first(images.reshape(-1, 1, 12, 12))).tanh()
        return self.out(self.drop(self.second(hidden).relu().flatten(1)))


MLP_MODEL = MLP((9, 7, 6, 5))
CONV_MODEL = ModuleModel("conv", Conv, output="out")


def data_for(inputs: int, count: int = 230) -> Dataset:
    """Bytes with some columns that are always 0, as MNIST's corners are."""
    images = (Stream(3, "init").uniform((count, inputs)) * 256).astype(np.uint8)
    images[:, 0] = 0
    labels = (Stream(4, "init").words(count) % np.uint64(5)).astype(np.int64)
    return Dataset("made", Split(images, labels), Split(images[:9], labels[:9]))


def context_of(
    model: Model, *, density: float = 1.0, seed: int = 1, **changes: object
) -> ScoreContext:
    """That of a first round, or of a later one where weights are gone by chance."""
    inputs = 9 if isinstance(model, MLP) else 144
    dataset = data_for(inputs)
    init = model.draw(Stream(seed, "init"))
    shapes = model.prunable(biases=True)
    mask = Mask(
        {
            name: Stream(seed, "shuffle", i).uniform(shape) < density
            for i, (name, shape) in enumerate(shapes.items())
        }
    )
    given = ScoreContext(
        weights=mask.apply(init),
        initial=mask.apply(init),
        mask=mask,
        seed=seed,
        stream=Stream(seed, "prune", 1),
        get_model=lambda: model,
        get_dataset=lambda: dataset,
    )
    return replace(given, **changes)


def inputs_of(context: ScoreContext) -> tuple[np.ndarray, np.ndarray]:
    """What networks see of the sample, in float64."""
    images = context.sample.images.astype(np.float32) * np.float32(1 / 255)
    return images.astype(np.float64), context.sample.labels


def mlp_gradients(
    weights: Weights, images: np.ndarray, labels: np.ndarray, temperature: float
) -> dict[str, np.ndarray]:
    """Gradients of the mean cross-entropy of a ReLU network, by hand."""
    depth = len(weights) // 2
    layers = [(weights[f"layers.{i}.weight"], weights[f"layers.{i}.bias"]) for i in range(depth)]
    activations = [images]
    for i, (weight, bias) in enumerate(layers):
        hidden = activations[-1] @ weight.T + bias
        activations.append(np.maximum(hidden, 0) if i < depth - 1 else hidden / temperature)
    exponentials = np.exp(activations[-1] - activations[-1].max(1, keepdims=True))
    back = exponentials / exponentials.sum(1, keepdims=True)
    back[np.arange(len(labels)), labels] -= 1
    back /= len(labels) * temperature
    gradients = {}
    for i in reversed(range(depth)):
        gradients[f"layers.{i}.weight"] = back.T @ activations[i]
        gradients[f"layers.{i}.bias"] = back.sum(0)
        back = (back @ layers[i][0]) * (activations[i] > 0)
    return gradients


def as_float64(weights: Weights) -> dict[str, np.ndarray]:
    return {name: np.asarray(array, np.float64) for name, array in weights.items()}


def mlp_scores(method: str, context: ScoreContext) -> dict[str, np.ndarray]:
    """The same by NumPy alone."""
    weights = as_float64(context.weights)
    if method == "synflow":
        weights = {name: np.abs(array) for name, array in weights.items()}
        flow = np.ones(context.model.shapes()["layers.0.weight"][1])
        flows = [flow]
        for i in range(3):
            flow = weights[f"layers.{i}.weight"] @ flow + weights[f"layers.{i}.bias"]
            flows.append(flow)
        back, scores = np.ones(len(flow)), {}
        for i in reversed(range(3)):
            weight = weights[f"layers.{i}.weight"]
            scores[f"layers.{i}.weight"] = weight * np.outer(back, flows[i])
            scores[f"layers.{i}.bias"] = weights[f"layers.{i}.bias"] * back
            back = (back @ weight) * (flows[i] > 0)
        return scores
    images, labels = inputs_of(context)
    temperature = 200.0 if method == "grasp" else 1.0
    gradients = mlp_gradients(weights, images, labels, temperature)
    if method == "snip":
        return {name: np.abs(weights[name] * gradients[name]) for name in gradients}
    # The Hessian times the gradient as a difference of gradients along it.
    direction = {name: np.where(context.mask[name], gradients[name], 0) for name in gradients}
    step = 1e-6 / max(np.abs(array).max() for array in direction.values())
    ahead, behind = (
        mlp_gradients(
            {name: weights[name] + sign * step * direction[name] for name in weights},
            images,
            labels,
            temperature,
        )
        for sign in (1, -1)
    )
    return {name: weights[name] * (ahead[name] - behind[name]) / (2 * step) for name in gradients}


def torch_scores(method: str, context: ScoreContext) -> dict[str, np.ndarray]:
    """The same by torch's functional interface, and a difference instead of a Hessian."""
    module = context.model.build().double().eval()
    names = list(context.mask)
    state = {name: torch.from_numpy(np.array(array)) for name, array in context.weights.items()}
    state = {
        name: each.double() if each.is_floating_point() else each for name, each in state.items()
    }
    if method == "synflow":
        state = {name: each.abs() for name, each in state.items()}
    sizes = [state[name].numel() for name in names]
    flat = torch.cat([state[name].flatten() for name in names])
    kept = torch.cat([torch.from_numpy(np.array(context.mask[name])).flatten() for name in names])

    def outputs(vector: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        parts = dict(zip(names, vector.split(sizes), strict=True))
        shaped = {name: part.reshape(state[name].shape) for name, part in parts.items()}
        return torch.func.functional_call(module, state | shaped, images)

    images, labels = (torch.from_numpy(each) for each in inputs_of(context))

    def loss(vector: torch.Tensor) -> torch.Tensor:
        temperature = 200.0 if method == "grasp" else 1.0
        return cross_entropy(outputs(vector, images) / temperature, labels)

    if method == "synflow":
        ones = torch.ones((1, images.shape[1]), dtype=torch.float64)
        scores = flat * torch.func.grad(lambda vector: outputs(vector, ones).sum())(flat)
    elif method == "snip":
        scores = (flat * torch.func.grad(loss)(flat)).abs()
    else:
        # The Hessian times the gradient as a difference of gradients along it.
        direction = torch.func.grad(loss)(flat) * kept
        step = 1e-6 / direction.abs().max()
        ahead, behind = (torch.func.grad(loss)(flat + s * step * direction) for s in (1, -1))
        scores = flat * (ahead - behind) / (2 * step)
    parts = dict(zip(names, scores.split(sizes), strict=True))
    return {name: part.reshape(context.mask[name].shape).numpy() for name, part in parts.items()}


def agree(
    scores: dict[str, np.ndarray], expected: dict[str, np.ndarray], mask: Mask, tolerance: float
) -> None:
    assert scores.keys() == expected.keys() == set(mask)
    size = max(np.abs(array).max() for array in expected.values())
    assert size > 0
    for name, kept in mask.items():
        np.testing.assert_allclose(
            scores[name][kept], expected[name][kept], rtol=tolerance, atol=tolerance * size
        )


@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("method", GRADIENTS)
def test_of_an_mlp_they_are_what_numpy_computes(method: str, density: float) -> None:
    context = context_of(MLP_MODEL, density=density)
    tolerance = 1e-6 if method == "grasp" else 1e-12  # it is a difference here
    agree(scored_by(method, context), mlp_scores(method, context), context.mask, tolerance)


@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("method", GRADIENTS)
def test_of_a_module_they_are_what_torch_computes(method: str, density: float) -> None:
    context = context_of(CONV_MODEL, density=density)
    tolerance = 1e-6 if method == "grasp" else 1e-12
    agree(scored_by(method, context), torch_scores(method, context), context.mask, tolerance)


def test_magnitudes_are_of_the_weights_that_they_say() -> None:
    context = context_of(MLP_MODEL)
    trained = {name: array + np.float32(0.1) for name, array in context.initial.items()}
    context = replace(context, weights=trained)
    before, after = as_float64(context.initial), as_float64(trained)
    for name, scores in scored_by("magnitude-init", context).items():
        np.testing.assert_array_equal(scores, np.abs(before[name]))
    for name, scores in scored_by("magnitude-increase", context).items():
        np.testing.assert_allclose(scores, np.abs(after[name]) - np.abs(before[name]), atol=1e-7)
        assert (scores < 0).any()


def test_grasp_keeps_where_wang_keeps() -> None:
    """They score -w * Hg and remove the highest."""
    context = context_of(MLP_MODEL)
    theirs = {name: -array for name, array in mlp_scores("grasp", context).items()}
    pruning = pruning_of("grasp", scope="global")
    mask = prune_once(pruning, context, dict.fromkeys(context.mask, 0.3), 1).mask
    gone = np.concatenate([theirs[name][~kept] for name, kept in mask.items()])
    left = np.concatenate([theirs[name][kept] for name, kept in mask.items()])
    assert gone.min() >= left.max()


# ---- iterations, sizes, counts ----


def pruning_of(method: str, **changes: object) -> Pruning:
    given = {"ratio": 0.5, "rounds": 1, "seed": 1, "biases": True} | changes
    return Pruning(method=method, **given)


def rounds_of(pruning: Pruning, model: Model = MLP_MODEL) -> Iterator[tuple[Mask, Mask]]:
    """The masks before and after every round, of weights that change as training changes them."""
    context = context_of(model)
    rate = rates_of(model, model.prunable(biases=pruning.biases), pruning)
    mask = Mask.full(model.prunable(biases=pruning.biases))
    for number in range(1, pruning.rounds + 1):
        trained = model.draw(Stream(number, "reinit"))
        needs = SCORES.get(pruning.method).needs
        context = replace(
            context,
            weights=mask.apply(trained if needs == "trained" else context.initial),
            mask=mask,
            stream=Stream(1, "prune", number),
        )
        after = prune_once(pruning, context, rate, number).mask
        yield mask, after
        mask = after


@pytest.mark.usefixtures("few_iterations")
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("method", SCORES.names())
def test_counts_are_exact_and_masks_nested_under_every_method_and_scope(
    method: str, scope: str, biases: bool
) -> None:
    pruning = pruning_of(method, scope=scope, biases=biases, ratio=0.6, rounds=4)
    model = MLP((9, 14, 12, 5))
    shapes = model.prunable(biases=biases)
    rate = rates_of(model, shapes, pruning)
    for number, (before, after) in enumerate(rounds_of(pruning, model), start=1):
        assert after.is_nested_in(before) and set(after) == set(shapes)
        kept = {name: int(array.sum()) for name, array in after.items()}
        if method == "erk":
            assert kept == kept_by_density("erk", shapes, rate, number)
        elif scope == "layer":
            expected = {name: array.sum() for name, array in before.items()}
            expected = {name: n - round(rate[name] * n) for name, n in expected.items()}
            assert kept == expected
        else:
            (one,) = set(rate.values())
            assert after.num_kept == before.num_kept - round(one * before.num_kept)


@pytest.mark.long
def test_synflow_scores_anew_a_hundred_times() -> None:
    """Tanaka et al.'s loop by hand: after i of 100 iterations density^(i / 100) of the weights.

    Biases stay: a unit with one weight in, one out and no bias has two equal scores.
    """
    mask = Mask.full(MLP_MODEL.prunable(biases=False))
    context = replace(context_of(MLP_MODEL), mask=mask)
    kept = {name: np.ones(array.shape, bool) for name, array in context.mask.items()}
    total = sum(array.size for array in kept.values())
    for i in range(1, 101):
        masked = Mask(kept).apply(context.weights)
        scores = mlp_scores("synflow", replace(context, weights=masked))
        flat = np.concatenate([scores[name][kept[name]] for name in context.mask])
        goal = total - round((1 - 0.6 ** (i / 100)) * total)
        ranked = np.sort(flat)
        threshold = ranked[len(ranked) - goal]
        below = ranked[len(ranked) - goal - 1] if goal < len(ranked) else 0
        assert threshold - below > 1e-9 * threshold  # nothing hangs on rounding here
        kept = {name: kept[name] & (scores[name] >= threshold) for name in kept}
    pruning = pruning_of("synflow", scope="global", ratio=0.4)
    rate = dict.fromkeys(context.mask, 0.4)
    mask = prune_once(pruning, context, rate, 1).mask
    assert mask == Mask(kept) and SCORES.get("synflow").iterations == 100
    at_once = replace(SCORES.get("synflow"), iterations=1)
    with replaced("synflow", at_once):
        assert prune_once(pruning, context, rate, 1).mask != mask


@pytest.fixture
def few_iterations() -> Iterator[None]:
    """Of synflow: what is tested needs no hundred."""
    with replaced("synflow", replace(SCORES.get("synflow"), iterations=5)):
        yield


@contextmanager
def replaced(name: str, score: Score) -> Iterator[None]:
    before = SCORES.get(name)
    SCORES._members[name] = score
    try:
        yield
    finally:
        SCORES._members[name] = before


def test_synflow_reads_no_data() -> None:
    def none() -> Dataset:
        raise AssertionError("it reads the data")

    context = context_of(MLP_MODEL)
    assert scored_by("synflow", replace(context, get_dataset=none))
    conv = context_of(CONV_MODEL)
    other = Dataset(
        "x", *[Split(np.full_like(s.images, 7), s.labels) for s in [data_for(144).train] * 2]
    )
    first, second = (
        scored_by("synflow", c) for c in (conv, replace(conv, get_dataset=lambda: other))
    )
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


SHAPES = {
    "a.weight": (300, 784),
    "b.weight": (100, 300),
    "c.weight": (10, 100),
    "conv.weight": (16, 3, 3, 3),
}


@pytest.mark.parametrize(
    ("density", "dense"),
    [
        (0.2, {"c.weight", "conv.weight"}),
        (0.1, {"c.weight"}),
        (0.02, set()),
        (0.6, {"b.weight", "c.weight", "conv.weight"}),
        (1.0, set(SHAPES)),
    ],
)
def test_erk_has_its_authors_sizes(density: float, dense: set[str]) -> None:
    """Epsilon by hand once it is known which layers stay dense."""
    reached = densities_by("erk", SHAPES, density)
    assert reached is not None
    sizes = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
    total = sum(reached[name] * size for name, size in sizes.items())
    assert total == pytest.approx(density * sum(sizes.values()), rel=1e-12)
    assert {name for name, value in reached.items() if value == 1} == dense
    raw = {name: sum(SHAPES[name]) / sizes[name] for name in SHAPES}
    epsilons = [reached[name] / raw[name] for name in SHAPES if name not in dense]
    if epsilons:
        assert max(epsilons) == pytest.approx(min(epsilons), rel=1e-12)
        assert all(epsilons[0] * raw[name] > 1 for name in dense)


def test_erk_gives_a_bias_the_density_of_its_layer() -> None:
    shapes = MLP_MODEL.shapes()
    reached = densities_by("erk", shapes, 0.5)
    assert reached is not None
    assert reached["layers.0.bias"] == reached["layers.0.weight"] < 1
    total = sum(reached[name] * np.prod(shape) for name, shape in shapes.items())
    assert total == pytest.approx(0.5 * sum(np.prod(shape) for shape in shapes.values()))


def test_erk_has_no_scope_and_no_rate_of_the_output_layer(
    dataset: Dataset, train_params: TrainParams
) -> None:
    model = MLP((784, 30, 20, 10))
    plain = find_ticket(model, dataset, method="erk", rounds=3, train=train_params)
    asked = {"method": "erk", "ratio": 0.8, "rounds": 3, "seed": 1}
    other = specify_pruning(model, **asked, scope="global", output_factor=1.0)
    assert plain.specification.pruning == other and plain.name == "erk-r0.80-n3-s1"
    with pytest.raises(ParamsError, match="scope: is global, but method erk says itself"):
        find_ticket(model, dataset, **asked, scope="global", train=train_params)
    assert len(set(plain.rate.values())) == 1
    for after in plain.counts:
        for name, layer in after.layers.items():
            assert layer.actual == pytest.approx(layer.desired, abs=0.5 / layer.size), name
        assert after.actual == pytest.approx(after.desired, abs=1e-3)
    with pytest.raises(ParamsError, match="layer_ratio: excludes method erk"):
        find_ticket(model, dataset, method="erk", layer_ratio=[0.5, 0.5, 0.5], train=train_params)


# ---- nothing but its context decides ----


@pytest.mark.parametrize("model", [MLP_MODEL, CONV_MODEL], ids=["mlp", "module"])
@pytest.mark.parametrize("method", GRADIENTS)
def test_what_torch_was_set_to_changes_no_bit(method: str, model: Model) -> None:
    context = context_of(model)
    first = scored_by(method, context)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_default_dtype(torch.float16)
    torch.set_num_threads(threads + 1)
    try:
        with torch.no_grad():
            second = scored_by(method, context_of(model))
        assert torch.get_num_threads() == threads + 1
        assert torch.get_default_dtype() == torch.float16
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    for name, scores in first.items():
        assert scores.dtype == np.float64
        assert scores.tobytes() == second[name].tobytes()


@pytest.mark.usefixtures("few_iterations")
@pytest.mark.parametrize("method", SCORES.names())
def test_twice_the_same_ticket(
    method: str, dataset: Dataset, small_model: MLP, train_params: TrainParams
) -> None:
    both = [
        find_ticket(small_model, dataset, method=method, ratio=0.5, rounds=2, train=train_params)
        for _ in range(2)
    ]
    assert both[0].digest == both[1].digest
    assert (both[0].train is None) == (not SCORES.get(method).needs_training)


def test_every_method_has_words_and_colours_of_its_own() -> None:
    members = [SCORES.get(name) for name in SCORES.names()]
    for what in ("words", "colour", "page_colours"):
        assert len({getattr(member, what) for member in members}) == len(members)


# ---- bad input ----


class Half(Conv):
    """A layer that the forward pass leaves out, and one that is frozen, which is never pruned."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(3, 3)
        self.second.weight.requires_grad_(False)


class OwnTypes(Conv):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.to(torch.float32))


@pytest.mark.parametrize("method", GRADIENTS)
def test_a_layer_without_gradients_is_named(method: str) -> None:
    with pytest.raises(TrainingError) as refusal:
        scored_by(method, context_of(ModuleModel("half", Half, output="out")))
    assert str(refusal.value) == (
        f"method {method}: ['unused.bias', 'unused.weight'] have no gradient: they are frozen, or "
        "the network does not use them; mend the module, or choose a method that needs no "
        "gradients, such as l1"
    )


@pytest.mark.parametrize("method", GRADIENTS)
def test_a_module_that_cannot_be_float64_is_refused(method: str) -> None:
    with pytest.raises(TrainingError, match=f"method {method}: the network fails in float64"):
        scored_by(method, context_of(ModuleModel("types", OwnTypes, output="out")))


def own(function: Callable[[ScoreContext], object], **changes: object) -> Score:
    return Score(function, needs="nothing", **changes)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused_with_method_and_round(bad: float) -> None:
    def wild(context: ScoreContext) -> dict[str, np.ndarray]:
        return {name: np.full(kept.shape, bad) for name, kept in context.mask.items()}

    context = context_of(MLP_MODEL)
    rate = dict.fromkeys(context.mask, 0.5)
    with replaced("random", own(wild)), pytest.raises(MaskError) as refusal:
        prune_once(pruning_of("random"), context, rate, 3)
    assert str(refusal.value).startswith("method random, round 3: scores: ")


def test_a_layer_that_a_global_pruning_empties_is_named_with_its_round() -> None:
    def first_layer_last(context: ScoreContext) -> dict[str, np.ndarray]:
        return {
            name: np.full(kept.shape, float(name != "layers.0.weight"))
            for name, kept in context.mask.items()
        }

    pruning = pruning_of("random", scope="global", ratio=0.8, rounds=2)
    with replaced("random", own(first_layer_last)), pytest.raises(TrainingError) as refusal:
        list(rounds_of(pruning))
    assert str(refusal.value) == (
        "random-r0.80-n2-global-s1: round 1 leaves none of the 63 weights of 'layers.0.weight'; "
        "choose a lower ratio, or scope layer"
    )


def test_sizes_that_empty_a_layer_are_refused_beforehand(
    dataset: Dataset, train_params: TrainParams
) -> None:
    with pytest.raises(
        ParamsError, match=r"leaves none of the 15680 weights of 'layers.0.weight' after round 2"
    ):
        find_ticket(
            MLP((784, 20, 10)), dataset, method="erk", ratio=0.99999, rounds=2, train=train_params
        )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": 0.5}, "its densities are not of the prunable parameters"),
        ({"w": 1.5, "v": 0.5}, "its density of 'w' is 1.5, expected in [0, 1]"),
    ],
)
def test_densities_of_ones_own_are_checked(given: dict[str, float], said: str) -> None:
    score = own(lambda context: {}, densities=lambda shapes, density: given)
    with replaced("erk", score), pytest.raises(TrainingError) as refusal:
        densities_by("erk", {"w": (2, 2), "v": (2, 2)}, 0.5)
    assert said in str(refusal.value)


# ---- ties ----


def test_weights_that_go_by_position_are_counted() -> None:
    """The biases of a Glorot network are all 0: nothing but position tells them apart."""
    model = MLP((9, 7, 6, 5), "glorot")
    context = context_of(model)
    rate = dict.fromkeys(context.mask, 0.5)
    pruned = prune_once(pruning_of("magnitude-init"), context, rate, 1)
    assert pruned.tied == {"layers.0.bias": 4, "layers.1.bias": 3, "layers.2.bias": 2}
    assert pruned.mask["layers.0.bias"].tolist() == [True] * 3 + [False] * 4
    weights_only = replace(context, mask=Mask.full(model.prunable(biases=False)))
    assert not prune_once(pruning_of("magnitude-init"), weights_only, rate, 1).tied


def test_global_ties_go_by_the_order_of_the_mask() -> None:
    def same(context: ScoreContext) -> dict[str, np.ndarray]:
        return {name: np.ones(kept.shape) for name, kept in context.mask.items()}

    context = context_of(MLP_MODEL)
    rate = dict.fromkeys(context.mask, 0.1)
    with replaced("random", own(same)):
        pruned = prune_once(pruning_of("random", scope="global"), context, rate, 1)
    flat = np.concatenate([array.ravel() for array in pruned.mask.values()])
    count = round(0.1 * len(flat))
    assert flat.tolist() == [True] * (len(flat) - count) + [False] * count
    assert sum(pruned.tied.values()) == count

"""Dense products of the sparse engine: against float64, and their bits against the plain chains of
sums that its other kernels are."""

from typing import Any

import numpy as np
import pytest

from lthctl.datasets.base import Split
from lthctl.mask import Mask
from lthctl.training.sparse import engine, layout, samples
from tests.test_engine_sparse import check, digits, make, ticket

WALKED, WHOLE = 2.0, -1.0
"""Values of `layout.MOSTLY_LIT` by which a dense first layer takes pixels, or whole images."""


def trained(**changes: Any) -> tuple[Any, dict[str, bytes]]:
    result = engine.train(make(**changes), lambda _: None)
    return result.history, {name: array.tobytes() for name, array in result.weights.items()}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("batch", [1, 7, 60, 100, 130])
def test_whole_images_give_the_bits_of_their_pixels(
    batch: int, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"batch_size": batch, "optimizer": optimizer, "lr": 1e-3, "steps": 6}
    shape = {"sizes": (210, 75, 10), "densities": (0.6, 1.0)}
    results = []
    for bound in (WALKED, WHOLE):
        monkeypatch.setattr(layout, "MOSTLY_LIT", bound)
        results.append(trained(**shape, **settings, train=digits(600, 210, 10)))
    assert results[0] == results[1]


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (5, 70), (66, 3), (130, 200)])
@pytest.mark.parametrize("batch", [3, 64, 100])
def test_a_layer_in_full_gives_the_bits_of_its_survivors_forward_and_back(
    inputs: int, outputs: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one step the loss shows the products forward, and the layer below those back."""
    sizes = (20, inputs, outputs, 4)
    given = ticket(sizes, (1.0, 0.9, 1.0))
    results = []
    for crossover in (0.99, 0.0):  # of this layer only; the others keep all
        monkeypatch.setattr(layout, "CROSSOVER", crossover)
        history, weights = trained(
            sizes=sizes, given=given, batch_size=batch, steps=1, train=digits(200, 20, 4)
        )
        results.append((history[0].train_loss, weights["layers.0.weight"]))
    assert results[0] == results[1]


def test_images_are_taken_whole_where_most_pixels_are_lit() -> None:
    lit = Split(np.full((20, 9), 7, np.uint8), np.zeros(20, np.int64))
    assert samples.share_lit(lit) == 1
    assert samples.share_lit(digits(50, 70, 10)) < layout.MOSTLY_LIT
    start, _ = ticket((9, 5), (1.0,))
    shares = {0.2: 1, 0.9: 0}
    for share, pixels in shares.items():
        network = layout.lay_out((9, 5), start, Mask({}), 4, learning=True, lit=share)
        assert network.layers[0]["pixels"] == pixels


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60))
def test_a_step_of_a_network_of_any_size_is_the_dense_gradient(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers of 1 to 4,097 units, batches of 1 to 512."""
    random = np.random.default_rng(seed)
    sizes = [int(4097 ** random.random()) for _ in range(random.integers(2, 5))]
    sizes[random.integers(len(sizes))] = int(random.choice([1, 63, 1025, 4097]))
    for i in range(1, len(sizes)):  # no layer of more than a million weights
        sizes[i] = max(1, min(sizes[i], 1_000_000 // sizes[i - 1]))
    monkeypatch.setattr(layout, "MOSTLY_LIT", random.choice([WALKED, WHOLE]))
    densities = tuple(float(random.choice([0.1, 0.5, 1.0])) for _ in sizes[1:])
    shape, batch = tuple(sizes), int(random.choice([1, 32, 100, 333, 512]))
    train = digits(512, shape[0], shape[-1], seed)
    check(make(shape, given=ticket(shape, densities, seed), train=train, batch_size=batch,
               steps=1, lr=0.5))  # fmt: skip

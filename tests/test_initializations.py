"""First weights: their bounds and moments, beside the formulas of torch.nn.init."""

import math
from typing import get_args

import numpy as np
import pytest
import torch

from lthctl.errors import ParamsError
from lthctl.models.initializations import INITIALIZATIONS, orthogonal
from lthctl.models.mlp import MLP
from lthctl.parameter_types import Init
from lthctl.params import Params
from lthctl.seeding import Stream

FAN_OUT, FAN_IN = SHAPE = (300, 784)
RELU = torch.nn.init.calculate_gain("relu")

BOUNDS = {
    "uniform": 1 / math.sqrt(FAN_IN),
    "glorot-uniform": math.sqrt(6 / (FAN_IN + FAN_OUT)),
    "kaiming-uniform": RELU * math.sqrt(3 / FAN_IN),
}
DEVIATIONS = {
    **{name: bound / math.sqrt(3) for name, bound in BOUNDS.items()},
    "glorot": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "kaiming-normal": RELU / math.sqrt(FAN_IN),
    "orthogonal": 1 / math.sqrt(FAN_IN),  # 300 rows of norm 1
}
TORCH = {
    "uniform": lambda weights: torch.nn.init.kaiming_uniform_(weights, a=math.sqrt(5)),
    "glorot": torch.nn.init.xavier_normal_,
    "glorot-uniform": torch.nn.init.xavier_uniform_,
    "kaiming-normal": lambda weights: torch.nn.init.kaiming_normal_(weights, nonlinearity="relu"),
    "kaiming-uniform": lambda weights: torch.nn.init.kaiming_uniform_(weights, nonlinearity="relu"),
    "orthogonal": torch.nn.init.orthogonal_,
}


@pytest.fixture(scope="module")
def drawn() -> dict[str, dict[str, np.ndarray]]:
    return {name: MLP((FAN_IN, FAN_OUT, 10), name).draw(Stream(1, "init")) for name in DEVIATIONS}


def test_every_name_has_an_entry() -> None:
    assert tuple(INITIALIZATIONS) == get_args(Init)
    assert set(INITIALIZATIONS) == set(TORCH) == set(DEVIATIONS)


@pytest.mark.parametrize("name", DEVIATIONS)
def test_moments_are_those_of_the_formula_and_of_torch(name, drawn) -> None:
    weights = drawn[name]["layers.0.weight"].astype(np.float64)
    count = weights.size
    assert weights.shape == SHAPE
    assert abs(weights.mean()) < 4 * DEVIATIONS[name] / math.sqrt(count)
    assert weights.std() == pytest.approx(DEVIATIONS[name], rel=4 / math.sqrt(2 * count))
    torch.manual_seed(1)
    theirs = TORCH[name](torch.empty(SHAPE, dtype=torch.float64)).numpy()
    assert theirs.std() == pytest.approx(weights.std(), rel=0.01)


@pytest.mark.parametrize("name", BOUNDS)
def test_uniform_weights_fill_their_bounds_and_stay_within(name, drawn) -> None:
    weights = drawn[name]["layers.0.weight"]
    bound = np.float32(BOUNDS[name])
    assert -bound <= weights.min() < -0.999 * bound
    assert 0.999 * bound < weights.max() <= bound


@pytest.mark.parametrize("name", ["glorot", "kaiming-normal"])
def test_normal_weights_are_as_wide_as_the_normal_distribution(name, drawn) -> None:
    scaled = drawn[name]["layers.0.weight"] / DEVIATIONS[name]
    assert np.mean(np.abs(scaled) < 1) == pytest.approx(0.6827, abs=0.005)
    assert np.mean(np.abs(scaled) < 2) == pytest.approx(0.9545, abs=0.003)


@pytest.mark.parametrize("name", DEVIATIONS)
def test_biases_are_0_but_for_uniform(name, drawn) -> None:
    biases = drawn[name]["layers.0.bias"]
    assert (biases.shape, biases.dtype) == ((FAN_OUT,), np.float32)
    assert bool(biases.any()) == (name == "uniform")


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (40, 40), (1, 7), (7, 1), (1, 1)])
def test_orthogonal_is_the_q_of_a_positive_r(shape) -> None:
    found = orthogonal(Stream(3, "init"), shape)
    assert found.shape == shape
    small = found @ found.T if shape[0] <= shape[1] else found.T @ found
    assert np.abs(small - np.eye(min(shape))).max() < 1e-14
    tall = Stream(3, "init").normal((max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    assert np.abs((q if shape[0] >= shape[1] else q.T) - found).max() < 1e-11


def test_a_name_that_is_none_is_refused_with_all_that_are() -> None:
    with pytest.raises(
        ParamsError, match=r"--init: is 'xavier', expected 'uniform', 'glorot'.*'ort"
    ):
        Params().override({"model.init": "xavier"})

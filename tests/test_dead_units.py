"""Units under a mask, by hand."""

import numpy as np

from lthctl.mask import Mask
from lthctl.reporting.dead_units import HiddenLayer, units_of

FIRST = np.array(
    [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]], np.bool_
)  # unit 1 gets nothing, inputs 1 and 3 give nothing
SECOND = np.array([[1, 1, 0], [0, 1, 0]], np.bool_)  # unit 2 leads nowhere


def test_inputs_and_hidden_units_are_counted() -> None:
    mask = Mask(
        {"layers.0.weight": FIRST, "layers.1.weight": SECOND, "layers.0.bias": np.ones(3, np.bool_)}
    )
    units = units_of(mask)
    assert units is not None
    assert units.weights_per_input.tolist() == [2, 0, 1, 0]
    assert units.num_dead_inputs == 2
    assert units.hidden == (
        HiddenLayer("layers.0.weight", 3, without_incoming=1, without_outgoing=1, dead=2),
    )


def test_a_unit_that_lacks_both_is_dead_once() -> None:
    mask = Mask({"layers.0.weight": FIRST, "layers.1.weight": np.array([[1, 0, 1]], np.bool_)})
    units = units_of(mask)
    assert units is not None
    assert units.hidden == (
        HiddenLayer("layers.0.weight", 3, without_incoming=1, without_outgoing=1, dead=1),
    )


def test_a_dense_mask_leaves_none_out() -> None:
    units = units_of(Mask.full({"layers.0.weight": (3, 4), "layers.1.weight": (2, 3)}))
    assert units is not None
    assert units.num_dead_inputs == 0
    assert [layer.dead for layer in units.hidden] == [0]


def test_one_layer_has_inputs_only() -> None:
    units = units_of(Mask({"layers.0.weight": FIRST}))
    assert units is not None
    assert units.hidden == ()
    assert units.to_json() == {"weights_per_input": [2, 0, 1, 0], "dead_inputs": 2, "hidden": []}


def test_other_networks_are_not_guessed_at() -> None:
    assert units_of(Mask({})) is None
    assert units_of(Mask.full({"conv.weight": (3, 1, 5, 5), "fc.weight": (10, 75)})) is None
    assert units_of(Mask.full({"layers.0.weight": (3, 1, 5, 5)})) is None
    assert units_of(Mask.full({"layers.0.weight": (3, 4), "layers.1.weight": (2, 5)})) is None

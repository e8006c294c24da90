"""Units under a mask, by hand."""

import numpy as np
import pytest

from lthctl.mask import Mask
from lthctl.reporting.dead_units import HiddenLayer, channels_of, units_of

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


def masks_of_a_small_conv_net() -> dict[str, np.ndarray]:
    """Convolutions of 4 and 3 channels, then a layer of 2 units over maps of 2 x 2; all kept."""
    return {
        "conv1.weight": np.ones((4, 1, 3, 3), bool),
        "conv1.bias": np.ones(4, bool),
        "conv2.weight": np.ones((3, 4, 3, 3), bool),
        "fc.weight": np.ones((2, 12), bool),
    }


def test_channels_without_weights_are_counted() -> None:
    """A channel that is laid out flat has four columns of the layer after it."""
    arrays = masks_of_a_small_conv_net()
    arrays["conv1.weight"][0] = False  # nothing goes into the first channel,
    arrays["conv2.weight"][:, 3] = False  # and nothing of the last goes on
    arrays["fc.weight"][:, 4:8] = False  # nor does anything of the second of the next
    counts = [
        (layer.layer, layer.num_units, layer.without_incoming, layer.without_outgoing, layer.dead)
        for layer in channels_of(Mask(arrays), "conv2")
    ]
    assert counts == [("conv1.weight", 4, 1, 1, 2), ("conv2.weight", 3, 0, 1, 1)]


@pytest.mark.parametrize("network", ["resnet20", "mynets:conv", "convs:net"])
def test_what_goes_on_is_not_guessed(network: str) -> None:
    """In a residual network a channel goes on past the next layer."""
    arrays = masks_of_a_small_conv_net()
    arrays["conv1.weight"][0] = False
    arrays["conv2.weight"][:, 3] = False
    first, *_ = channels_of(Mask(arrays), network)
    assert (first.without_incoming, first.without_outgoing, first.dead) == (1, None, 1)


def test_layers_are_in_the_order_of_their_numbers() -> None:
    names = ["conv10.weight", "conv2.weight", "conv1.weight"]
    mask = Mask({name: np.ones((1, 1, 3, 3), bool) for name in names})
    assert [layer.layer for layer in channels_of(mask, "vgg11")] == ["conv1.weight", "conv2.weight"]
    assert channels_of(Mask({"layers.0.weight": np.ones((2, 2), bool)}), "2-2") == ()

"""What a mask leaves of a network's units: of an MLP's inputs and hidden units, and of the channels
of other networks. Knows masks only, and which networks are a chain of layers."""

from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray

from lthctl.artifacts.names import layer_order
from lthctl.canonical import Json
from lthctl.mask import Bools, Mask


@dataclass(frozen=True)
class HiddenLayer:
    """How many units of a hidden layer are cut off; biases do not count.

    Attributes:
      layer: name of the parameter that leads into it.
      num_units: its size.
      without_incoming: units with no surviving weight from the layer before; they give a constant.
      without_outgoing: units with no surviving weight to the layer after; what they give reaches
        nothing. None where nobody knows which layer comes after.
      dead: units of which at least one of both is true.
    """

    layer: str
    num_units: int
    without_incoming: int
    without_outgoing: int | None
    dead: int


@dataclass(frozen=True)
class Units:
    """What a mask leaves of an MLP's units.

    Attributes:
      weights_per_input: surviving weights of every input, shape (inputs,).
      hidden: the hidden layers in order.
    """

    weights_per_input: NDArray[np.int64]
    hidden: tuple[HiddenLayer, ...]

    @property
    def num_dead_inputs(self) -> int:
        """Inputs with no surviving weight."""
        return int(np.count_nonzero(self.weights_per_input == 0))

    def to_json(self) -> Json:
        return {
            "weights_per_input": self.weights_per_input.tolist(),
            "dead_inputs": self.num_dead_inputs,
            "hidden": [vars(layer) for layer in self.hidden],
        }


def units_of(mask: Mask) -> Units | None:
    """Inputs and hidden units under a mask.

    Args:
      mask: of an MLP, with parameters `layers.<i>.weight` of shape (outputs, inputs).

    Returns:
      None where the mask is not that of a chain of such layers.
    """
    names: list[str] = []
    for index in count():
        if (name := f"layers.{index}.weight") not in mask or mask[name].ndim != 2:
            break
        names.append(name)
    if not names or any(
        mask[name].shape[0] != mask[after].shape[1] for name, after in pairwise(names)
    ):
        return None
    hidden = tuple(_hidden(name, mask[name], mask[after]) for name, after in pairwise(names))
    return Units(np.count_nonzero(mask[names[0]], axis=0).astype(np.int64), hidden)


def _hidden(name: str, incoming: Bools, outgoing: Bools | None) -> HiddenLayer:
    """Counts of a layer; `outgoing` has a row for each unit of the layer after, or is None."""
    no_incoming = ~np.any(incoming.reshape(len(incoming), -1), axis=1)
    if outgoing is None:
        dead = int(np.count_nonzero(no_incoming))
        return HiddenLayer(name, no_incoming.size, dead, None, dead)
    # A channel that is laid out flat has as many columns as its map has places.
    by_unit = outgoing.reshape(len(outgoing), no_incoming.size, -1)
    no_outgoing = ~np.any(by_unit, axis=(0, 2))
    dead = no_incoming | no_outgoing
    return HiddenLayer(
        name,
        dead.size,
        *(int(np.count_nonzero(units)) for units in (no_incoming, no_outgoing, dead)),
    )


CHAINS = ("lenet5", "conv", "vgg")
"""What the names of built-in networks begin with whose layers come one after the other. In others,
such as residual networks, what a channel gives may go on past the next layer."""


def channels_of(mask: Mask, network: str) -> tuple[HiddenLayer, ...]:
    """The channels and units of a network with convolutions, layer by layer, without the output.

    Args:
      mask: of the network. Layers are its parameters of two dimensions or more, (outputs, inputs,
        ...), in the order of their names.
      network: its name. Only of built-in chains it is known what comes after a layer.

    Returns:
      Empty where no layer has a kernel.
    """
    names = [
        name
        for name in sorted(mask, key=layer_order)
        if name.endswith(".weight") and mask[name].ndim >= 2
    ]
    if not any(mask[name].ndim > 2 for name in names):
        return ()
    is_chain = ":" not in network and network.startswith(CHAINS)
    return tuple(
        _hidden(name, mask[name], mask[after] if is_chain else None)
        for name, after in pairwise(names)
    )

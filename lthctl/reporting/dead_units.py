"""What a mask leaves of an MLP's units: inputs, and hidden units without weights. Knows masks
only."""

from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray

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
        nothing.
      dead: units of which at least one of both is true.
    """

    layer: str
    num_units: int
    without_incoming: int
    without_outgoing: int
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


def _hidden(name: str, incoming: Bools, outgoing: Bools) -> HiddenLayer:
    no_incoming, no_outgoing = ~np.any(incoming, axis=1), ~np.any(outgoing, axis=0)
    dead = no_incoming | no_outgoing
    return HiddenLayer(
        name,
        dead.size,
        *(int(np.count_nonzero(units)) for units in (no_incoming, no_outgoing, dead)),
    )

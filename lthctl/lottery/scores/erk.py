"""erk: any weights go, but the layers have the sizes of an Erdos-Renyi kernel.

Source: Evci et al., "Rigging the Lottery: Making All Tickets Winners", ICML 2020, after Mocanu et
al., Nature Communications 2018. The density of a layer is proportional to the sum of its dimensions
over their product, so small layers keep more. Biases, which they never prune, have the density of
their layer here.
"""

import math
from collections.abc import Mapping

from lthctl.lottery.scores import random
from lthctl.lottery.scores.base import Score
from lthctl.mask import Shapes


def densities(shapes: Shapes, density: float) -> Mapping[str, float]:
    """The density of every parameter, in [0, 1].

    Where that of a layer would be above 1, the layer stays dense, and the others share the rest, as
    in the authors' code.

    Args:
      shapes: the prunable parameters, name -> shape.
      density: of all of them together, in (0, 1].
    """
    layer_of = {name: _layer(name, shapes) for name in shapes}
    sizes = dict.fromkeys(layer_of.values(), 0)
    for name, layer in layer_of.items():
        sizes[layer] += math.prod(shapes[name])
    raw = {layer: sum(shapes[layer]) / math.prod(shapes[layer]) for layer in sizes}
    reached = dict.fromkeys(sizes, 1.0)
    sparse = set(sizes)
    while sparse:
        wanted = density * sum(sizes.values())
        wanted -= sum(size for layer, size in sizes.items() if layer not in sparse)
        epsilon = wanted / sum(raw[layer] * sizes[layer] for layer in sizes if layer in sparse)
        largest = max(raw[layer] for layer in sparse)
        if epsilon * largest <= 1:
            reached |= {layer: epsilon * raw[layer] for layer in sparse}
            break
        sparse = {layer for layer in sparse if raw[layer] < largest}
    return {name: reached[layer] for name, layer in layer_of.items()}


def _layer(name: str, shapes: Shapes) -> str:
    """The weights whose density a parameter has: a bias that of its layer."""
    weight = name.removesuffix("bias") + "weight"
    return weight if name.endswith("bias") and weight in shapes else name


ERK = Score(
    random.score,
    needs="nothing",
    densities=densities,
    words="by chance, Erdos-Renyi sizes",
    colour="#e6a100",
    page_colours=("#c08a00", "#ffd166"),
)

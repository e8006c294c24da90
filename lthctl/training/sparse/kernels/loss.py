"""Cross-entropy, its gradient, and the correct answers of a batch."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lthctl.training.sparse.kernels.compiling import compiled, inlined
from lthctl.training.sparse.kernels.network import Network
from lthctl.training.sparse.kernels.processor import LANES
from lthctl.training.sparse.kernels.strips import find_panel, padded
from lthctl.training.sparse.kernels.vectors import (
    add,
    divide,
    highest,
    load,
    multiply_add,
    power_of_two,
    spread,
    store,
    subtract,
    times,
)

ROUNDING = 1.5 * 2**23  # a float32 this large has no fraction: adding it rounds to a whole number


@inlined
def exponential(x: Any) -> Any:
    """exp(x) for x <= 0, to float32's rounding; never denormal."""
    x = highest(x, spread(np.float32(-87)))
    shifted = multiply_add(x, spread(np.float32(1 / math.log(2))), spread(np.float32(ROUNDING)))
    n = subtract(shifted, spread(np.float32(ROUNDING)))
    r = multiply_add(n, spread(np.float32(-0.693359375)), x)  # ln 2 in two parts
    r = multiply_add(n, spread(np.float32(0.693359375 - math.log(2))), r)
    series = spread(np.float32(1 / 5040))
    series = multiply_add(series, r, spread(np.float32(1 / 720)))
    series = multiply_add(series, r, spread(np.float32(1 / 120)))
    series = multiply_add(series, r, spread(np.float32(1 / 24)))
    series = multiply_add(series, r, spread(np.float32(1 / 6)))
    series = multiply_add(series, r, spread(np.float32(1 / 2)))
    series = multiply_add(series, r, spread(np.float32(1)))
    series = multiply_add(series, r, spread(np.float32(1)))
    return times(series, power_of_two(shifted))


@compiled
def losses(
    network: Network, labels: NDArray[np.int64], order: NDArray[np.int64], learning: bool
) -> tuple[float, int]:
    """Summed cross-entropy and correct answers of a batch; learning, also the mean's gradient."""
    layer = network.layers[-1]
    classes, batch = layer.outputs, len(order)
    panels = padded(batch) // LANES
    total, correct = 0.0, 0
    share = np.float32(1 / batch)
    for panel in range(panels):
        first = panel * LANES
        at, step = find_panel(panel, panels, padded(classes))
        logits, gradient = (
            network.activations[layer.results + at :],
            network.gradients[layer.results + at :],
        )
        top, norm = load(logits, 0), spread(np.float32(0))
        for k in range(step, classes * step, step):
            top = highest(top, load(logits, k))
        for k in range(0, classes * step, step):
            power = exponential(subtract(load(logits, k), top))
            norm = add(norm, power)
            if learning:
                store(gradient, k, power)
        tops, norms = network.products, network.products[LANES:]
        store(tops, 0, top)
        store(norms, 0, norm)
        if learning:
            scale = divide(spread(share), norm)
            for k in range(0, classes * step, step):
                store(gradient, k, times(load(gradient, k), scale))
        for lane in range(min(LANES, batch - first)):
            label = labels[order[first + lane]]
            logit = logits[label * step + lane]
            total += math.log(norms[lane]) + (tops[lane] - logit)
            if learning:
                gradient[label * step + lane] -= share
            elif logit == tops[lane]:
                tied = 0
                for i in range(label):
                    tied += logits[i * step + lane] == logit
                correct += tied == 0
        if learning:
            for k in range(0, classes * step, step):
                for lane in range(batch - first, LANES):
                    gradient[k + lane] = 0
    return total, correct

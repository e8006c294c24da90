"""What Python calls: many training steps, or the evaluation of many images, in one go."""

import math

import numpy as np
from numpy.typing import NDArray

from lthctl.training.sparse.kernels.backward import backward, backward_first
from lthctl.training.sparse.kernels.compiling import cached
from lthctl.training.sparse.kernels.forward import forward
from lthctl.training.sparse.kernels.loss import losses
from lthctl.training.sparse.kernels.network import Examples, Network
from lthctl.training.sparse.kernels.optimizer import BETA1, BETA2, DUSTING, EPSILON, Rule, dust
from lthctl.training.sparse.kernels.pixels import read_batch
from lthctl.training.sparse.kernels.processor import LANES
from lthctl.training.sparse.kernels.strips import padded


@cached
def train(
    network: Network,
    examples: Examples,
    order: NDArray[np.int64],
    first_step: int,
    adam: bool,
    rates: NDArray[np.float64],
    momentum: float,
    weight_decay: float,
    batch_losses: NDArray[np.float64],
) -> None:
    """One step per row of `order`, with its learning rate; the optimizer's steps count from 1."""
    batch = order.shape[1]
    panels = padded(batch) // LANES
    read_batch(network, examples, order[0], panels)
    for i in range(len(order)):
        step, rate = first_step + i, rates[i]
        rule = Rule(
            adam,
            np.float32(-rate / (1 - BETA1**step) if adam else -rate),
            np.float32(1 / math.sqrt(1 - BETA2**step)),
            np.float32(momentum),
            np.float32(weight_decay),
            np.float32(1 - BETA1),  # rounded only here: in float32 1 - 0.999 is off by 1e-5
            np.float32(BETA2),
            np.float32(1 - BETA2),
            np.float32(EPSILON),
        )
        for number in range(len(network.layers)):
            forward(network, number, batch)
        total, _ = losses(network, examples.labels, order[i], True)
        batch_losses[i] = total / batch
        for number in range(len(network.layers) - 1, 0, -1):
            backward(network, number, batch, rule)
        backward_first(network, examples, order[i + 1 : i + 2], batch, rule)
        if step % DUSTING == 0:
            dust(network.moment1)
            dust(network.moment2)


@cached
def evaluate(
    network: Network,
    examples: Examples,
    all_images: NDArray[np.int64],
    batch: int,
) -> tuple[float, int]:
    """Summed cross-entropy and correct answers of the images in `order`."""
    total, correct = 0.0, 0
    for begin in range(0, len(all_images), batch):
        order = all_images[begin : begin + batch]
        panels = padded(len(order)) // LANES
        read_batch(network, examples, order, panels)
        for number in range(len(network.layers)):
            forward(network, number, len(order))
        loss, right = losses(network, examples.labels, order, False)
        total += loss
        correct += right
    return total, correct

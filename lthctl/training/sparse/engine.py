"""The sparse engine: MLPs on a CPU, trained at the cost of the weights that are left.

Weights of a pruned layer are kept by what survived, those of a denser one in full (`layout`). A
training needs memory for its weights and one batch: 4.4 MB dense and 0.8 MB at 97 % sparsity for
784-300-100-10 and batches of 60; the images are shared (`samples`). The arithmetic is in `kernels`.
"""

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numba
import numpy as np

from lthctl.datasets.base import Split
from lthctl.errors import ParamsError
from lthctl.mask import Mask, Weights
from lthctl.models.mlp import MLP
from lthctl.training.history import Result, Row
from lthctl.training.schedules import rates
from lthctl.training.sparse.filling import weights_of
from lthctl.training.sparse.kernels import steps
from lthctl.training.sparse.layout import lay_out
from lthctl.training.sparse.samples import EVALUATION_BATCH, Samples, share_lit
from lthctl.training.spec import OnStep, Training

CALL_SECONDS = 0.1  # of training in one compiled call, so that it can be cancelled

CALL_INDICES = 1 << 16  # samples in one compiled call at the most


def train(training: Training, on_step: OnStep) -> Result:
    """Run a training of an MLP; see `lthctl.training.engines.run`."""
    params = training.params
    batch = max(params.batch_size, EVALUATION_BATCH)
    sizes = _sizes(training)
    lit = share_lit(training.dataset.train)
    network = lay_out(sizes, training.start, training.mask, batch, learning=True, lit=lit)
    splits = (training.dataset.train, training.dataset.validation, training.dataset.test)
    samples, *evaluated = [Samples(split, network) for split in splits if split is not None]
    order = training.batch_order()
    history: list[Row] = []
    step = last_row = training.first_step
    count, loss_sum = 1, 0.0
    while step < training.end:
        count = min(
            count, training.end - step, params.evaluate_every - step % params.evaluate_every
        )
        losses = np.empty(count)
        began = time.perf_counter()
        steps.train(
            network,
            samples.examples,
            order.batches(step, count),
            step - training.first_step + 1,
            params.optimizer == "adam",
            rates(params, step, count),
            params.momentum,
            params.weight_decay,
            losses,
        )
        seconds = time.perf_counter() - began
        step += count
        # One after another, so that `count`, which depends on the clock, leaves no trace.
        for loss in losses:
            loss_sum += float(loss)
        if step % params.evaluate_every == 0 or step == training.end:
            mean = loss_sum / (step - last_row)
            if not math.isfinite(mean):
                raise FloatingPointError(f"the training loss is {mean} at step {step}")
            scores = [
                value
                for split in evaluated
                for value in split.evaluate(network, partial(on_step, step))
            ]
            history.append(Row(step, mean, *scores))
            loss_sum, last_row = 0.0, step
        on_step(step)
        fitting = int(count * CALL_SECONDS / max(seconds, 1e-9))
        count = max(1, min(2 * count, fitting, CALL_INDICES // params.batch_size))
    return Result(weights_of(network), tuple(history))


def evaluate(
    sizes: Sequence[int], weights: Weights, mask: Mask, split: Split
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of an MLP over a split; of equal logits the first class is
    the answer.

    Args:
      sizes: of the MLP's layers.
      weights: name -> array, already multiplied by the mask.
      mask: which of them may be anything but 0.
      split: images and labels.
    """
    lit = share_lit(split)
    network = lay_out(sizes, weights, mask, EVALUATION_BATCH, learning=False, lit=lit)
    return Samples(split, network).evaluate(network, lambda: None)


def is_compiled(training: Training) -> bool:
    """Whether a training starts at once, and not after some twenty seconds of compiling."""
    for dispatcher, arguments in _smallest_calls(training):
        signature = tuple(numba.typeof(value) for value in arguments)
        if signature not in dispatcher.overloads:
            cache = getattr(dispatcher, "_cache", None)
            if cache is None or cache.load_overload(signature, dispatcher.targetctx) is None:
                return False
    return True


def compile_for(training: Training) -> None:
    """Compile the kernels that a training needs, and keep them for the next process where there is
    a place."""
    for dispatcher, arguments in _smallest_calls(training):
        dispatcher(*arguments)


def _smallest_calls(training: Training) -> list[tuple[Any, tuple[Any, ...]]]:
    """The kernels that Python calls, with arguments of the types that a training has: a network of
    one weight."""
    start = {
        "layers.0.weight": np.zeros((1, 1), np.float32),
        "layers.0.bias": np.zeros(1, np.float32),
    }
    network = lay_out((1, 1), start, Mask({}), 1, learning=True)
    train = training.dataset.train
    dtype = train.images.dtype if train.levels is None else train.levels.dtype
    images = np.zeros((1, 1), dtype)
    examples = Samples(Split(images, np.zeros(1, np.int64)), network).examples
    step = np.zeros((1, 1), np.int64), 1, True, np.zeros(1), 0.1, 0.1, np.zeros(1)
    return [
        (steps.train, (network, examples, *step)),
        (steps.evaluate, (network, examples, step[0][0], 1)),
    ]


def _sizes(training: Training) -> tuple[int, ...]:
    if not isinstance(training.model, MLP):
        raise ParamsError("train.engine: is sparse, which trains MLPs; the model is no MLP")
    return training.model.layers

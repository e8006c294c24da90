"""The reference engine: any torch module, on any device.

The dataset is one tensor on the device, and batches are gathered by index. `images` says how a
batch becomes what the network sees, `masked_optimizer` how a step is taken, `evaluation` what an
evaluation is, and `state` what a checkpoint holds.
"""

import math
import time
from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn.functional import cross_entropy

from lthctl.library_settings import same_sums, torch_defaults
from lthctl.models.base import state_of
from lthctl.models.mlp import MLP
from lthctl.models.network import Network
from lthctl.models.sharing import load_weights
from lthctl.training.dense.determinism import own_generator, torch_threads
from lthctl.training.dense.device_errors import explained
from lthctl.training.dense.evaluation import evaluate_network
from lthctl.training.dense.images import TrainingInputs, on_device
from lthctl.training.dense.masked_optimizer import MaskedOptimizer
from lthctl.training.dense.memory_format import for_device
from lthctl.training.dense.state import TrainingState
from lthctl.training.history import Result, Row, steps_evaluated
from lthctl.training.resources import Resources
from lthctl.training.schedules import factors
from lthctl.training.spec import OnStep, Training

STEPS_PER_REPORT = 50

SECONDS_PER_REPORT = 1.0  # so that a deep network, too, is soon seen to move, and soon ended


def train(training: Training, on_step: OnStep, resources: Resources | None = None) -> Result:
    """Run a training; see `lthctl.training.engines.run`."""
    resources = resources or Resources()
    device = torch.device(resources.device or training.params.device)
    # A module of one's own may draw from torch's generator (dropout), of which a process has one:
    # then trainings must not overlap.
    alone = nullcontext() if _draws_nothing(training) else own_generator(training.seed, device)
    on_gpu = nullcontext() if device.type == "cpu" else same_sums()
    settings = torch_threads(training.params.threads)
    with explained(training, device), torch_defaults(), on_gpu, alone, settings:
        return _train(training, device, on_step, resources)


def _train(
    training: Training, device: torch.device, on_step: OnStep, resources: Resources
) -> Result:
    params, dataset = training.params, training.dataset
    network = training.model.build().to(device)
    load_weights(network, training.start)
    inputs = TrainingInputs(training, device)
    network = for_device(network, device, params.precision, inputs.first_two)
    optimizer = MaskedOptimizer(network, training.mask, params)
    in_precision = _arithmetic(params.precision, device)
    evaluated = [
        on_device(split, device)
        for split in (dataset.validation, dataset.test)
        if split is not None
    ]
    order = training.batch_order()
    exact = (
        torch.float32 if device.type == "mps" else torch.float64
    )  # of which Apple's GPUs have none
    loss_sum = torch.zeros((), dtype=exact, device=device)
    network.train()
    state = TrainingState(
        network, optimizer.torch, loss_sum, device, draws=not _draws_nothing(training)
    )
    kept = state.restored_from(resources.checkpoints)
    step, history = (kept.step, list(kept.history)) if kept else (training.first_step, [])
    if kept:
        on_step(step)
    next_report = time.monotonic() + SECONDS_PER_REPORT
    between = steps_evaluated(params, step, training.end)
    for last in (*between, training.end):
        batches = torch.from_numpy(order.batches(step, last - step)).to(device)  # (steps, batch)
        factor = factors(params, step, last - step)
        draws = inputs.draws(step, last - step)
        for batch, draw, factor_now in zip(batches, draws, factor, strict=True):
            step += 1
            with in_precision:
                outputs = network(inputs.of(batch, draw))
            if outputs.dtype == torch.bfloat16:
                outputs = outputs.float()
            wanted = inputs.labels[batch]
            loss = cross_entropy(outputs, wanted, label_smoothing=params.label_smoothing)
            optimizer.step(loss, float(factor_now))
            loss_sum += loss.detach()
            is_due = step % STEPS_PER_REPORT == 0 or time.monotonic() > next_report
            if is_due and step < last:
                state.keep_in(resources.checkpoints, step, history)
                on_step(step)  # which may end it
                next_report = time.monotonic() + SECONDS_PER_REPORT
        mean = loss_sum.item() / (step - (history[-1].step if history else training.first_step))
        loss_sum.zero_()
        if not math.isfinite(mean):
            raise FloatingPointError(f"the training loss is {mean} at step {step}")
        scores = [value for split in evaluated for value in evaluate_network(network, *split)]
        history.append(Row(step, mean, *scores))
        if step < training.end:
            state.keep_in(resources.checkpoints, step, history)
        on_step(step)
    return Result(state_of(network), tuple(history))


def _draws_nothing(training: Training) -> bool:
    """Whether a training surely does not use torch's generator."""
    return isinstance(training.model, MLP | Network)


def _arithmetic(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """A context in which a network computes in a precision; it may be entered again and again."""
    if precision == "float32":
        return nullcontext()
    # Its cache of cast weights is emptied at the end of the outermost autocast only, and we may be
    # within one: it would train on the weights of the first step.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)

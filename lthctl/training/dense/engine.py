"""The reference engine: any torch module, on any device.

The dataset is one tensor on the device, and batches are gathered by index. `images` says how a
batch becomes what the network sees, `masked_optimizer` how a step is taken, `evaluation` what an
evaluation is.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import torch
from torch.nn.functional import cross_entropy

from lthctl.models.base import state_of
from lthctl.models.mlp import MLP
from lthctl.models.sharing import load_weights
from lthctl.surroundings import same_sums, torch_defaults
from lthctl.training.dense.determinism import own_generator, torch_threads
from lthctl.training.dense.evaluation import evaluate_network
from lthctl.training.dense.images import TrainingInputs, on_device
from lthctl.training.dense.masked_optimizer import MaskedOptimizer
from lthctl.training.history import Result, Row, steps_evaluated
from lthctl.training.schedules import factors
from lthctl.training.spec import OnStep, Training

STEPS_PER_REPORT = 50


def train(training: Training, on_step: OnStep) -> Result:
    """Run a training; see `lthctl.training.engines.run`."""
    device = torch.device(training.params.device)
    # A module of one's own may draw from torch's generator (dropout), of which a process has one:
    # then trainings must not overlap.
    alone = (
        nullcontext() if isinstance(training.model, MLP) else own_generator(training.seed, device)
    )
    on_gpu = nullcontext() if device.type == "cpu" else same_sums()
    with torch_defaults(), on_gpu, alone, torch_threads(training.params.threads):
        return _train(training, device, on_step)


def _train(training: Training, device: torch.device, on_step: OnStep) -> Result:
    params, dataset = training.params, training.dataset
    network = training.model.build().to(device)
    load_weights(network, training.start)
    optimizer = MaskedOptimizer(network, training.mask, params)
    in_precision: AbstractContextManager[object] = nullcontext()
    if params.precision == "bfloat16":
        # Its cache of cast weights is emptied at the end of the outermost autocast only, and we may
        # be within one: it would train on the weights of the first step.
        in_precision = torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
    inputs = TrainingInputs(training, device)
    evaluated = [
        on_device(split, device)
        for split in (dataset.validation, dataset.test)
        if split is not None
    ]
    order = training.batch_order()
    exact = (
        torch.float32 if device.type == "mps" else torch.float64
    )  # of which Apple's GPUs have none
    history: list[Row] = []
    network.train()
    between = steps_evaluated(params, training.first_step, training.end)
    for first, last in pairwise([training.first_step, *between, training.end]):
        count = last - first
        batches = torch.from_numpy(order.batches(first, count)).to(device)  # (count, batch)
        factor = factors(params, first, count)
        loss_sum = torch.zeros((), dtype=exact, device=device)
        draws = inputs.draws(first, count)
        for step, (batch, draw) in enumerate(zip(batches, draws, strict=True), start=first + 1):
            with in_precision:
                outputs = network(inputs.of(batch, draw))
            if outputs.dtype == torch.bfloat16:
                outputs = outputs.float()
            wanted = inputs.labels[batch]
            loss = cross_entropy(outputs, wanted, label_smoothing=params.label_smoothing)
            optimizer.step(loss, float(factor[step - first - 1]))
            loss_sum += loss.detach()
            if step % STEPS_PER_REPORT == 0:
                on_step(step)
        mean = loss_sum.item() / count
        if not math.isfinite(mean):
            raise FloatingPointError(f"the training loss is {mean} at step {first + count}")
        scores = [value for split in evaluated for value in evaluate_network(network, *split)]
        history.append(Row(first + count, mean, *scores))
        on_step(first + count)
    return Result(state_of(network), tuple(history))

"""The reference engine: any torch module, on any device.

The dataset is one tensor on the device, batches are gathered by index, and gradients of pruned
weights are set to 0 before the optimizer sees them. A pruned weight starts at 0 in a fresh
optimizer, so weight, momentum and moments all stay exactly 0 without being touched again.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lthctl.datasets.base import Images, Split
from lthctl.errors import TrainingError
from lthctl.mask import Weights
from lthctl.models.base import Model, state_of
from lthctl.models.mlp import MLP
from lthctl.models.module import GENERATOR_LOCK
from lthctl.models.sharing import load_weights
from lthctl.params import TrainParams
from lthctl.surroundings import same_sums, torch_defaults
from lthctl.training.history import Result, Row, steps_evaluated
from lthctl.training.optimizers import OPTIMIZERS
from lthctl.training.schedules import factors
from lthctl.training.spec import OnStep, Training

STEPS_PER_REPORT = 50


IMAGES_PER_EVALUATION_BATCH = 1000


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
    optimizer = _optimizer(network, params)
    highest, factor_now = [group.get("lr") for group in optimizer.param_groups], 1.0
    keeps_zeros = OPTIMIZERS.get(params.optimizer).keeps_zeros
    masks = [
        (parameter, torch.from_numpy(np.array(training.mask[name])).to(device, parameter.dtype))
        for name, parameter in network.named_parameters()
        if name in training.mask and not training.mask[name].all()
    ]
    images, labels = _on_device(dataset.train, device)
    evaluated = [
        _on_device(split, device)
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
        for step, batch in enumerate(batches, start=first + 1):
            loss = cross_entropy(network(as_input(images[batch])), labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for parameter, mask in masks:
                if parameter.grad is not None:
                    parameter.grad.mul_(mask)
            if factor[step - first - 1] != factor_now:
                factor_now = float(factor[step - first - 1])
                _set_rates(optimizer, highest, factor_now)
            optimizer.step()
            if not keeps_zeros:
                with torch.no_grad():
                    for parameter, mask in masks:
                        parameter.masked_fill_(mask == 0, 0)
            loss_sum += loss.detach()
            if step % STEPS_PER_REPORT == 0:
                on_step(step)
        mean = loss_sum.item() / count
        if not math.isfinite(mean):
            raise FloatingPointError(f"the training loss is {mean} at step {first + count}")
        scores = [value for split in evaluated for value in _evaluate(network, *split)]
        history.append(Row(first + count, mean, *scores))
        on_step(first + count)
    return Result(state_of(network), tuple(history))


def evaluate(model: Model, weights: Weights, split: Split) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of a model over a split, on the CPU.

    Args:
      model: the architecture.
      weights: name -> array, buffers too.
      split: images and labels.
    """
    with torch_defaults(), torch_threads(1):
        network = model.build()
        load_weights(network, weights)
        return _evaluate(network, *_on_device(split, torch.device("cpu")))


def _evaluate(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy over all images; leaves the network in training mode."""
    network.eval()
    loss_sum, num_correct = 0.0, 0
    with torch.inference_mode():
        for batch, wanted in zip(
            images.split(IMAGES_PER_EVALUATION_BATCH),
            labels.split(IMAGES_PER_EVALUATION_BATCH),
            strict=True,
        ):
            logits = network(as_input(batch))
            loss_sum += cross_entropy(logits, wanted, reduction="sum").item()
            num_correct += int((logits.argmax(1) == wanted).sum().item())
    network.train()
    return loss_sum / len(labels), num_correct / len(labels)


def _optimizer(network: nn.Module, params: TrainParams) -> torch.optim.Optimizer:
    """A fresh optimizer, with its whole update in one kernel where torch has that for the
    device."""
    name = params.optimizer
    make = OPTIMIZERS.get(name).make
    try:
        optimizer = OPTIMIZERS.call(name, make, network.parameters(), params, True)
    except (RuntimeError, TrainingError):  # not on this device
        optimizer = OPTIMIZERS.call(name, make, network.parameters(), params, False)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TrainingError(
            f"optimizer {name}: its function returned a value of type {type(optimizer).__name__}, "
            "expected a torch.optim.Optimizer"
        )
    return optimizer


def _set_rates(optimizer: torch.optim.Optimizer, highest: list[Any], factor: float) -> None:
    """Let the next steps of an optimizer have this factor of the rates that it was made with."""
    for group, rate in zip(optimizer.param_groups, highest, strict=True):
        if rate is None:
            raise TrainingError(
                f"optimizer {type(optimizer).__name__}: its groups have no 'lr', which a schedule "
                "changes; set train.schedule to constant and train.warmup to 0"
            )
        group["lr"] = factor * rate


def as_input(images: Tensor) -> Tensor:
    """Images as networks see them: bytes become numbers in [0, 1]."""
    return images.to(torch.float32).mul_(1 / 255) if images.dtype == torch.uint8 else images


def outputs_of(model: Model, images: Images) -> tuple[int, ...]:
    """The shape of what a model gives for some images, with any weights."""
    array = np.require(images, requirements=["C", "W"])
    with torch_defaults(), torch.no_grad():
        network = model.build().eval()
        return tuple(network(as_input(torch.from_numpy(array))).shape)


def _on_device(split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images and labels as tensors; on the CPU they share the arrays' memory."""
    images, labels = (
        torch.from_numpy(np.require(array, requirements=["C", "W"]))
        for array in (split.images, split.labels)
    )
    return images.to(device), labels.to(device)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """In here torch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def own_generator(seed: int, device: torch.device) -> Iterator[None]:
    """In here nobody else uses torch's global generator, which is as seeded."""
    with GENERATOR_LOCK, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield

"""A torch optimizer that follows a schedule and never moves a pruned weight.

Gradients of pruned weights are set to 0 before the optimizer sees them. A pruned weight starts at 0
in a fresh optimizer, so weight, momentum and moments all stay exactly 0 without being touched
again.
"""

import numpy as np
import torch
from torch import nn

from lthctl.errors import TrainingError
from lthctl.mask import Mask
from lthctl.params import TrainParams
from lthctl.training.optimizers import OPTIMIZERS


class MaskedOptimizer:
    """The optimizer of a training; see the module.

    Args:
      network: what it trains, on its device.
      mask: the weights that are trained.
      params: how.

    Attributes:
      torch: the optimizer of torch's.
    """

    def __init__(self, network: nn.Module, mask: Mask, params: TrainParams) -> None:
        self.torch = make_optimizer(network, params)
        self._highest = [group.get("lr") for group in self.torch.param_groups]
        self._factor = 1.0
        self._keeps_zeros = OPTIMIZERS.get(params.optimizer).keeps_zeros
        self._masks = [
            (
                parameter,
                torch.from_numpy(np.array(mask[name])).to(parameter.device, parameter.dtype),
            )
            for name, parameter in network.named_parameters()
            if name in mask and not mask[name].all()
        ]

    def step(self, loss: torch.Tensor, factor: float) -> None:
        """Take a step down a loss.

        Args:
          loss: of shape (), with its graph.
          factor: of the learning rate at this step.

        Raises:
          TrainingError: the optimizer has no rate that could be changed.
        """
        self.torch.zero_grad(set_to_none=True)
        loss.backward()
        for parameter, mask in self._masks:
            if parameter.grad is not None:
                parameter.grad.mul_(mask)
        if factor != self._factor:
            self._set_rates(factor)
        self.torch.step()
        if not self._keeps_zeros:
            with torch.no_grad():
                for parameter, mask in self._masks:
                    parameter.masked_fill_(mask == 0, 0)

    def _set_rates(self, factor: float) -> None:
        """Let the next steps have this factor of the rates that the optimizer was made with."""
        for group, rate in zip(self.torch.param_groups, self._highest, strict=True):
            if rate is None:
                raise TrainingError(
                    f"optimizer {type(self.torch).__name__}: its groups have no 'lr', which a "
                    "schedule changes; set train.schedule to constant and train.warmup to 0"
                )
            group["lr"] = factor * rate
        self._factor = factor


def make_optimizer(network: nn.Module, params: TrainParams) -> torch.optim.Optimizer:
    """A fresh optimizer, with its whole update in one kernel where torch has that for the
    device.

    Raises:
      TrainingError: it is somebody's own, and its function fails or returns something else.
    """
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

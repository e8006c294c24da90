"""Optimizers by name, for the engines that train with torch.

An optimizer of one's own is a function `(parameters, params, fused) -> torch.optim.Optimizer`. It
is called `module:name` in `train.optimizer`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lthctl import families
from lthctl.errors import ParamsError
from lthctl.families import Family, checked_callable
from lthctl.params import TrainParams

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer as TorchOptimizer

Make = Callable[[Iterable["nn.Parameter"], TrainParams, bool], "TorchOptimizer"]


@dataclass(frozen=True)
class Optimizer:
    """An optimizer.

    Attributes:
      make: takes parameters, how to train, and whether the whole update should be one kernel. It
        returns a new torch optimizer. Where that has no such kernel, it raises RuntimeError, and is
        called again.
      keeps_zeros: whether it leaves a weight of 0 with a gradient of 0 exactly where it is, and its
        moments at 0. Otherwise pruned weights are set to 0 after every step.
      has_momentum: whether it reads `train.momentum` and `train.nesterov`.
    """

    make: Make
    keeps_zeros: bool = False
    has_momentum: bool = False


def as_optimizer(name: str, given: object) -> Optimizer:
    """A member of the family from what a person brought: an `Optimizer`, or its function.

    Raises:
      TypeError: it is neither; says what was expected.
    """
    if isinstance(given, Optimizer):
        return given
    expected = (
        "a function (parameters, params, fused) that returns a torch optimizer, or a "
        "lthctl.training.optimizers.Optimizer"
    )
    return Optimizer(checked_callable(given, 3, expected), has_momentum=True)


def _adam(
    parameters: Iterable["nn.Parameter"], params: TrainParams, fused: bool
) -> "TorchOptimizer":
    import torch

    return torch.optim.Adam(parameters, lr=params.lr, weight_decay=params.weight_decay, fused=fused)


def _adamw(
    parameters: Iterable["nn.Parameter"], params: TrainParams, fused: bool
) -> "TorchOptimizer":
    """Decay apart from the gradient, from Loshchilov & Hutter, ICLR 2019 (arXiv 1711.05101)."""
    import torch

    return torch.optim.AdamW(
        parameters, lr=params.lr, weight_decay=params.weight_decay, fused=fused
    )


def _sgd(
    parameters: Iterable["nn.Parameter"], params: TrainParams, fused: bool
) -> "TorchOptimizer":
    import torch

    return torch.optim.SGD(
        parameters,
        lr=params.lr,
        momentum=params.momentum,
        nesterov=params.nesterov,
        weight_decay=params.weight_decay,
        fused=fused,
    )


ADAM = Optimizer(_adam, keeps_zeros=True)

ADAMW = Optimizer(_adamw, keeps_zeros=True)

SGD = Optimizer(_sgd, keeps_zeros=True, has_momentum=True)

OPTIMIZERS: Family[Optimizer] = families.OPTIMIZERS


def check_optimizer(params: TrainParams) -> None:
    """Refuse what would say nothing.

    Raises:
      ParamsError: there is no such optimizer; or Nesterov's momentum is asked for, and it has none
        or the momentum is 0.
    """
    optimizer = OPTIMIZERS.get(params.optimizer)
    if params.nesterov and not optimizer.has_momentum:
        raise ParamsError(_no_momentum("nesterov", params))
    if params.nesterov and params.momentum == 0:
        raise ParamsError(
            "train.nesterov: is true, but train.momentum is 0; give one above 0, such as 0.9"
        )


def check_momentum(params: TrainParams) -> None:
    """Refuse a momentum that the optimizer does not read.

    Trainings of former versions may have one, so it is for what a person states.

    Raises:
      ParamsError: there is no such optimizer, or it has no momentum.
    """
    if params.momentum and not OPTIMIZERS.get(params.optimizer).has_momentum:
        raise ParamsError(_no_momentum("momentum", params))


def _no_momentum(key: str, params: TrainParams) -> str:
    value = str(getattr(params, key)).lower()
    return (
        f"train.{key}: is {value}, but train.optimizer is {params.optimizer}, which has no "
        "momentum; set train.optimizer to sgd, or leave it out"
    )

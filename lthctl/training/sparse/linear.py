"""A linear layer of torch that computes and trains at the cost of the weights that are left."""

import math
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from lthctl.errors import MaskError, ParamsError
from lthctl.mask import Bools
from lthctl.training.engine_sparse import compiler_is_off
from lthctl.training.sparse.kernels import linear as kernels
from lthctl.training.sparse.kernels.network import Floats
from lthctl.training.sparse.kernels.processor import LANES, STRIP, pad
from lthctl.training.sparse.matrices import (
    SMALLEST_COPY,
    SMALLEST_SHARE,
    Positions,
    equal_shares,
    in_threads,
    positions_of,
)

DENSE_ABOVE = 0.33
"""Density above which torch multiplies by the dense matrix: there that is faster."""


class SparseLinear(nn.Module):
    """A linear layer whose pruned weights cost nothing: y = x @ weight.T + bias, on a CPU.

    Its parameter `values` holds the kept weights only, in the order of `weight[mask]`. So an
    optimizer costs what they cost, and pruned weights stay 0 under any optimizer. Forward and
    backward passes are those of the sparse engine. Above a density of 0.33 torch multiplies by the
    dense matrix instead, which is faster there.

    Files are those of `nn.Linear`: a state_dict has the dense `weight` and `bias`. One whose pruned
    weights are not 0 is refused.

    As many threads work as `torch.get_num_threads()` says. Results are the same bits for any number
    of them.

    Args:
      in_features, out_features: the last dimension of what comes in, and of what goes out.
      bias: whether a bias is added.
      mask: bools (out_features, in_features), True is kept; none keeps all.

    Attributes:
      values: the kept weights, a float32 vector.
      bias: float32 (out_features,), or None.
      mask: bools (out_features, in_features). A copy.
      weight: the dense matrix, pruned weights 0. A copy, and autograd follows it to `values`.

    Weights are drawn as `nn.Linear` draws them: the same ones under the same seed.

    Raises:
      MaskError: the mask does not fit.
      ParamsError: numba's compiler is switched off, or a size is none. When it is called: inputs or
        weights are not float32 on a CPU, or have other features.

    Example:
      >>> layer = SparseLinear.from_linear(nn.Linear(784, 300), mask)
      >>> optimizer = torch.optim.Adam(layer.parameters())
      >>> layer(torch.rand(60, 784)).sum().backward()
    """

    values: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, mask: Any = None
    ) -> None:
        super().__init__()
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            if size < 1:
                raise ParamsError(f"{name}: is {size}, expected at least 1")
        if compiler_is_off():
            raise ParamsError(
                "SparseLinear: numba's compiler is switched off (NUMBA_DISABLE_JIT); switch it on"
            )
        self.in_features, self.out_features = in_features, out_features
        kept = _checked(mask, (out_features, in_features))
        self._positions: Positions = positions_of(kept)
        drawn = nn.Linear(in_features, out_features, bias, dtype=torch.float32, device="cpu")
        self.values = nn.Parameter(self._kept_of(drawn.weight.detach()))
        self.register_parameter("bias", drawn.bias)

    @classmethod
    def from_linear(cls, linear: nn.Linear, mask: Any) -> "SparseLinear":
        """A layer with the weights that a mask keeps of another one, which is not modified.

        Args:
          linear: on a CPU, float32.
          mask: bools of its weight's shape, of NumPy or torch.

        Raises:
          MaskError, ParamsError: as for the class.
        """
        check_float32_on_cpu(linear.weight, "the layer's weight")
        made = cls.__new__(cls)
        with torch.random.fork_rng(devices=[]):  # what is drawn is not used
            made.__init__(  # type: ignore[misc]
                linear.in_features, linear.out_features, linear.bias is not None, mask=mask
            )
        with torch.no_grad():
            made.values.copy_(made._kept_of(linear.weight))
            if made.bias is not None:
                made.bias.copy_(linear.bias)
                made.bias.requires_grad_(linear.bias.requires_grad)
        made.values.requires_grad_(linear.weight.requires_grad)
        return made.train(linear.training)

    def to_linear(self) -> nn.Linear:
        """A dense layer of torch with copies of these weights; pruned ones are 0."""
        with torch.random.fork_rng(devices=[]):
            dense = nn.Linear(self.in_features, self.out_features, self.bias is not None)
        dense.load_state_dict(self.state_dict())
        return dense.train(self.training)

    @property
    def mask(self) -> Tensor:
        kept = torch.zeros(self.out_features * self.in_features, dtype=torch.bool)
        kept[torch.from_numpy(self._positions.flat)] = True
        return kept.view(self.out_features, self.in_features)

    @property
    def weight(self) -> Tensor:
        shape = self.out_features, self.in_features
        if len(self._positions.flat) == math.prod(shape):
            return self.values.view(shape)
        places = torch.from_numpy(self._positions.flat).to(self.values.device)
        zeros = self.values.new_zeros(math.prod(shape))
        return zeros.scatter(0, places, self.values).view(shape)

    def forward(self, x: Tensor) -> Tensor:
        check_float32_on_cpu(x, "the input")
        check_float32_on_cpu(self.values, "the layer's weight")
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ParamsError(
                f"SparseLinear: the input has shape {tuple(x.shape)}, expected "
                f"{self.in_features} features in its last dimension"
            )
        density = len(self._positions.flat) / (self.in_features * self.out_features)
        if density > DENSE_ABOVE or x.numel() == 0:
            return linear(x, self.weight, self.bias)
        flat = x.reshape(-1, self.in_features)
        y = cast(Tensor, _Product.apply(flat, self.values, self.bias, self._positions))
        return y.view(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        kept, size = len(self._positions.flat), self.in_features * self.out_features
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, kept={kept:,} of {size:,}"
        )

    def _kept_of(self, weight: Tensor) -> Tensor:
        return weight.reshape(-1)[torch.from_numpy(self._positions.flat)]

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[prefix + "weight"] = self.weight if keep_vars else self.weight.detach()
        super()._save_to_state_dict(destination, prefix, keep_vars)
        del destination[prefix + "values"]

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, metadata: Any, strict: bool,
        missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        state, key, missing = dict(state_dict), prefix + "weight", list[str]()
        if (weight := state.pop(key, None)) is not None:
            fault = self._fault_of(weight)
            if fault:
                error_msgs.append(f"{key}: {fault}")
            state[prefix + "values"] = self.values if fault else self._kept_of(weight)
        super()._load_from_state_dict(
            state, prefix, metadata, strict, missing, unexpected_keys, error_msgs
        )
        missing_keys += [key if name == prefix + "values" else name for name in missing]

    def _fault_of(self, weight: Tensor) -> str:
        """What is wrong with a dense weight that is to be loaded, or nothing."""
        shape = self.out_features, self.in_features
        if tuple(weight.shape) != shape:
            return f"has shape {tuple(weight.shape)}, expected {shape}"
        lost = int(weight.count_nonzero() - self._kept_of(weight).count_nonzero())
        if lost:
            return f"{lost:,} pruned weights are not 0; multiply by the layer's mask first"
        return ""


def _checked(mask: Any, shape: tuple[int, int]) -> Bools:
    kept = np.asarray(np.ones(shape, np.bool_) if mask is None else mask)
    if kept.dtype != np.bool_ or kept.shape != shape:
        raise MaskError(
            f"mask: has shape {kept.shape} and dtype {kept.dtype}, expected {shape} and bool"
        )
    return kept


def check_float32_on_cpu(tensor: Tensor, what: str) -> None:
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        kind = str(tensor.dtype).removeprefix("torch.")
        raise ParamsError(
            f"SparseLinear: {what} is {kind} on {tensor.device}, expected float32 on a CPU; "
            "convert it, or take the dense layer of to_linear()"
        )


class _Product(torch.autograd.Function):
    """x @ weight.T + bias, of (sample, feature)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, values: Tensor, bias: Tensor | None, positions: Positions
    ) -> Tensor:
        samples = len(x)
        turned = _turned(x)
        ctx.save_for_backward(turned, values)
        ctx.positions, ctx.samples = positions, samples
        added = positions.zeros if bias is None else bias.numpy()
        return _multiplied(positions, False, values.numpy(), added, turned, samples)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor) -> Any:
        positions, samples = ctx.positions, ctx.samples
        turned, values = ctx.saved_tensors
        outputs, _ = positions.shape
        for_x, for_values, for_bias, _ = ctx.needs_input_grad
        left = _turned(gy) if for_x or for_values else None
        gx = gvalues = None
        if left is not None and for_x:
            picked = np.empty(len(values), np.float32)
            kernels.pick(values.numpy(), positions.places, picked)
            gx = _multiplied(positions, True, picked, positions.zeros, left, samples)
        if left is not None and for_values:
            gvalues = torch.empty_like(values)
            operands = (
                positions.by_output, left.numpy(), outputs, turned.numpy(), samples, gvalues.numpy()
            )  # fmt: skip

            def sample(begin: int, end: int) -> None:
                kernels.sample(*operands, begin, end, _spare())

            in_threads(sample, _shares(positions, False, samples))
        return gx, gvalues, gy.sum(0) if for_bias else None, None


def _shares(positions: Positions, transposed: bool, samples: int) -> list[tuple[int, int]]:
    work = len(positions.flat) * pad(samples)
    threads = min(torch.get_num_threads(), 1 + work // SMALLEST_SHARE)
    return positions.shares(transposed, threads)


def _spare() -> Any:
    return np.empty(LANES * LANES, np.float32)


def _turned(x: Tensor) -> Tensor:
    """(sample, feature) in strips of samples."""
    x = x.contiguous()
    samples, features = x.shape
    turned = torch.empty(pad(samples) * pad(features))  # torch's begin with a cache line
    source, target = x.numpy().reshape(-1), turned.numpy()

    def turn(begin: int, end: int) -> None:
        kernels.turn(source, samples, features, target, begin, end, _spare())

    threads = min(torch.get_num_threads(), 1 + len(target) // SMALLEST_COPY)
    in_threads(turn, equal_shares(features, threads))
    return turned


def _multiplied(
    positions: Positions,
    transposed: bool,
    values: Floats,
    bias: Floats,
    right: Tensor,
    samples: int,
) -> Tensor:
    """bias + matrix @ right, of (sample, row)."""
    matrix = positions.by_input if transposed else positions.by_output
    rows = positions.shape[1 if transposed else 0]
    result = torch.empty(samples, rows)
    operands = matrix, values, bias, right.numpy(), samples
    flat = result.numpy().reshape(-1)

    def multiply(begin: int, end: int) -> None:
        strip = np.empty(pad(end - begin) * STRIP * LANES, np.float32)
        kernels.multiply(*operands, flat, rows, begin, end, _spare(), strip)

    in_threads(multiply, _shares(positions, transposed, samples))
    return result

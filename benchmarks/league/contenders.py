"""The contenders: each a function of a problem, which gives a function that does the next steps.

All do the same steps: a batch is gathered by index from images that lie in memory as float32 (the
engine of lthctl: uint8), forward, cross-entropy, backward, Adam. All are the fastest that we know
how to write.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from problems import LR, Problem
from torch import nn
from torch.nn.functional import cross_entropy

Steps = Callable[[int, int], list[float]]
"""(first step, count) -> the loss of each."""

Make = Callable[[Problem], Steps]


def network(problem: Problem, pruned: Callable[[nn.Linear, Any], nn.Module]) -> nn.Sequential:
    """The problem's network, whose layers but the last are made by a function of layer and mask."""
    layers: list[nn.Module] = []
    parts = zip(problem.weights, problem.biases, problem.masks, strict=True)
    for i, (weight, bias, mask) in enumerate(parts):
        layer = nn.Linear(weight.shape[1], len(weight))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        last = i + 1 == len(problem.weights)
        layers += [layer if last else pruned(layer, mask), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def torch_steps(
    problem: Problem,
    net: nn.Module,
    masked: list[tuple[nn.Parameter, torch.Tensor]],
    loss_of: Callable[[Any, Any], Any] | None = None,
) -> Steps:
    """A plain loop. Gradients of pruned weights are set to 0, which is the cheapest way to keep
    the weights at 0."""
    images = torch.from_numpy(problem.images).to(torch.float32).div_(255)
    labels, order = torch.from_numpy(problem.labels), torch.from_numpy(problem.order)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
    loss_of = loss_of or (lambda x, wanted: cross_entropy(net(x), wanted))

    def steps(first: int, count: int) -> list[float]:
        losses = []
        for i in range(first, first + count):
            batch = order[i % len(order)]
            loss = loss_of(images[batch], labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for parameter, mask in masked:
                parameter.grad.mul_(mask)
            optimizer.step()
            losses.append(loss.detach())
        return [float(loss) for loss in losses]

    return steps


def masks_of(problem: Problem, net: nn.Sequential) -> list[tuple[nn.Parameter, torch.Tensor]]:
    return [
        (net[2 * i].weight, torch.from_numpy(mask).to(torch.float32))
        for i, mask in enumerate(problem.masks)
        if problem.is_pruned(i)
    ]


def plain(problem: Problem) -> Steps:
    net = network(problem, lambda layer, _: layer)
    return torch_steps(problem, net, masks_of(problem, net))


def compiled(problem: Problem) -> Steps:
    net = network(problem, lambda layer, _: layer)
    loss_of = torch.compile(lambda x, wanted: cross_entropy(net(x), wanted))
    return torch_steps(problem, net, masks_of(problem, net), loss_of)


def sparse_linear(problem: Problem) -> Steps:
    from lthctl import SparseLinear

    return torch_steps(problem, network(problem, SparseLinear.from_linear), [])


def sparselab(problem: Problem) -> Steps:
    from sparselab.layout import from_dense
    from sparselab.nn import SparseLinear
    from sparselab.ops import _clear_transpose_cache

    # It keeps transposes by the address of a matrix, where the next problem's matrix may lie.
    _clear_transpose_cache()

    def pruned(layer: nn.Linear, _: Any) -> nn.Module:
        made = SparseLinear(layer.in_features, layer.out_features)
        # It has no way in for weights of one's own: this is what it does with those it draws.
        made._csr = from_dense(layer.weight.detach(), padding_ratio=made.padding_ratio)
        made._values = nn.Parameter(torch.from_numpy(np.asarray(made._csr.values)))
        made.bias = layer.bias
        return made

    return torch_steps(problem, network(problem, pruned), [])


def sparseprop(problem: Problem) -> Steps:
    from sparseprop.modules.linear import SparseLinear

    return torch_steps(
        problem, network(problem, lambda layer, _: SparseLinear.from_dense(layer)), []
    )


def csr(problem: Problem) -> Steps:
    return torch_steps(problem, network(problem, CsrLinear), [])


class CsrLinear(nn.Module):
    """torch's own sparse matrices: products by MKL."""

    def __init__(self, layer: nn.Linear, mask: Any) -> None:
        super().__init__()
        from scipy.sparse import csr_matrix

        rows, columns = np.nonzero(mask)
        back = np.lexsort((rows, columns))
        self.back = torch.from_numpy(back)
        self.values = nn.Parameter(layer.weight.detach()[torch.from_numpy(mask)].clone())
        self.bias = layer.bias
        self.places = []
        for matrix in (csr_matrix(mask), csr_matrix(mask.T)):
            matrix.sort_indices()
            parts = (
                torch.from_numpy(part.astype(np.int32)) for part in (matrix.indptr, matrix.indices)
            )
            self.places.append((*parts, matrix.shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _CsrProduct.apply(x, self.values, self) + self.bias


class _CsrProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, values: Any, layer: Any) -> Any:
        ctx.save_for_backward(x, values)
        ctx.layer = layer
        starts, columns, shape = layer.places[0]
        return (torch.sparse_csr_tensor(starts, columns, values, shape) @ x.T).T

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        (x, values), layer = ctx.saved_tensors, ctx.layer
        gx = None
        if ctx.needs_input_grad[0]:
            starts, columns, shape = layer.places[1]
            transposed = torch.sparse_csr_tensor(starts, columns, values[layer.back], shape)
            gx = (transposed @ gy.T).T
        starts, columns, shape = layer.places[0]
        pattern = torch.sparse_csr_tensor(starts, columns, torch.zeros_like(values), shape)
        sampled = torch.sparse.sampled_addmm(pattern, gy.T.contiguous(), x.contiguous(), beta=0.0)
        return gx, sampled.values(), None


def jax(problem: Problem) -> Steps:
    """All steps of a call are one jitted scan, with optax' Adam."""
    from jax_steps import steps

    return steps(problem)


def engine(problem: Problem) -> Steps:
    """The calls that the engine makes in a training, without its evaluations."""
    from lthctl import Split
    from lthctl.mask import Mask
    from lthctl.training.sparse import layout, samples
    from lthctl.training.sparse.kernels import steps as kernels

    count = len(problem.weights)
    weights = {f"layers.{i}.weight": problem.weights[i] for i in range(count)}
    weights |= {f"layers.{i}.bias": problem.biases[i] for i in range(count)}
    mask = Mask(
        {f"layers.{i}.weight": problem.masks[i] for i in range(count) if problem.is_pruned(i)}
    )
    split, batch = Split(problem.images, problem.labels), problem.order.shape[1]
    lit = samples.share_lit(split)
    net = layout.lay_out(problem.sizes, weights, mask, batch, learning=True, lit=lit)
    examples = samples.Samples(split, net).examples

    def steps(first: int, count: int) -> list[float]:
        losses, order = np.empty(count), problem.order
        batches = order[np.arange(first, first + count) % len(order)]
        rates = np.full(count, LR)
        kernels.train(net, examples, batches, first + 1, True, rates, 0.0, 0.0, losses)
        return [float(loss) for loss in losses]

    return steps


CONTENDERS: dict[str, Make] = {
    "PyTorch": plain,
    "torch.compile": compiled,
    "JAX": jax,
    "torch CSR": csr,
    "sparselab": sparselab,
    "sparseprop": sparseprop,
    "lthctl.SparseLinear": sparse_linear,
    "lthctl": engine,
}

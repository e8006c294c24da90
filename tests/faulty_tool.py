"""A small program that finds tickets, as other programs do, with one of their known faults.

Each fault is really committed: the network is trained with it, and what it leaves is saved. `run`
writes `init.pt`, and for every round K `maskK.pt`, `startK.pt` and `trainedK.pt`; round 0 is dense.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

Masks = dict[str, Tensor]

SIZES = (24, 40, 20, 6)

STEPS = 24


def network() -> nn.Sequential:
    torch.manual_seed(1)
    a, b, c, d = SIZES
    return nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, d))


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(192, SIZES[0], generator=generator)
    teacher = torch.randn(SIZES[0], SIZES[-1], generator=generator)
    return inputs, (inputs @ teacher).argmax(1)


def copied(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def matrices(net: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in net.named_parameters() if p.ndim == 2}


def smallest(scores: Tensor, alive: Tensor, count: int) -> Tensor:
    """The mask without the `count` lowest of those alive."""
    mask = alive.clone().flatten()
    order = scores.flatten().masked_fill(~mask, torch.inf).argsort()
    mask[order[:count]] = False
    return mask.reshape(alive.shape)


def by_magnitude(net: nn.Module, masks: Masks, rate: float) -> Masks:
    return {
        name: smallest(p.detach().abs(), masks[name], round(rate * int(masks[name].sum())))
        for name, p in matrices(net).items()
    }


def globally(net: nn.Module, masks: Masks, rate: float) -> Masks:
    names = list(masks)
    scores = torch.cat([matrices(net)[name].detach().abs().flatten() for name in names])
    alive = torch.cat([masks[name].flatten() for name in names])
    kept = smallest(scores, alive, round(rate * int(alive.sum())))
    parts = kept.split([masks[name].numel() for name in names])
    return {n: part.reshape(masks[n].shape) for n, part in zip(names, parts, strict=True)}


def one_too_many(net: nn.Module, masks: Masks, rate: float) -> Masks:
    """The threshold is the first weight to stay, and goes with all that tie with it."""
    new = {}
    for name, p in matrices(net).items():
        sizes = p.detach().abs()
        threshold = sizes[masks[name]].sort().values[round(rate * int(masks[name].sum()))]
        new[name] = masks[name] & (sizes > threshold)
    return new


def tied(net: nn.Module, masks: Masks, rate: float) -> Masks:
    """Weights are multiples of 0.02, so that many tie with the threshold, and all of them go."""
    return one_too_many(net, masks, rate)


def largest(net: nn.Module, masks: Masks, rate: float) -> Masks:
    return {
        name: smallest(-p.detach().abs(), masks[name], round(rate * int(masks[name].sum())))
        for name, p in matrices(net).items()
    }


def by_value(net: nn.Module, masks: Masks, rate: float) -> Masks:
    return {
        name: smallest(p.detach(), masks[name], round(rate * int(masks[name].sum())))
        for name, p in matrices(net).items()
    }


def of_initial(net: nn.Module, masks: Masks, rate: float) -> Masks:
    return by_magnitude(network(), masks, rate)


def by_chance(net: nn.Module, masks: Masks, rate: float) -> Masks:
    generator = torch.Generator().manual_seed(
        round(1000 * rate) + int(sum(m.sum() for m in masks.values()))
    )
    return {
        name: smallest(torch.rand(m.shape, generator=generator), m, round(rate * int(m.sum())))
        for name, m in masks.items()
    }


def kept_for_pruned(net: nn.Module, masks: Masks, rate: float) -> Masks:
    return by_magnitude(net, masks, 1 - rate)


def forgetting(net: nn.Module, masks: Masks, rate: float) -> Masks:
    """From all weights every time, the pruned ones with the size that they once had."""
    whole = {name: torch.ones_like(mask) for name, mask in masks.items()}
    kept = int(sum(m.sum() for m in masks.values())) / sum(m.numel() for m in masks.values())
    return by_chance(net, whole, 1 - kept * (1 - rate))


def nothing(net: nn.Module, masks: Masks, rate: float) -> Masks:
    return masks


PRUNINGS: dict[str, Callable[[nn.Module, Masks, float], Masks]] = {
    "global": globally, "one too many": one_too_many, "tied": tied, "largest": largest,
    "by value": by_value, "of initial": of_initial, "by chance": by_chance,
    "kept for pruned": kept_for_pruned, "not nested": forgetting, "prunes nothing": nothing,
}  # fmt: skip


def train(net: nn.Module, masks: Masks, fault: str, optimizer: torch.optim.Optimizer) -> None:
    inputs, labels = data()
    for step in range(STEPS):
        batch = slice(32 * (step % 6), 32 * (step % 6) + 32)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(inputs[batch]), labels[batch]).backward()
        for name, p in matrices(net).items():
            assert p.grad is not None
            if fault in ("freezes negative", "shrinks negative"):
                p.grad[p.detach() < 1e-6] = 0  # meant for those that are 0
            elif fault == "freezes a layer" and name == "2.weight":
                p.grad.zero_()
            elif fault != "dense":
                p.grad[~masks[name]] = 0
        optimizer.step()
        if fault not in ("dense", "momentum", "freezes negative", "shrinks negative"):
            with torch.no_grad():
                for name, p in matrices(net).items():
                    p[~masks[name]] = 0


def optimizer_for(net: nn.Module, fault: str) -> torch.optim.Optimizer:
    if fault == "shrinks negative":
        return torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-3)
    return torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)


def run(folder: Path, fault: str = "", *, rounds: int = 2, rate: float = 0.2) -> Path:
    """Find a ticket with a fault, or with none, and save what it leaves in `folder`."""
    folder.mkdir(exist_ok=True)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small that threads only wait for each other
    try:
        return _run(folder, fault, rounds, rate)
    finally:
        torch.set_num_threads(num_threads)


def _run(folder: Path, fault: str, rounds: int, rate: float) -> Path:
    net = network()
    initial = net.state_dict() if fault == "aliased" else copied(net)
    torch.save(copied(net), folder / "init.pt")
    masks = {name: torch.ones_like(p, dtype=torch.bool) for name, p in matrices(net).items()}
    optimizer = optimizer_for(net, fault)
    for number in range(rounds + 1):
        if number:
            masks = PRUNINGS.get(fault, by_magnitude)(net, masks, rate)
            if fault == "biases":
                names = [name for name in initial if name.endswith("weight")]
            else:
                names = [] if fault == "no rewind" else list(initial)
            anew = network()
            for p in anew.parameters():
                torch.nn.init.normal_(p, std=0.1)
            source = anew.state_dict() if fault == "drawn anew" else initial
            with torch.no_grad():
                for name in names:
                    net.state_dict()[name].copy_(source[name])
                for name, p in matrices(net).items():
                    p[~masks[name]] = 0
            if fault != "momentum":
                optimizer = optimizer_for(net, fault)
        torch.save({name: mask.int() for name, mask in masks.items()}, folder / f"mask{number}.pt")
        torch.save(copied(net), folder / f"start{number}.pt")
        train(net, masks, fault, optimizer)
        if fault == "tied":
            with torch.no_grad():
                for p in net.parameters():
                    p.copy_((p / 0.02).round() * 0.02)
        torch.save(copied(net), folder / f"trained{number}.pt")
    if fault == "aliased":
        torch.save(initial, folder / "init.pt")  # the very tensors that were trained
    return folder


def read(path: Path) -> dict[str, np.ndarray]:
    return {name: t.numpy() for name, t in torch.load(path, weights_only=True).items()}

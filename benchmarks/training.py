"""Training steps a second of lthctl's engines against the plain PyTorch loop that does the same.

    make bench            # or: python benchmarks/training.py --data data/mnist

Both train LeNet-300-100 on real MNIST with batches of 60 and Adam, on one thread. The plain loop is the fastest way to
write it in PyTorch that we know: the dataset is one tensor, batches are gathered by index, the optimizer is fused, and
there are no masks. What is compared runs interleaved, a round of each after the other, and the figure is the median of
the rounds' ratios: machines drift, ratios hold.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lthctl import MLP, Dataset, Mask, Split, TrainParams, load_mnist
from lthctl.engine import run
from lthctl.pruning import METHODS, select
from lthctl.seeding import Stream
from lthctl.training import Training

BATCH_SIZE, LR = 60, 1.2e-3

Contender = Callable[[int], float]  # number of steps -> seconds


def plain_loop(train: Split) -> Contender:
    images = torch.from_numpy(train.images).to(torch.float32).div_(255)
    labels = torch.from_numpy(train.labels)

    def contend(num_steps: int) -> float:
        torch.set_num_threads(1)
        network = nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
        optimizer = torch.optim.Adam(network.parameters(), lr=LR, fused=True)
        order = torch.randperm(len(labels))[: num_steps * BATCH_SIZE].reshape(num_steps, BATCH_SIZE)
        start = time.perf_counter()
        for batch in order:
            loss = cross_entropy(network(images[batch]), labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return time.perf_counter() - start

    return contend


def engine(train: Split, sparsity: float) -> Contender:
    model = MLP()
    init = model.draw(Stream(1, "init"))
    mask = Mask.full(model.prunable(biases=True))
    mask = select(
        METHODS["l1"].score({n: init[n] for n in mask}, Stream(1, "prune")), mask, rate=dict.fromkeys(mask, sparsity)
    )
    dataset = Dataset("mnist", train, Split(train.images[:10], train.labels[:10]))

    def contend(num_steps: int) -> float:
        params = TrainParams(
            steps=num_steps, evaluate_every=num_steps, batch_size=BATCH_SIZE, lr=LR, engine="torch", device="cpu"
        )
        training = Training(model, mask.apply(init), mask, dataset, 1, params)
        start = time.perf_counter()
        run(training)
        return time.perf_counter() - start

    return contend


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/mnist"), help="folder of MNIST (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=500, help="steps per round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, of each contender one (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    train = load_mnist(arguments.data).train
    contenders = {
        "plain PyTorch loop": plain_loop(train),
        "engine_torch, dense": engine(train, 0.0),
        "engine_torch, 80 % pruned": engine(train, 0.8),
    }
    for contend in contenders.values():
        contend(50)  # warm-up
    load_before = os.getloadavg()[0]
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(arguments.rounds):
        for name, contend in contenders.items():
            seconds[name].append(contend(arguments.steps))
        print(f"\rround {number + 1} of {arguments.rounds}", end="", file=sys.stderr)
    print("\r", end="", file=sys.stderr)

    base = seconds["plain PyTorch loop"]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {load_before:.2f}, torch {torch.__version__}"
    print(f"{machine}; {arguments.rounds} interleaved rounds of {arguments.steps} steps, one thread")
    print(f"{'':28}{'steps/s (median)':>18}{'ratio to plain, median (min to max)':>40}")
    rows = {}
    for name, values in seconds.items():
        ratios = sorted(b / v for b, v in zip(base, values, strict=True))
        rate, ratio = arguments.steps / statistics.median(values), statistics.median(ratios)
        rows[name] = {"steps_per_second": rate, "ratio": ratio, "ratio_min": ratios[0], "ratio_max": ratios[-1]}
        print(f"{name:28}{rate:>18,.0f}{f'{ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})':>40}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()

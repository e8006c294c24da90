"""Training steps a second and validation passes of lthctl's engines beside those of other ways to
do the same.

    make bench            # or: python benchmarks/training.py --data data/mnist

All train LeNet-300-100 on real MNIST with batches of 60 and Adam, on one core. Masks are of tickets
found after 1,000
steps. The yardstick is the fastest plain PyTorch loop that we know how to write: the dataset is one
tensor, batches are gathered by index, the optimizer is fused, and there are no masks, which would
only cost it time. What is compared runs interleaved, a round of each after the other, and figures
are medians of the rounds' ratios: machines drift, ratios hold.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune as torch_prune

from lthctl import MLP, Dataset, Split, Ticket, TrainParams, find_ticket, load_mnist
from lthctl.training.engines import run
from lthctl.training.sparse import engine
from lthctl.training.spec import Training

BATCH_SIZE, LR = 60, 1.2e-3
SPARSITIES = (0.0, 0.8, 0.9, 0.97, 0.99)
PLAIN = "plain PyTorch loop"
LOADER = "DataLoader and prune hooks"
# What the script of the walk-through does for experiments/video: each of 320 experiments by itself,
# 15,000 steps before its pruning (but for the 40 of ratio 0) and 15,000 after, with a validation
# pass every 250.
SCRIPT_STEPS = (320 + 280) * 15_000
SCRIPT_PASSES = SCRIPT_STEPS // 250

Contender = Callable[[], float]  # seconds a step, or a pass


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )


def seconds_for(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# ---- steps ----


def plain_steps(train: Split, num_steps: int) -> Contender:
    images = torch.from_numpy(train.images).to(torch.float32).div_(255)
    labels = torch.from_numpy(train.labels)

    def contend() -> float:
        net = network()
        optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
        order = torch.randperm(len(labels))[: num_steps * BATCH_SIZE].reshape(num_steps, BATCH_SIZE)

        def train_all() -> None:
            for batch in order:
                loss = cross_entropy(net(images[batch]), labels[batch])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()

        return seconds_for(train_all) / num_steps

    return contend


def loader_of(folder: Path, *, train: bool) -> Any:
    from torch.utils.data import DataLoader
    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    root = Path(tempfile.mkdtemp())
    (root / "MNIST").mkdir()
    (root / "MNIST" / "raw").symlink_to(folder.resolve())
    return DataLoader(
        MNIST(str(root), train=train, transform=ToTensor()), batch_size=BATCH_SIZE, shuffle=train
    )


def hooked_network() -> nn.Sequential:
    net = network()
    for layer in (net[0], net[2], net[4]):
        for name in ("weight", "bias"):
            torch_prune.l1_unstructured(layer, name, amount=0.8)
    return net


def loader_steps(folder: Path, num_steps: int) -> Contender:
    """What people write first: images through a DataLoader, masks by torch.nn.utils.prune (80
    %)."""
    loader = loader_of(folder, train=True)

    def contend() -> float:
        net = hooked_network()
        optimizer = torch.optim.Adam(net.parameters(), lr=LR)

        def train_all() -> None:
            for _, (images, labels) in zip(range(num_steps), loader, strict=False):
                loss = cross_entropy(net(images.flatten(1)), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        return seconds_for(train_all) / num_steps

    return contend


def jax_steps(train: Split, num_steps: int) -> Contender | None:
    """The steps as one jitted lax.scan with optax' Adam; None where jax is not installed (the extra
    `bench`)."""
    try:
        import jax
        import jax.numpy as jnp
        import optax
    except ImportError:
        return None
    images = jnp.asarray(train.images, jnp.float32) / 255
    labels = jnp.asarray(train.labels)
    optimizer = optax.adam(LR)

    def loss_of(weights: Any, batch: Any) -> Any:
        hidden = images[batch]
        for weight, bias in weights[:-1]:
            hidden = jax.nn.relu(hidden @ weight + bias)
        logits = hidden @ weights[-1][0] + weights[-1][1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[batch]).mean()

    @jax.jit
    def train_all(weights: Any, state: Any, order: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            weights, state = carry
            loss, gradient = jax.value_and_grad(loss_of)(weights, batch)
            change, state = optimizer.update(gradient, state)
            return (optax.apply_updates(weights, change), state), loss

        return jax.lax.scan(step, (weights, state), order)

    def contend() -> float:
        key = jax.random.PRNGKey(0)
        shapes = [(784, 300), (300, 100), (100, 10)]
        weights = [
            (jax.random.uniform(key, s, minval=-1, maxval=1) / s[0] ** 0.5, jnp.zeros(s[1]))
            for s in shapes
        ]
        order = jax.random.permutation(key, len(labels))[: num_steps * BATCH_SIZE].reshape(
            num_steps, BATCH_SIZE
        )
        state = optimizer.init(weights)
        return (
            seconds_for(lambda: jax.block_until_ready(train_all(weights, state, order))) / num_steps
        )

    return contend


def training_of(ticket: Ticket, dataset: Dataset, engine: str, num_steps: int) -> Training:
    params = TrainParams(steps=num_steps, evaluate_every=num_steps, batch_size=BATCH_SIZE, lr=LR)
    params = params.model_copy(update={"engine": engine, "device": "cpu"})
    # Ten images to validate on: it is steps that are timed.
    short = replace(dataset, validation=Split(dataset.train.images[:10], dataset.train.labels[:10]))
    return Training(MLP(), ticket.mask.apply(ticket.init), ticket.mask, short, 1, params)


def engine_steps(training: Training) -> Contender:
    return lambda: seconds_for(lambda: run(training)) / training.params.steps


def side_by_side(job: Callable[[], object], num_jobs: int, num_steps: int) -> Contender:
    """Seconds a step of `num_jobs` equal jobs in as many threads, all their steps counted."""

    def contend() -> float:
        with ThreadPoolExecutor(num_jobs) as pool:
            work = lambda: list(pool.map(lambda _: job(), range(num_jobs)))  # noqa: E731
            return seconds_for(work) / num_steps / num_jobs

    return contend


@numba.njit(nogil=True)
def arithmetic(num_steps: int, x: float) -> float:
    """A thousand times eight independent multiplications and additions a step, which touch no
    memory."""
    a = b = c = d = e = f = g = h = x
    for _ in range(1000 * num_steps):
        a, b, c, d = a * x + 1.0, b * x + 2.0, c * x + 3.0, d * x + 4.0
        e, f, g, h = e * x + 5.0, f * x + 6.0, g * x + 7.0, h * x + 8.0
    return a + b + c + d + e + f + g + h


# ---- validation passes ----


def plain_pass(validation: Split) -> Contender:
    images = torch.from_numpy(validation.images).to(torch.float32).div_(255)
    labels = torch.from_numpy(validation.labels)
    net = network()

    def evaluate() -> None:
        with torch.inference_mode():
            for batch, wanted in zip(images.split(1000), labels.split(1000), strict=True):
                logits = net(batch)
                cross_entropy(logits, wanted, reduction="sum").item()
                (logits.argmax(1) == wanted).sum().item()

    return lambda: seconds_for(evaluate)


def loader_pass(folder: Path) -> Contender:
    """The same of what people write first."""
    loader, net = loader_of(folder, train=False), hooked_network()

    def evaluate() -> None:
        with torch.no_grad():
            for images, labels in loader:
                (net(images.flatten(1)).argmax(1) == labels).sum().item()

    return lambda: seconds_for(evaluate)


def engine_pass(ticket: Ticket, validation: Split) -> Contender:
    """As a training does it: its network is laid out already, as torch's is built."""
    sizes, weights = MLP().layers, ticket.mask.apply(ticket.init)
    network = engine.lay_out(sizes, weights, ticket.mask, engine.EVALUATION_BATCH, learning=False)
    samples = engine.Samples(validation, network)
    return lambda: seconds_for(lambda: samples.evaluate(network, lambda: None))


# ---- comparing ----


def interleave(contenders: dict[str, Contender], num_rounds: int) -> dict[str, list[float]]:
    for contend in contenders.values():
        contend()  # warm-up: compilers, caches
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(num_rounds):
        for name, contend in contenders.items():
            seconds[name].append(contend())
        print(f"\r{' ' * 40}\rround {number + 1} of {num_rounds}", end="", file=sys.stderr)
    print(f"\r{' ' * 40}\r", end="", file=sys.stderr)
    return seconds


def show(
    title: str, seconds: dict[str, list[float]], base: str, unit: float, unit_name: str
) -> dict[str, Any]:
    print(f"\n{title}")
    print(f"  {'':30}{unit_name:>12}{f'times {base}, median (min to max)':>60}")
    rows = {}
    for name, values in seconds.items():
        ratios = sorted(b / v for b, v in zip(seconds[base], values, strict=True))
        median = statistics.median(values)
        rows[name] = {
            "seconds": median,
            "ratio": statistics.median(ratios),
            "min": ratios[0],
            "max": ratios[-1],
        }
        spread = f"{rows[name]['ratio']:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"  {name:30}{unit * median:>12,.0f}{spread:>60}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data/mnist"),
        help="folder of MNIST (default: %(default)s)",
    )
    parser.add_argument(
        "--steps", type=int, default=400, help="steps per round (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=9, help="rounds, of each contender one (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    dataset = load_mnist(arguments.data)
    torch.set_num_threads(1)
    found = TrainParams(steps=1000)
    tickets = {s: find_ticket(MLP(), dataset, ratio=s, train=found) for s in SPARSITIES}

    def label(sparsity: float) -> str:
        return f"{100 * sparsity:g} % pruned" if sparsity else "dense"

    os.sched_setaffinity(0, cores[-1:])
    steps: dict[str, Contender] = {PLAIN: plain_steps(dataset.train, arguments.steps)}
    for sparsity in (0.0, 0.8):
        training = training_of(tickets[sparsity], dataset, "torch", arguments.steps)
        steps[f"engine_torch, {label(sparsity)}"] = engine_steps(training)
    for sparsity in SPARSITIES:
        training = training_of(tickets[sparsity], dataset, "sparse", arguments.steps)
        steps[f"engine_sparse, {label(sparsity)}"] = engine_steps(training)
    if (contender := jax_steps(dataset.train, arguments.steps)) is not None:
        steps["JAX, jitted scan"] = contender
    steps[LOADER] = loader_steps(arguments.data, max(1, arguments.steps // 10))
    passes: dict[str, Contender] = {PLAIN: plain_pass(dataset.validation)}
    for sparsity in SPARSITIES:
        passes[f"engine_sparse, {label(sparsity)}"] = engine_pass(
            tickets[sparsity], dataset.validation
        )
    passes[LOADER] = loader_pass(arguments.data)
    step_seconds = interleave(steps, arguments.rounds)
    pass_seconds = interleave(passes, arguments.rounds)
    os.sched_setaffinity(0, cores)
    training = training_of(tickets[0.9], dataset, "sparse", 5 * arguments.steps)
    num_steps = training.params.steps
    jobs = {
        f"{n} side by side, 90 % pruned": side_by_side(lambda: run(training), n, num_steps)
        for n in (1, 2)
    }
    # What two cores can do at all: of a shared machine, often less than twice what one does.
    loops = {
        f"{n} side by side": side_by_side(lambda: arithmetic(num_steps, 0.5), n, num_steps)
        for n in (1, 2)
    }
    both = interleave(jobs | loops, arguments.rounds)
    job_seconds, loop_seconds = ({name: both[name] for name in group} for group in (jobs, loops))

    machine = (
        f"{platform.machine()}, {len(cores)} cores, load {load:.2f} before, "
        f"torch {torch.__version__}"
    )
    print(f"{machine}; {arguments.rounds} interleaved rounds of {arguments.steps} steps")
    figures: dict[str, Any] = {"machine": machine, "rounds": arguments.rounds}
    figures["steps"] = show("A step, one core", step_seconds, PLAIN, 1e6, "µs")
    if "JAX, jitted scan" in step_seconds:
        sparse = {
            name: values
            for name, values in step_seconds.items()
            if name.startswith(("JAX", "engine_sparse"))
        }
        figures["steps_jax"] = show("The same beside JAX", sparse, "JAX, jitted scan", 1e6, "µs")
    figures["passes"] = show(
        "A validation pass, 10,000 images, one core", pass_seconds, PLAIN, 1e6, "µs"
    )
    figures["jobs"] = show("A step, all steps counted", job_seconds, next(iter(jobs)), 1e6, "µs")
    figures["loops"] = show(
        "As much, of nothing but arithmetic", loop_seconds, next(iter(loops)), 1e9, "ns"
    )
    step, one_pass = figures["steps"][LOADER]["seconds"], figures["passes"][LOADER]["seconds"]
    hours = figures["script_hours"] = (SCRIPT_STEPS * step + SCRIPT_PASSES * one_pass) / 3600
    print(
        f"\nexperiments/video as a script of that kind does it, on one core: {SCRIPT_STEPS:,} such "
        "steps and"
    )
    print(
        f"{SCRIPT_PASSES:,} such passes, {hours:.1f} hours, {SCRIPT_STEPS * step / 3600:.1f} of "
        "them training"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

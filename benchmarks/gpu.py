"""Checks and times everything that needs a GPU, in under five minutes on any CUDA machine.

    python benchmarks/gpu.py          # on a machine with a GPU
    python benchmarks/gpu.py --cpu    # rehearsal: the same code on a CPU, with smaller numbers

It needs no data: images are drawn. It ends with exit code 1 if a check fails. What is timed says
whether a thing pays: nothing in lthctl depends on it. `captured graph` is a trial in this file
alone, which lthctl does not do.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.artifacts.history_csv import history_bytes
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import TrainingError
from lthctl.grid.executors.base import EXECUTORS
from lthctl.grid.executors.device_pool import DevicePool
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.seeding import Stream
from lthctl.surroundings import same_sums, torch_defaults
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.resources import Resources
from lthctl.training.spec import Training


class Conv4(nn.Module):
    """Four convolutions on 32 x 32, with batch normalization and dropout."""

    width = 64

    def __init__(self) -> None:
        super().__init__()
        widths = (3, self.width, self.width, 2 * self.width, 2 * self.width)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout(0.2)
        self.hidden, self.output = nn.Linear(128 * self.width, 256), nn.Linear(256, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = images.reshape(-1, 3, 32, 32)
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = norm(conv(x)).relu()
            x = self.pool(x) if number % 2 else x
        logits: Tensor = self.output(self.drop(self.hidden(x.flatten(1)).relu()))
        return logits


class Greedy(Conv4):
    """Wants more memory than there is."""

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            torch.empty(2**50, dtype=torch.uint8, device=images.device)
        return super().forward(images)


@dataclass(frozen=True)
class Sizes:
    device: str
    steps: int
    images: int
    batch: int


def dataset_of(shape: tuple[int, ...], sizes: Sizes) -> Dataset:
    """Ten patterns with noise, as bytes."""
    random = np.random.default_rng(1)
    patterns = random.integers(0, 256, (10, *shape))

    def split(count: int) -> Split:
        labels = random.integers(0, 10, count)
        noise = random.integers(-60, 60, (count, *shape))
        return Split(np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8), labels)

    return Dataset("drawn", split(sizes.images), split(1000))


def training_of(kind: str, sizes: Sizes, **changes: object) -> Training:
    """Of an MLP, or of a convolutional network, half of whose weights are pruned."""
    modules = {"conv": Conv4, "greedy": Greedy}
    model = MLP() if kind == "mlp" else ModuleModel(kind, modules[kind], output="output")
    shape = (784,) if kind == "mlp" else (3, 32, 32)
    shapes = model.prunable(biases=False)
    random = np.random.default_rng(2)
    mask = Mask({name: random.random(size) > 0.5 for name, size in shapes.items()})
    params = TrainParams(
        steps=sizes.steps,
        evaluate_every=max(1, sizes.steps // 2),
        batch_size=sizes.batch,
        engine="torch",
        device=sizes.device,
    ).model_copy(update=changes)
    start = mask.apply(model.draw(Stream(1, "init")))
    return Training(model, start, mask, dataset_of(shape, sizes), 1, params)


def content(result: Result) -> tuple[bytes, bytes]:
    return tensors_bytes(result.weights), history_bytes(result.history)


# ---- checks ----


def same_bytes_twice(sizes: Sizes) -> None:
    for kind in ("mlp", "conv"):
        for precision in ("float32", "bfloat16"):
            training = training_of(kind, sizes, precision=precision)
            assert content(run(training)) == content(run(training)), (kind, precision)


def agrees_with_the_cpu(sizes: Sizes) -> None:
    few = replace(sizes, steps=min(sizes.steps, 20))
    for kind in ("mlp", "conv"):
        # Dropout draws other numbers on another device.
        changes = {"optimizer": "sgd", "lr": 0.01, "evaluate_every": few.steps}
        training = training_of(kind, few, **changes)
        if kind == "conv":
            training = replace(training, model=replace(training.model, make=_without_dropout))
        on_cpu = replace(training, params=training.params.model_copy(update={"device": "cpu"}))
        losses = [run(one).history[-1].train_loss for one in (training, on_cpu)]
        assert abs(losses[0] - losses[1]) <= 1e-3 * losses[1], (kind, losses)


def _without_dropout() -> nn.Module:
    module = Conv4()
    module.drop = nn.Dropout(0.0)
    return module


class Killed(BaseException):
    pass


def goes_on_after_a_kill(sizes: Sizes) -> None:
    for kind, changes in (
        ("mlp", {}),
        ("conv", {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True}),
        ("conv", {"precision": "bfloat16", "schedule": "cosine"}),
    ):
        training = training_of(kind, sizes, **changes)
        with tempfile.TemporaryDirectory() as folder:
            kept = CheckpointStore(Path(folder), 0.0)
            half = training.end // 2

            def kill(step: int, after: int = half) -> None:
                if step > after:
                    raise Killed

            with suppress(Killed):
                run(training, kill, Resources(kept.of(training)))
            checkpoint = kept.read(training)
            assert checkpoint is not None and checkpoint.step >= half, kind
            seen: list[int] = []
            result = run(training, seen.append, Resources(kept.of(training)))
            assert seen[0] == checkpoint.step, (kind, seen[0])
            assert content(result) == content(run(training)), kind


def says_what_memory_lacks(sizes: Sizes) -> None:
    try:
        run(training_of("greedy", sizes))
    except TrainingError as error:
        assert "has too little memory; it wanted" in str(error), error
        print(f"    {error}")
    else:
        raise AssertionError("it found 1024 TiB")


def several_gpus_give_the_same_bytes(sizes: Sizes) -> None:
    """And with processes, whatever the number of GPUs."""
    count = torch.cuda.device_count() if sizes.device == "cuda" else 2
    names = [f"{sizes.device}:{number}" for number in range(count)]
    training = training_of("mlp", sizes)
    executor = EXECUTORS.get("processes")(2)
    executor.devices = DevicePool(names if sizes.device == "cuda" else ["cpu"])
    try:
        futures = [executor.submit(training, lambda _: None) for _ in range(2)]
        results = [content(future.result()) for future in futures]
    finally:
        executor.close()
    assert results == [content(run(training))] * 2


# ---- times ----


def milliseconds_a_step(training: Training) -> float:
    """Of the second half of a training, so that starting is no part of it."""
    times: list[tuple[int, float]] = []
    run(training, lambda step: times.append((step, time.perf_counter())))
    (first, began), (last, ended) = times[len(times) // 2 - 1], times[-1]
    return 1000 * (ended - began) / max(1, last - first)


def time_of_steps(sizes: Sizes) -> None:
    for kind in ("mlp", "conv"):
        for precision in ("float32", "bfloat16"):
            training = training_of(kind, sizes, precision=precision)
            print(f"    {kind}, {precision}: {milliseconds_a_step(training):.2f} ms a step")


def time_of_channels(sizes: Sizes) -> None:
    images = torch.rand(sizes.batch, 3, 32, 32, device=sizes.device)
    labels = torch.arange(sizes.batch, device=sizes.device) % 10
    for dtype in (torch.float32, torch.bfloat16):
        for layout in (torch.contiguous_format, torch.channels_last):
            network = Conv4().to(sizes.device).to(memory_format=layout)
            print(
                f"    {str(dtype)[6:]}, {str(layout)[6:]}: "
                f"{1000 * seconds_of(eager(network, images, labels, dtype), sizes):.2f} ms forward "
                "and backward"
            )


def time_of_a_captured_graph(sizes: Sizes) -> None:
    for name, network, shape in (
        ("mlp", MLP().build(), (784,)),
        ("conv", Conv4(), (3, 32, 32)),
    ):
        network = network.to(sizes.device)
        images = torch.rand(sizes.batch, *shape, device=sizes.device)
        labels = torch.arange(sizes.batch, device=sizes.device) % 10
        step = eager(network, images, labels, torch.float32)
        before = seconds_of(step, sizes)
        if sizes.device != "cuda":
            print(f"    {name}: {1000 * before:.2f} ms; no graph is captured on a CPU")
            continue
        for parameter in network.parameters():
            parameter.grad = None
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        after = seconds_of(graph.replay, sizes)
        print(f"    {name}: {1000 * before:.2f} ms, captured {1000 * after:.2f} ms")


def eager(
    network: nn.Module, images: Tensor, labels: Tensor, dtype: torch.dtype
) -> Callable[[], None]:
    is_16_bits = dtype == torch.bfloat16

    def step() -> None:
        with torch.autocast(images.device.type, torch.bfloat16, is_16_bits, cache_enabled=False):
            outputs = network(images)
        cross_entropy(outputs.float(), labels).backward()

    return step


def seconds_of(work: Callable[[], object], sizes: Sizes) -> float:
    """Of one call, on average over many."""
    stream = torch.cuda.Stream() if sizes.device == "cuda" else None
    if stream is not None:  # what is captured later must have been warmed up beside the main stream
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
    else:
        work()
    count = max(2, sizes.steps // 10)
    began = time.perf_counter()
    for _ in range(count):
        work()
    if stream is not None:
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / count


CHECKS = (
    same_bytes_twice,
    agrees_with_the_cpu,
    goes_on_after_a_kill,
    says_what_memory_lacks,
    several_gpus_give_the_same_bytes,
)

TIMES = (time_of_steps, time_of_channels, time_of_a_captured_graph)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="rehearse on a CPU")
    arguments = parser.parse_args()
    if not arguments.cpu and not torch.cuda.is_available():
        print("there is no GPU here; --cpu rehearses this script", file=sys.stderr)
        return 2
    sizes = Sizes("cuda", 1000, 20_000, 128)
    if arguments.cpu:
        sizes, Conv4.width = Sizes("cpu", 12, 60, 8), 4
    where = "a CPU, as a rehearsal" if arguments.cpu else torch.cuda.get_device_name()
    print(f"torch {torch.__version__} on {where}")
    failed = 0
    for check in CHECKS:
        began = time.perf_counter()
        try:
            check(sizes)
        except Exception as error:
            failed += 1
            print(f"FAILED {_words(check)}: {type(error).__name__}: {error}")
        else:
            print(f"held   {_words(check)} ({time.perf_counter() - began:.0f} s)", flush=True)
    for measure in TIMES:
        print(_words(measure))
        try:
            with torch_defaults(), same_sums():
                measure(sizes)
        except Exception as error:
            failed += 1
            print(f"FAILED {_words(measure)}: {type(error).__name__}: {error}")
    return 1 if failed else 0


def _words(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", " ")


if __name__ == "__main__":
    sys.exit(main())

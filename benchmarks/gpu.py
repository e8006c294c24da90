"""Checks and times everything that needs a GPU, in under five minutes on any CUDA machine.

    python benchmarks/gpu.py          # on a machine with a GPU
    python benchmarks/gpu.py --cpu    # rehearsal: the same code on a CPU, with smaller numbers

It needs no data: images are drawn. It ends with exit code 1 if a check fails, or if all of it took
more than five minutes on a GPU. What is timed says whether a thing pays: nothing in lthctl depends
on it. A captured graph and torch.compile are trials in this file alone, which lthctl does not do.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lthctl.artifacts import checkpoints
from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.artifacts.history_csv import history_bytes
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.datasets.augmenting import augmented
from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.normalizing import normalized
from lthctl.errors import TrainingError
from lthctl.grid.executors.base import EXECUTORS
from lthctl.grid.executors.device_pool import DevicePool
from lthctl.library_settings import same_sums, torch_defaults
from lthctl.mask import Mask
from lthctl.models.base import Model
from lthctl.models.entry import model_from
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.models.sharing import load_weights
from lthctl.params import Augment, ModelParams, TrainParams
from lthctl.seeding import Stream
from lthctl.training.dense.images import TrainingInputs
from lthctl.training.dense.memory_format import channels_last
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


BUILT_IN = {"lenet5": {"channels": 3, "size": 32}, "conv2": {}, "resnet20": {}, "vgg11": {}}
"""Networks that have, between them, all layers of those that are built in."""

LONGEST = 300.0
"""Seconds that all of it may take on a GPU."""


@dataclass(frozen=True)
class Sizes:
    device: str
    steps: int
    images: int
    batch: int

    @property
    def names(self) -> list[str]:
        """Of all devices here."""
        if self.device != "cuda":
            return [self.device]
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


@cache
def dataset_of(shape: tuple[int, ...], sizes: Sizes) -> Dataset:
    """Ten patterns with noise, as bytes."""
    random = np.random.default_rng(1)
    patterns = random.integers(0, 256, (10, *shape), np.int16)

    def split(count: int) -> Split:
        labels = random.integers(0, 10, count)
        noise = random.integers(-60, 60, (count, *shape), np.int16)
        return Split(np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8), labels)

    return Dataset("drawn", split(sizes.images), split(min(1000, sizes.images)))


def training_of(kind: str, sizes: Sizes, **changes: object) -> Training:
    """Of an MLP, of a convolutional network, or of one that is built in; half of the weights are
    pruned."""
    modules = {"conv": Conv4, "greedy": Greedy}
    if kind in BUILT_IN:
        model: Model = model_from(ModelParams(name=kind, kwargs=BUILT_IN[kind]))
    else:
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


def built_in_networks_have_deterministic_kernels(sizes: Sizes) -> None:
    """torch refuses an operation without one. Their pictures are augmented, as papers do it."""
    few = replace(sizes, steps=min(sizes.steps, 20) if sizes.device == "cuda" else 2)
    for kind in BUILT_IN:
        for precision in ("float32", "bfloat16"):
            training = training_of(kind, few, precision=precision, label_smoothing=0.1)
            training = replace(training, dataset=as_papers_do(training.dataset))
            assert content(run(training)) == content(run(training)), (kind, precision)


def as_papers_do(dataset: Dataset) -> Dataset:
    return augmented(normalized(dataset, "per-channel"), Augment(crop=4, flip=True))


def the_device_sees_the_same_pictures(sizes: Sizes) -> None:
    """To the last bit, and they lie there as bytes."""
    plain = training_of("conv", sizes)
    for dataset in (plain.dataset, as_papers_do(plain.dataset)):
        seen = []
        for device in (torch.device(sizes.device), torch.device("cpu")):
            inputs = TrainingInputs(replace(plain, dataset=dataset), device)
            assert inputs.images.dtype == torch.uint8 and inputs.images.device.type == device.type
            (draw,) = inputs.draws(7, 1)
            batch = torch.arange(sizes.batch, device=device) % sizes.images
            seen.append(inputs.of(batch, draw).cpu())
        assert torch.equal(*seen)


def channels_may_lie_last(sizes: Sizes) -> None:
    """The networks that are built in can take it, and their outputs stay what they are."""
    images = torch.rand(8, 3, 32, 32, device=sizes.device)
    for kind in BUILT_IN:
        training = training_of(kind, sizes)
        network = training.model.build().to(sizes.device)
        load_weights(network, training.start)
        with torch.no_grad():
            before = network.eval()(images)
            network = channels_last(network, images)
            after = network(images)
        first = next(one for one in network.parameters() if one.dim() == 4)
        assert first.is_contiguous(memory_format=torch.channels_last), kind
        assert torch.allclose(before, after, rtol=1e-3, atol=1e-4 * before.abs().max().item()), kind


def agrees_with_the_cpu(sizes: Sizes) -> None:
    few = replace(sizes, steps=min(sizes.steps, 10))
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
        # One whenever steps are reported, however short they are beside writing it.
        often = patch.object(checkpoints, "MOST_OF_THE_TIME", math.inf)
        with tempfile.TemporaryDirectory() as folder, often:
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


def every_device_gives_the_same_bytes(sizes: Sizes) -> None:
    """By its number in this process, and in processes of their own, two at least."""
    for kind in ("mlp", "conv"):
        training = training_of(kind, sizes)
        expected = content(run(training))
        for name in sizes.names:
            resources = Resources(device=name)
            assert content(run(training, lambda _: None, resources)) == expected, (kind, name)
    training = training_of("mlp", sizes)
    num_jobs = max(2, len(sizes.names))
    executor = EXECUTORS.get("processes")(num_jobs)
    executor.devices = DevicePool(sizes.names)
    try:
        futures = [executor.submit(training, lambda _: None) for _ in range(num_jobs)]
        results = [content(future.result()) for future in futures]
    finally:
        executor.close()
    assert results == [content(run(training))] * num_jobs


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


def time_of_torch_compile(sizes: Sizes) -> None:
    """Its kernels sum in an order of their own, so results would be others."""
    backend = "inductor" if sizes.device == "cuda" else "eager"
    for name, network, shape in (("mlp", MLP().build(), (784,)), ("conv", Conv4(), (3, 32, 32))):
        network = network.to(sizes.device)
        images = torch.rand(sizes.batch, *shape, device=sizes.device)
        labels = torch.arange(sizes.batch, device=sizes.device) % 10
        before = seconds_of(eager(network, images, labels, torch.float32), sizes)
        began = time.perf_counter()
        try:
            compiled = torch.compile(network, backend=backend)
            step = eager(compiled, images, labels, torch.float32)
            step()
        except Exception as error:  # such as for lack of a C compiler: a trial, not a check
            print(f"    {name}: cannot be compiled here ({type(error).__name__})")
            continue
        took = time.perf_counter() - began
        after = seconds_of(step, sizes)
        print(
            f"    {name}: {1000 * before:.2f} ms, by {backend} {1000 * after:.2f} ms; compiling "
            f"took {took:.0f} s"
        )


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
    built_in_networks_have_deterministic_kernels,
    the_device_sees_the_same_pictures,
    channels_may_lie_last,
    agrees_with_the_cpu,
    goes_on_after_a_kill,
    says_what_memory_lacks,
    every_device_gives_the_same_bytes,
)

TIMES = (time_of_steps, time_of_channels, time_of_a_captured_graph, time_of_torch_compile)


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
    failed, started = 0, time.perf_counter()
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
    took = time.perf_counter() - started
    print(f"{took:.0f} s in all")
    if took > LONGEST and not arguments.cpu:
        print(f"FAILED to take less than {LONGEST:.0f} s")
        return 1
    return 1 if failed else 0


def _words(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", " ")


if __name__ == "__main__":
    sys.exit(main())

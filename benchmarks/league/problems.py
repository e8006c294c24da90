"""What every contender trains: networks, masks, first weights, images and batches, in one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

SHAPES = {
    "lenet": ((784, 300, 100, 10), 60),
    "square": ((784, 1024, 1024, 10), 100),
    "colour": ((3072, 1024, 512, 10), 100),
    "deep": ((784, 2048, 2048, 2048, 10), 128),
}
LARGEST = {"largest": ((3072, 4096, 4096, 10), 128)}
"""Measured by `make sizes` alone."""
DENSITIES = (1.0, 0.2, 0.1, 0.03, 0.01)
IMAGES, BATCHES, LR = 8000, 400, 1.2e-3


@dataclass(frozen=True)
class Problem:
    """A network to be trained; weights are (output, input), and 0 where pruned."""

    images: Any  # (n, inputs), uint8
    labels: Any  # (n,), int64
    order: Any  # (batches, batch), int64
    weights: list[Any]
    biases: list[Any]
    masks: list[Any]

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.weights[0].shape[1], *(len(weight) for weight in self.weights))

    def is_pruned(self, layer: int) -> bool:
        return not bool(self.masks[layer].all())

    def save(self, path: Path) -> None:
        lists = {
            f"{name}{i}": array
            for name in ("weights", "biases", "masks")
            for i, array in enumerate(getattr(self, name))
        }
        np.savez(path, images=self.images, labels=self.labels, order=self.order, **lists)

    @classmethod
    def load(cls, path: str) -> "Problem":
        with np.load(path) as file:
            count = sum(name.startswith("masks") for name in file.files)
            lists = [
                [file[f"{n}{i}"] for i in range(count)] for n in ("weights", "biases", "masks")
            ]
            return cls(file["images"], file["labels"], file["order"], *lists)


def make(sizes: Sequence[int], batch: int, density: float, data: Path) -> Problem:
    """Each layer but the last keeps a density of its weights, drawn by chance; the last keeps all.

    Networks of 784 inputs see MNIST. Others see coloured noise about a picture of each class, in
    which no pixel is 0.
    """
    random = np.random.default_rng(0)
    if sizes[0] == 784:
        from lthctl import load_mnist

        split = load_mnist(data).train
        images, labels = split.images[:IMAGES], split.labels[:IMAGES]
    else:
        labels = random.integers(0, sizes[-1], IMAGES)
        pictures = random.uniform(70, 180, (sizes[-1], sizes[0]))
        noise = random.normal(0, 60, (IMAGES, sizes[0]))
        images = np.clip(pictures[labels] + noise, 1, 255).astype(np.uint8)
    order = np.concatenate(
        [random.permutation(IMAGES) for _ in range(1 + BATCHES * batch // IMAGES)]
    )
    weights, biases, masks = [], [], []
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = i + 2 == len(sizes)
        mask = random.random((outputs, inputs)) < (1.0 if last else density)
        weight = random.normal(0, (2 / (inputs * mask.mean())) ** 0.5, mask.shape)
        weights.append((weight * mask).astype(np.float32))
        biases.append(np.zeros(outputs, np.float32))
        masks.append(mask)
    return Problem(
        images, labels, order[: BATCHES * batch].reshape(BATCHES, batch), weights, biases, masks
    )

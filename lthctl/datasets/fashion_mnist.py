"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): clothes in the place of digits, 28 x 28."""

from collections.abc import Iterator
from pathlib import Path

from lthctl.datasets.idx import (
    IDX_LIMIT,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    idx_splits,
)
from lthctl.datasets.known_files import KnownFiles

FASHION_MNIST = {
    TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""File name -> SHA-256 of the uncompressed bytes, which mirrors and Debian pack differently."""

DEBIANS = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts the four files."""


def _mirrors() -> Iterator[str]:
    yield "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
    yield "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"


FILES = KnownFiles(
    "fashion-mnist",
    "Fashion-MNIST",
    FASHION_MNIST,
    IDX_LIMIT,
    idx_splits,
    _mirrors,
    installed=DEBIANS,
    also="Or install Debian's package dataset-fashion-mnist and run the command again",
)

ENTRY = FILES.entry()

"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) from their binary archives, which hold no pickle."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from lthctl.datasets.archives import members_of_tar
from lthctl.datasets.base import Split
from lthctl.datasets.known_files import Contents, KnownFiles
from lthctl.errors import DataError
from lthctl.params import ModelParams

ARCHIVE_10, ARCHIVE_100 = "cifar-10-binary.tar.gz", "cifar-100-binary.tar.gz"

CIFAR_10 = {ARCHIVE_10: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}

CIFAR_100 = {ARCHIVE_100: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"}
"""The archive -> its SHA-256, as it is served."""

LIMIT = 256 * 2**20
"""Bytes beyond which nothing is read; an archive has 170 million."""

PARTS_10 = (
    [f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)],
    ["cifar-10-batches-bin/test_batch.bin"],
)

PARTS_100 = (["cifar-100-binary/train.bin"], ["cifar-100-binary/test.bin"])
"""Members with the training images, and with the test images."""

PIXELS = 3 * 32 * 32


def _read(
    archive: str, parts: tuple[Sequence[str], Sequence[str]], num_labels: int, contents: Contents
) -> tuple[Split, Split]:
    """Training and test images of an archive.

    Args:
      archive: its name.
      parts: its members.
      num_labels: bytes before the pixels of a record, of which the last is the label.
      contents: the archive.
    """
    members = members_of_tar(contents[archive], [*parts[0], *parts[1]], limit=LIMIT)
    train, test = (_split(b"".join(members[name] for name in names), num_labels) for names in parts)
    return train, test


def _split(records: bytes, num_labels: int) -> Split:
    """Images of records: labels, then the red, the green and the blue plane."""
    size = num_labels + PIXELS
    if len(records) % size:
        raise DataError(
            f"dataset: has {len(records)} bytes, expected records of {size}: it is truncated; "
            "fetch it again"
        )
    rows = np.frombuffer(records, np.uint8).reshape(-1, size)
    images = rows[:, num_labels:].reshape(-1, 3, 32, 32).copy()  # of one image it is no copy yet
    return Split(images, rows[:, num_labels - 1].astype(np.int64))


def _files(
    name: str,
    digests: dict[str, str],
    parts: tuple[list[str], list[str]],
    num_labels: int,
    model: ModelParams,
) -> KnownFiles:
    (archive,) = digests
    return KnownFiles(
        name,
        name.upper().replace("CIFAR", "CIFAR-"),
        digests,
        LIMIT,
        partial(_read, archive, parts, num_labels),
        lambda: ["https://www.cs.toronto.edu/~kriz/"],
        packed=False,
        model=model,
    )


CIFAR_10_FILES = _files("cifar10", CIFAR_10, PARTS_10, 1, ModelParams(name="conv2"))

CIFAR_100_FILES = _files(
    "cifar100", CIFAR_100, PARTS_100, 2, ModelParams(name="conv2", kwargs={"classes": 100})
)

ENTRY_10, ENTRY_100 = CIFAR_10_FILES.entry(), CIFAR_100_FILES.entry()

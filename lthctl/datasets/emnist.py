"""EMNIST Balanced (Cohen et al., 2017): letters and digits, 28 x 28, in 47 classes."""

import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.archives import gunzipped, members_of_zip
from lthctl.datasets.base import Split
from lthctl.datasets.idx import idx_images, idx_labels
from lthctl.datasets.known_files import Contents, KnownFiles
from lthctl.params import ModelParams

ARCHIVE = "gzip.zip"

EMNIST = {ARCHIVE: "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e"}
"""The archive -> its SHA-256. TensorFlow Datasets has recorded it: `url_checksums/emnist.txt`."""

LIMIT = 640 * 2**20
"""Bytes beyond which nothing is read or unpacked; the archive has 562 million."""


def _read(contents: Contents) -> tuple[Split, Split]:
    parts = {
        (split, kind): f"gzip/emnist-balanced-{split}-{kind}-ubyte.gz"
        for split in ("train", "test")
        for kind in ("images-idx3", "labels-idx1")
    }
    members = members_of_zip(contents[ARCHIVE], list(parts.values()), limit=LIMIT)
    unpacked = {key: gunzipped(members[name], LIMIT) for key, name in parts.items()}
    train, test = (
        Split(
            _upright(idx_images(unpacked[split, "images-idx3"])),
            idx_labels(unpacked[split, "labels-idx1"]),
        )
        for split in ("train", "test")
    )
    return train, test


def _upright(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The files hold columns where MNIST's hold rows."""
    turned = images.reshape(-1, 28, 28).transpose(0, 2, 1)
    return np.ascontiguousarray(turned).reshape(len(images), 784)


FILES = KnownFiles(
    "emnist-balanced",
    "EMNIST",
    EMNIST,
    LIMIT,
    _read,
    lambda: ["https://biometrics.nist.gov/cs_links/EMNIST/"],
    packed=False,
    model=ModelParams(layers=(784, 300, 100, 47)),
)

ENTRY = FILES.entry()

"""SVHN (Netzer et al., 2011): digits cut out of photographs of house numbers, 32 x 32."""

import io

import numpy as np

from lthctl.datasets.base import Split
from lthctl.datasets.known_files import Contents, KnownFiles
from lthctl.errors import DataError
from lthctl.params import ModelParams

TRAIN, TEST = "train_32x32.mat", "test_32x32.mat"

SVHN = {
    TRAIN: "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    TEST: "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
}
"""File name -> its SHA-256. TensorFlow Datasets has recorded them, in
`url_checksums/svhn_cropped.txt`. The `extra` images are not used."""

LIMIT = 256 * 2**20
"""Bytes beyond which nothing is read; the larger file has 182 million."""


def _read(contents: Contents) -> tuple[Split, Split]:
    return _split(contents[TRAIN]), _split(contents[TEST])


def _split(content: bytes) -> Split:
    """The images of a file of MATLAB's, in which the digit 0 has the label 10."""
    from scipy.io import loadmat

    try:
        arrays = loadmat(io.BytesIO(content), variable_names=["X", "y"])
        images, labels = np.asarray(arrays["X"]), np.asarray(arrays["y"]).reshape(-1)
    except Exception as error:  # the reader fails in more ways than can be listed
        raise DataError(
            f"dataset: is no file of MATLAB's with X and y ({type(error).__name__}: {error}); "
            "fetch it again"
        ) from error
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(labels)):
        raise DataError(
            f"dataset: X is {images.dtype} of shape {images.shape}, expected uint8 of shape "
            f"{(32, 32, 3, len(labels))}; fetch it again"
        )
    return Split(np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.astype(np.int64) % 10)


FILES = KnownFiles(
    "svhn",
    "SVHN",
    SVHN,
    LIMIT,
    _read,
    lambda: ["https://ufldl.stanford.edu/housenumbers/"],
    packed=False,
    model=ModelParams(name="conv2"),
)

ENTRY = FILES.entry()

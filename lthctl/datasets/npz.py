"""Arrays of your own in an .npz file of NumPy's, which may hold no objects."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.base import Dataset, Images, Labels, Split
from lthctl.datasets.classes import check_labels
from lthctl.datasets.entry import DatasetEntry
from lthctl.datasets.opened import OpenedFolder
from lthctl.errors import DataError

NAMES = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
"""The arrays of a split; the second pair is what Keras calls them."""


def open_npz(place: Path) -> OpenedFolder:
    """Read a file, or the only .npz file of a folder.

    Raises:
      DataError: there is no such file, or several; an array is missing, holds objects, or is no
        images or no labels; or a class has no training image.
    """
    path = _file(place)
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise DataError(f"{path}: holds one array, expected several with names")
            train, test = (_split(arrays, part, path) for part in NAMES)
    except DataError:
        raise
    except Exception as error:  # archives fail in more ways than can be listed
        objects = "Object arrays" in str(error) or "pickled" in str(error)
        reason = "holds objects" if objects else f"cannot be read ({type(error).__name__}: {error})"
        raise DataError(
            f"{path}: {reason}, expected an .npz file with arrays of numbers; write it with "
            "numpy.savez"
        ) from error
    if train.images.shape[1:] != test.images.shape[1:] or train.images.dtype != test.images.dtype:
        raise DataError(
            f"{path}: training images are {train.images.dtype} of shape {train.images.shape[1:]}, "
            f"test images {test.images.dtype} of shape {test.images.shape[1:]}; make them alike"
        )
    check_labels(train.labels, test.labels, str(path))
    return OpenedFolder("npz", place, Dataset("npz", train, test))


def _file(place: Path) -> Path:
    if not place.is_dir():
        if place.exists() and not place.is_file():
            raise DataError(f"{place}: is a pipe or a device, expected a file")
        return place
    found = sorted(place.glob("*.npz"))
    if len(found) != 1:
        raise DataError(
            f"{place}: holds {len(found)} .npz files, expected one; name the file with --data"
        )
    return found[0]


def _split(arrays: Any, part: str, path: Path) -> Split:
    for images, labels in NAMES[part]:
        if images in arrays and labels in arrays:
            return Split(
                _images(_array(arrays, images, path), images, path),
                _labels(_array(arrays, labels, path), labels, path),
            )
    images, labels = NAMES[part][0]
    raise DataError(
        f"{path}: has the arrays {', '.join(arrays) or '(none)'}, expected {images} and {labels} "
        "among them"
    )


def _array(arrays: Any, name: str, path: Path) -> NDArray[Any]:
    array = arrays[name]
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {name} is no array of NumPy's; write it with numpy.savez")
    return array


def _images(array: NDArray[Any], name: str, path: Path) -> Images:
    shape = array.shape
    if array.dtype.newbyteorder("=") not in (np.uint8, np.float32):
        raise DataError(
            f"{path}: {name} is {array.dtype}, expected uint8, or float32; convert it with astype"
        )
    if len(shape) not in (2, 3, 4):
        raise DataError(
            f"{path}: {name} has the shape {shape}, expected (n, inputs), (n, height, width) or "
            "(n, channels, height, width)"
        )
    if len(shape) == 4 and shape[3] in (1, 3, 4) and shape[1] not in (1, 3, 4):
        raise DataError(
            f"{path}: {name} has the shape {shape}, with the channels at the end, expected "
            "(n, channels, height, width); transpose it by (0, 3, 1, 2)"
        )
    whole = np.require(array.astype(array.dtype.newbyteorder("="), copy=False), None, ["C", "W"])
    return whole.reshape(shape[0], 1, *shape[1:]) if len(shape) == 3 else whole


def _labels(array: NDArray[Any], name: str, path: Path) -> Labels:
    if array.dtype.kind not in "iu":
        raise DataError(f"{path}: {name} is {array.dtype}, expected whole numbers from 0")
    flat = array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array
    return flat.astype(np.int64)


ENTRY = DatasetEntry(open_npz, Path("data", "npz"))

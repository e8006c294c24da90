"""Images of your own: `train/<class>/*` and `test/<class>/*`, read by Pillow.

Classes are numbered in the order of their names. The images stay as decoded, so their digest is
the identity of the dataset. They are kept decoded in the user's cache, as that is what takes long.
"""

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.classes import check_names
from lthctl.datasets.decoded import decoded
from lthctl.datasets.entry import DatasetEntry
from lthctl.datasets.opened import OpenedFolder
from lthctl.errors import DataError
from lthctl.reading import read_file

MODES = (
    "1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"
)  # fmt: skip
"""Pillow's names for images of at most 8 bits a channel."""

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
"""Pillow's names for files that it reads itself. PostScript it gives to a program that runs it."""

FILE_LIMIT = 64 * 2**20
"""Bytes that a file may have."""

MAX_SIDE = 1024
"""Pixels: whoever trains on larger ones wants them made smaller first."""


class ImageFile(NamedTuple):
    """A file, and the number of its class."""

    path: Path
    label: int


def open_folder(folder: Path) -> OpenedFolder:
    """Read all images of a folder, or what was kept of them.

    Raises:
      DataError: there is no train/ or test/; a class has no image, or is in test/ alone; images
        differ in size; or a file is no image.
    """
    classes = {part: _classes(folder, part) for part in ("train", "test")}
    check_names(list(classes["train"]), list(classes["test"]), str(folder))
    numbers = {name: number for number, name in enumerate(classes["train"])}
    files = {
        part: [ImageFile(path, numbers[name]) for name, paths in found.items() for path in paths]
        for part, found in classes.items()
    }
    paths = [file.path for part in files.values() for file in part]
    images = decoded(folder, paths, lambda: _decode(paths))
    num_train = len(files["train"])
    train, test = (
        Split(some, np.array([file.label for file in files[part]], np.int64))
        for part, some in (("train", images[:num_train]), ("test", images[num_train:]))
    )
    return OpenedFolder("folder", folder, Dataset("folder", train, test))


def _classes(folder: Path, part: str) -> dict[str, list[Path]]:
    """Class -> its files, both in the order of their names. Hidden ones are passed over."""
    place = folder / part
    try:
        found = {
            name: [place / name / file for file in _visible(place / name)]
            for name in _visible(place)
        }
    except OSError as error:
        raise DataError(
            f"{error.filename or place}: cannot be read ({error.strerror or error}); expected a "
            f"folder for each class, such as {place / 'cat'}, with images"
        ) from error
    for name, paths in found.items():
        if not paths:
            raise DataError(
                f"{place / name}: is a class with no image; add some, or remove the folder"
            )
    return found


LITTER = {"thumbs.db", "desktop.ini"}
"""What Windows puts into folders of images, as macOS puts `.DS_Store`."""


def _visible(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return sorted(name for name in names if name[:1] != "." and name.lower() not in LITTER)


def _decode(paths: list[Path]) -> NDArray[np.uint8]:
    """All images, (n, 1, height, width) if all are gray, else (n, 3, height, width)."""
    first, are_gray = None, True
    images = np.empty((0, 3, 0, 0), np.uint8)
    for number, path in enumerate(paths):
        pixels, is_gray = _pixels(path)
        if first is None:
            first = pixels.shape[:2]
            images = np.empty((len(paths), 3, *first), np.uint8)
        if pixels.shape[:2] != first:
            raise DataError(
                f"{path}: is an image of {_size(pixels.shape)} pixels, and {paths[0]} of "
                f"{_size(first)}; make all of one size"
            )
        images[number] = pixels.transpose(2, 0, 1)
        are_gray = are_gray and is_gray
    return np.ascontiguousarray(images[:, :1]) if are_gray else images


def _pixels(path: Path) -> tuple[NDArray[np.uint8], bool]:
    """The pixels of an image, (height, width, 3), and whether it is gray."""
    from PIL import Image, UnidentifiedImageError

    try:
        content = io.BytesIO(read_file(path, DataError, limit=FILE_LIMIT))
        with Image.open(content, formats=FORMATS) as image:
            if max(image.size) > MAX_SIDE:
                raise DataError(
                    f"{path}: is an image of {image.width} x {image.height} pixels, expected at "
                    f"most {MAX_SIDE} x {MAX_SIDE}; make all smaller"
                )
            if image.mode not in MODES:
                raise DataError(
                    f"{path}: is an image of Pillow's mode {image.mode}, expected 8 bits a "
                    "channel; convert it"
                )
            return np.asarray(image.convert("RGB")), image.mode in ("1", "L")
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(
            f"{path}: is no image that Pillow knows; mend it, or move it away"
        ) from None
    except Exception as error:  # decoders fail in more ways than can be listed
        raise DataError(
            f"{path}: cannot be read as an image ({type(error).__name__}: {error}); mend it, or "
            "move it away"
        ) from error


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"


ENTRY = DatasetEntry(open_folder, Path("data", "folder"))

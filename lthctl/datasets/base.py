"""Datasets: images and labels held as arrays in memory, in splits.

Knows no files, no networks and no models.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lthctl.canonical import InParts, Json, digest_of, digest_of_parts, whole
from lthctl.datasets.reference import DatasetReference, open_dataset
from lthctl.errors import DataError
from lthctl.parameter_types import Count, Digest, Natural, Normalize, Text, not_null
from lthctl.params import Augmentation, Section

Images = NDArray[np.uint8] | NDArray[np.float32]


Labels = NDArray[np.int64]

IMAGES_AT_A_TIME = 4096
"""Whose numbers are made of their bytes, so that those of all are never in memory."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and labels that belong together.

    Attributes:
      images: (n, inputs) or (n, channels, height, width); float32 is used as it is, and uint8
        stands for byte / 255 unless there are levels.
      labels: (n,), int64, from 0.
      levels: (channels, 256), float32: what each byte of a channel stands for; of images without
        channels there is one row. None where a byte stands for byte / 255.
    """

    images: Images
    labels: Labels
    levels: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        for name, given in (("images", images), ("labels", labels)):
            if not isinstance(given, np.ndarray):
                raise DataError(
                    f"dataset: {name} are of type {type(given).__name__}, expected an array of "
                    "NumPy's; make one with numpy.asarray"
                )
        if images.ndim < 2 or labels.shape != (len(images),):
            raise DataError(
                f"dataset: images {images.shape} and labels {labels.shape} do not go together; "
                "give one label for each image"
            )
        if images.dtype not in (np.uint8, np.float32) or labels.dtype != np.int64:
            raise DataError(
                f"dataset: images are {images.dtype}, labels {labels.dtype}; expected uint8 or "
                "float32, and int64"
            )
        if not len(labels):
            raise DataError("dataset: a split has no images, expected at least one")
        if not images.size:
            raise DataError(f"dataset: images of shape {images.shape[1:]} have no pixels")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> "Split":
        """Some of the images, in the order of the indices."""
        return Split(self.images[indices], self.labels[indices], self.levels)

    def numbers(self) -> Iterator[Images]:
        """The images as they are trained on, some thousand at a time: bytes only where a byte
        stands for byte / 255."""
        if self.levels is None:
            yield self.images
            return
        for first in range(0, len(self), IMAGES_AT_A_TIME):
            yield _at_levels(self.images[first : first + IMAGES_AT_A_TIME], self.levels)

    def arrays(self) -> dict[str, InParts]:
        """All that training and evaluation can see, for a digest."""
        images = whole(self.images)
        if self.levels is not None:
            images = InParts(self.levels.dtype.str, self.images.shape, self.numbers())
        return {"images": images, "labels": whole(self.labels)}


def _at_levels(images: Images, levels: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(levels) == 1:
        everywhere: NDArray[np.float32] = levels[0][images]
        return everywhere
    moved = np.empty(images.shape, np.float32)
    for channel, of_channel in enumerate(levels):
        moved[:, channel] = of_channel[images[:, channel]]
    return moved


class DataDescription(Section):
    """What a `Dataset` says of itself.

    Attributes:
      name: for people, such as "mnist".
      digest: SHA-256 of all that training and evaluation can see.
      source: digest of what the splits were made from.
      train, validation, test: numbers of images; 0 test images where there is no such split.
      normalize: how pixels were moved and scaled, as it was asked for; None where they were not.
      augment: how images are changed in each batch; None where they are not.
    """

    schema_1 = frozenset({"name", "digest", "source", "train", "validation", "test"})

    name: Text
    digest: Digest
    source: Text
    train: Count
    validation: Count
    test: Natural
    normalize: Annotated[Normalize, not_null] = None
    augment: Annotated[Augmentation, not_null] = None

    def to_json(self) -> Json:
        return self.identity()


@dataclass(frozen=True)
class Dataset:
    """What trainings are given: training and validation images, and test images where the protocol
    has them.

    Attributes:
      name: for people, such as "mnist".
      train: images to train on.
      validation: images that choose: the best step, the early-stop step, the verdict.
      test: images that never choose; None where the protocol has no test split.
      source: digest of what the splits were made from, where several datasets are splits of one;
        runs of one source may be compared.
      reference: the folder that it came from, where there is one. A dataset with a reference is
        pickled as this name and its digest, and not as its images.
      normalize: how its pixels were moved and scaled; see `lthctl.datasets.normalizing`.
      augment: how images are changed in each batch; see `lthctl.datasets.augmenting`.
    """

    name: str
    train: Split
    validation: Split
    test: Split | None = None
    source: str | None = None
    reference: DatasetReference | None = field(default=None, repr=False, compare=False)
    normalize: Normalize = None
    augment: Augmentation = None

    def __reduce__(self) -> tuple[Callable[..., "Dataset"], tuple[object, ...]]:
        if self.reference is not None:
            return open_dataset, (self.reference, self.digest)
        given = self.name, self.train, self.validation, self.test, self.source
        return Dataset, (*given, None, self.normalize, self.augment)

    def __deepcopy__(self, _: object) -> "Dataset":
        """The same one: a dataset does not change."""
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that training and evaluation can see."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        arrays = {
            f"{name}.{part}": array
            for name, split in splits.items()
            if split is not None
            for part, array in split.arrays().items()
        }
        digest = digest_of_parts(arrays)
        if self.augment is None:
            return digest
        return digest_of({"dataset": digest, "augment": self.augment.identity()})

    @property
    def num_evaluated(self) -> int:
        """Images of an evaluation: those to validate on, and the test images where there are."""
        return len(self.validation) + (0 if self.test is None else len(self.test))

    def describe(self) -> DataDescription:
        """Name, digests and sizes."""
        asked = {"normalize": self.normalize, "augment": self.augment}
        further: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
        return DataDescription(
            name=self.name,
            digest=self.digest,
            source=self.source or self.digest,
            train=len(self.train),
            validation=len(self.validation),
            test=0 if self.test is None else len(self.test),
            **further,
        )

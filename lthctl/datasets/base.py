"""Datasets: images and labels held as arrays in memory, in splits.

Knows no files, no networks and no models.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lthctl.canonical import Json, digest_of_arrays
from lthctl.datasets.reference import DatasetReference, open_dataset
from lthctl.errors import DataError
from lthctl.parameter_types import Count, Digest, Natural, Normalize, not_null
from lthctl.params import Section

Images = NDArray[np.uint8] | NDArray[np.float32]


Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and labels that belong together.

    Attributes:
      images: (n, inputs); uint8 stands for byte / 255, float32 is used as it is.
      labels: (n,), int64, from 0.
    """

    images: Images
    labels: Labels

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
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

    def __len__(self) -> int:
        return len(self.labels)


class DataDescription(Section):
    """What a `Dataset` says of itself.

    Attributes:
      name: for people, such as "mnist".
      digest: SHA-256 of all that training and evaluation can see.
      source: digest of what the splits were made from.
      train, validation, test: numbers of images; 0 test images where there is no such split.
      normalize: how pixels were moved and scaled, as it was asked for; None where they were not.
    """

    schema_1 = frozenset({"name", "digest", "source", "train", "validation", "test"})

    name: str
    digest: Digest
    source: str
    train: Count
    validation: Count
    test: Natural
    normalize: Annotated[Normalize, not_null] = None

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
    """

    name: str
    train: Split
    validation: Split
    test: Split | None = None
    source: str | None = None
    reference: DatasetReference | None = field(default=None, repr=False, compare=False)
    normalize: Normalize = None

    def __reduce__(self) -> tuple[Callable[..., "Dataset"], tuple[object, ...]]:
        if self.reference is not None:
            return open_dataset, (self.reference, self.digest)
        given = self.name, self.train, self.validation, self.test, self.source
        return Dataset, (*given, None, self.normalize)

    def __deepcopy__(self, _: object) -> "Dataset":
        """The same one: a dataset does not change."""
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that training and evaluation can see."""
        arrays = {
            "train.images": self.train.images,
            "train.labels": self.train.labels,
            "validation.images": self.validation.images,
            "validation.labels": self.validation.labels,
        }
        if self.test is not None:
            arrays |= {"test.images": self.test.images, "test.labels": self.test.labels}
        return digest_of_arrays(arrays)

    @property
    def num_evaluated(self) -> int:
        """Images of an evaluation: those to validate on, and the test images where there are."""
        return len(self.validation) + (0 if self.test is None else len(self.test))

    def describe(self) -> DataDescription:
        """Name, digests and sizes."""
        further: dict[str, Any] = {} if self.normalize is None else {"normalize": self.normalize}
        return DataDescription(
            name=self.name,
            digest=self.digest,
            source=self.source or self.digest,
            train=len(self.train),
            validation=len(self.validation),
            test=0 if self.test is None else len(self.test),
            **further,
        )

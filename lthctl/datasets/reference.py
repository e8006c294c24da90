"""The name of a dataset that came from a folder, by which any process opens it again.

A training that goes to another process takes this name along and leaves the images where they are.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lthctl.errors import DataError
from lthctl.families import DATASETS
from lthctl.params import DataParams

if TYPE_CHECKING:
    from lthctl.datasets.base import DataDescription, Dataset


class DatasetFolder(Protocol):
    """A folder, read and verified, that gives the dataset of every seed."""

    def dataset(self, params: DataParams, seed: int) -> "Dataset":
        """The dataset of one seed."""

    def described(self, description: "DataDescription", seed: int) -> "Dataset":
        """The dataset of a seed that `Dataset.describe` described."""


@dataclass(frozen=True)
class DatasetReference:
    """Which folder a dataset came from, and how.

    Attributes:
      family: the name of the dataset in its family, such as "mnist".
      folder: the folder, absolute.
      params: how the images were split.
      seed: what decided which images were held out.
    """

    family: str
    folder: Path
    params: DataParams
    seed: int


def open_dataset(reference: DatasetReference, digest: str) -> "Dataset":
    """The dataset of a reference; a process reads and verifies a folder once.

    Args:
      reference: where it came from.
      digest: `Dataset.digest` of what it was then.

    Raises:
      DataError: the folder is missing or damaged, or holds something else now.
    """
    dataset = _open_folder(reference.family, reference.folder).dataset(
        reference.params, reference.seed
    )
    if dataset.digest != digest:
        raise DataError(
            f"{reference.folder}: now holds a dataset with SHA-256 {dataset.digest[:12]}..., "
            f"expected {digest[:12]}...; it was changed meanwhile: restore it, or run the command "
            "again"
        )
    return dataset


@cache
def _open_folder(family: str, folder: Path) -> DatasetFolder:
    opened: DatasetFolder = DATASETS.get(family).open(folder)
    return opened

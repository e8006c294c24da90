"""Datasets by name.

A dataset of one's own is a function `(folder) -> Dataset`. It is called `module:name` in
`data.name`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from lthctl import families
from lthctl.datasets.base import DataDescription, Dataset
from lthctl.datasets.holdout import hold_out
from lthctl.datasets.normalizing import normalized
from lthctl.datasets.reference import DatasetFolder, DatasetReference
from lthctl.errors import DataError
from lthctl.families import Family, checked_callable
from lthctl.parameter_types import Normalize
from lthctl.params import DataParams


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset.

    Attributes:
      open: reads and verifies a folder.
      folder: where it lies if nobody says otherwise.
      download: fetches it into a folder and returns file -> where it came from; None where that
        cannot be done.
    """

    open: Callable[[Path], DatasetFolder]
    folder: Path
    download: Callable[..., Mapping[str, str]] | None = None


Key = tuple[int, int, Normalize]
"""Images held out, the seed that chose them, and how pixels are normalized."""


class OwnFolder:
    """A folder that somebody's own function reads."""

    def __init__(self, name: str, read: Callable[[Path], object], folder: Path) -> None:
        try:
            whole = read(folder)
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"data {name}: cannot read {folder} ({type(error).__name__}: {error})"
            ) from error
        if not isinstance(whole, Dataset):
            raise DataError(
                f"data {name}: gives a value of type {type(whole).__name__}, expected a "
                "lthctl.Dataset"
            )
        self._name, self._folder, self._whole = name, folder.absolute(), whole
        self._in_use: WeakValueDictionary[Key, Dataset] = WeakValueDictionary()

    def dataset(self, params: DataParams, seed: int) -> Dataset:
        """The dataset of one seed, with as many training images held out as `params` says."""
        key = (params.holdout, seed if params.holdout else 0, params.normalize)
        if (dataset := self._in_use.get(key)) is None:
            reference = DatasetReference(self._name, self._folder, params, seed)
            held_out = hold_out(self._whole, params.holdout, seed, reference)
            dataset = normalized(held_out, params.normalize)
            self._in_use[key] = dataset
        return dataset

    def described(self, description: DataDescription, seed: int) -> Dataset:
        """The dataset of a seed that `Dataset.describe` described, as far as holding images out can
        make it."""
        held_out = bool(description.test) and self._whole.test is None
        holdout = description.validation if held_out else 0
        return self.dataset(DataParams(holdout=holdout, normalize=description.normalize), seed)


def as_dataset(name: str, given: object) -> DatasetEntry:
    """A member of the family from what a person brought: a `DatasetEntry`, or a function.

    Raises:
      TypeError: it is neither; says what was expected.
    """
    if isinstance(given, DatasetEntry):
        return given
    expected = (
        "a function of one parameter, the folder, that returns a lthctl.Dataset, or a "
        "lthctl.datasets.entry.DatasetEntry"
    )
    read: Callable[[Path], Any] = checked_callable(given, 1, expected)
    short = name.rpartition(":")[2]
    return DatasetEntry(lambda folder: OwnFolder(name, read, folder), Path("data", short))


DATASETS: Family[DatasetEntry] = families.DATASETS


def open_folder(params: DataParams, folder: Path | None) -> DatasetFolder:
    """The dataset that the parameters ask for, read from a folder, or from where it lies if that is
    None.

    Raises:
      ParamsError: there is no such dataset, or it may not be imported.
      DataError: it is missing or damaged.
    """
    entry = DATASETS.get(params.name)
    return entry.open(entry.folder if folder is None else folder)

"""Datasets by name.

A dataset of one's own is a function `(folder) -> Dataset`. It is called `module:name` in
`data.name`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lthctl import families
from lthctl.datasets.base import Dataset
from lthctl.datasets.opened import OpenedFolder
from lthctl.datasets.reference import DatasetFolder
from lthctl.errors import DataError
from lthctl.families import Family, checked_callable
from lthctl.params import DataParams, ModelParams


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset.

    Attributes:
      open: reads and verifies a folder.
      folder: where it lies if nobody says otherwise.
      download: fetches it into a folder and returns file -> where it came from; None where that
        cannot be done.
      files: the names of what is fetched.
      model: a built-in model that takes its images; None where that is the usual MLP, or depends.
    """

    open: Callable[[Path], DatasetFolder]
    folder: Path
    download: Callable[..., Mapping[str, str]] | None = None
    files: Collection[str] = ()
    model: ModelParams | None = None


def _open_own(name: str, read: Callable[[Path], object], folder: Path) -> OpenedFolder:
    """A folder that somebody's own function reads."""
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
            f"data {name}: gives a value of type {type(whole).__name__}, expected a lthctl.Dataset"
        )
    return OpenedFolder(name, folder, whole)


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
    return DatasetEntry(lambda folder: _open_own(name, read, folder), Path("data", short))


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

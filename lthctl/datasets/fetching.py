"""Fetching files that are known by their SHA-256, from the first source that has the right bytes.

Knows no dataset and no network: a source gives the bytes of a file, and these are trusted by their
digest alone, wherever they came from.
"""

import gzip
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from lthctl.canonical import sha256
from lthctl.disk import write_file
from lthctl.errors import DataError, OutputError
from lthctl.reading import read_file


class SourceError(Exception):
    """A source gives nothing at all, so it is asked for no other file; why."""


class Source(Protocol):
    """Where files may come from.

    Attributes:
      label: for people, such as the address of a mirror.
    """

    label: str

    def fetch(self, name: str) -> bytes:
        """The bytes of a file, unpacked, perhaps the wrong ones.

        Raises:
          SourceError: the source gives nothing at all.
          OSError, EOFError, zlib.error, DataError: it does not give this file.
        """


def fetch_files(
    folder: Path,
    digests: Mapping[str, str],
    sources: Iterable[Source],
    *,
    limit: int,
    announce: Callable[[str], None],
) -> tuple[dict[str, str], list[str]]:
    """Make a folder hold files: those that are there and right stay, all others are fetched.

    A file is written as soon as it is known to be right, whole or not at all. A wrong one costs no
    more than itself.

    Args:
      folder: where the files go. Nothing else in it is touched.
      digests: file name -> SHA-256.
      sources: asked one after another, each for what is still missing.
      limit: bytes that a file may have.
      announce: called with a sentence on what is being done.

    Returns:
      File name -> where it came from, "already there" for those that were; and a line for all that
      was tried in vain.

    Raises:
      OutputError: the folder cannot be written.
    """
    origins: dict[str, str] = {}
    for name, digest in digests.items():
        path = folder / name
        if path.is_file():
            try:
                is_right = sha256(read_file(path, DataError, limit=limit)) == digest
            except DataError:
                is_right = False
            if is_right:
                origins[name] = "already there"
            else:
                announce(f"{path}: truncated or altered, fetching it again")
    failures: list[str] = []
    missing = [name for name in digests if name not in origins]
    if not missing:
        return origins, failures
    for source in sources:
        announce(f"fetching {', '.join(missing)} from {source.label}")
        try:
            for name in missing:
                try:
                    content = source.fetch(name)
                except (SourceError, OutputError):
                    raise
                except Exception as error:  # a server may answer anything
                    failures.append(f"{source.label}: {name}: {error}")
                    continue
                if (digest := sha256(content)) == digests[name]:
                    write_file(folder / name, content)
                    origins[name] = source.label
                else:
                    failures.append(
                        f"{source.label}: {name}: is truncated or altered (SHA-256 "
                        f"{digest[:12]}..., not {digests[name][:12]}...)"
                    )
        except SourceError as error:
            failures.append(f"{source.label}: {error}")
        missing = [name for name in digests if name not in origins]
        if not missing:
            break
    return {name: origins[name] for name in digests if name in origins}, failures


def gunzip(content: bytes, limit: int) -> bytes:
    """At most `limit` bytes of what was packed.

    Raises:
      OSError, EOFError, zlib.error: this is no whole gzip file.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        return file.read(limit)

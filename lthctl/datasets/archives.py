"""Members of archives that carry datasets, read in memory: nothing is unpacked onto the disk."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from lthctl.datasets.fetching import gunzip
from lthctl.errors import DataError


def members_of_tar(content: bytes, names: Collection[str], *, limit: int) -> dict[str, bytes]:
    """Some members of a packed tar archive.

    Args:
      content: the archive.
      names: of the members that are wanted.
      limit: bytes that a member may have.

    Raises:
      DataError: a member is missing, is no file, or is longer; a path in the archive leads outside
        of its folder, or is a link; or the archive is damaged.
    """
    found: dict[str, bytes] = {}
    with _damage("tar"), tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as archive:
        for member in archive:
            _check_path(member.name)
            if not (member.isreg() or member.isdir()):
                raise DataError(
                    f"archive: {member.name!r:.200} is a link or a device, expected files and "
                    "folders; do not use it"
                )
            file = archive.extractfile(member) if member.name in names else None
            if file is not None:
                _check_size(member.name, member.size, limit)
                found[member.name] = file.read()
    return _all_of(found, names)


def members_of_zip(content: bytes, names: Collection[str], *, limit: int) -> dict[str, bytes]:
    """Some members of a zip archive; see `members_of_tar`."""
    found: dict[str, bytes] = {}
    with _damage("zip"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            _check_path(member.filename)
            if member.filename in names:
                _check_size(member.filename, member.file_size, limit)
                found[member.filename] = archive.read(member)
    return _all_of(found, names)


def gunzipped(content: bytes, limit: int) -> bytes:
    """At most `limit` bytes of a gzip file.

    Raises:
      DataError: it is damaged.
    """
    with _damage("gzip"):
        return gunzip(content, limit)


@contextmanager
def _damage(kind: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError,
            NotImplementedError, RuntimeError) as error:  # fmt: skip
        raise DataError(
            f"archive: is no whole {kind} archive ({type(error).__name__}: {error!s:.300}); "
            "fetch it again"
        ) from error


def _check_path(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name:
        raise DataError(
            f"archive: {name!r:.200} leads outside of the archive's folder, expected paths within "
            "it; do not use it"
        )


def _check_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise DataError(f"archive: {name!r} has {size} bytes, expected at most {limit}")


def _all_of(found: dict[str, bytes], names: Collection[str]) -> dict[str, bytes]:
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"archive: has no {', '.join(missing)}; fetch it again")
    return found

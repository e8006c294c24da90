"""Paths of other revisions: `masks/pipeline@HEAD~1`, `../other/masks/mine@v1`.

Knows git and DVC repositories, not what the files in them mean. What is asked for is copied into a
temporary folder, for the ordinary readers, which refuse what is damaged; nothing of a repository is
executed, checked out or written. Nothing is asked of a network unless that is wished.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lthctl.errors import LthctlError, PathError
from lthctl.reading import is_there

TOTAL_LIMIT = 8 * 2**30  # bytes copied for one path


CHUNK = 2**20  # bytes


LFS = b"version https://git-lfs.github.com/spec/"
"""How a file begins that git LFS keeps elsewhere."""


def at_revision(text: str) -> tuple[str, str] | None:
    """Path and revision that `path@revision` most likely names; None where it names none, or is a
    path that exists."""
    splits = _splits(text)
    return splits[0] if splits else None


def _splits(text: str) -> list[tuple[str, str]]:
    """All pairs of path and revision that `path@revision` may name, as both may hold an "@".

    The longest path that exists comes first; then the other paths, the longest first. The "@{...}"
    of git's own notation ends no path.
    """
    if os.path.lexists(text):
        return []
    parts = text.split("@")
    pairs = [
        ("@".join(parts[:count]), "@".join(parts[count:])) for count in range(len(parts) - 1, 0, -1)
    ]
    named = [(path, name) for path, name in pairs if path and name and not name.startswith("{")]
    return sorted(named, key=lambda pair: not os.path.lexists(pair[0]))


class Place(NamedTuple):
    """Where the files of an argument are.

    Attributes:
      folder: on the disk: the path itself, or a temporary copy.
      path: the argument without its revision.
      revision: None where it has none.
    """

    folder: Path
    path: str
    revision: str | None


@contextmanager
def placed(text: str, files: Mapping[str, int], *, fetch: bool = False) -> Iterator[Place]:
    """A folder on the disk for a path that may name a revision.

    Args:
      text: a path that exists; or `path@revision`, where the path need not exist any more. The
        repository is the one that encloses the path: of git, with or without DVC, whose data may
        lie in the cache. A path that exists wins over one that reads like a revision's.
      files: names of the files to take from a revision, anywhere below the path, with the most
        bytes that each may have. Nothing else is taken, and nothing from hidden folders.
      fetch: whether the remotes that the repository names may be asked for what is not here.

    Yields:
      The path itself, or a temporary copy that is gone afterwards; what readers say of it names
      `text` instead.

    Raises:
      PathError: there is no such path, repository, revision, or path in it; or its data cannot be
        had.
    """
    if is_there(Path(text), PathError):
        yield Place(Path(text), text, None)
        return
    splits = _splits(text)
    if not splits:
        raise PathError(
            f"{text}: does not exist; expected a ticket, a run, or a folder of them, or "
            "`path@revision`. "
            "If DVC tracks it, restore it with `dvc checkout`"
        )
    with tempfile.TemporaryDirectory(prefix="lthctl-") as temporary:
        copy = Path(temporary) / "copy"
        path, revision = _copy_first(splits, copy, files, where=text, fetch=fetch)
        try:
            yield Place(copy, path, revision)
        except LthctlError as error:
            raise type(error)(str(error).replace(str(copy), text)) from error


class _NotThereError(PathError):
    """There is no such revision, or no such path in it."""


def _copy_first(
    splits: list[tuple[str, str]], to: Path, files: Mapping[str, int], *, where: str, fetch: bool
) -> tuple[str, str]:
    """Copy what the first of some pairs names that names anything, and return that pair."""
    refusals: list[_NotThereError] = []
    for path, revision in splits:
        try:
            _copy(path, revision, to, files, where=where, fetch=fetch)
        except _NotThereError as error:
            refusals.append(error)
        else:
            return path, revision
    raise refusals[0]


def _copy(
    path: str, revision: str, to: Path, files: Mapping[str, int], *, where: str, fetch: bool
) -> None:
    # As it is written: a link in it may not exist in the revision.
    absolute = Path(os.path.abspath(path))  # noqa: PTH100
    root = next(
        (place for place in (absolute, *absolute.parents) if (place / ".git").exists()), None
    )
    if root is None:
        raise _NotThereError(
            f"{where}: neither does this path exist, nor is {path} in a git repository that could "
            "have the revision "
            f"{revision!r}; clone the repository and name the path in the clone"
        )
    inside = "/" + "/".join(absolute.relative_to(root).parts)
    try:
        from dvc.scm import RevError

        from lthctl.artifacts.dvc_projects import project_at

        try:
            with project_at(root, revision, fetch=fetch) as system:
                if not system.isdir(inside):
                    what = "is a file, not a folder," if system.exists(inside) else "is not"
                    raise _NotThereError(
                        f"{where}: {path} {what} in revision {revision!r} of {root}"
                    )
                _copy_files(system, inside, to, files, where=where)
        except RevError:
            raise _NotThereError(
                f"{where}: the repository {root} has no revision {revision!r}; "
                "`git log` and `git tag` list what it has, `git fetch` gets what others have"
            ) from None
    except PathError:
        raise
    except Exception as error:  # DVC, its indexes, git and any remote have an exception each
        asked = "" if fetch else "its remotes were not asked, as --fetch was not given; "
        raise PathError(
            f"{where}: its data cannot be read ({type(error).__name__}: {error}); {asked}if it is "
            f"not in DVC's cache, run `dvc fetch --all-commits` in {root}, or `dvc pull` in a "
            "clone at that revision"
        ) from error


def _copy_files(
    system: Any, inside: str, to: Path, files: Mapping[str, int], *, where: str
) -> None:
    to.mkdir()
    left = TOTAL_LIMIT
    for folder, _, names in system.walk(inside):
        parts = Path(folder).relative_to(inside).parts
        if any(part.startswith(".") or "\0" in part for part in parts):
            continue  # hidden; and no name from elsewhere leads out of the copy
        for name in sorted(files.keys() & set(names)):
            target = to.joinpath(*parts, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            limit = min(files[name], left)
            with system.open(f"{folder}/{name}", "rb") as source, target.open("wb") as sink:
                size = 0
                while chunk := source.read(CHUNK):
                    size += len(chunk)
                    if size == len(chunk) and chunk.startswith(LFS):
                        raise PathError(
                            f"{where}: {'/'.join((*parts, name))} is kept by git LFS; give --fetch "
                            "to have it fetched"
                        )
                    if size > limit:
                        raise PathError(
                            f"{where}: {'/'.join((*parts, name))} is longer than {limit} bytes; "
                            "it is damaged or not written by lthctl"
                        )
                    sink.write(chunk)
            left -= size

"""Paths of other revisions: `masks/pipeline@HEAD~1`, `../other/masks/mine@v1`.

Knows git and DVC repositories, not what the files in them mean. What is asked for is copied into a
temporary folder, for the ordinary readers, which refuse what is damaged; nothing of a repository is
executed, checked out or written.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lthctl.errors import LthctlError, PathError

TOTAL_LIMIT = 8 * 2**30  # bytes copied for one path


CHUNK = 2**20  # bytes


# The revision is what follows the last "@", but for the "@{...}" that git's own notation has.
AT_REVISION = re.compile(r"(.+)@((?!\{)(?:[^@]|@\{)+)", re.DOTALL)


def at_revision(text: str) -> tuple[str, str] | None:
    """Path and revision that `path@revision` names; None where it names none, or is a path that
    exists."""
    named = None if os.path.lexists(text) else AT_REVISION.fullmatch(text)
    return None if named is None else (named[1], named[2])


@contextmanager
def placed(text: str, files: Mapping[str, int]) -> Iterator[Path]:
    """A folder on the disk for a path that may name a revision.

    Args:
      text: a path that exists; or `path@revision`, where the path need not exist any more. The
        repository is the one that encloses the path: of git, with or without DVC, whose data may
          lie in the cache or at a remote. A path that
        exists wins over one that reads like a revision's.
      files: names of the files to take from a revision, anywhere below the path, with the most
        bytes that each may have. Nothing else is taken, and nothing from hidden folders.

    Yields:
      The path itself, or a temporary copy that is gone afterwards; what readers say of it names
      `text` instead.

    Raises:
      PathError: there is no such path, repository, revision, or path in it; or its data cannot be
        had.
    """
    if os.path.lexists(text):
        yield Path(text)
        return
    named = at_revision(text)
    if named is None:
        raise PathError(
            f"{text}: does not exist; expected a ticket, a run, or a folder of them, or "
            "`path@revision`. "
            "If DVC tracks it, restore it with `dvc checkout`"
        )
    path, revision = named
    with tempfile.TemporaryDirectory(prefix="lthctl-") as temporary:
        copy = Path(temporary) / "copy"
        _copy(path, revision, copy, files, where=text)
        try:
            yield copy
        except LthctlError as error:
            raise type(error)(str(error).replace(str(copy), text)) from error


def _copy(path: str, revision: str, to: Path, files: Mapping[str, int], *, where: str) -> None:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  # as it is written: a link in it may not exist in the revision
    root = next(
        (place for place in (absolute, *absolute.parents) if (place / ".git").exists()), None
    )
    if root is None:
        raise PathError(
            f"{where}: neither does this path exist, nor is {path} in a git repository that could "
            "have the revision "
            f"{revision!r}; clone the repository and name the path in the clone"
        )
    inside = "/" + "/".join(absolute.relative_to(root).parts)
    try:
        from dvc.api import DVCFileSystem
        from dvc.repo import Repo
        from dvc.scm import RevError

        try:
            repository = Repo(str(root), rev=revision, uninitialized=True, subrepos=True)
        except RevError:
            raise PathError(
                f"{where}: the repository {root} has no revision {revision!r}; "
                "`git log` and `git tag` list what it has, `git fetch` gets what others have"
            ) from None
        with repository:
            system = DVCFileSystem(repository, subrepos=True)
            if not system.isdir(inside):
                what = "is a file, not a folder," if system.exists(inside) else "is not"
                raise PathError(f"{where}: {path} {what} in revision {revision!r} of {root}")
            _copy_files(system, inside, to, files, where=where)
    except PathError:
        raise
    except Exception as error:  # DVC, its indexes, git and any remote have an exception each
        raise PathError(
            f"{where}: its data cannot be read ({type(error).__name__}: {error}); if it is not in "
            "DVC's cache, "
            f"`dvc fetch --all-commits` in {root} gets it from a remote, or `dvc pull` in a clone "
            "at that revision"
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
                    if size > limit:
                        raise PathError(
                            f"{where}: {'/'.join((*parts, name))} is longer than {limit} bytes; "
                            "it is damaged or not written by lthctl"
                        )
                    sink.write(chunk)
            left -= size

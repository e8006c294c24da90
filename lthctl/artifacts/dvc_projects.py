"""DVC projects that somebody else may have written: opened, and never obeyed.

A project's own settings can name folders that DVC makes and pickles that it reads, caches and
remotes that it contacts. Here none of them counts but the place of a cache on the disk, and the
remotes where they are asked for. Settings of the user's own count as always. No process is started.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lthctl.artifacts.dvc_ignored import bounded_filter


@contextmanager
def project_at(root: Path, revision: str, *, fetch: bool = False) -> Iterator[Any]:
    """The files of a git repository at a revision, those that DVC keeps too.

    Args:
      root: the repository, with or without a DVC project at its root or below.
      revision: as git writes it.
      fetch: whether remotes may be contacted, DVC's and git LFS's.

    Yields:
      A file system with `walk`, `isdir`, `exists` and `open`. Its root is "/".

    Raises:
      dvc.scm.RevError: there is no such revision.
      Exception: DVC, its indexes, git and remotes have an exception each.
    """
    from dvc.api import DVCFileSystem
    from dvc.fs import GitFileSystem
    from scmrepo.git import Git

    class Raw(GitFileSystem):  # type: ignore[misc]
        """Files as git has them: what git LFS keeps elsewhere is not looked for."""

        def open(self, path: str, mode: str = "r", **how: Any) -> Any:
            return super().open(path, mode=mode, **{"raw": True, **how})

    # Of the three libraries that DVC reads git with, these two start no git.
    git = Git(str(root), backends=["pygit2", "dulwich"])
    with TemporaryDirectory(prefix="lthctl-") as scratch:
        project = _project_class(scratch, fetch=fetch)
        kind = GitFileSystem if fetch else Raw
        files = kind(scm=git, rev=revision)
        _ = files.rev  # now, and not when something in it is asked for
        try:
            with project("/", fs=files, scm=git, uninitialized=True, subrepos=True) as opened:
                yield DVCFileSystem(opened, subrepos=True, repo_factory=project)
        finally:
            git.close()  # type: ignore[no-untyped-call]


def outputs_below(root: Path) -> list[Path]:
    """What DVC owns in a project: every output of a pipeline, and all that was added or imported.

    Args:
      root: the folder with `.dvc`, or, where there is none, with pipelines in it or below it.

    Returns:
      Absolute paths, as they are written: links in them are not followed.

    Raises:
      Exception: a pipeline cannot be read; DVC, its parsers and the disk have an exception each.
    """
    from dvc.scm import NoSCM

    # Git could ignore a pipeline, and DVC would run it all the same when told to.
    no_git = NoSCM(str(root))
    with TemporaryDirectory(prefix="lthctl-") as scratch:
        project = _project_class(scratch, fetch=False)
        with project(str(root), scm=no_git, uninitialized=True) as opened:
            return [Path(one.fs_path) for one in opened.index.outs if one.protocol == "local"]


def _project_class(scratch: str, *, fetch: bool) -> Any:
    """DVC's class of projects, without obedience.

    Args:
      scratch: a folder of our own, for what DVC keeps between two commands.
      fetch: whether remotes count.
    """
    from dvc.config import Config, NoRemoteError
    from dvc.fs import LocalFileSystem
    from dvc.repo import Repo
    from dvc.repo.index import Index

    class NoRemotes:
        def get_remote(self, *_: object, **__: object) -> Any:
            raise NoRemoteError("remotes are not asked")

        get_remote_odb = get_remote

    class Project(Repo):  # type: ignore[misc]
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            if not fetch:
                self.cloud = NoRemotes()

        def _get_repo_dirs(self, *given: Any, **named: Any) -> tuple[str, str | None]:
            root_dir, dvc_dir = super()._get_repo_dirs(*given, **named)
            # Without its .dvc a project on the disk has no settings, locks and files of its own.
            return root_dir, None if isinstance(self.fs, LocalFileSystem) else dvc_dir

        @cached_property
        def config(self) -> Any:
            theirs = super().config
            ours = Config()  # of the system and of the user
            ours["cache"] = {}
            place = theirs["cache"].get("dir")
            if place and "://" not in place:
                ours["cache"] = {"dir": place}
            if fetch:
                ours["remote"] = theirs["remote"]
                ours["core"]["remote"] = theirs["core"].get("remote")
            return ours

        @property
        def site_cache_dir(self) -> str:
            return scratch

        @cached_property
        def dvcignore(self) -> Any:
            return bounded_filter(self.fs, self.root_dir)

        @cached_property
        def index(self) -> Any:
            index = Index.from_repo(self)
            for stage in index.stages:
                if stage.is_import and not fetch:
                    stage.deps = []  # where it came from: its data may be in the cache
            return index

    return Project

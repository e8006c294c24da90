"""The commit that a folder is at: asked of git, in a repository that somebody else may have set up.

A repository's own settings name programs that git runs when it only looks: a monitor of files,
hooks, filters. None of them is run here, nothing is fetched, and the index is not rewritten.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lthctl.canonical import Json

SECONDS = 20
"""After which git is given up."""

OVERRIDES = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.untrackedCache": "false",
    "safe.bareRepository": "explicit",
}

FILTER_KEYS = {"clean": "", "smudge": "", "process": "", "required": "false"}


def commit_of(folders: Sequence[Path]) -> tuple[str, list[str]] | None:
    """The commit of the repository that holds some folders, and the tracked files that differ.

    Args:
      folders: links are followed. GIT_DIR and other variables of git count for nothing.

    Returns:
      The commit, and paths from the top of the repository; bytes that are no UTF-8 are shown as
      escapes. None where the folders are in no repository, or not all in one, or git cannot tell.
    """
    roots = {_root_of(Path(os.path.realpath(folder))) for folder in folders}
    if len(roots) != 1 or (root := roots.pop()) is None:
        return None
    try:
        settings = OVERRIDES | _filters_off(root)
        commit = _git(root, settings, "rev-parse", "--verify", "HEAD").decode("ascii").strip()
        words = ("--porcelain=v1", "-z", "--untracked-files=no", "--no-renames")
        status = _git(root, settings, "status", "--ignore-submodules=all", *words)
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError):
        return None
    lines = status.decode(errors="backslashreplace").split("\0")
    return commit, [line[3:] for line in lines if line]


def _root_of(folder: Path) -> Path | None:
    enclosing = (folder, *folder.parents)
    return next((place for place in enclosing if os.path.lexists(place / ".git")), None)


def _filters_off(root: Path) -> Json:
    """Settings that switch off every filter which the repository itself sets up. The user's own,
    such as git LFS, go on."""
    words = ("config", "--show-scope", "--includes", "-z", "--name-only")
    try:
        listed = _git(root, OVERRIDES, *words, "--get-regexp", r"^filter\.")
    except subprocess.CalledProcessError as error:
        if error.returncode == 1:  # there are none
            return {}
        raise
    fields = listed.split(b"\0")[:-1]
    theirs = {
        os.fsdecode(key.rpartition(b".")[0])
        for scope, key in zip(fields[::2], fields[1::2], strict=True)
        if scope not in (b"system", b"global")
    }
    return {f"{name}.{key}": value for name in theirs for key, value in FILTER_KEYS.items()}


def _git(root: Path, settings: Json, *words: str) -> bytes:
    """What git answers.

    Raises:
      OSError, subprocess.SubprocessError: it is not installed, is too slow, or fails.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # As variables, since the name of a filter may hold what `-c` would take for its end.
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    environment |= {
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false"]
    return subprocess.run(
        [*command, "-c", f"core.hooksPath={os.devnull}", *words],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=SECONDS,
    ).stdout

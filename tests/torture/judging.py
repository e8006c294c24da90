"""Whether a command that was disturbed did what it promises."""

import os
import re
from pathlib import Path

from tests.torture.process import Ended

Tree = dict[str, bytes]

REPORT = "report/"

NOT_ONE = "UNFINISHED.txt"
"""Says that the files beside it are of two versions."""

VOLATILE = re.compile(
    r"\.lthctl/maker\.json|\.lthctl/trainings/lock|.*/\.probe\.[0-9a-f]+\.new"
    r"|\.lthctl/checkpoints/.*"
)
"""Random, empty, or of no use. A probe of whether a folder can be written is empty, and the next one
removes it. A checkpoint whose training has its result since stays until `store check`."""

HIDDEN = re.compile(r"\.[0-9a-f]{16}\.(new|old)")


def tree(folder: Path) -> Tree:
    """What is in a folder; random names are all the same."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        hidden = HIDDEN.sub(r".HEX.\1", name)
        if path.is_file() and not VOLATILE.fullmatch(name):
            found[hidden] = path.read_bytes()
        elif path.is_dir() and not any(path.iterdir()) and not VOLATILE.fullmatch(f"{name}/"):
            found[f"{hidden}/"] = b""
    return found


def differences(actual: Tree, expected: Tree) -> str:
    """The names that are not in both, or differ; empty where all are equal."""
    names = sorted(actual.keys() | expected.keys())
    return ", ".join(name for name in names if actual.get(name) != expected.get(name))


def faults_of_end(ended: Ended, undisturbed: Ended, *, was_killed: bool) -> list[str]:
    """What is wrong with how a disturbed command ended."""
    if was_killed:
        return [] if ended.code == -9 else [f"was to be killed, and ended with {ended.code}"]
    found = []
    if "Traceback" in ended.said + ended.out:
        found.append("a traceback")
    if ended.code == 1 or ended.code < 0:
        found.append(f"ended with {ended.code}")
    if ended.code not in (0, 1) and ended.code > 0 and not (ended.said + ended.out).strip():
        found.append(f"ended with {ended.code} and not a word")
    if ended.code == undisturbed.code == 0 and ended.out != undisturbed.out:
        found.append("other words on stdout, and exit code 0")
    return found


def faults_of_folder(
    before: Tree, now: Tree, expected: Tree, ended: Ended, remade: str | None
) -> list[str]:
    """What is wrong with what a disturbed command left.

    Args:
      before: the folder as it began.
      now: as it is.
      expected: as it is when nothing disturbs the command.
      ended: how the command ended.
      remade: the folder of what the command makes anew of all that it could read.
    """
    kept = {name: content for name, content in before.items() if expected.get(name) == content}
    if remade is not None:
        kept = {name: content for name, content in kept.items() if not name.startswith(remade)}
    found = [
        f"lost {name}"
        for name, content in kept.items()
        if now.get(name) != content and not is_between_two_renames(name, now)
    ]
    difference = differences(shown(now), expected)
    if ended.code == 0 and not ended.said and difference:
        found.append(f"other files, exit code 0, and not a word: {difference}")
    return found


def is_between_two_renames(name: str, now: Tree) -> bool:
    """Whether the folder of a file is aside with the one that takes its place: the next command
    that looks there puts that in its place."""
    folder, file = os.path.split(name)
    above, own = os.path.split(folder)
    hidden = (f"{above}/.{own}.HEX.{end}/{file}".lstrip("/") for end in ("old", "new"))
    return all(name in now for name in hidden)


def faults_after_all(now: Tree, expected: Tree) -> list[str]:
    """What is wrong after a power cut that comes when a command has ended: all that it has written
    must be there. What it has deleted may be there again, so also in a folder that was empty."""
    files = (name for name in expected if not name.endswith("/"))
    return [f"lost {name}" for name in files if now.get(name) != expected[name]]


def torn(
    before: Tree,
    now: Tree,
    expected: Tree,
    *,
    exchanges: bool,
    with_report: bool = True,
    one_by_one: str | None = None,
) -> list[str]:
    """The files and folders that are neither as they were nor as they are to be.

    The files of a folder are of one version: the old, the new, or, where two names cannot be
    exchanged, none. A report that is not of one version says so.

    Args:
      before, now, expected: as in `faults_of_folder`.
      exchanges: whether two names can be exchanged.
      with_report: whether the report, too; not where the command could not read all it is about.
      one_by_one: the folder of files that have no regard to each other.
    """
    told = [name.removesuffix(NOT_ONE) for name in now if name.endswith(f"/{NOT_ONE}")]
    for folder in (*told, *([] if with_report else [REPORT])):
        before, now, expected = (without(folder, files) for files in (before, now, expected))
    now = shown(now)
    known = expected.keys() | before.keys()
    found = [
        f"torn {name}"
        for name in sorted(now.keys() & known)
        if now[name] not in (before.get(name), expected.get(name))
    ]
    changed = {name for name in expected if before.get(name) != expected[name]}
    for folder in sorted({os.path.dirname(name) for name in changed} - {one_by_one}):  # noqa: PTH120
        old, here, new = (files_in(folder, one) for one in (before, now, expected))
        here = {name: here[name] for name in here.keys() & known}
        if here not in (old, new) and (here or (old and exchanges)):
            found.append(f"two versions in {folder}")
    return found


def shown(files: Tree) -> Tree:
    """Without what is half-written, under a hidden name. The next command clears that away."""
    return {name: content for name, content in files.items() if ".HEX." not in name}


def files_in(folder: str, files: Tree) -> Tree:
    """Those right in a folder."""
    return {n: c for n, c in files.items() if os.path.dirname(n) == folder}  # noqa: PTH120


def without(folder: str, files: Tree) -> Tree:
    return {name: content for name, content in files.items() if not name.startswith(folder)}

"""Whether a command that was disturbed did what it promises."""

import re
from pathlib import Path

from tests.torture.process import Ended

Tree = dict[str, bytes]

VOLATILE = re.compile(r"\.lthctl/maker\.json|\.lthctl/trainings/lock|.*/\.probe\.[0-9a-f]+\.new")
"""Random, or empty. A probe of whether a folder can be written is empty, and the next one removes
it."""

HIDDEN = re.compile(r"\.[0-9a-f]{16}\.(new|old)")


def tree(folder: Path) -> Tree:
    """What is in a folder; random names are all the same."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not VOLATILE.fullmatch(name):
            found[HIDDEN.sub(r".HEX.\1", name)] = path.read_bytes()
        elif path.is_dir() and not any(path.iterdir()):
            found[f"{HIDDEN.sub(r'.HEX.{}', name)}/"] = b""
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
    # What is half-written, under a hidden name, is cleared away by the next command.
    found = [f"lost {name}" for name, content in kept.items() if now.get(name) != content]
    shown = {name: content for name, content in now.items() if ".HEX." not in name}
    if ended.code == 0 and not ended.said and (difference := differences(shown, expected)):
        found.append(f"other files, exit code 0, and not a word: {difference}")
    return found

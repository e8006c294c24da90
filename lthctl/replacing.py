"""One folder in the place of another, and what a killed process leaves of that.

A folder or file is built under a hidden name beside its place: `.NAME.HEX.new`. Where the system
can exchange two names at once, the place is never empty. Elsewhere the old folder is first put
aside as `.NAME.HEX.old`. Both names with one HEX mean that a process was killed between two
renames: the new folder is whole, and any later command puts it in its place. An old folder alone
is a leftover and never comes back.
"""

import ctypes
import errno
import glob
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lthctl.locks import take_lock

ABANDONED_SECONDS = 24 * 3600
"""Age at which a hidden file is taken for abandoned where there are no locks to tell."""

REPLACEMENTS = 100
"""Of one folder by others, while we try to replace it; after that something is wrong."""

HIDDEN = re.compile(r"\.(?P<name>.+)\.(?P<hex>[0-9a-f]{1,16})\.(?P<end>new|old)", re.DOTALL)

CURRENT_FOLDER, EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux

WAIT_SECONDS = 1.0  # for a process that is between its two renames


def hidden_sibling(path: Path) -> Path:
    """A name that nobody else chooses: processes of several machines or containers may share a
    disk."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")


def exchange(one: Path, other: Path) -> bool:
    """Exchange what two names stand for, in one step; whether the system can do that here.

    Raises:
      OSError: it can, but one of them is not there or may not be renamed.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # not on Linux
        return False
    places = os.fsencode(one), os.fsencode(other)
    if rename(CURRENT_FOLDER, places[0], CURRENT_FOLDER, places[1], EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def put_in_place(hidden: Path, folder: Path) -> None:
    """Rename a finished folder to its place; what is there goes, unless it is no folder. It may be
    under the hidden name afterwards."""
    with suppress(FileNotFoundError):  # one look: another process may put its own there between two
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "is no folder")
    for attempt in reversed(range(REPLACEMENTS)):
        with suppress(FileNotFoundError):
            if exchange(hidden, folder):
                return
        aside = hidden.with_suffix(".old")
        try:
            with suppress(FileNotFoundError):
                folder.rename(aside)
            hidden.rename(folder)
            return
        except BaseException as error:
            # It fails if nothing was aside, or if another process has put its own there meanwhile.
            with suppress(OSError):
                aside.rename(folder)
            if (
                not attempt
                or not isinstance(error, OSError)
                or error.errno not in (errno.ENOTEMPTY, errno.EEXIST)
            ):
                raise
        finally:
            with suppress(OSError):
                if _is_there(folder):
                    shutil.rmtree(aside, ignore_errors=True)


def give_up(hidden: Path, path: Path) -> None:
    """Delete what is under a hidden name, unless only that is left of a replacement: then any later
    command finishes it."""
    if _is_there(path) or not _is_there(hidden.with_suffix(".old")):
        remove(hidden)


def recover(path: Path) -> None:
    """Put the new folder in its place if its process was killed between two renames.

    Nothing happens where something is in the place, or where no replacement was begun.

    Raises:
      OSError: it cannot be put there, or a process that has not ended is between its renames.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not _is_there(path):
        new = next(
            (
                hidden
                for hidden in _hidden_siblings(path)
                if hidden.suffix == ".new" and _is_there(hidden.with_suffix(".old"))
            ),
            None,
        )
        if new is None:
            return
        with _abandoned(new, WAIT_SECONDS) as is_abandoned:
            if is_abandoned:
                with suppress(FileNotFoundError):  # another command was faster
                    new.rename(path)
        if is_abandoned:
            continue
        if time.monotonic() > deadline:
            raise BlockingIOError(
                errno.EAGAIN, "is being replaced by a process that has not ended", str(path)
            )
        time.sleep(0.01)


def unfinished(names: list[str]) -> set[str]:
    """The names in a folder that are missing there since their replacement was cut off."""
    there = set(names)
    cut_off = set()
    for name in names:
        match = HIDDEN.fullmatch(name)
        if match and match["end"] == "old" and f"{name.removesuffix('old')}new" in there:
            cut_off.add(match["name"])
    return cut_off - there


def remove_abandoned(path: Path) -> None:
    """Clear away what a killed process left half-written beside this place; a replacement that was
    cut off is finished first."""
    with suppress(OSError):
        recover(path)
    for hidden in _hidden_siblings(path):
        if hidden.suffix == ".old" and _is_there(hidden.with_suffix(".new")):
            continue  # somebody is between two renames
        with suppress(OSError), _abandoned(hidden, ABANDONED_SECONDS) as is_abandoned:
            if hidden.suffix == ".old" or is_abandoned:
                remove(hidden)


def remove(hidden: Path) -> None:
    """Delete a hidden file or folder, as far as that goes."""
    if hidden.is_dir() and not hidden.is_symlink():
        shutil.rmtree(hidden, ignore_errors=True)
    else:
        hidden.unlink(missing_ok=True)


def _hidden_siblings(path: Path) -> list[Path]:
    found = []
    for hidden in path.parent.glob(f".{glob.escape(path.name)}.*.*"):
        match = HIDDEN.fullmatch(hidden.name)
        if match and match["name"] == path.name:
            found.append(hidden)
    return sorted(found)


@contextmanager
def _abandoned(hidden: Path, seconds: float) -> Iterator[bool]:
    """Whether no process holds its lock; where there are no locks, whether it is so old. The lock
    is ours until the end, so that its maker cannot take what is about to go for its own."""
    try:
        # Windows has no such flag.
        descriptor = os.open(hidden, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:  # gone, or not written here
        yield False
        return
    try:
        free = take_lock(descriptor)
        if free is None:
            age = _time_at(hidden.parent) - os.fstat(descriptor).st_mtime
            free = age > seconds
        yield free
    finally:
        os.close(descriptor)


def _time_at(folder: Path) -> float:
    """What time it is for the files in a folder: they may lie on a machine with another clock."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock.") as file:
        os.utime(file.name)
        return os.fstat(file.fileno()).st_mtime


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True

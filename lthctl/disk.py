"""Files and folders written whole or not at all.

Knows how bytes reach the disk, not what they mean; `reading` reads them. A folder is built beside
its place under a hidden name, flushed and renamed. A reader therefore finds the old content or the
new, never half of either.
"""

import errno
import glob
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lthctl.errors import OutputError
from lthctl.locks import take_lock

ABANDONED_SECONDS = 24 * 3600
"""Age at which a hidden file is taken for abandoned where there are no locks to tell."""

REPLACEMENTS = 100
"""Of one folder by others, while we try to replace it; after that something is wrong."""


@contextmanager
def write_errors(place: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into an OutputError about `place`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason, way_out = (
                "the disk is full",
                "make room and run the same command again: what is finished is kept",
            )
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason, way_out = (
                "it cannot be written",
                "change its permissions or choose another --out",
            )
        elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
            reason, way_out = "something else is in the way", "move it or choose another --out"
        else:
            reason, way_out = (
                str(error.strerror or error),
                "see to that and run the same command again",
            )
        raise OutputError(f"{place}: {reason}; {way_out}") from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
      OutputError: the place is not writable or the disk is full; what was there before is unharmed.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        with _hidden(path, Path.touch) as hidden:
            _write_flushed(hidden, content)
            hidden.replace(path)
        _flush_folder(path.parent)


def write_folder(folder: Path, contents: Mapping[str, bytes], *, replace: bool = False) -> None:
    """Write a folder of files whole or not at all.

    Args:
      folder: its place; its parents are made, too.
      contents: file name -> bytes.
      replace: put it in the place of what is there; without, an existing folder is an error.

    Raises:
      OutputError: the place is taken or not writable, or the disk is full; what was there before is
        unharmed.
    """
    with write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        with _hidden(folder, Path.mkdir) as hidden:
            for name, content in contents.items():
                _write_flushed(hidden / name, content)
            _flush_folder(hidden)
            if replace:
                _put_in_place(hidden, folder)
            elif folder.exists():
                raise FileExistsError(errno.EEXIST, "exists")
            else:
                hidden.rename(folder)
        _flush_folder(folder.parent)


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether something can be written into a folder; it is made if
    it is not there.

    Raises:
      OutputError: it cannot.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder / "probe")
        with _hidden(folder / "probe", lambda probe: probe.write_bytes(b"")):
            pass


def _put_in_place(hidden: Path, folder: Path) -> None:
    """Rename a finished folder to its place; what is there goes, unless it is no folder."""
    with suppress(FileNotFoundError):  # one look: another process may put its own there between two
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "is no folder")
    for attempt in reversed(range(REPLACEMENTS)):
        aside = _hidden_sibling(folder, "old")
        with suppress(FileNotFoundError):
            folder.rename(aside)
        try:
            hidden.rename(folder)
            break
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
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _hidden(path: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """A hidden sibling, made by `make`, and gone in the end; its lock tells `remove_abandoned` that
    it is in use."""
    while True:
        hidden = _hidden_sibling(path)
        make(hidden)
        with suppress(FileNotFoundError):  # taken for abandoned before it was locked
            descriptor = os.open(hidden, os.O_RDONLY)
            take_lock(descriptor, wait=True)
            if hidden.exists():
                break
            os.close(descriptor)
    try:
        yield hidden
    finally:
        _remove(hidden)
        os.close(descriptor)


def _hidden_sibling(path: Path, suffix: str = "new") -> Path:
    """A name that nobody else chooses: processes of several machines or containers may share a
    disk."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.{suffix}")


def remove_abandoned(path: Path) -> None:
    """Clear away what a killed process left half-written beside this place."""
    for hidden in path.parent.glob(f".{glob.escape(path.name)}.*.*"):
        name = re.fullmatch(
            r"[0-9a-f]{1,16}\.(new|old)", hidden.name.removeprefix(f".{path.name}.")
        )
        if name is None:
            continue
        if name[1] == "old" and not path.exists():
            # A process was killed between the two renames of a replacement: put the old one back.
            with suppress(OSError):
                hidden.rename(path)
            continue
        try:
            descriptor = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:  # gone, or not written here
            continue
        try:
            free = take_lock(descriptor)
            if free or (
                free is None and time.time() - os.fstat(descriptor).st_mtime > ABANDONED_SECONDS
            ):
                _remove(hidden)
        finally:
            os.close(descriptor)


def _remove(hidden: Path) -> None:
    if hidden.is_dir():
        shutil.rmtree(hidden, ignore_errors=True)
    else:
        hidden.unlink(missing_ok=True)


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot flush a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

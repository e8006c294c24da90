"""Files and folders written whole or not at all.

Knows how bytes reach the disk, not what they mean; `reading` reads them. A folder is built beside
its place under a hidden name, flushed and renamed. A reader therefore finds the old content or the
new, never half of either.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lthctl.errors import OutputError
from lthctl.links import refuse_links_outwards
from lthctl.locks import take_lock
from lthctl.replacing import give_up, hidden_sibling, put_in_place, remove_abandoned


@contextmanager
def write_errors(place: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into an OutputError about `place`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason, advice = (
                "the disk is full",
                "make room and run the same command again: what is finished is kept",
            )
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason, advice = (
                "it cannot be written",
                "change its permissions or choose another --out",
            )
        elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
            reason, advice = (
                "something else is in the way",
                "move it or choose another --out",
            )
        else:
            reason, advice = (
                str(error.strerror or error),
                "see to that and run the same command again",
            )
        raise OutputError(f"{place}: {reason}; {advice}") from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
      OutputError: the place is not writable or the disk is full; what was there before is unharmed.
    """
    refuse_links_outwards(path)
    with write_errors(path):
        _refuse_devices(path)
        make_folder(path.parent)
        remove_abandoned(path)
        with _hidden(path, Path.touch) as hidden:
            _write_flushed(hidden, content)
            hidden.replace(path)
        flush_folder(path.parent)


def write_set(
    folder: Path, contents: Mapping[str, bytes], *, first: Mapping[str, bytes], last: str
) -> None:
    """Write files that belong together into a folder that may hold others.

    All are written beside their places before the first is put there. A process that is killed
    meanwhile leaves what `first` says, so that nobody takes two versions for one.

    Args:
      folder: it is made if it is not there.
      contents: file name -> bytes.
      first: what is put there before; gone in the end, or replaced by `contents`.
      last: the file of `contents` that is put in its place after all others.

    Raises:
      OutputError: the folder is not writable or the disk is full; as long as nothing of `first` is
        there, what was there before is unharmed.
    """
    names = [*(name for name in contents if name != last), last]
    refuse_links_outwards(folder / last)
    with write_errors(folder):
        make_folder(folder)
        remove_abandoned(folder / "files")
        for name in names:
            _refuse_devices(folder / name)
        with _hidden(folder / "files", Path.mkdir) as hidden:
            for number, files in enumerate((first, contents)):
                (hidden / str(number)).mkdir()
                for name, content in files.items():
                    _write_flushed(hidden / str(number) / name, content)
            for name in first:
                (hidden / "0" / name).replace(folder / name)
            flush_folder(folder)
            for name in names:
                (hidden / "1" / name).replace(folder / name)
        for name in first.keys() - contents.keys():
            (folder / name).unlink(missing_ok=True)
        flush_folder(folder)


def _refuse_devices(path: Path) -> None:
    """A file takes the place of a file or of a link to one, and never of /dev/null or of a pipe."""
    with suppress(FileNotFoundError):
        is_link = path.is_symlink()
        if is_link and str(path.readlink()).startswith(("/proc/", "/dev/")):  # such as /dev/stdout
            raise FileExistsError(errno.EEXIST, "is a device")
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not (is_link and stat.S_ISDIR(mode)):
            raise FileExistsError(errno.EEXIST, "is no file")


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
    refuse_links_outwards(folder)
    with write_errors(folder):
        make_folder(folder.parent)
        remove_abandoned(folder)
        with _hidden(folder, Path.mkdir) as hidden:
            for name, content in contents.items():
                _write_flushed(hidden / name, content)
            flush_folder(hidden)
            if replace:
                put_in_place(hidden, folder)
            elif os.path.lexists(folder):
                raise FileExistsError(errno.EEXIST, "exists")
            else:
                hidden.rename(folder)
        flush_folder(folder.parent)


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether something can be written into a folder; it is made if
    it is not there.

    Raises:
      OutputError: it cannot.
    """
    refuse_links_outwards(folder / "probe")
    with write_errors(folder):
        make_folder(folder)
        remove_abandoned(folder / "probe")
        with _hidden(folder / "probe", lambda probe: probe.write_bytes(b"")):
            pass


@contextmanager
def _hidden(path: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """A hidden sibling, made by `make`, and gone in the end; its lock tells `remove_abandoned` that
    it is in use."""
    while True:
        hidden = hidden_sibling(path)
        make(hidden)
        with suppress(FileNotFoundError):  # taken for abandoned before it was locked
            descriptor = os.open(hidden, os.O_RDONLY)
            # Whoever has the lock is about to delete it, or was stopped in doing so.
            if take_lock(descriptor) is not False and hidden.exists():
                break
            os.close(descriptor)
    try:
        yield hidden
    finally:
        with suppress(OSError):
            give_up(hidden, path)
        os.close(descriptor)


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that no power cut takes them: what is flushed into a
    new folder is lost with its name. One that is there is left alone.

    Raises:
      OSError: it cannot be made.
    """
    try:
        folder.mkdir()
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    except OSError:
        if not folder.is_dir():
            raise
        return
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Let no power cut undo what names it gives, where the file system can do that."""
    with suppress(OSError):  # some file systems cannot flush a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

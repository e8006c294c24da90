"""Files read within limits, and folders found by what is in them.

Knows how bytes come from the disk, not what they mean. `disk` writes them. What cannot be read is
never taken for something that is not there.
"""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lthctl.errors import LthctlError
from lthctl.replacing import recover, unfinished

MAX_LINKED = 10_000
"""Folders looked into behind links; more than that, and a link leads to no experiment."""


def read_file(path: Path, refuse: type[LthctlError], *, limit: int) -> bytes:
    """The bytes of a file that may be at most `limit` long. Links are followed, since DVC may be
    told to make them, but only to a file.

    Raises:
      refuse: it is missing, unreadable, longer, or no file but a folder, a pipe or a device. It
        says in `unread` whether there was nothing to judge by.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise refuse(
                    f"{path}: is a pipe or a device, expected a file; move it out of the way"
                )
            if status.st_size > limit:
                raise refuse(
                    f"{path}: is {status.st_size} bytes long, expected at most {limit}; it is "
                    "damaged or not written by lthctl"
                )
            content = file.read(status.st_size + 1)
    except FileNotFoundError:
        if link := dangling_link(path):
            reason = f"{link}: is a link that leads nowhere; restore what it leads to"
            raise unreadable(refuse, reason) from None
        raise refuse(
            f"{path}: is missing; make it again or restore it, for example with dvc checkout"
        ) from None
    except IsADirectoryError as error:
        raise refuse(f"{path}: cannot be read ({error.strerror})") from error
    except OSError as error:
        raise unreadable(refuse, f"{path}: cannot be read ({error.strerror or error})") from error
    # Somebody is writing to it, or it is one that the system makes up as it is read.
    if len(content) != status.st_size:
        raise unreadable(
            refuse,
            f"{path}: gave {len(content)} bytes where it is {status.st_size} long; try again",
        )
    return content


def is_there(path: Path, refuse: type[LthctlError]) -> bool:
    """Whether anything is in a place; see `what_is_at`."""
    return what_is_at(path, refuse) is not None


def what_is_at(path: Path, refuse: type[LthctlError]) -> os.stat_result | None:
    """What the system says of a place, of a link itself; None where nothing is there. A replacement
    that was killed is finished first.

    Raises:
      refuse: the system does not say.
    """
    try:
        recover(path)
        return path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if isinstance(error, NotADirectoryError) and _is_below_a_file(path):
            return None
        raise unreadable(
            refuse, f"{path}: cannot be looked at ({error.strerror or error}); see to that"
        ) from error


def _is_below_a_file(path: Path) -> bool:
    return any(place.exists() and not place.is_dir() for place in path.parents)


def dangling_link(path: Path) -> Path | None:
    """The path or the folder above it that is a link, where that leads nowhere."""
    for place in (path, *path.parents):
        with suppress(OSError):
            if place.is_symlink() and not place.exists():
                return place
    return None


class Found(NamedTuple):
    """Folders that were looked for, and what could not be looked into.

    Attributes:
      folders: sorted, each once.
      unread: place and reason of each; what is in these is not known.
    """

    folders: list[Path]
    unread: list[tuple[Path, str]]

    def all_of_them(self, refuse: type[LthctlError]) -> list[Path]:
        """The folders.

        Raises:
          refuse: there may be more of them; what could not be looked into is named.
        """
        if self.unread:
            raise unreadable(refuse, "\n".join(reason for _, reason in self.unread))
        return self.folders


def find_folders(paths: Sequence[Path], *markers: str) -> Found:
    """The folders at or below `paths` that hold a file called as one of the markers.

    Hidden folders are passed over. Links to folders are followed, once all else was seen, so that a
    folder is found under its own name where that is below the same path.
    """
    matches: set[Path] = set()
    unread: dict[Path, str] = {}
    for path in paths:
        _search(path, frozenset(markers), matches, unread)
    return Found(sorted(matches), sorted(unread.items()))


def _search(
    top: Path, markers: frozenset[str], matches: set[Path], unread: dict[Path, str]
) -> None:
    seen: set[tuple[int, int]] = set()
    own, linked, num_linked = [top], list[Path](), 0
    above: set[tuple[int, int]] | None = None
    while own or linked:
        if is_linked := not own:
            linked.sort(reverse=True)
        place = (own or linked).pop()
        try:
            if place == top:
                recover(place)
                if not stat.S_ISDIR(_status(place).st_mode):
                    continue
            status = _status(place)
            if (identity := (status.st_dev, status.st_ino)) in seen:
                continue
            if is_linked:
                num_linked += 1
                above = _above(top) if above is None else above
                if identity in above or num_linked > MAX_LINKED:
                    unread[place] = f"{place}: is a link to far too much, which was not followed"
                    continue
            seen.add(identity)
            with os.scandir(place) as entries:
                children = {entry.name: entry for entry in entries}
        except FileNotFoundError:
            if place.is_symlink():
                unread[place] = f"{place}: is a link that leads nowhere"
            continue  # it is gone, or never was
        except OSError as error:
            unread[place] = _reason(place, error)
            continue
        if any(name in children and _is_file(children[name]) for name in markers):
            matches.add(place)
            continue
        within = _Within(place, linked if is_linked else own, linked, unread)
        within.sort_out(children.values())
        within.finish(unfinished(list(children)))


class _Within(NamedTuple):
    """What is below a folder: folders to look into, and what cannot be."""

    place: Path
    own: list[Path]
    linked: list[Path]
    unread: dict[Path, str]

    def sort_out(self, entries: Iterable[os.DirEntry[str]]) -> None:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = self.place / entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    self.own.append(path)
                elif entry.is_symlink() and stat.S_ISDIR(_status(path).st_mode):
                    self.linked.append(path)
            except FileNotFoundError:
                if entry.is_symlink():
                    self.unread[path] = f"{path}: is a link that leads nowhere"
            except OSError as error:
                self.unread[path] = _reason(path, error)

    def finish(self, names: Iterable[str]) -> None:
        """Finish replacements that were killed."""
        for path in (self.place / name for name in names):
            try:
                recover(path)
                self.own.append(path)
            except OSError as error:
                self.unread[path] = _reason(path, error)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is called as a file may be; a link is one, wherever it leads."""
    try:
        return not entry.is_dir(follow_symlinks=False)
    except OSError:
        return True


def _status(place: Path) -> os.stat_result:
    return place.stat()


def _above(top: Path) -> set[tuple[int, int]]:
    """The folders that a folder is in."""
    parents = Path(os.path.realpath(top)).parents
    return {(status.st_dev, status.st_ino) for status in map(_status, parents)}


def _reason(place: Path, error: OSError) -> str:
    return (
        f"{place}: cannot be looked into ({error.strerror or error}), so nobody knows what it holds"
    )


def unreadable(refuse: type[LthctlError], message: str) -> LthctlError:
    """An error of a class, for what could not be read and of which so nothing is proven."""
    error = refuse(message)
    error.unread = True
    return error


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; also a pipe that nobody writes to, for which opening would otherwise wait for
    ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has none


def holds_exactly(folder: Path, contents: Mapping[str, bytes]) -> bool:
    """Whether a folder holds these files with these bytes, and nothing else.

    Args:
      folder: need not exist.
      contents: file name -> bytes.
    """
    try:
        return {path.name for path in folder.iterdir()} == contents.keys() and all(
            (folder / name).stat().st_size == len(content)  # so that no pipe is waited for
            and (folder / name).read_bytes() == content
            for name, content in contents.items()
        )
    except OSError:
        return False

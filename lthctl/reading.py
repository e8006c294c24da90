"""Files read within limits, and folders found by what is in them.

Knows how bytes come from the disk, not what they mean. `disk` writes them.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from lthctl.errors import LthctlError


def read_file(path: Path, refuse: type[LthctlError], *, limit: int) -> bytes:
    """The bytes of a file that may be at most `limit` long. Links are followed, since DVC may be
    told to make them, but only to a file.

    Raises:
      refuse: it is missing, unreadable, longer, or no file but a folder, a pipe or a device.
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
        raise refuse(
            f"{path}: is missing; make it again or restore it, for example with dvc checkout"
        ) from None
    except OSError as error:
        raise refuse(f"{path}: cannot be read ({error.strerror or error})") from error
    # Somebody is writing to it, or it is one that the system makes up as it is read.
    if len(content) != status.st_size:
        raise refuse(
            f"{path}: gave {len(content)} bytes where it is {status.st_size} long; try again"
        )
    return content


def find_folders(paths: Sequence[Path], marker: str) -> list[Path]:
    """The folders at or below `paths` that hold a file called `marker`, sorted, each once. Hidden
    folders are passed over."""
    matches: set[Path] = set()
    for path in paths:
        for folder, children, files in os.walk(path):
            children[:] = [child for child in children if not child.startswith(".")]
            if marker in files:
                matches.add(Path(folder))
                children.clear()
    return sorted(matches)


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; also a pipe that nobody writes to, for which opening would otherwise wait for
    ever."""
    return os.open(path, flags | os.O_NONBLOCK)


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

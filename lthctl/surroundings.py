"""What lies around a process and would change what libraries do: its folder, its variables.

Some libraries read settings from the folder that they are imported in. Somebody else may have
written that folder, so they are imported with their back to it.
"""

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

_OWN_FOLDER = Path(__file__).parent

_moving = threading.RLock()


def imported_apart(name: str, *, without: tuple[str, ...] = ()) -> ModuleType:
    """A module, imported as if this process stood in the folder of lthctl itself.

    Args:
      name: of the module. One that is imported already is as it is.
      without: environment variables that are not there meanwhile.
    """
    if name in sys.modules:
        return sys.modules[name]
    with elsewhere():
        hidden = {key: os.environ.pop(key) for key in without if key in os.environ}
        try:
            return import_module(name)
        finally:
            os.environ.update(hidden)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Stand in the folder of lthctl, and go back in the end. Other threads stand there, too."""
    by_number = os.chdir in os.supports_fd  # which works for a folder that was renamed, too
    with _moving:
        before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY)) if by_number else Path.cwd()
        try:
            os.chdir(_OWN_FOLDER)
            try:
                yield
            finally:
                os.chdir(before)
        finally:
            if isinstance(before, int):
                os.close(before)


class _TorchLooksHere(MetaPathFinder):
    """Looks before torch is imported whether torch would run a library of the working folder.

    The system looks for `libcuda.so.1` in the folders that torch's libraries name, and one of those
    names is empty, which stands for the working folder. To import it elsewhere is no way out, as
    other threads may be at relative paths meanwhile.
    """

    def find_spec(self, name: str, *_: object) -> None:
        if name != "torch":
            return
        for folder in ("", "tls", "tls/*", "tls/*/*", "*", "*/*", "glibc-hwcaps/*"):
            for found in Path().glob(f"{folder}/{LIBRARY}".lstrip("/")):
                reason = "lies in the working folder, and torch would run it; move it away"
                raise PermissionError(errno.EPERM, reason, str(found))


LIBRARY = "libcuda.so.1"


def refuse_libraries_of_the_folder() -> None:
    """Let no `import torch` of this process run a library of the working folder.

    The import raises PermissionError where there is one.
    """
    if not any(isinstance(finder, _TorchLooksHere) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TorchLooksHere())

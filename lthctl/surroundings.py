"""What lies around a process and would change what libraries do: its folder, its variables.

Some libraries read settings from the folder that they are imported in. Somebody else may have
written that folder, so they are imported with their back to it.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
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
    with _moving, _elsewhere():
        hidden = {key: os.environ.pop(key) for key in without if key in os.environ}
        try:
            return import_module(name)
        finally:
            os.environ.update(hidden)


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Stand in the folder of lthctl, and go back in the end."""
    by_number = os.chdir in os.supports_fd  # which works for a folder that was renamed, too
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

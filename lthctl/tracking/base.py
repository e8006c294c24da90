"""What a tracker is: a place of another library where runs are logged, each once.

A new one is a class with these methods in a file here, and an entry in `families/members.py`. Or it
is your own, as `--to mypackage.tracking:Tracker`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

from lthctl import families
from lthctl.errors import ParamsError
from lthctl.families import Family

PROJECT = "lthctl"
"""Name of the project, or experiment, where the library has such a thing."""


@dataclass(frozen=True)
class Record:
    """What is logged of a run.

    Attributes:
      identity: SHA-256, in hex, of all that a run holds but its final weights.
      name: for people, such as "l1-r0.80-n5-s1, rewind".
      folder: the same as part of a path.
      group: what its replicates have in common, such as "l1-r0.80-n5, rewind".
      params: name -> what was asked for.
      curves: name -> step -> value, such as `validation_accuracy`.
      summary: name -> value, such as `best_accuracy`.
      last_step: of the training.
    """

    identity: str
    name: str
    folder: str
    group: str
    params: Mapping[str, str | int | float | bool]
    curves: Mapping[str, Mapping[int, float]]
    summary: Mapping[str, float]
    last_step: int


class Tracker(Protocol):
    """A local store of another library.

    Attributes:
      words: what it is, for help.
      look: the command that shows what was logged.
    """

    words: str
    look: str

    def __init__(self, folder: Path) -> None:
        """Open the store in a folder.

        Raises:
          ParamsError: the library is not installed.
          OutputError: the store cannot be opened.
        """

    def known(self) -> frozenset[str]:
        """The identities of all runs that were logged to their end."""

    def log(self, record: Record) -> None:
        """Log a run that is not known.

        A run that is not logged to its end is not known afterwards.
        """


TRACKERS: Family[type[Tracker]] = families.TRACKERS


def as_tracker(name: str, given: object) -> type[Tracker]:
    """A member of the family from what a person brought.

    Raises:
      TypeError: it is no class with the methods of a tracker.
    """
    if isinstance(given, type) and all(callable(getattr(given, key, None)) for key in METHODS):
        return given
    raise TypeError("a class with the methods known and log, made with a folder")


METHODS = ("known", "log")


def library(name: str, module: str | None = None) -> ModuleType:
    """The library of a tracker.

    Args:
      name: of the tracker, and of the extra of lthctl that installs its library.
      module: to import; by default it has the same name.

    Raises:
      ParamsError: it is not installed.
    """
    try:
        return import_module(module or name)
    except ImportError as error:
        raise ParamsError(
            f"--to {name}: needs {error.name or name}, which is not installed; install it with "
            f"pip install 'lthctl[{name}]'"
        ) from None

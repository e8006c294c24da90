"""The library between a process and its system, built from `calls.c` and loaded before all else."""

import ctypes
import errno
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

KINDS = (
    "open", "read", "write", "stat", "list", "rename", "mkdir", "unlink", "fsync", "lock", "change",
    "end",
)  # fmt: skip
"""As `calls.c` numbers them. `list` also stands for each name that a folder is asked for, `stat` for
access and readlink, `rename` for links, and `change` for modes, times and lengths. `end` is no call:
all is done, and the process ends."""

WRITING = ("open", "write", "rename", "mkdir", "unlink", "fsync", "lock", "change")
"""Kinds at which a process is killed: the others change nothing that a later one would not show."""

KILL, POWER_CUT, POWER_CUT_OF_NAMES = -1, -2, -3
CUTS = (POWER_CUT, POWER_CUT_OF_NAMES)
"""Either takes the content of all files that were not flushed. The second also undoes what happened
to names in folders that were not flushed since."""

ERRORS = (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EACCES)

NO_EXCHANGE, NO_FLUSH = 1, 2
"""What the system cannot do, or says that it has done; as in `calls.c`."""

NEVER = -1


@dataclass(frozen=True)
class Disturbance:
    """What happens at one call.

    Attributes:
      kind: of the call.
      number: among those of its kind, from 0.
      fault: an error number, KILL or one of CUTS.
    """

    kind: str
    number: int
    fault: int

    def __str__(self) -> str:
        ends = {
            KILL: "SIGKILL",
            POWER_CUT: "a power cut",
            POWER_CUT_OF_NAMES: "a power cut that takes names",
        }
        return f"{ends.get(self.fault) or errno.errorcode[self.fault]} at {self.kind} {self.number}"

    @property
    def ends(self) -> bool:
        """Whether the process dies of it; at its end it has nothing left to do."""
        return self.fault < 0 and self.kind != "end"


def begin_again_with_library() -> None:
    """Start this program once more, with the library before all others, unless it is there."""
    if hasattr(ctypes.CDLL(None), "torture_begin"):
        return
    with tempfile.TemporaryDirectory() as place:
        library = Path(place, "calls.so")
        source = Path(__file__).with_name("calls.c")
        build = [
            "cc",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-o",
            library,
            source,
            "-ldl",
        ]
        subprocess.run(build, check=True)
        one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        environment = {**os.environ, **one_thread, "LD_PRELOAD": str(library)}
        program = [sys.executable, *sys.orig_argv[1:]]
        sys.exit(subprocess.run(program, env=environment, check=False).returncode)


class Calls:
    """The library, in this process and in those that it forks."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.torture_counts.restype = ctypes.POINTER(ctypes.c_long)
        self._counts = self._library.torture_counts()

    def begin(self, place: Path, keeper: Path, case: Disturbance | None, lacks: int) -> None:
        """Count the calls that concern a place from here on, and let one fail.

        Args:
          place: calls that concern something below it are counted.
          keeper: an empty folder on the same disk, for what a power cut brings back.
          case: what happens; None for nothing.
          lacks: what the system cannot do: the sum of NO_EXCHANGE and NO_FLUSH, or 0.
        """
        kind = KINDS.index(case.kind) if case else NEVER
        number, fault = (case.number, case.fault) if case else (NEVER, 0)
        places = os.fsencode(place), os.fsencode(keeper)
        self._library.torture_begin(*places, kind, number, fault, lacks)

    def end(self) -> None:
        """All is done. A power cut that is to come then comes now."""
        self._library.torture_end()

    @property
    def was_reached(self) -> bool:
        """Whether the last process came to the call that was meant."""
        return bool(self._library.torture_reached())

    @property
    def counts(self) -> dict[str, int]:
        """How many calls of each kind the last process made."""
        return {kind: self._counts[number] for number, kind in enumerate(KINDS)}

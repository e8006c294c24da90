"""A command in a process of its own, forked from one that has imported and compiled everything."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.torture.calls import Calls, Disturbance

SECONDS = 60
"""After which a command counts as one that hangs."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
      code: its exit code; minus a signal where it was killed.
      out: what it wrote to stdout.
      said: what it wrote to stderr.
    """

    code: int
    out: str
    said: str


def call(
    command: Callable[[], object],
    folder: Path,
    calls: Calls,
    case: Disturbance | None = None,
    *,
    place: Path,
    lacks: int = 0,
) -> Ended:
    """Run a command in a folder, and disturb it.

    Args:
      command: what the process does; it ends with SystemExit.
      folder: where it stands.
      calls: the library.
      case: what happens to it; None leaves it alone.
      place: calls that concern something below it are counted.
      lacks: what its system cannot do, as `Calls.begin` has it.
    """
    keeper = place.with_name(f"{place.name}-kept")
    shutil.rmtree(keeper, ignore_errors=True)
    keeper.mkdir()
    streams = [os.memfd_create(name) for name in ("out", "said")]
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
        os.chdir(folder)
        calls.begin(place, keeper, case, lacks)
        _run(command, calls)
    status = os.waitpid(child, 0)[1]
    shutil.rmtree(keeper)
    texts = []
    for stream in streams:
        with os.fdopen(stream, "rb") as file:
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(os.waitstatus_to_exitcode(status), *texts)


def _run(command: Callable[[], object], calls: Calls) -> NoReturn:
    code = 0
    try:
        command()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    calls.end()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

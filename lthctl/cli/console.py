"""Where a command writes: results to stdout, all else to stderr. Rich is imported when it is
needed."""

import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lthctl.cli.process import unwritten
from lthctl.errors import OutputError

if TYPE_CHECKING:
    from rich.console import Console


def results_console() -> "Console":
    """For results, on stdout."""
    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        # Better a "?" than no result where the terminal has no such character.
        sys.stdout.reconfigure(errors="replace")

    class Results(Console):
        def print(self, *objects: Any, **how: Any) -> None:
            with printing():
                super().print(*objects, **how)

        def on_broken_pipe(self) -> None:
            raise OutputError(unwritten(BrokenPipeError(errno.EPIPE, "its reader is gone")))

    console = Results()
    return console if console.is_terminal or "COLUMNS" in os.environ else Results(width=120)


def errors_console() -> "Console":
    """For messages and progress, on stderr."""
    from rich.console import Console

    return Console(stderr=True)


def show(text: str) -> None:
    """Print a line of results, on stdout."""
    _print(results_console(), text, "", soft_wrap=True)


def say(text: str, style: str = "") -> None:
    """Print anything else, on stderr."""
    console = errors_console()
    _print(console, text, style, soft_wrap=not console.is_terminal)


def print_json(value: object) -> None:
    """Print results as JSON, in ASCII: no escape sequence in them, and every terminal can print
    them."""
    with printing():
        sys.stdout.write(json.dumps(value, indent=2, sort_keys=True) + "\n")


@contextmanager
def printing() -> Iterator[None]:
    """Results are printed here: say so where that fails.

    Raises:
      OutputError: stdout is full, closed, or its reader is gone.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(unwritten(error)) from error


def _print(console: "Console", text: str, style: str, *, soft_wrap: bool) -> None:
    from lthctl.cli.terminal import plain

    console.print(plain(text, style=style), soft_wrap=soft_wrap)

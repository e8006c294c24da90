"""Where a command writes: results to stdout, all else to stderr. Rich is imported when it is
needed."""

import io
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def results_console() -> "Console":
    """For results, on stdout."""
    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        # Better a "?" than no result where the terminal has no such character.
        sys.stdout.reconfigure(errors="replace")
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=120)


def errors_console() -> "Console":
    """For messages and progress, on stderr."""
    from rich.console import Console

    return Console(stderr=True)


def show(text: str) -> None:
    """Print a line of results, on stdout."""
    _print(results_console(), text, "")


def say(text: str, style: str = "") -> None:
    """Print anything else, on stderr."""
    _print(errors_console(), text, style)


def print_json(value: object) -> None:
    """Print results as JSON, in ASCII: no escape sequence in them, and every terminal can print
    them."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True) + "\n")


def _print(console: "Console", text: str, style: str) -> None:
    from lthctl.cli.terminal import plain

    console.print(plain(text, style=style), soft_wrap=True)

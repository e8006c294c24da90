"""How an error ends a command: one message on stderr, and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from lthctl.cli.console import say
from lthctl.cli.process import INTERRUPTED
from lthctl.errors import LthctlError

MAX_MESSAGE = 20_000  # characters; whoever needs more has --json


class ErrorReportingGroup(TyperGroup):
    """The only place that catches errors of commands. Others than ours, and than what the system
    says of files, come with a traceback."""

    def make_context(self, *words: Any, **more: Any) -> Any:
        with _said():
            return super().make_context(*words, **more)

    def invoke(self, ctx: Any) -> Any:
        with _said():
            return super().invoke(ctx)


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except LthctlError as error:
        _say_error(str(error))
        raise typer.Exit(error.exit_code) from None
    except OSError as error:
        where = error.filename if error.filename is not None else "a file or a stream"
        if isinstance(where, bytes):
            where = where.decode(errors="replace")
        _say_error(
            f"{where}: {error.strerror or error}; see to that and run the same command again"
        )
        raise typer.Exit(LthctlError.exit_code) from None
    except KeyboardInterrupt as interrupt:
        finished = f"{interrupt}; " if str(interrupt) else ""
        say(INTERRUPTED.format(finished).rstrip())
        raise typer.Exit(130) from None


def _say_error(message: str) -> None:
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]}... (cut off, {len(message):,} characters)"
    say(f"Error: {message}", style="red")

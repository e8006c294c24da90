"""How an error ends a command: one message on stderr, and an exit code."""

from typing import Any

import typer
from typer.core import TyperGroup

from lthctl.cli.console import say
from lthctl.errors import LthctlError


class ErrorReportingGroup(TyperGroup):
    """The only place that catches errors of commands. Others than ours come with a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LthctlError as error:
            say(f"Error: {error}", style="red")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as interrupt:
            finished = f"{interrupt}; " if str(interrupt) else ""
            say(
                f"Interrupted: {finished}what is finished is kept, and the same command goes on "
                "from there."
            )
            raise typer.Exit(130) from None

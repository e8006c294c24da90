"""`lthctl show`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.console import print_json, results_console
from lthctl.cli.next_step import say_next
from lthctl.cli.options import FetchOption, JsonOption


def show(
    context: typer.Context,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="A ticket, a run, or a folder of them. Also path@revision."
        ),
    ],
    fetch: FetchOption = False,
    json: JsonOption = False,
) -> None:
    """Look into a ticket or a run, or list those below a folder."""
    from lthctl.cli.ticket_view import side_screen
    from lthctl.reporting.paths import show as read
    from lthctl.reporting.sides import facts

    side = read(path, fetch=fetch)
    if json:
        documents = facts(side)
        print_json(documents[0] if side.is_single else documents)
        return
    results_console().print(side_screen(side))
    if side.is_single and Path(path).exists():  # and is no revision, which no command can work on
        say_next(context, "report" if side.runs else "retrain", path)

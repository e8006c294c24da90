"""`lthctl compare`."""

from typing import Annotated

import typer

from lthctl.cli.console import print_json, results_console
from lthctl.cli.options import FetchOption, JsonOption
from lthctl.cli.parameters import parameters
from lthctl.cli.settings import SetOption


def compare(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Two or more tickets, runs, or folders of them. Also path@revision.",
        ),
    ],
    settings: SetOption = [],  # noqa: B006
    fetch: FetchOption = False,
    json: JsonOption = False,
) -> None:
    """Compare tickets with tickets, or runs with runs.

    Two folders are compared name by name.

    `path@revision` is the path as it was in a git revision. Git or DVC may keep its files.
    `lthctl compare masks/pipeline@HEAD~1 masks/pipeline` tells what a commit did to your tickets.
    """
    params = parameters(context, "compare", runs_code=False).report
    from lthctl.cli.comparison_view import comparison_screen
    from lthctl.reporting.paths import compare as compare_paths

    comparison = compare_paths(*paths, params=params, fetch=fetch)
    if json:
        print_json(comparison.to_json())
    else:
        results_console().print(comparison_screen(comparison, params))

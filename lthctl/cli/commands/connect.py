"""`lthctl connect`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import print_json, results_console, say
from lthctl.cli.next_step import say_next
from lthctl.cli.parameters import parameters
from lthctl.cli.settings import SetOption
from lthctl.cores import num_cores


def connect(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Two runs, or folders with runs below them."),
    ],
    points: Annotated[
        int,
        typer.Option(
            "--points", metavar="N", min=2, help="Networks on a line, both ends included."
        ),
    ] = 30,
    data: options.DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for the connections, each in a folder of its own.",
            show_default="connections, in the folder that holds all these runs",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            metavar="N",
            min=1,
            help="Networks that are evaluated at a time.",
            show_default="the number of cores",
        ),
    ] = None,
    settings: SetOption = [],  # noqa: B006
    force: options.ForceOption = False,
    json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Measure the error on the straight line between two runs.

    Of folders, every two runs are joined that differ in the order of their batches alone.
    `lthctl retrain --order-seed N` makes such runs. A network is stable where the error rises by
    less than 2 points on the line.
    """
    params = parameters(context, "connect")
    from lthctl.cli.connection_view import connection_screen
    from lthctl.connecting.connect import connect as connect_runs
    from lthctl.connecting.connect import folder_beside
    from lthctl.datasets.described import DescribedDatasets

    folder = out or folder_beside(paths)
    try:
        connections = connect_runs(
            *paths,
            dataset=DescribedDatasets(params.data, data),
            points=points,
            out=folder,
            replace=force,
            num_jobs=jobs or num_cores(),
            announce=lambda text: None if quiet else say(text),
        )
    except KeyboardInterrupt:
        say("Interrupted: what was evaluated is kept, and the same command goes on.")
        raise typer.Exit(130) from None
    if json:
        print_json([connection.to_json() for connection in connections])
    elif not quiet:
        results_console().print(connection_screen(connections, folder))
    say_next(context, "report", folder.parent)

"""`lthctl retrain`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import print_json, results_console, say
from lthctl.cli.parameters import parameters
from lthctl.errors import ParamsError, TicketError


def retrain(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Tickets, or folders with tickets below them."),
    ],
    control: Annotated[
        str | None, options.choice("--control", "control", "What training starts from: {names}.")
    ] = None,
    rewind: Annotated[
        bool, typer.Option("--rewind", help="The ticket's own weights. This is the default.")
    ] = False,
    reinit: Annotated[
        bool, typer.Option("--reinit", help="Fresh weights under the same mask.")
    ] = False,
    shuffle: Annotated[
        bool,
        typer.Option(
            "--shuffle", help="The ticket's weights, with the mask permuted inside each layer."
        ),
    ] = False,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the runs, in a folder per control."),
    ] = Path("runs"),
    steps: options.StepsOption = 0,
    data: options.DataOption = None,
    engine: options.EngineOption = "auto",
    jobs: options.JobsOption = None,
    executor: options.ExecutorOption = "threads",
    force: options.ForceOption = False,
    dry_run: options.DryRunOption = False,
    json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Retrain every ticket at or below the paths."""
    flags = {"train.steps": steps, "train.engine": engine}
    params = parameters(context, "retrain", flags)
    shortcuts = {"rewind": rewind, "reinit": reinit, "shuffle": shuffle}
    chosen = [*([control] if control else []), *(name for name in shortcuts if shortcuts[name])]
    if len(chosen) > 1:
        raise ParamsError(
            "--control, --rewind, --reinit and --shuffle exclude each other; give one, and call "
            "again for the next"
        )
    from lthctl.artifacts.folders import RunFolder
    from lthctl.cli import grid_view
    from lthctl.cli.older_runs import older_runs_note
    from lthctl.cli.ticket_table import run_table
    from lthctl.grid.grids import run_grid

    if (note := older_runs_note(out)) and not quiet:
        say(note)
    try:
        name = chosen[0] if chosen else "rewind"
        grid = run_grid(paths, control=name, params=params, data=data, out=out)
    except TicketError as error:
        if dry_run:
            raise TicketError(f"{error}; there is no plan before that") from None
        raise
    if dry_run:
        grid_view.show_plan(grid.plan(jobs), "run", json=json, verbose=verbose)
        return
    verb = f"retraining ({name})"
    with grid_view.progress(grid, verb, quiet=quiet, verbose=verbose) as watcher:
        outcome = grid.run(jobs, executor=executor, replace=force, watcher=watcher)
    folders = [RunFolder(folder) for folder in grid.finished(outcome)]
    if json:
        print_json([folder.json for folder in folders])
    elif not quiet:
        results_console().print(run_table([folder.document for folder in folders]))
        grid_view.say_outcome(outcome, grid)
    outcome.raise_failures()

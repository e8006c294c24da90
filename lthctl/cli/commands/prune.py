"""`lthctl prune`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import print_json, results_console
from lthctl.cli.parameters import parameters


def prune(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the tickets' folders.")
    ] = Path("masks"),
    method: Annotated[
        list[str], options.choice("--method", "method", "How weights are scored: {names}. A list.")
    ] = [],  # noqa: B006
    ratio: Annotated[
        list[str],
        typer.Option(
            "--ratio",
            metavar="LIST",
            help="Final sparsity in [0, 1). 0 is the dense network. A list, such as 0.5,0.8.",
        ),
    ] = [],  # noqa: B006
    rounds: Annotated[
        list[str],
        typer.Option(
            "--rounds",
            metavar="LIST",
            help="Train-prune-rewind rounds. 1 is one-shot. A list, such as 1,5.",
        ),
    ] = [],  # noqa: B006
    seed: Annotated[
        list[str],
        typer.Option(
            "--seed", metavar="LIST", help="Seeds, each a replicate. A list, such as 1-5,9."
        ),
    ] = [],  # noqa: B006
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
    """Find tickets: train, prune, rewind, once or in rounds.

    The tickets are the product of the lists. A list is one value, values with commas between
    them, or the flag again.
    """
    flags = {
        "prune.method": options.listed_values(method),
        "prune.ratio": options.numbers("--ratio", ratio, float),
        "prune.rounds": options.numbers("--rounds", rounds, int),
        "prune.seed": options.seeds(seed),
        "train.steps": steps,
        "train.engine": engine,
    }
    params = parameters(context, "prune", flags)
    from lthctl.cli import grid_view
    from lthctl.grid.grids import ticket_grid

    grid = ticket_grid(params, data=data, out=out)
    if dry_run:
        grid_view.show_plan(grid.plan(jobs), "ticket", json=json, verbose=verbose)
        return
    with grid_view.progress(grid, "pruning", quiet=quiet, verbose=verbose) as watcher:
        outcome = grid.run(jobs, executor=executor, replace=force, watcher=watcher)
    if json:
        print_json(grid_view.ticket_documents(grid.finished(outcome)))
    elif not quiet:
        results_console().print(grid_view.tickets_table(grid.finished(outcome)))
        grid_view.say_outcome(outcome, grid)
    outcome.raise_failures()

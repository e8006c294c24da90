"""`lthctl prune`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.cluster_options import ClusterOptions
from lthctl.cli.next_step import say_next
from lthctl.cli.options import TrainingOptions
from lthctl.cli.parameters import parameters
from lthctl.cli.settings import SettingOptions
from lthctl.cli.spread import spread
from lthctl.cli.ticket_options import TicketOptions


@spread
def prune(
    context: typer.Context,
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the tickets' folders.")
    ] = Path("masks"),
    tickets: TicketOptions,
    settings: SettingOptions,
    training: TrainingOptions,
    cluster: ClusterOptions,
) -> None:
    """Find tickets: train, prune, rewind, once or in rounds.

    The tickets are the product of the lists. A list is one value, values with commas between
    them, or the flag again.
    """
    params = parameters(context, "prune", {**tickets.flags(), **settings.flags()})
    from lthctl.cli.engine_view import say_what_is_assumed
    from lthctl.cli.grid_view import make_folders, ticket_documents, tickets_table
    from lthctl.grid.grids import ticket_grid

    team = cluster.team(training.jobs, training.executor, training.devices)
    grid = ticket_grid(params, data=settings.data, out=out)
    if grid.train is not None and not training.quiet:
        say_what_is_assumed(params)
    if make_folders(
        grid,
        training,
        "pruning",
        team=team,
        to_json=ticket_documents,
        to_table=tickets_table,
    ):
        say_next(context, "retrain", out)

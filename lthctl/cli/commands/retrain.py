"""`lthctl retrain`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.cluster_options import ClusterOptions
from lthctl.cli.console import say
from lthctl.cli.control_options import (
    CONTROLS_GROUP,
    ControlOption,
    DrawsOption,
    OrderSeedOption,
    controls_of,
)
from lthctl.cli.draws import refuse_draws_of_none
from lthctl.cli.next_step import say_next
from lthctl.cli.options import TrainingOptions
from lthctl.cli.parameters import parameters, typed_parameters
from lthctl.cli.settings import SettingOptions
from lthctl.cli.spread import ShortForms, spread
from lthctl.errors import TicketError
from lthctl.families import CONTROLS, EXECUTORS, trust


@spread
def retrain(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Tickets, or folders with tickets below them."),
    ],
    *,
    control: ControlOption = ["rewind"],  # noqa: B006
    short_forms: Annotated[list[str], ShortForms("--control", CONTROLS.names(), CONTROLS_GROUP)],
    draws: DrawsOption = 1,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the runs, in a folder per control."),
    ] = Path("runs"),
    order_seed: OrderSeedOption = None,
    settings: SettingOptions,
    training: TrainingOptions,
    cluster: ClusterOptions,
) -> None:
    """Retrain every ticket at or below the paths.

    Model and dataset are the ticket's own. It is trained as it was found, unless a flag or
    params.yaml says otherwise.

    `rewind` starts from the ticket's own weights. `reinit` starts from fresh weights under the
    same mask. `shuffle` starts from the ticket's weights, with the mask permuted inside each layer.
    `--reinit 3` is short for `--reinit --draws 3`; write a folder of that name as ./3.
    """
    flags = {"retrain.order_seed": order_seed, "retrain.draws": draws, **settings.flags()}
    params = parameters(context, "retrain", flags)
    typed, _ = typed_parameters(context, "retrain", flags)
    controls = controls_of(context, params, short_forms)
    refuse_draws_of_none(context, controls, params)
    from lthctl.cli.as_found_view import taken_lines
    from lthctl.cli.grid_view import make_folders, run_documents, runs_table
    from lthctl.cli.older_runs import older_runs_note
    from lthctl.grid.grids import run_grid

    if (note := older_runs_note(out)) and not training.quiet:
        say(note)
    team = cluster.team(training.jobs, training.executor, training.devices)
    try:
        grid = run_grid(
            paths, control=controls, params=params, data=settings.data, out=out, held_to=typed
        )
    except TicketError as error:
        if training.dry_run:
            raise TicketError(f"{error}; there is no plan before that") from None
        raise
    trust(training.executor)
    EXECUTORS.get(training.executor)
    if not training.quiet:
        for line in taken_lines(grid.taken):
            say(line)
    verb = f"retraining ({', '.join(controls)})"
    if not make_folders(
        grid, training, verb, team=team, to_json=run_documents, to_table=runs_table
    ):
        return
    if params.retrain.order_seed is not None:
        say_next(context, "connect", out)
        return
    say_next(context, "report", *([] if out == Path("runs") else [out]))

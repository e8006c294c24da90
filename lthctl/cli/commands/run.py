"""`lthctl run`."""

from functools import partial
from typing import Annotated

import typer

from lthctl.cli.cluster_options import ClusterOptions
from lthctl.cli.control_options import (
    ControlOption,
    DrawsOption,
    OrderSeedOption,
    controls_of,
)
from lthctl.cli.draws import refuse_draws_of_none
from lthctl.cli.next_step import say_next
from lthctl.cli.options import TrainingOptions
from lthctl.cli.parameters import parameters
from lthctl.cli.settings import SettingOptions
from lthctl.cli.spread import spread
from lthctl.cli.ticket_options import TicketOptions


@spread
def run(
    context: typer.Context,
    *,
    tickets: TicketOptions,
    control: ControlOption = ["rewind", "reinit"],  # noqa: B006
    draws: DrawsOption = 1,
    name: Annotated[
        str,
        typer.Option(
            "--name", help="Of the folders masks/NAME, runs/NAME and report/NAME.", metavar="NAME"
        ),
    ] = "run",
    order_seed: OrderSeedOption = None,
    settings: SettingOptions,
    training: TrainingOptions,
    cluster: ClusterOptions,
) -> None:
    """Do all in one go: fetch data, find tickets, retrain, report.

    What is there already stays. So the same command with more seeds adds what is missing, and goes
    on after an interruption. The dense network of each seed is always among the tickets.
    """
    flags = {**tickets.flags(), **settings.flags()}
    flags |= {"retrain.order_seed": order_seed, "retrain.draws": draws}
    params = parameters(context, "run", flags)
    from lthctl.cli import engine_view, experiment_view, grid_view
    from lthctl.cli.claims_place import claims_file
    from lthctl.errors import DataError
    from lthctl.grid.grids import experiment_grid
    from lthctl.pipeline import run as run_experiment

    controls, data = controls_of(context, params), settings.data
    refuse_draws_of_none(context, controls, params)
    team = cluster.team(training.jobs, training.executor, training.devices)
    if not training.quiet:
        engine_view.say_what_is_assumed(params)
    if training.dry_run:
        try:
            grid = experiment_grid(params, control=controls, name=name, data=data)
        except DataError as error:
            raise DataError(f"{error}; there is no plan before that") from None
        grid_view.show_plan(grid, training, team)
        return
    verb, by_workers = "tickets and runs", None
    if team is not None:
        by_workers = partial(grid_view.by_workers, team=team, how=training, verb=verb)
    with grid_view.progress(training, verb, alone=team is None) as display:
        done = run_experiment(
            params,
            control=controls,
            name=name,
            data=data,
            num_jobs=training.jobs,
            executor=training.executor,
            replace=training.force,
            watcher=display,
            announce=display.say,
            on_bytes=display.fetching,
            claims=claims_file(context, None),
            make=by_workers,
            devices=training.device_names(),
        )
    if cluster.detach:
        return
    experiment_view.show_finished(done, training)
    done.outcome.raise_failures()
    places = [f"runs/{name}", "--masks", f"masks/{name}", "--out", f"report/{name}"]
    say_next(context, "report", *places, "--open")

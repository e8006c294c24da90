"""`lthctl verify`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.cluster_options import ClusterOptions
from lthctl.cli.console import say
from lthctl.cli.next_step import say_next
from lthctl.cli.parameters import is_typed, parameters
from lthctl.cli.settings import SetOption
from lthctl.cli.spread import spread
from lthctl.cores import num_cores
from lthctl.errors import ParamsError


@spread
def verify(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Tickets and runs, or folders with such below them."),
    ],
    *,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Train again, without the store, and compare the bytes."),
    ] = False,
    trust: Annotated[
        list[str],
        typer.Option(
            "--trust",
            metavar="NAME",
            help="Somebody's own code, as module:name, that --replay may run. May be repeated.",
        ),
    ] = [],  # noqa: B006
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of the dataset, for --replay.",
            show_default="data/<its name>",
        ),
    ] = None,
    settings: SetOption = [],  # noqa: B006
    jobs: options.JobsOption = None,
    json: options.JsonOption = False,
    quiet: options.QuietOption = False,
    cluster: ClusterOptions,
) -> None:
    """Prove from the files what can be proven. Exit with 3 if a claim fails."""
    from lthctl.cli.check_view import show_checks
    from lthctl.cli.cluster_view import verify_by_workers
    from lthctl.datasets.described import DescribedDatasets
    from lthctl.families import trust as trust_names
    from lthctl.verification.paths import descriptions_of
    from lthctl.verification.paths import verify as verify_paths

    trust_names(*trust)
    params = parameters(context, "verify", runs_code=replay)
    datasets = DescribedDatasets(params.data, data)
    if replay:
        for description in descriptions_of(*paths):
            datasets.open(description)
    if not replay and is_typed(context, "on"):
        raise ParamsError("--on: is for --replay, which trains; without it there is little to do")
    team = cluster.team(jobs) if replay else None
    if team is not None:
        by_workers = verify_by_workers(paths, params, team, data, quiet=quiet)
        if by_workers is None:
            return
        show_checks(by_workers, json=json, quiet=quiet)
        return
    try:
        checks = verify_paths(
            *paths,
            replay=datasets if replay else None,
            num_jobs=jobs or num_cores(),
            announce=lambda text: None if quiet else say(text),
        )
    except KeyboardInterrupt:
        say("Interrupted: nothing was written, and the same command starts over.")
        raise typer.Exit(130) from None
    show_checks(checks, json=json, quiet=quiet)
    if not replay:
        say_next(context, "verify", *paths, "--replay")

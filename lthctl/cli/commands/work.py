"""`lthctl work`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.console import say
from lthctl.cli.options import JobsOption, QuietOption


def work(
    plan: Annotated[
        Path,
        typer.Argument(metavar="PLAN", help="A plan file, which a command with --on has written."),
    ],
    *,
    jobs: JobsOption = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            metavar="N",
            min=0,
            help="Time that this worker has. It begins nothing that would not be finished.",
            show_default="no end",
        ),
    ] = None,
    trust: Annotated[
        list[str],
        typer.Option(
            "--trust",
            metavar="MODULE:NAME",
            help="Run this code, which a plan in a store of somebody else's names. May be "
            "repeated.",
        ),
    ] = [],  # noqa: B006
    quiet: QuietOption = False,
) -> None:
    """Work on a plan beside others, on any machine that sees its folder.

    It ends when nothing is left to do. Any number of workers may come and go at any time.
    """
    from lthctl.cli.terminal import duration
    from lthctl.cluster.plan_file import read_plan
    from lthctl.cluster.worker import work as work_on

    shift = work_on(
        read_plan(plan),
        num_jobs=jobs,
        seconds=None if minutes is None else 60 * minutes,
        say=lambda text: None if quiet else say(text),
        trusted=trust,
    )
    outcome = shift.outcome
    if not quiet:
        left = "the time is up, and others go on" if shift.is_over else "nothing is left to do"
        say(
            f"trainings run in {duration(outcome.seconds)}: {outcome.num_trained}; folders "
            f"written: {len(outcome.written)}; {left}"
        )
    outcome.raise_failures()

"""`lthctl audit`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import print_json, results_console
from lthctl.errors import LthctlError


def audit(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="A run of another program. Without it, give files."),
    ] = None,
    layout: options.LayoutOption = None,
    init: Annotated[
        list[Path], typer.Option("--init", metavar="FILE", help="Weights before training.")
    ] = [],  # noqa: B006
    mask: Annotated[
        Path | None,
        typer.Option("--mask", metavar="FILE", help="The ticket's mask, or a pruned checkpoint."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--start", metavar="FILE", help="What the ticket was trained from."),
    ] = None,
    final: Annotated[
        Path | None,
        typer.Option("--final", metavar="FILE", help="What that training ended in."),
    ] = None,
    rounds: Annotated[
        list[Path],
        typer.Option(
            "--round",
            metavar="FILE",
            help="Trained weights, or the mask, of an earlier round. Repeat it, in order.",
        ),
    ] = [],  # noqa: B006
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", metavar="X", help="Fraction of the remaining weights that a round prunes."
        ),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option("--ratio", metavar="X", help="Sparsity that was asked for."),
    ] = None,
    json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Examine a ticket of any program, claim by claim. Exit with 3 if one fails."""
    from dataclasses import asdict

    from lthctl.auditing.audit import audit as audit_files
    from lthctl.cli.audit_view import audit_lines

    checks = audit_files(
        folder,
        layout=layout,
        init=init,
        mask=mask,
        start=start,
        final=final,
        rounds=rounds,
        rate=rate,
        ratio=ratio,
    )
    if json:
        print_json([{**asdict(check), "path": str(check.path)} for check in checks])
    elif not quiet:
        results_console().print(audit_lines(checks))
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(LthctlError.exit_code)

"""What became of claims, as tables or JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from lthctl.cli.console import print_json, results_console
from lthctl.cli.terminal import new_table, plain
from lthctl.errors import LthctlError
from lthctl.verification.checks import Check
from lthctl.verification.checks import State as CheckState

CHECK_STYLES: dict[CheckState, str] = {"held": "green", "failed": "red", "unchecked": "yellow"}


def show_checks(checks: Sequence[Check], *, json: bool, quiet: bool) -> None:
    """Print what became of claims; the command ends with 3 if one failed."""
    if json:
        print_json([{**asdict(check), "path": str(check.path)} for check in checks])
    elif not quiet:
        results_console().print(check_tables(checks))
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(LthctlError.exit_code)


def check_tables(checks: Sequence[Check]) -> RenderableType:
    """In how many folders each claim held, what failed, and what could not be checked and why."""
    num_folders = len({check.path for check in checks})
    title = f"Claims checked in {num_folders} folder{'s' * (num_folders != 1)}"
    table = new_table(title, "claim", ">held", ">failed", ">not checked")
    for claim in dict.fromkeys(check.claim for check in checks):
        states = [check.state for check in checks if check.claim == claim]
        row: list[Text] = []
        for state, style in CHECK_STYLES.items():
            count = states.count(state)
            row.append(Text(str(count), style=style if count else "dim"))
        table.add_row(plain(claim), *row)
    parts: list[RenderableType] = [table]
    headings: dict[CheckState, str] = {"failed": "Failed", "unchecked": "Could not be checked"}
    for state, heading in headings.items():
        where: dict[str, list[Path]] = {}
        for check in checks:
            if check.state == state:
                where.setdefault(f"{check.claim}: {check.detail}", []).append(check.path)
        if where:
            parts += [Text(), Text(heading, style=f"bold {CHECK_STYLES[state]}")]
        for what, paths in where.items():
            parts.append(
                plain(f"{paths[0]}{f' and {len(paths) - 1} more' * (len(paths) > 1)}: {what}")
            )
    return Lines(*parts)

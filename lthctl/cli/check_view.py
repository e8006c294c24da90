"""What became of claims, as tables."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from lthctl.cli.terminal import new_table, plain
from lthctl.verification.checks import Check
from lthctl.verification.checks import State as CheckState

CHECK_STYLES: dict[CheckState, str] = {"held": "green", "failed": "red", "unchecked": "yellow"}


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

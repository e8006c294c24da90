"""What a report lacks, said where it was made."""

from pathlib import Path

from lthctl.cli.console import say
from lthctl.reporting.report import FinishedReport


def say_left_out(finished: FinishedReport, masks: Path) -> None:
    """Name the folders that a report was made without, and why."""
    for _, reason in finished.left_out:
        say(f"left out: {reason}")
    if finished.num_missing_tickets:
        say(
            f"{masks}: lacks {finished.num_missing_tickets} tickets of these runs, so the "
            "page is without their masks; see --masks"
        )

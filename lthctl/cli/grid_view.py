"""Plans, progress and outcomes of a grid on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import RenderableType

from lthctl.artifacts.folders import TicketFolder
from lthctl.canonical import Json
from lthctl.cli.console import errors_console, print_json, results_console, say, show
from lthctl.cli.plan_view import plan_table
from lthctl.cli.progress import TrainingProgress
from lthctl.cli.terminal import duration
from lthctl.cli.ticket_table import ticket_tables
from lthctl.grid.grids import Grid
from lthctl.grid.outcome import Outcome


def show_plan(plan: Json, what: str, *, json: bool, verbose: bool) -> None:
    if json:
        print_json(plan)
        return
    if verbose:
        for folder in plan["folders"]:
            show(f"{folder['path']}: {folder['state']}, {folder['steps']:,} steps at most")
    results_console().print(plan_table(plan, what))


def progress(grid: Grid, verb: str, *, quiet: bool, verbose: bool) -> TrainingProgress:
    return TrainingProgress(
        errors_console(),
        verb=verb,
        tasks=grid.missing,
        enabled=not quiet,
        verbose=verbose,
    )


def ticket_documents(folders: Sequence[Path]) -> list[Json]:
    """What ticket.json says of each folder, with its path, as `--json` prints tickets."""
    return [{"path": str(folder), **TicketFolder(folder).json} for folder in folders]


def tickets_table(folders: Sequence[Path]) -> RenderableType:
    """The sparsity of tickets, from their documents."""
    return ticket_tables([TicketFolder(folder).document for folder in folders])


def say_outcome(outcome: Outcome, grid: Grid) -> None:
    count = len(outcome.written)
    parts = [f"{count} {grid.what}{'s' * (count != 1)} written to {grid.folder}"]
    if outcome.present:
        parts.append(f"{len(outcome.present)} there already")
    trained = f"{outcome.num_trained} trainings run in {duration(outcome.seconds)}"
    parts.append(f"{trained}, {outcome.num_from_store} from the store")
    say("; ".join(parts))

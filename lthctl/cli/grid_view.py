"""Plans, progress and outcomes of a grid on the terminal."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import RenderableType

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.canonical import Json
from lthctl.cli.console import errors_console, print_json, results_console, say, show
from lthctl.cli.options import TrainingOptions
from lthctl.cli.plan_view import plan_table
from lthctl.cli.progress import TrainingProgress
from lthctl.cli.terminal import duration
from lthctl.cli.ticket_table import run_table, ticket_tables
from lthctl.grid.grids import Grid
from lthctl.grid.outcome import Outcome
from lthctl.lottery.pruning_round import ties_in_words


def make_folders(
    grid: Grid,
    how: TrainingOptions,
    verb: str,
    *,
    to_json: Callable[[Sequence[Path]], list[Json]],
    to_table: Callable[[Sequence[Path]], RenderableType],
) -> None:
    """Make the folders of a grid, or show the plan of it, and then what became of them.

    Args:
      grid: what is to be there.
      how: the options of the command.
      verb: what is being done, for the progress.
      to_json, to_table: what is shown of the folders.

    Raises:
      TrainingError: some trainings failed. The others are shown first.
    """
    if how.dry_run:
        show_plan(grid, how)
        return
    with progress(how, verb) as watcher:
        outcome = grid.run(how.jobs, executor=how.executor, replace=how.force, watcher=watcher)
    folders = grid.finished(outcome)
    if how.json:
        print_json(to_json(folders))
    elif not how.quiet:
        results_console().print(to_table(folders))
        say_outcome(outcome, grid)
    outcome.raise_failures()


def show_plan(grid: Grid, how: TrainingOptions) -> None:
    """What would be done."""
    plan = grid.plan(how.jobs, executor=how.executor)
    if how.json:
        print_json(plan)
        return
    if how.verbose:
        for folder in plan["folders"]:
            show(f"{folder['path']}: {folder['state']}, {folder['steps']:,} steps at most")
    results_console().print(plan_table(plan, grid.what))


def progress(how: TrainingOptions, verb: str) -> TrainingProgress:
    """The display of a command that trains."""
    return TrainingProgress(errors_console(), verb=verb, enabled=not how.quiet, verbose=how.verbose)


def ticket_documents(folders: Sequence[Path]) -> list[Json]:
    """What ticket.json says of each folder, with its path, as `--json` prints tickets."""
    return [{"path": str(folder), **TicketFolder(folder).json} for folder in folders]


def tickets_table(folders: Sequence[Path]) -> RenderableType:
    """The sparsity of tickets, from their documents."""
    return ticket_tables([TicketFolder(folder).document for folder in folders])


def run_documents(folders: Sequence[Path]) -> list[Json]:
    """What run.json says of each folder, as `--json` prints runs."""
    return [RunFolder(folder).json for folder in folders]


def runs_table(folders: Sequence[Path]) -> RenderableType:
    """The metrics of runs, from their documents."""
    return run_table([RunFolder(folder).document for folder in folders])


def say_outcome(outcome: Outcome, grid: Grid) -> None:
    count = len(outcome.written)
    parts = [f"{count} {grid.what}{'s' * (count != 1)} written to {grid.folder}"]
    if outcome.present:
        parts.append(f"{len(outcome.present)} there already")
    trained = f"{outcome.num_trained} trainings run in {duration(outcome.seconds)}"
    parts.append(f"{trained}, {outcome.num_from_store} from the store")
    say("; ".join(parts))
    say_ties(outcome)
    say_if_foreign(outcome)


def say_ties(outcome: Outcome) -> None:
    """Where position decided, as scores did not: a line for each method."""
    for method, tied in outcome.tied.items():
        say(
            f"{method}: scores were equal, so position decided which weights went in a round: at "
            f"most {ties_in_words(tied)}"
        )


def say_if_foreign(outcome: Outcome) -> None:
    """Warn where results were taken from a store that somebody else may have made."""
    if outcome.foreign_store is not None:
        say(
            f"Warning: {outcome.foreign_store} was not made by you on this machine, and its "
            "results can be invented. Delete it and run this again, or check with lthctl verify "
            "--replay. If it is yours, say so once: lthctl store adopt"
        )

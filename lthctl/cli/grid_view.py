"""Plans, progress and outcomes of a grid on the terminal."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.canonical import Json
from lthctl.cli.console import errors_console, print_json, results_console, say, show
from lthctl.cli.options import TrainingOptions
from lthctl.cli.plan_view import plan_table
from lthctl.cli.progress import TrainingProgress
from lthctl.cli.terminal import duration
from lthctl.cli.ticket_table import run_table, ticket_tables
from lthctl.grid.grid import Grid
from lthctl.grid.outcome import Outcome
from lthctl.lottery.pruning_round import ties_in_words

if TYPE_CHECKING:
    from lthctl.cluster.coordinator import Team


def make_folders(
    grid: Grid,
    how: TrainingOptions,
    verb: str,
    *,
    team: "Team | None",
    to_json: Callable[[Sequence[Path]], list[Json]],
    to_table: Callable[[Sequence[Path]], RenderableType],
) -> bool:
    """Make the folders of a grid, or show the plan of it, and then what became of them.

    Args:
      grid: what is to be there.
      how: the options of the command.
      verb: what is being done, for the progress.
      team: who makes them; this process if None.
      to_json, to_table: what is shown of the folders.

    Returns:
      Whether nobody works on them any more.

    Raises:
      TrainingError: some trainings failed. The others are shown first.
    """
    if how.dry_run:
        show_plan(grid, how, team)
        return True
    if team is None:
        with progress(how, verb) as watcher:
            outcome = grid.run(
                how.jobs,
                executor=how.executor,
                replace=how.force,
                watcher=watcher,
                devices=how.device_names(),
            )
    elif (made := by_workers(grid, team, how, verb)) is None:
        return False
    else:
        outcome = made
    folders = grid.finished(outcome)
    if how.json:
        print_json(to_json(folders))
    elif not how.quiet:
        results_console().print(to_table(folders))
        say_outcome(outcome, grid)
    outcome.raise_failures()
    return True


def by_workers(grid: Grid, team: "Team", how: TrainingOptions, verb: str) -> Outcome | None:
    """What workers made of a grid; None where they were left to themselves."""
    from lthctl.cli.cluster_view import TeamProgress
    from lthctl.cluster.coordinator import run_on

    with TeamProgress(errors_console(), verb=verb, enabled=not how.quiet) as viewer:
        outcome = run_on(grid, team, viewer, replace=how.force)
    if outcome is None and not how.quiet:
        say(f"{team.workers} workers go on by themselves; the same command attaches again")
    return outcome


def show_plan(grid: Grid, how: TrainingOptions, team: "Team | None" = None) -> None:
    """What would be done, and what workers would be started by."""
    if team is not None:
        from lthctl.cluster.coordinator import script

        show(script(grid, team, replace=how.force))
        return
    plan = grid.plan(how.jobs, executor=how.executor, devices=how.device_names())
    if how.json:
        print_json(plan)
        return
    if how.verbose:
        for folder in plan["folders"]:
            show(f"{folder['path']}: {folder['state']}, {folder['steps']:,} steps at most")
    results_console().print(plan_table(plan, grid.what))


def progress(how: TrainingOptions, verb: str, *, alone: bool = True) -> TrainingProgress:
    """The display of a command that trains, by itself alone or by workers, which have their own."""
    enabled = alone and not how.quiet
    return TrainingProgress(errors_console(), verb=verb, enabled=enabled, verbose=how.verbose)


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
    parts.append(trainings_in_words(outcome))
    say("; ".join(parts))
    say_ties(outcome)
    say_if_foreign(outcome)


def trainings_in_words(outcome: Outcome) -> str:
    """How many trainings there were, and how long it took."""
    trained = f"{outcome.num_trained} trainings run in {duration(outcome.seconds)}"
    return trained if outcome.by_workers else f"{trained}, {outcome.num_from_store} from the store"


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

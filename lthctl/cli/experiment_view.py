"""What `lthctl run` made, on the terminal."""

from pathlib import Path

from lthctl.canonical import Json
from lthctl.cli.answer_view import print_answers, print_page
from lthctl.cli.console import print_json, results_console, say
from lthctl.cli.grid_view import (
    run_documents,
    say_if_foreign,
    say_ties,
    ticket_documents,
    trainings_in_words,
)
from lthctl.cli.left_out import say_left_out
from lthctl.cli.options import TrainingOptions
from lthctl.grid.outcome import Outcome
from lthctl.pipeline import FinishedExperiment


def show_finished(done: FinishedExperiment, how: TrainingOptions) -> None:
    """The report, and what was made for it. What the report lacks is said in any case."""
    if done.report is not None:
        say_left_out(done.report, Path("masks", done.folder.name))
    if how.json:
        print_json(_to_json(done))
    elif not how.quiet:
        if done.report is not None:
            console = results_console()
            print_answers(console, done.report.report)
            print_page(console, done.folder)
        say(outcome_words(done.outcome))
        say_ties(done.outcome)
        say_if_foreign(done.outcome)


def outcome_words(outcome: Outcome) -> str:
    """What was written and what was there, such as "8 tickets added to masks/run, 2 there
    already"."""
    parts = []
    for what, top in (("ticket", "masks"), ("run", "runs")):
        written, present = (
            [path for path in paths if path.parts[0] == top]
            for paths in (outcome.written, outcome.present)
        )
        if some := [*written, *present]:
            where = Path(*some[0].parts[:2])
            there = f", {len(present)} there already" if present else ""
            parts.append(
                f"{len(written)} {what}{'s' * (len(written) != 1)} added to {where}{there}"
            )
    return "; ".join([*parts, trainings_in_words(outcome)])


def _to_json(done: FinishedExperiment) -> Json:
    folders = done.grid.finished(done.outcome)
    return {
        "tickets": ticket_documents([path for path in folders if path.parts[0] == "masks"]),
        "runs": run_documents([path for path in folders if path.parts[0] == "runs"]),
        "summary": done.report.summary_rows() if done.report else [],
        "report": str(done.folder) if done.report else None,
    }

"""`lthctl report`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.console import print_json, results_console, say, show
from lthctl.cli.flag_values import listed_values
from lthctl.cli.next_step import say_next
from lthctl.cli.parameters import is_typed, parameters
from lthctl.cli.report_options import ReportOptions
from lthctl.cli.report_place import report_folder
from lthctl.cli.spread import spread
from lthctl.errors import LthctlError


@spread
def report(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Runs, or folders with runs below them.",
            show_default="runs",
        ),
    ] = None,
    *,
    how: ReportOptions,
) -> None:
    """Compare all runs with the dense network, and judge the tickets."""
    params = parameters(context, "report", runs_code=False).report
    from lthctl.cli.answer_view import print_answers, print_page
    from lthctl.cli.claims_place import claims_file
    from lthctl.cli.left_out import say_left_out
    from lthctl.cli.older_runs import RUNS, older_runs_note
    from lthctl.cli.report_view import report_tables
    from lthctl.cli.terminal import plain
    from lthctl.cli.tracking_view import log_runs, open_trackers
    from lthctl.reporting.report import report as make_report

    folder = report_folder(how.out)
    if not paths and (note := older_runs_note(RUNS)):
        say(note)
    trackers = open_trackers(listed_values(how.to or []))
    finished = make_report(
        paths or [RUNS],
        masks=how.masks,
        out=folder,
        paper=how.paper,
        params=params,
        claims=claims_file(context, how.claims),
        title=how.title,
    )
    say_left_out(finished, how.masks)
    if how.json:
        print_json(finished.summary_rows())
    elif not how.quiet:
        console = results_console()
        if how.full:
            console.print(report_tables(finished.report))
        else:
            print_answers(console, finished.report)
        if finished.machines:
            console.print(plain(finished.machines.words, style="yellow"))
        print_page(console, folder, ", and with --full")
        if how.paper:
            show(
                f"Written to {how.paper}: figures, tables and captions; paper.tex shows all of them"
            )
    for line in log_runs(finished.report, trackers):
        if not how.quiet:
            say(line)
    if how.open_page:
        import webbrowser

        if not webbrowser.open((folder / "index.html").absolute().as_uri()):
            say(f"no browser can be opened from here: open {folder / 'index.html'} by hand")
    else:
        named: list[str | Path] = ["--masks", how.masks] if is_typed(context, "masks") else []
        named += ["--out", how.out] if how.out else []
        say_next(context, "report", *(paths or []), *named, "--open")
    if how.strict and finished.left_out:
        raise typer.Exit(LthctlError.exit_code)

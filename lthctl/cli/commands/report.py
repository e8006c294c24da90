"""`lthctl report`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import print_json, results_console, say, show
from lthctl.cli.parameters import parameters
from lthctl.errors import LthctlError


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
    masks: Annotated[
        Path, typer.Option("--masks", metavar="DIR", help="Folder with the tickets of these runs.")
    ] = Path("masks"),
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder for index.html, for the tables and the figures."
        ),
    ] = Path("report"),
    title: Annotated[
        str | None,
        typer.Option(
            "--title", metavar="TEXT", help="What the page is called.", show_default=False
        ),
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
    paper: Annotated[
        Path | None,
        typer.Option(
            "--paper",
            metavar="DIR",
            help="Write there, too, what a paper takes: every figure as SVG, PDF and PNG, every "
            "table as CSV and LaTeX, each with a caption.",
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        options.choice(
            "--to", "tracker", "Log every run to {names} too, each run once. May be repeated."
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 3 if a damaged run or ticket was left out."),
    ] = False,
    json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Compare all runs with the dense network, and judge the tickets."""
    params = parameters(context, "report").report
    from lthctl.cli.older_runs import RUNS, older_runs_note
    from lthctl.cli.report_view import report_tables
    from lthctl.cli.tracking_view import log_runs, open_trackers
    from lthctl.reporting.report import report as make_report

    if not paths and (note := older_runs_note(RUNS)):
        say(note)
    trackers = open_trackers(options.listed_values(to or []))
    finished = make_report(
        paths or [RUNS], masks=masks, out=out, paper=paper, params=params, title=title
    )
    for _, reason in finished.left_out:
        say(f"left out: {reason}")
    if finished.num_missing_tickets:
        say(
            f"{masks}: lacks {finished.num_missing_tickets} tickets of these runs, so the page is "
            "without their masks; see --masks"
        )
    if json:
        print_json(finished.summary_rows())
    elif not quiet:
        results_console().print(report_tables(finished.report))
        show(f"Written to {out}: {', '.join(sorted(finished.files))}")
        if paper:
            show(f"Written to {paper}: figures, tables and captions; paper.tex shows all of them")
    for line in log_runs(finished.report, trackers):
        if not quiet:
            say(line)
    if open_page:
        import webbrowser

        if not webbrowser.open((out / "index.html").absolute().as_uri()):
            say(f"no browser can be opened from here: open {out / 'index.html'} by hand")
    if strict and finished.left_out:
        raise typer.Exit(LthctlError.exit_code)

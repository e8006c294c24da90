"""`lthctl report`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import print_json, results_console, say, show
from lthctl.cli.next_step import say_next
from lthctl.cli.parameters import is_typed, parameters
from lthctl.cli.report_place import BESIDE, REPORT, report_folder
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
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for index.html, for the tables and the figures.",
            show_default=f"{REPORT}, or {BESIDE} where DVC owns files in {REPORT}",
        ),
    ] = None,
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
    claims: Annotated[
        Path | None,
        typer.Option(
            "--claims",
            metavar="FILE",
            help="Claims of a paper, which are judged too.",
            show_default="claims.yaml beside params.yaml, if there is one",
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        options.choice(
            "--to", "tracker", "Log every run to {names} too, each run once. May be repeated."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Print all tables, not the answers and ladders only.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 3 if a damaged run or ticket was left out."),
    ] = False,
    json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Compare all runs with the dense network, and judge the tickets."""
    params = parameters(context, "report").report
    from lthctl.cli.answer_view import print_answers, print_page
    from lthctl.cli.claims_place import claims_file
    from lthctl.cli.older_runs import RUNS, older_runs_note
    from lthctl.cli.report_view import report_tables
    from lthctl.cli.tracking_view import log_runs, open_trackers
    from lthctl.reporting.report import report as make_report

    folder = report_folder(out)
    if not paths and (note := older_runs_note(RUNS)):
        say(note)
    trackers = open_trackers(options.listed_values(to or []))
    finished = make_report(
        paths or [RUNS],
        masks=masks,
        out=folder,
        paper=paper,
        params=params,
        claims=claims_file(context, claims),
        title=title,
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
        console = results_console()
        if full:
            console.print(report_tables(finished.report))
        else:
            print_answers(console, finished.report)
        print_page(console, folder, ", and with --full")
        if paper:
            show(f"Written to {paper}: figures, tables and captions; paper.tex shows all of them")
    for line in log_runs(finished.report, trackers):
        if not quiet:
            say(line)
    if open_page:
        import webbrowser

        if not webbrowser.open((folder / "index.html").absolute().as_uri()):
            say(f"no browser can be opened from here: open {folder / 'index.html'} by hand")
    if not open_page:
        named: list[str | Path] = ["--masks", masks] if is_typed(context, "masks") else []
        named += ["--out", out] if out else []
        say_next(context, "report", *(paths or []), *named, "--open")
    if strict and finished.left_out:
        raise typer.Exit(LthctlError.exit_code)

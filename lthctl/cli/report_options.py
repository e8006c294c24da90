"""The options of `lthctl report`: what it reads, where it writes, and what it shows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.choices import choice
from lthctl.cli.options import JsonOption, QuietOption
from lthctl.cli.report_place import BESIDE, REPORT
from lthctl.cli.settings import SetOption


@dataclass(frozen=True)
class ReportOptions:
    """What `lthctl report` takes beside its paths."""

    masks: Annotated[
        Path, typer.Option("--masks", metavar="DIR", help="Folder with the tickets of these runs.")
    ] = Path("masks")
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for index.html, for the tables and the figures.",
            show_default=f"{REPORT}, or {BESIDE} where DVC owns files in {REPORT}",
        ),
    ] = None
    title: Annotated[
        str | None,
        typer.Option(
            "--title", metavar="TEXT", help="What the page is called.", show_default=False
        ),
    ] = None
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False
    paper: Annotated[
        Path | None,
        typer.Option(
            "--paper",
            metavar="DIR",
            help="Write there, too, what a paper takes: every figure as SVG, PDF and PNG, every "
            "table as CSV and LaTeX, each with a caption.",
        ),
    ] = None
    claims: Annotated[
        Path | None,
        typer.Option(
            "--claims",
            metavar="FILE",
            help="Claims of a paper, which are judged too.",
            show_default="claims.yaml beside params.yaml, if there is one",
        ),
    ] = None
    to: Annotated[
        list[str] | None,
        choice("--to", "tracker", "Log every run to {names} too, each run once. May be repeated."),
    ] = None
    settings: SetOption = field(default_factory=list)
    full: Annotated[
        bool, typer.Option("--full", help="Print all tables, not the answers and ladders only.")
    ] = False
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 3 if a damaged run or ticket was left out."),
    ] = False
    json: JsonOption = False
    quiet: QuietOption = False

"""`lthctl download`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.console import print_json, say, show
from lthctl.cli.options import JsonOption, QuietOption
from lthctl.cli.parameters import parameters


def download(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the four files.")
    ] = Path("data/mnist"),
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take plain or .gz IDX files from this folder, not from the network.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch MNIST and verify it. Files that are right already stay."""
    parameters(context, "download")
    from lthctl.datasets.download import download as fetch

    origins = fetch(out, source=source, announce=lambda text: None if quiet else say(text))
    if json:
        print_json(origins)
    elif not quiet:
        for name, origin in origins.items():
            show(f"{out / name}: verified, {origin}")

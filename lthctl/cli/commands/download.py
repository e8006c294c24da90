"""`lthctl download`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.console import errors_console, print_json, show
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
    from lthctl.cli.download_view import DownloadProgress
    from lthctl.datasets.download import download as fetch

    with DownloadProgress(errors_console(), enabled=not quiet) as progress:
        origins = fetch(out, source=source, announce=progress.say, on_bytes=progress.on_bytes)
    if json:
        print_json(origins)
    elif not quiet:
        for name, origin in origins.items():
            show(f"{out / name}: verified, {origin}")

"""`lthctl download`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.console import errors_console, print_json, say, show
from lthctl.cli.next_step import say_next
from lthctl.cli.options import JsonOption, QuietOption
from lthctl.cli.parameters import parameters
from lthctl.cli.settings import options_for
from lthctl.errors import ParamsError
from lthctl.families import DATASETS, is_own, trust


def download(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help=f"Dataset: {', '.join(DATASETS.names())}.",
            show_default="that of params.yaml, else mnist",
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="The same as NAME.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder for its files.", show_default="data/<its name>"
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take its files from this folder, under whatever names, not from the network.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch a dataset and verify it. Files that are right already stay."""
    parameters(context, "download")
    from lthctl.cli.download_view import DownloadProgress

    if name is not None and dataset is not None and name != dataset:
        raise ParamsError(f"--dataset: is {dataset!r}, and NAME is {name!r}; give one of them")
    name = name or dataset
    if name is None:
        name = context.obj.data.name
        if is_own(name):
            raise ParamsError(
                f"data {name}: is a dataset of somebody's own, whose files nobody else can fetch; "
                "name one to be fetched, such as lthctl download mnist"
            )
        if "name" in context.obj.data.model_fields_set and not quiet:
            say(f"params.yaml says data.name {name}")
    trust(name)
    entry = DATASETS.get(name)
    folder = out or entry.folder
    if entry.download is None:
        raise ParamsError(f"data {name}: cannot be downloaded; put its files into {folder}")
    with DownloadProgress(errors_console(), enabled=not quiet) as progress:
        origins = entry.download(
            folder, source=source, announce=progress.say, on_bytes=progress.on_bytes
        )
    if json:
        print_json(origins)
    elif not quiet:
        for file, origin in origins.items():
            show(f"{folder / file}: verified, {origin}")
    named = [] if name == context.obj.data.name else ["--dataset", name]
    if entry.model is not None and not context.obj.model.model_fields_set:
        named += options_for(entry.model)
    say_next(context, "run", *named, *([] if folder == entry.folder else ["--data", folder]))

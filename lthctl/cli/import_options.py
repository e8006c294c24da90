"""The options of `lthctl import`: whose file it is, and what the ticket says of itself."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.options import LayoutOption


@dataclass(frozen=True)
class ImportOptions:
    """What `lthctl import` takes beside its file."""

    layout: LayoutOption = None
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the ticket's folder.")
    ] = Path("masks")
    init: Annotated[
        Path | None,
        typer.Option(
            "--init",
            metavar="FILE",
            help="Weights to rewind to. Without it: those in FILE, else drawn from the seed.",
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="N", min=0, help="Seed of batches, of reinit, and of missing weights."
        ),
    ] = 1
    ratio: Annotated[
        float | None,
        typer.Option(
            "--ratio",
            metavar="X",
            help="Sparsity that was asked for.",
            show_default="what the mask has",
        ),
    ] = None
    label: Annotated[
        str | None,
        typer.Option(
            "--label", metavar="TEXT", help="How it was pruned. Becomes part of the ticket's name."
        ),
    ] = None
    biases: Annotated[
        bool | None,
        typer.Option(
            "--biases/--no-biases",
            help="Whether biases are prunable.",
            show_default="as in the file",
        ),
    ] = None
    trusted: Annotated[
        list[str],
        typer.Option(
            "--trust",
            metavar="NAME",
            help="The model of params.yaml, as module:name, if it is code that may run.",
        ),
    ] = field(default_factory=list)

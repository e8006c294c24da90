"""Options that say what tickets are retrained from."""

from typing import Annotated

import typer

from lthctl.cli.choices import choice

CONTROLS_GROUP = "Controls"
"""The group of these options in the help of a command."""

ControlOption = Annotated[
    list[str],
    choice("--control", "control", "What training starts from: {names}. A list.", CONTROLS_GROUP),
]
OrderSeedOption = Annotated[
    int | None,
    typer.Option(
        "--order-seed",
        metavar="N",
        help="Train a second copy of every run too, with the batches in the order of seed N.",
        rich_help_panel=CONTROLS_GROUP,
    ),
]
DrawsOption = Annotated[
    int,
    typer.Option(
        "--draws",
        metavar="N",
        help="Draws of every control that draws random numbers, each a run of its own. rewind "
        "draws none, and is run once.",
        rich_help_panel=CONTROLS_GROUP,
    ),
]

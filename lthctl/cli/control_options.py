"""Options that say what tickets are retrained from, and what they come to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lthctl.cli.choices import choice
from lthctl.cli.flag_values import listed_values
from lthctl.cli.parameters import SAID_TWICE, is_set, is_typed
from lthctl.errors import ParamsError
from lthctl.families import CONTROLS

if TYPE_CHECKING:
    from lthctl.params import Params

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


def controls_of(context: Any, params: "Params", short_forms: Sequence[str] = ()) -> Sequence[str]:
    """The controls that are asked for: by a short form such as `--reinit`, by `--set`, or by
    `--control`.

    Raises:
      ParamsError: they were said in several ways.
    """
    if len(short_forms) + is_typed(context, "control") + is_set(context, "retrain.control") > 1:
        if short_forms:
            *first, last = ("--control", *(f"--{name}" for name in CONTROLS.names()))
            raise ParamsError(
                f"{', '.join(first)} and {last} exclude each other; give one, and call again for "
                f"the next, or give a list: --control {','.join(CONTROLS.names()[:2])}"
            )
        raise ParamsError(SAID_TWICE.format("--set retrain.control", "--control"))
    if short_forms:
        return short_forms
    if is_set(context, "retrain.control"):
        return list(params.retrain.control)
    return listed_values(context.params["control"])

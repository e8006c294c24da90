"""`lthctl export`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.choices import choice
from lthctl.cli.console import say, show
from lthctl.cli.flag_values import numbers
from lthctl.cli.parameters import parameters
from lthctl.families import trust as trust_names


def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder of a ticket or a run.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file. For csr a folder.")],
    to: Annotated[str, choice("--to", "format", "The format: {names}.")] = "state_dict",
    shape: Annotated[
        str | None,
        typer.Option(
            "--shape",
            metavar="LIST",
            help="Of an image, for onnx of a module of your own, such as 3,32,32.",
        ),
    ] = None,
    trust: Annotated[
        list[str],
        typer.Option(
            "--trust",
            metavar="NAME",
            help="Somebody's own code, as module:name, that onnx may run. May be repeated.",
        ),
    ] = [],  # noqa: B006
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    quiet: options.QuietOption = False,
) -> None:
    """Write the weights of a ticket or a run for another program.

    Of a ticket these are the initial weights, of a run the final ones.
    """
    from lthctl.grid.dvc import refuse_if_owned
    from lthctl.interop.export import export as export_path

    refuse_if_owned(out)
    trust_names(*trust)
    if to == "onnx":
        parameters(context, "export")  # code that params.yaml names may run
    given = None if shape is None else [int(str(one)) for one in numbers("--shape", [shape], int)]
    num_kept_zeros = export_path(path, out, to=to, replace=force, shape=given)
    if quiet:
        return
    show(f"{out}: {to} of {path}")
    if num_kept_zeros:
        say(
            f"{num_kept_zeros:,} kept weights are exactly 0 and cannot be told from pruned ones; "
            "--to prune keeps the mask"
        )

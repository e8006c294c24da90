"""`lthctl export`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import say, show


def export(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder of a ticket or a run.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file. For csr a folder.")],
    to: Annotated[str, options.choice("--to", "format", "The format: {names}.")] = "state_dict",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    quiet: options.QuietOption = False,
) -> None:
    """Write the weights of a ticket or a run for another program.

    Of a ticket these are the initial weights, of a run the final ones.
    """
    from lthctl.grid.dvc import refuse_if_owned
    from lthctl.interop.export import export as export_path

    refuse_if_owned(out)
    num_kept_zeros = export_path(path, out, to=to, replace=force)
    if quiet:
        return
    show(f"{out}: {to} of {path}")
    if num_kept_zeros:
        say(
            f"{num_kept_zeros:,} kept weights are exactly 0 and cannot be told from pruned ones; "
            "--to prune keeps the mask"
        )

"""`lthctl import`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import print_json, results_console, say
from lthctl.cli.next_step import say_next
from lthctl.cli.parameters import parameters
from lthctl.cli.settings import SetOption


def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="safetensors, or a state_dict saved by torch.save; or a folder of another "
            "program.",
        ),
    ],
    layout: options.LayoutOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the ticket's folder.")
    ] = Path("masks"),
    init: Annotated[
        Path | None,
        typer.Option(
            "--init",
            metavar="FILE",
            help="Weights to rewind to. Without it: those in FILE, else drawn from the seed.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="N", min=0, help="Seed of batches, of reinit, and of missing weights."
        ),
    ] = 1,
    ratio: Annotated[
        float | None,
        typer.Option(
            "--ratio",
            metavar="X",
            help="Sparsity that was asked for.",
            show_default="what the mask has",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label", metavar="TEXT", help="How it was pruned. Becomes part of the ticket's name."
        ),
    ] = None,
    biases: Annotated[
        bool | None,
        typer.Option(
            "--biases/--no-biases",
            help="Whether biases are prunable.",
            show_default="as in the file",
        ),
    ] = None,
    trusted: Annotated[
        list[str],
        typer.Option(
            "--trust",
            metavar="NAME",
            help="The model of params.yaml, as module:name, if it is code that may run.",
        ),
    ] = [],  # noqa: B006
    settings: SetOption = [],  # noqa: B006
    force: options.ForceOption = False,
    json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Make a ticket of a mask or checkpoint of another program."""
    # A ticket of the model that prune would make it of.
    model = parameters(context, "import", runs_code=False).model
    from lthctl.cli import grid_view
    from lthctl.cli.ticket_table import ticket_tables
    from lthctl.disk import write_folder
    from lthctl.families import trust
    from lthctl.grid.dvc import refuse_if_owned
    from lthctl.interop.importing import import_ticket
    from lthctl.models.entry import model_from

    trust(*trusted)
    refuse_if_owned(out)
    ticket = import_ticket(
        file,
        layout=layout,
        model=model_from(model),
        seed=seed,
        init=init,
        ratio=ratio,
        label=label,
        biases=biases,
        announce=lambda text: None if quiet else say(text),
    )
    folder = out / ticket.name
    write_folder(folder, ticket.files(), replace=force)
    if json:
        print_json(grid_view.ticket_documents([folder])[0])
    elif not quiet:
        results_console().print(ticket_tables([ticket]))
        say(f"1 ticket written to {folder}")
        say_next(context, "retrain", folder)

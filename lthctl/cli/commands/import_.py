"""`lthctl import`."""

from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli import options
from lthctl.cli.console import print_json, results_console, say
from lthctl.cli.import_options import ImportOptions
from lthctl.cli.next_step import say_next
from lthctl.cli.parameters import parameters
from lthctl.cli.settings import SetOption
from lthctl.cli.spread import spread


@spread
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="safetensors, a state_dict saved by torch.save, or .npz; or a folder of another "
            "program.",
        ),
    ],
    *,
    how: ImportOptions,
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

    trust(*how.trusted)
    refuse_if_owned(how.out)
    ticket = import_ticket(
        file,
        layout=how.layout,
        model=model_from(model),
        seed=how.seed,
        init=how.init,
        ratio=how.ratio,
        label=how.label,
        biases=how.biases,
        announce=lambda text: None if quiet else say(text),
    )
    folder = how.out / ticket.name
    write_folder(folder, ticket.files(), replace=force)
    if json:
        print_json(grid_view.ticket_documents([folder])[0])
    elif not quiet:
        results_console().print(ticket_tables([ticket]))
        say(f"1 ticket written to {folder}")
        say_next(context, "retrain", folder)

"""The command line: which commands there are, and what comes before each of them.

What a command does is one call of a public function, in a file of its own. Heavy modules are
imported inside the commands, so that `--help` is immediate.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.command import Command
from lthctl.cli.commands import (
    audit,
    compare,
    connect,
    download,
    export,
    init,
    prune,
    report,
    retrain,
    run,
    show,
    store_prune,
    verify,
    work,
)
from lthctl.cli.commands import import_ as import_command
from lthctl.cli.commands import store as store_commands
from lthctl.cli.errors import ErrorReportingGroup
from lthctl.cli.parameters import load_into
from lthctl.cli.process import run_as_process

app = typer.Typer(
    cls=ErrorReportingGroup,
    help="Find, keep, retrain and judge lottery tickets: sparse subnetworks that train as well as "
    "the dense network.",
    no_args_is_help=True,
    rich_markup_mode=None,  # the boxed help imports a Markdown parser and takes twice as long
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"lthctl {version('lthctl')}")
        raise typer.Exit


@app.callback()
def main_options(
    context: typer.Context,
    params: Annotated[
        Path,
        typer.Option("--params", metavar="FILE", help="The parameters. All of them are optional."),
    ] = Path("params.yaml"),
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    load_into(context, params)


COMMANDS: dict[str, Callable[..., None]] = {
    "init": init.init,
    "download": download.download,
    "prune": prune.prune,
    "retrain": retrain.retrain,
    "report": report.report,
    "run": run.run,
    "work": work.work,
    "show": show.show,
    "compare": compare.compare,
    "connect": connect.connect,
    "verify": verify.verify,
    "audit": audit.audit,
    "export": export.export,
    "import": import_command.import_,
}
for name, command in COMMANDS.items():
    app.command(name, cls=Command)(command)
for command in store_prune.prune, store_prune.adopt:
    store_commands.store_app.command(cls=Command)(command)
app.add_typer(store_commands.store_app, name="store", invoke_without_command=True)


def main() -> None:
    """The command line of this process, with the same name however it was started."""
    run_as_process()

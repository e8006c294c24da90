"""What may be chosen, and options that offer it."""

from collections.abc import Callable
from typing import Any

import typer

from lthctl.families import (
    CONTROLS,
    DATASETS,
    ENGINES,
    EXECUTORS,
    MODELS,
    OPTIMIZERS,
    SCORES,
    TRACKERS,
    WORKPLACES,
)

CHOICES: dict[str, Callable[[], tuple[str, ...]]] = {
    "method": SCORES.names,
    "engine": lambda: ("auto", *ENGINES.names()),
    "model": MODELS.names,
    "dataset": DATASETS.names,
    "optimizer": OPTIMIZERS.names,
    "control": CONTROLS.names,
    "executor": EXECUTORS.names,
    "workplace": WORKPLACES.names,
    "scope": lambda: ("layer", "global"),
    "tracker": TRACKERS.names,
    "format": lambda: ("state_dict", "prune", "csr", "onnx"),
}
"""For help, and for the shell, which completes it. A member of a family may also be somebody's own,
as `module:name`."""


def choice(
    flag: str,
    family: str | Callable[[], tuple[str, ...]],
    help: str,
    group: str | None = None,
    *,
    envvar: str | None = None,
    unset: str | bool = True,
) -> Any:
    """An option whose values are listed in its help, and completed by the shell.

    Args:
      flag: such as "--method".
      family: a key of `CHOICES`, or what gives the names.
      help: with "{names}" in the place of the choices.
      group: of the help, that it stands in.
      envvar: the environment variable that gives it, too.
      unset: what help shows as its default where params.yaml gives none.
    """
    names = CHOICES[family] if isinstance(family, str) else family

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    *first, last = names()
    listed = f"{', '.join(first)} or {last}" if first else last
    return typer.Option(
        flag,
        metavar="NAME",
        autocompletion=complete,
        help=help.format(names=listed),
        rich_help_panel=group,
        envvar=envvar,
        show_default=unset,
    )

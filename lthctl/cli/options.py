"""Options that several commands share, one by one and in groups, and options that offer a
choice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from lthctl.errors import ParamsError
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
"""What may be chosen: for help and for the shell, which completes it. A member of a
family may also be somebody's own, as `module:name`."""


TICKETS_GROUP, CONTROLS_GROUP, SETTINGS_GROUP = "Tickets", "Controls", "Model, data and training"
"""Groups of options in the help of a command; what is in none comes last."""


def choice(
    flag: str,
    family: str | Callable[[], tuple[str, ...]],
    help: str,
    group: str | None = None,
    *,
    envvar: str | None = None,
) -> Any:
    """An option whose values are listed in its help, and completed by the shell.

    Args:
      flag: such as "--method".
      family: a key of `CHOICES`, or what gives the names.
      help: with "{names}" in the place of the choices.
      group: of the help, that it stands in.
      envvar: the environment variable that gives it, too.
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
    )


def listed_values(values: Sequence[str]) -> list[str]:
    """The values of a flag that may be repeated, each of which may be a list with commas."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def numbers(flag: str, values: Sequence[str], kind: Callable[[str], object]) -> list[object]:
    """The same as numbers.

    Args:
      flag: for the message.
      values: what was given.
      kind: `int` or `float`.

    Raises:
      ParamsError: one of them is no number.
    """
    parsed = []
    for text in listed_values(values):
        try:
            parsed.append(kind(text))
        except ValueError:
            expected = "a whole number" if kind is int else "a number"
            raise ParamsError(f"{flag}: is {text!r}, expected {expected}") from None
    return parsed


def rate_of(text: str) -> object:
    """A rate for all layers, or pattern -> rate; None for an empty text.

    Raises:
      ParamsError: a rate is no number.
    """
    if "=" not in text:
        return next(iter(numbers("--rate", [text], float)), None)
    pairs = [part.rpartition("=") for part in listed_values([text])]
    return {name: numbers("--rate", [rate], float)[0] for name, _, rate in pairs if rate}


def seeds(values: Sequence[str]) -> list[object]:
    """Seeds, as the parameters take them: whole numbers, and ranges such as "1-20"."""
    return [int(text) if text.isdecimal() else text for text in listed_values(values)]


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the dataset.",
        show_default="data/<its name>",
        rich_help_panel=SETTINGS_GROUP,
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="Trainings at a time.",
        show_default="the number of cores, 1 on a GPU",
    ),
]
ExecutorOption = Annotated[
    str, choice("--executor", "executor", "Where trainings run: {names}. Changes no result.")
]
DevicesOption = Annotated[
    list[str],
    typer.Option(
        "--devices",
        metavar="LIST",
        help="Spread trainings over GPUs, in a process each, such as cuda:0,cuda:1. Changes no "
        "digest.",
        show_default=False,
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace folders that hold something else.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done. Do nothing.")
]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="LAYOUT",
        help="Whose layout the folder has: google_lth, lightning, lthctl, open_lth, "
        "rahulvigneswaran, shrinkbench, or a YAML file with patterns.",
        show_default="the one that fits",
    ),
]
FetchOption = Annotated[
    bool,
    typer.Option(
        "--fetch", help="For path@revision: ask the remotes that its repository names, too."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the results as JSON.")]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Print a line for every training, in a plan for every folder."
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no tables and no progress.")
]
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


@dataclass(frozen=True)
class TicketOptions:
    """Which tickets a command is about."""

    method: Annotated[
        list[str],
        choice("--method", "method", "How weights are scored: {names}. A list.", TICKETS_GROUP),
    ] = field(default_factory=list)
    ratio: Annotated[
        list[str],
        typer.Option(
            "--ratio",
            metavar="LIST",
            help="Final sparsity in [0, 1). 0 is the dense network. A list, such as 0.5,0.8.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = field(default_factory=list)
    rounds: Annotated[
        list[str],
        typer.Option(
            "--rounds",
            metavar="LIST",
            help="Train-prune-rewind rounds. 1 is one-shot. A list, such as 1,5.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = field(default_factory=list)
    seed: Annotated[
        list[str],
        typer.Option(
            "--seed",
            metavar="LIST",
            help="Seeds, each a replicate. A list, such as 1-5,9.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = field(default_factory=list)

    rate: Annotated[
        str,
        typer.Option(
            "--rate",
            metavar="X",
            help="Fraction of the remaining weights that each round removes, in the place of "
            "ratios but 0. Each round trains all steps. By layers: conv*=0.1,fc*=0.2.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = ""
    every_round: Annotated[
        bool,
        typer.Option(
            "--every-round",
            help="With --rate: leave a ticket at every round.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = False
    layer_ratio: Annotated[
        list[str],
        typer.Option(
            "--layer-ratio",
            metavar="LIST",
            help="Final sparsity of each layer, in the place of ratios but 0, such as 0.8,0.8,0.4.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = field(default_factory=list)
    exclude: Annotated[
        list[str],
        typer.Option(
            "--exclude",
            metavar="LIST",
            help="Layers that are never pruned, such as conv1,*downsample*.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = field(default_factory=list)
    output_factor: Annotated[
        float,
        typer.Option(
            "--output-factor",
            metavar="X",
            help="The output layer is pruned at this fraction of the rate of the others.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = 0.5
    scope: Annotated[
        str,
        choice(
            "--scope", "scope", "Whether weights compete per layer or all: {names}.", TICKETS_GROUP
        ),
    ] = "layer"

    rewind_step: Annotated[
        list[str],
        typer.Option(
            "--rewind-step",
            metavar="LIST",
            help="Rewind to the weights of this step of the dense network. A list, such as 0,500.",
            rich_help_panel=TICKETS_GROUP,
        ),
    ] = field(default_factory=list)

    def flags(self) -> dict[str, object]:
        """ "section.key" -> value, for the parameters.

        Raises:
          ParamsError: a number is none.
        """
        return {
            "prune.method": listed_values(self.method),
            "prune.ratio": numbers("--ratio", self.ratio, float),
            "prune.rounds": numbers("--rounds", self.rounds, int),
            "prune.seed": seeds(self.seed),
            "prune.rate": rate_of(self.rate),
            "prune.every_round": self.every_round,
            "prune.layer_ratio": numbers("--layer-ratio", self.layer_ratio, float),
            "prune.exclude": listed_values(self.exclude),
            "prune.output_factor": self.output_factor,
            "prune.scope": self.scope,
            "prune.rewind_step": numbers("--rewind-step", self.rewind_step, int),
        }


@dataclass(frozen=True)
class TrainingOptions:
    """How a command that trains goes about it."""

    jobs: JobsOption = None
    executor: ExecutorOption = "threads"
    devices: DevicesOption = field(default_factory=list)
    force: ForceOption = False
    dry_run: DryRunOption = False
    json: JsonOption = False
    verbose: VerboseOption = False
    quiet: QuietOption = False

    def device_names(self) -> tuple[str, ...]:
        """The devices that trainings are spread over; none where torch chooses."""
        return tuple(listed_values(self.devices))

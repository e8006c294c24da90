"""Options that several commands share, and those of every command that trains."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.choices import choice
from lthctl.cli.flag_values import listed_values

SETTINGS_GROUP = "Model, data and training"
"""A group of options in the help of a command; what is in none comes last."""

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

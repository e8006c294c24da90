"""Options that say on which machines a command trains."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from lthctl.cli.choices import choice
from lthctl.errors import ParamsError

if TYPE_CHECKING:
    from lthctl.cluster.coordinator import Team

ON, WORKERS = "LTHCTL_ON", "LTHCTL_WORKERS"
"""Environment variables, by which `dvc repro` lets workers train."""

WORKERS_GROUP = "Workers"
"""The group of these options in the help of a command."""


@dataclass(frozen=True)
class ClusterOptions:
    """On which machines a command trains."""

    on: Annotated[
        str | None,
        choice(
            "--on",
            "workplace",
            "Let workers train: {names}. Changes no result.",
            WORKERS_GROUP,
            envvar=ON,
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            envvar=WORKERS,
            rich_help_panel=WORKERS_GROUP,
            help="With --on: how many workers. Each runs --jobs trainings at a time.",
            show_default="the number of cores, for local",
        ),
    ] = None
    slurm: Annotated[
        list[str],
        typer.Option(
            "--slurm",
            metavar="KEY=VALUE",
            rich_help_panel=WORKERS_GROUP,
            help="A setting of SLURM, such as partition=gpu or time=120. It wins over those in "
            "~/.config/lthctl/cluster.toml. May be repeated.",
        ),
    ] = field(default_factory=list)
    detach: Annotated[
        bool,
        typer.Option(
            "--detach",
            rich_help_panel=WORKERS_GROUP,
            help="With --on: leave the workers. The same command attaches again.",
        ),
    ] = False

    def team(
        self, jobs: int | None, executor: str = "threads", devices: object = ()
    ) -> "Team | None":
        """Who is to work; None where this process does.

        Args:
          jobs: trainings at a time of each worker.
          executor: where a worker trains.
          devices: of this machine, which workers do not take.

        Raises:
          ParamsError: options are in each other's way.
        """
        from lthctl.cluster.coordinator import Team
        from lthctl.cluster.settings import expect_device_of_nodes
        from lthctl.cores import num_cores

        if self.on is None:
            for flag, given in (("--slurm", self.slurm), ("--detach", self.detach)):
                if given:
                    raise ParamsError(f"{flag}: is for workers; say where, such as --on slurm")
            return None
        if self.workers is None and self.on != "local":
            raise ParamsError(f"--workers: is missing; say how many with --on {self.on}")
        if devices:
            raise ParamsError("--devices: is for this machine; leave it out with --on")
        settings = {}
        for text in self.slurm:
            key, equals, value = text.partition("=")
            if not equals or not key:
                raise ParamsError(f"--slurm: is {text!r}, expected key=value")
            settings[key.strip()] = value.strip()
        if self.on == "slurm":
            expect_device_of_nodes(settings)
        return Team(
            self.on,
            self.workers or num_cores(),
            jobs,
            executor,
            settings,
            self.detach,
        )

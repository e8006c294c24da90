"""Options that say which tickets a command is about."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from lthctl.cli.choices import choice
from lthctl.cli.flag_values import listed_values, numbers, rate_of, seeds

TICKETS_GROUP = "Tickets"
"""The group of these options in the help of a command."""


def _list(flag: str, help: str) -> Any:
    """An option of this group that takes a list, with commas or the flag again."""
    return typer.Option(flag, metavar="LIST", help=help, rich_help_panel=TICKETS_GROUP)


@dataclass(frozen=True)
class TicketOptions:
    """Which tickets a command is about."""

    method: Annotated[
        list[str],
        choice("--method", "method", "How weights are scored: {names}. A list.", TICKETS_GROUP),
    ] = field(default_factory=list)
    ratio: Annotated[
        list[str],
        _list(
            "--ratio", "Final sparsity in [0, 1). 0 is the dense network. A list, such as 0.5,0.8."
        ),
    ] = field(default_factory=list)
    rounds: Annotated[
        list[str],
        _list("--rounds", "Train-prune-rewind rounds. 1 is one-shot. A list, such as 1,5."),
    ] = field(default_factory=list)
    seed: Annotated[
        list[str],
        _list("--seed", "Seeds, each a replicate. A list, such as 1-5,9."),
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
        _list(
            "--layer-ratio",
            "Final sparsity of each layer, in the place of ratios but 0, such as 0.8,0.8,0.4.",
        ),
    ] = field(default_factory=list)
    exclude: Annotated[
        list[str],
        _list("--exclude", "Layers that are never pruned, such as conv1,*downsample*."),
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
        _list(
            "--rewind-step",
            "Rewind to the weights of this step of the dense network. A list, such as 0,500.",
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

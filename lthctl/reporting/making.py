"""The commands that make tickets and runs for a report: with paths, seeds and controls."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from lthctl.artifacts.pruning import Pruning
from lthctl.families import CONTROLS
from lthctl.parameter_types import rate_text


@dataclass(frozen=True)
class Places:
    """Where tickets and runs are.

    Attributes:
      masks: the folder of the tickets.
      runs: the folder of the runs, in which each control has a folder.
    """

    masks: str = "masks"
    runs: str = "runs"

    @classmethod
    def of(cls, paths: Iterable[PurePath], masks: PurePath) -> "Places":
        """The places that a report was made from. An absolute one is left out, as reports do not
        depend on the machine; the usual name stands for it."""
        first = next(iter(paths), PurePath(cls.runs))
        if first.name in CONTROLS.names():
            first = first.parent
        return cls(
            cls.masks if masks.is_absolute() else masks.as_posix(),
            cls.runs if first.is_absolute() else first.as_posix(),
        )

    def beside(self, ending: str) -> "Places":
        """Folders beside these, such as for longer trainings."""
        return Places(f"{self.masks}-{ending}", f"{self.runs}-{ending}")


USUAL = Places()


@dataclass(frozen=True)
class Making:
    """Tickets to be made, and runs of them. What is there already stays, and costs nothing.

    Attributes:
      places: where.
      methods, ratios, rounds, seeds: of the tickets; their product. Empty: what params.yaml
        says.
      controls: of the runs.
      steps: of a training; None for what params.yaml says.
      pruning: further flags of `lthctl prune`.
      only_runs: whether the tickets are there.
    """

    places: Places
    methods: tuple[str, ...] = ()
    ratios: tuple[float, ...] = ()
    rounds: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    controls: tuple[str, ...] = ("rewind",)
    steps: int | None = None
    pruning: tuple[str, ...] = ()
    only_runs: bool = False

    @property
    def command(self) -> str:
        """What to type."""
        steps = () if self.steps is None else ("--steps", str(self.steps))
        options = {
            "--method": ",".join(self.methods),
            "--ratio": ",".join(f"{ratio:g}" for ratio in self.ratios),
            "--rounds": ",".join(map(str, self.rounds)),
            "--seed": ranges(self.seeds),
        }
        given = (word for option, text in options.items() if text for word in (option, text))
        masks, runs = self.places.masks, self.places.runs
        words = (
            []
            if self.only_runs
            else [["prune", *given, *self.pruning, *steps, *_out(masks, Places.masks)]]
        )
        for control in self.controls:
            named = () if control == "rewind" else ("--control", control)
            words.append(["retrain", masks, *named, *steps, *_out(runs, Places.runs)])
        return " && ".join(shlex.join(["lthctl", *command]) for command in words)


def pruning_flags(pruning: Pruning) -> tuple[str, ...]:
    """What to type beside method, ratio, rounds and seed, to get tickets that are pruned so."""
    layers = ",".join(f"{ratio:g}" for ratio in pruning.layer_ratio or ())
    flags = {
        "per_round": ("--rate", rate_text(pruning.layer_rate or pruning.per_round)),
        "exclude": ("--exclude", ",".join(pruning.exclude)),
        "layer_ratio": ("--layer-ratio", layers),
        "output_factor": ("--output-factor", f"{pruning.output_factor:g}"),
        "scope": ("--scope", pruning.scope),
        "rewind_step": ("--rewind-step", str(pruning.rewind_step)),
    }
    said = pruning.identity()
    return tuple(word for name, words in flags.items() if name in said for word in words)


def _out(folder: str, default: str) -> tuple[str, ...]:
    return () if folder == default else ("--out", folder)


def ranges(seeds: Iterable[int]) -> str:
    """Seeds as `--seed` takes them.

    Example:
      >>> ranges([1, 2, 3, 9])
      '1-3,9'
    """
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and parts[-1][-1] == seed - 1:
            parts[-1] = [parts[-1][0], seed]
        else:
            parts.append([seed])
    return ",".join("-".join(map(str, part)) for part in parts)


def enough_seeds(have: Iterable[int], number: int) -> tuple[int, ...]:
    """The seeds that there are, and the lowest others, to make a number of them."""
    seeds = set(have)
    seed = 1
    while len(seeds) < number:
        seeds.add(seed)
        seed += 1
    return tuple(sorted(seeds))

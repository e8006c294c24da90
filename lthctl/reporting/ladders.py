"""How far down the sizes of a ladder keep up with dense.

A ladder is all ratios of one method, number of rounds and control, densest first; or all rounds of
one method, rate and control. It is walked by
a fixed sequence. The primary ladders, fixed beforehand in `report.primary`, share the error of
their question. Any other ladder is a question of its own. So what is said of a ladder depends on no
control and on no other method that is in the report or is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lthctl.artifacts.names import decimals
from lthctl.artifacts.pruning import layer_rate_in
from lthctl.parameter_types import LADDER, rate_text
from lthctl.reporting.experiments import (
    DENSE,
    RANDOM,
    Experiment,
    ExperimentKey,
    natural_order,
    walk_words,
)
from lthctl.reporting.looks import level_at
from lthctl.reporting.power import seeds_for_power
from lthctl.reporting.sequences import steps_held
from lthctl.reporting.statistics import Interval, p_above, p_below
from lthctl.reporting.styles import control_order, method_order
from lthctl.reporting.verdicts import Group

Stopped = Literal["at its end", "worse", "unknown", "too short to tell"]


class LadderKey(NamedTuple):
    """What the experiments of a ladder have in common; they differ in ratio.

    `rounds` is 0 where every round removes the fraction `per_round`: then the sizes differ in
    rounds, too.
    """

    method: str
    rounds: int
    control: str
    pruned_with: str = ""
    per_round: float | None = None
    variant: str = ""

    @classmethod
    def named(cls, name: str) -> "LadderKey":
        """The rewound ladder that `report.primary` calls so, such as "l1-n5"."""
        found = LADDER.fullmatch(name)
        if found is None:
            raise ValueError(f"{name}: is no name of a ladder; expected one such as l1-n5")
        method, rounds, per_round, variant = found.groups()
        return cls(
            method,
            int(rounds or 0),
            "rewind",
            per_round=float(per_round) if per_round else None,
            variant=variant.removeprefix("-"),
        )

    @property
    def name(self) -> str:
        """What `report.primary` calls it."""
        size = f"n{self.rounds}" if self.per_round is None else f"rate{decimals(self.per_round)}"
        return "-".join(filter(None, (self.method, size, self.variant)))

    @property
    def rate_text(self) -> str:
        """Its rate as `--rate` takes it."""
        words = map(layer_rate_in, self.variant.split("-"))
        by_layer = [word for word in words if word is not None]
        return rate_text(by_layer or self.per_round)

    @property
    def walk(self) -> str:
        """How it goes down, such as "5 rounds" or "20 % a round"."""
        return walk_words(self.rounds, self.per_round, self.variant)

    @classmethod
    def of(cls, key: ExperimentKey) -> "LadderKey":
        """The ladder that an experiment is on."""
        rounds = key.rounds if key.per_round is None else 0
        return cls(key.method, rounds, key.control, key.pruned_with, key.per_round, key.variant)

    def order(self) -> tuple[object, ...]:
        return (
            method_order(self.method),
            self.per_round or 0.0,
            self.variant,
            self.rounds,
            natural_order(self.pruned_with),
            control_order(self.control),
        )


@dataclass(frozen=True)
class Ladder:
    """How far down a ladder keeps up with dense.

    Attributes:
      key: its method, rounds and control.
      sizes: its experiments that have a difference to dense of the same seeds, densest first.
      num_held: how many of them, from the first on, are as good as dense. 0 where the runs are too
        short to tell.
      stopped: why it ends there. "worse": the next size is shown to be worse than dense by more
        than the margin. "unknown": neither is shown.
      level: of the test of a size, one-sided; the strictest that the question allows.
      seeds: how many would tell of the next size, at a power of 80 %; None where there is no
        telling.
      is_primary: whether it is one that the report is about.
      untested: ratios denser than the smallest size that others in the group have, and it has not.
    """

    key: LadderKey
    sizes: tuple[Experiment, ...]
    num_held: int
    stopped: Stopped
    level: float
    seeds: int | None
    is_primary: bool
    untested: tuple[float, ...]

    @property
    def smallest(self) -> Experiment | None:
        """The smallest size that is as good as dense."""
        return self.sizes[self.num_held - 1] if self.num_held else None

    @property
    def next(self) -> Experiment | None:
        """The size at which it stopped; None where all of them hold."""
        return self.sizes[self.num_held] if self.num_held < len(self.sizes) else None


def primary_of(group: Group) -> tuple[LadderKey, ...]:
    """The ladders that the report is about: those of `report.primary`, whether there are runs of
    them or not. If it names none: the rewound one of the first method with the most rounds, random
    pruning being the last of all. Empty where no pruned ticket was rewound."""
    keys = {
        LadderKey.of(one.key)
        for one in group.experiments
        if one.key.method != DENSE.method and one.key.control == "rewind"
    }
    if group.params.primary:
        in_order = sorted(keys, key=LadderKey.order, reverse=True)
        first = {key._replace(pruned_with=""): key for key in in_order}
        named = [LadderKey.named(name) for name in dict.fromkeys(group.params.primary)]
        return tuple(first.get(key, key) for key in named)

    def order(key: LadderKey) -> tuple[object, ...]:
        has_rate = key.per_round is not None
        return (
            key.method == RANDOM,
            method_order(key.method),
            not has_rate,
            -key.rounds,
            *key.order(),
        )

    return tuple(sorted(keys, key=order)[:1])


def ladders_of(group: Group) -> tuple[Ladder, ...]:
    """The ladders of a group, in order."""
    sizes: dict[LadderKey, list[Experiment]] = {}
    ratios: dict[object, set[float]] = {}  # of the ladders that go down in the same way
    for one in group.experiments:
        if one.key.method != DENSE.method:
            ratios.setdefault(_steps_down(LadderKey.of(one.key)), set()).add(one.key.ratio)
    for experiment in sorted(group.experiments, key=lambda one: one.key.ratio):
        if experiment.difference is not None:
            sizes.setdefault(LadderKey.of(experiment.key), []).append(experiment)
    primary, alpha = primary_of(group), 1 - group.params.confidence
    p_values = {
        key: [p_above(_difference(size), -group.params.margin) for size in ladder]
        for key, ladder in sizes.items()
    }
    looks = group.params.looks

    def held_on(keys: Sequence[LadderKey]) -> dict[LadderKey, int]:
        """How many sizes hold on ladders that share the error. One without runs keeps its part:
        what is said of the others must not depend on which folders were read."""

        def level_of(share: float, ladder: int, size: int) -> float:
            members = sizes.get(keys[ladder])
            return level_at(share, _difference(members[size]).n if members else 0, looks)

        numbers = steps_held([p_values.get(key, [1.0]) for key in keys], alpha, level_of)
        return dict(zip(keys, numbers, strict=True))

    held = held_on(primary)
    found = []
    for key, ladder in sizes.items():
        is_primary = key in primary
        number = held[key] if is_primary else held_on([key])[key]
        level = alpha / len(primary) if is_primary else alpha
        number, stopped, seeds = _end(ladder, number, level, group)
        smallest = ladder[number - 1].key.ratio if number else 0.0
        have = {size.key.ratio for size in ladder}
        found.append(
            Ladder(
                key,
                tuple(ladder),
                number,
                stopped,
                level,
                seeds,
                is_primary=is_primary,
                untested=tuple(
                    sorted(one for one in ratios[_steps_down(key)] - have if one < smallest)
                ),
            )
        )
    return tuple(sorted(found, key=lambda ladder: ladder.key.order()))


def _steps_down(key: LadderKey) -> tuple[object, ...]:
    """Equal for ladders whose sizes may be asked to be the same."""
    return key.per_round, key.variant


def _end(
    sizes: Sequence[Experiment], number: int, level: float, group: Group
) -> tuple[int, Stopped, int | None]:
    """How many sizes hold, why no more, and how many seeds would tell of the next."""
    margin = group.params.margin
    if group.is_too_short:
        return 0, "too short to tell", None
    if number == len(sizes):
        return number, "at its end", None
    difference = _difference(sizes[number])
    below = level_at(level / 2, difference.n, group.params.looks)
    if p_below(difference, -margin) < below:  # its interval lies below the margin
        return number, "worse", None
    above = difference.mean + margin
    seeds = seeds_for_power(difference, abs(above), level if above > 0 else level / 2)
    return number, "unknown", seeds


def _difference(size: Experiment) -> Interval:
    if size.difference is None:
        raise ValueError(f"{size.key.label}: has no difference to dense")
    return size.difference

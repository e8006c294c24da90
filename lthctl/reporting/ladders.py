"""How far down the sizes of a ladder keep up with dense.

A ladder is all ratios of one method, number of rounds and control, densest first. It is walked by
a fixed sequence. Ladders of one question share its error, and no other ladder has a say: neither
controls nor random pruning change what is said of a ticket.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from lthctl.params import ReportParams
from lthctl.reporting.experiments import Experiment
from lthctl.reporting.sequences import seeds_for_power, steps_held
from lthctl.reporting.statistics import Interval, p_above
from lthctl.reporting.styles import control_order, method_order
from lthctl.reporting.verdicts import Group

RANDOM = "random"

Stopped = Literal["at its end", "not as good", "not known", "too short to tell"]


class LadderKey(NamedTuple):
    """What the experiments of a ladder have in common; they differ in ratio."""

    method: str
    rounds: int
    control: str

    @property
    def question(self) -> tuple[bool, str]:
        """Ladders with the same one share its error: tickets, and each kind of control."""
        return (self.method == RANDOM, self.control)

    def order(self) -> tuple[object, ...]:
        return (method_order(self.method), self.rounds, control_order(self.control))


@dataclass(frozen=True)
class Ladder:
    """How far down a ladder keeps up with dense.

    Attributes:
      key: its method, rounds and control.
      sizes: its experiments that have a difference to dense of the same seeds, densest first.
      num_held: how many of them, from the first on, are as good as dense. 0 where the runs are too
        short to tell.
      stopped: why it ends there. "not as good": the next size is worse than dense by more than the
        margin. "not known": neither is shown.
      level: of the test of a size, one-sided; the strictest that the question allows.
      seeds: how many would tell of the next size, at a power of 80 %; None where there is no
        telling.
    """

    key: LadderKey
    sizes: tuple[Experiment, ...]
    num_held: int
    stopped: Stopped
    level: float
    seeds: int | None

    @property
    def smallest(self) -> Experiment | None:
        """The smallest size that is as good as dense."""
        return self.sizes[self.num_held - 1] if self.num_held else None

    @property
    def next(self) -> Experiment | None:
        """The size at which it stopped; None where all of them hold."""
        return self.sizes[self.num_held] if self.num_held < len(self.sizes) else None


def ladders_of(group: Group) -> tuple[Ladder, ...]:
    """The ladders of a group, each judged among those of its question."""
    members: dict[LadderKey, list[Experiment]] = {}
    for experiment in sorted(group.experiments, key=lambda one: one.key.ratio):
        control, method, rounds, _ = experiment.key
        if experiment.difference is not None:
            members.setdefault(LadderKey(method, rounds, control), []).append(experiment)
    questions: dict[tuple[bool, str], list[LadderKey]] = {}
    for key in members:
        questions.setdefault(key.question, []).append(key)
    found = []
    for keys in questions.values():
        ladders = [tuple(members[key]) for key in keys]
        found += _judged(keys, ladders, group.params, too_short=is_too_short(group.dense))
    return tuple(sorted(found, key=lambda ladder: ladder.key.order()))


def is_too_short(dense: Experiment | None) -> bool:
    """Whether most dense runs still improve at their last evaluation: then nobody knows how good
    dense would have become, and to be as good as that is no win."""
    return dense is not None and 2 * dense.stops_at_end > len(dense.runs)


def _judged(
    keys: list[LadderKey],
    ladders: list[tuple[Experiment, ...]],
    params: ReportParams,
    *,
    too_short: bool,
) -> list[Ladder]:
    alpha, margin = 1 - params.confidence, params.margin
    level = alpha / len(ladders)
    held = steps_held(
        [[p_above(_difference(size), -margin) for size in sizes] for sizes in ladders], alpha
    )
    judged = []
    for key, sizes, number in zip(keys, ladders, held, strict=True):
        if too_short:
            judged.append(Ladder(key, sizes, 0, "too short to tell", level, None))
            continue
        if number == len(sizes):
            judged.append(Ladder(key, sizes, number, "at its end", level, None))
            continue
        difference = _difference(sizes[number])
        below = Interval(difference.n, -difference.mean, None, None, difference.deviation)
        if p_above(below, margin) < level:
            judged.append(Ladder(key, sizes, number, "not as good", level, None))
            continue
        distance = abs(difference.mean + margin)  # beyond the margin, on whichever side it is
        seeds = seeds_for_power(difference, distance, level)
        judged.append(Ladder(key, sizes, number, "not known", level, seeds))
    return judged


def _difference(size: Experiment) -> Interval:
    if size.difference is None:
        raise ValueError(f"{size.key.label}: has no difference to dense")
    return size.difference

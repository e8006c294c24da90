"""The three answers of a report: how far down tickets keep up, how much sooner they learn, and
whether it is the weights or the mask. Then what is not known.

Which ladder and which size they are about is fixed before any run, by `RULE`. A choice by outcome
would favour what chance favoured, and its interval would promise too much. The ladder of the first
method with the most rounds is the one that the hypothesis is about. At a fifth of the weights the
paper states its claims. So that size is asked for, whatever came out of it.
"""

import math
from dataclasses import dataclass
from typing import Literal

from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import DENSE, Experiment, ExperimentKey, paired
from lthctl.reporting.ladders import RANDOM, Ladder, LadderKey, is_too_short, ladders_of
from lthctl.reporting.statistics import Interval
from lthctl.reporting.styles import method_order
from lthctl.reporting.targets import Target, times_sooner
from lthctl.reporting.verdicts import Group

ASKED_RATIO = 0.8

RULE = (
    "Fixed before any run: the answers are about rewound tickets of the first method with the most "
    "rounds, at the ratio nearest to 0.8, and about the first of report.targets. Random pruning "
    "counts as a control."
)

Shown = Literal["better", "worse", "not known", "too short to tell", "unknown"]


@dataclass(frozen=True)
class HowFar:
    """How far down tickets keep up.

    Attributes:
      asked: the ladder that is asked about.
      ladder: what was found of it; None where nothing can be compared with dense.
      reinit, random: the ladders of its controls; None where there are none.
    """

    asked: LadderKey
    ladder: Ladder | None
    reinit: Ladder | None
    random: Ladder | None


@dataclass(frozen=True)
class HowMuchSooner:
    """How much sooner tickets of a size reach a target.

    Attributes:
      ticket: the experiment that is asked about.
      target: the accuracy to be reached.
      than_dense, than_reinit, than_random: times sooner, paired by seed; None where there is
        nothing to compare with.
    """

    ticket: Experiment
    target: Target
    than_dense: Sooner | None
    than_reinit: Sooner | None
    than_random: Sooner | None


@dataclass(frozen=True)
class Against:
    """The accuracy of tickets minus that of a control of the same size.

    Attributes:
      difference: paired by seed; None where there is no such control.
      shown: whether they are better: whether the interval leaves out 0.
    """

    difference: Interval | None
    shown: Shown


@dataclass(frozen=True)
class WeightsOrMask:
    """Whether it is the weights or the mask.

    Attributes:
      ticket: the experiment that is asked about.
      reinit: against the same mask with fresh weights.
      shuffle: against its own weights under the permuted mask.
      random: against random pruning with its own weights.
    """

    ticket: Experiment
    reinit: Against
    shuffle: Against
    random: Against


@dataclass(frozen=True)
class Answers:
    """What a group of runs says. All three are None where no pruned ticket was rewound.

    Attributes:
      group: the runs.
      too_short: whether most dense runs still improve at their last evaluation.
    """

    group: Group
    too_short: bool
    how_far: HowFar | None
    how_much_sooner: HowMuchSooner | None
    weights_or_mask: WeightsOrMask | None


def answers_of(group: Group) -> Answers:
    """The answers of a group of comparable runs; see `RULE`."""
    too_short = is_too_short(group.dense)
    asked = asked_ladder(group)
    if asked is None:
        return Answers(group, too_short, None, None, None)
    ladders = {ladder.key: ladder for ladder in ladders_of(group)}
    ticket = asked_ticket(group, asked)
    controls = {
        name: None if key is None else group.experiment(key)
        for name, key in controls_of(ticket.key).items()
    }
    target = Target(group.params.targets[0])

    def than(other: Experiment | None) -> Sooner | None:
        return times_sooner(group, ticket, other, target)

    return Answers(
        group,
        too_short,
        HowFar(
            asked,
            ladders.get(asked),
            ladders.get(asked._replace(control="reinit")),
            None if asked.method == RANDOM else ladders.get(asked._replace(method=RANDOM)),
        ),
        HowMuchSooner(
            ticket, target, than(group.dense), than(controls["reinit"]), than(controls["random"])
        ),
        WeightsOrMask(
            ticket,
            **{name: _against(group, ticket, other) for name, other in controls.items()},
        ),
    )


def asked_ladder(group: Group) -> LadderKey | None:
    """The ladder that `RULE` names; None where no pruned ticket was rewound."""
    keys = [
        LadderKey(one.key.method, one.key.rounds, "rewind")
        for one in group.experiments
        if one.key.method != DENSE.method and one.key.control == "rewind"
    ]
    order = {key: (key.method == RANDOM, method_order(key.method), -key.rounds) for key in keys}
    return min(keys, key=order.__getitem__, default=None)


def asked_ticket(group: Group, ladder: LadderKey) -> Experiment:
    """The experiment that `RULE` names; of two that are as near, the denser one."""
    method, rounds, control = ladder
    return min(
        (one for one in group.experiments if one.key[:3] == (control, method, rounds)),
        key=lambda one: (round(abs(one.key.ratio - ASKED_RATIO), 9), one.key.ratio),
    )


def controls_of(ticket: ExperimentKey) -> dict[str, ExperimentKey | None]:
    """What a ticket is measured against at its own size."""
    return {
        "reinit": ticket._replace(control="reinit"),
        "shuffle": ticket._replace(control="shuffle"),
        "random": None if ticket.method == RANDOM else ticket._replace(method=RANDOM),
    }


def logarithms(times: Interval) -> Interval:
    """The interval of the logarithms that a ratio came from."""
    low, high = (None if end is None else math.log(end) for end in (times.low, times.high))
    return Interval(times.n, math.log(times.mean), low, high, times.deviation)


def shown_by(difference: Interval | None) -> Shown:
    """Whether an interval leaves out 0, and on which side."""
    if difference is None:
        return "unknown"
    if difference.low is not None and difference.low > 0:
        return "better"
    return "worse" if difference.high is not None and difference.high < 0 else "not known"


def _against(group: Group, ticket: Experiment, other: Experiment | None) -> Against:
    if other is None:
        return Against(None, "unknown")
    difference = paired(ticket.runs, other.runs, "best_accuracy", group.params)
    if difference is not None and is_too_short(group.dense):
        return Against(difference, "too short to tell")
    return Against(difference, shown_by(difference))

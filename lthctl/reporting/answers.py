"""The three answers of a report: how far down tickets keep up, how much sooner they learn, and
whether it is the weights or the mask. Then what is not known.

Which ladder and which size they are about is fixed before any run, as `rule_of` says. A choice by
outcome would favour what chance favoured, and its interval would promise too much. At a fifth of
the weights the paper states its claims. So that size is asked for, whatever came out of it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lthctl.families import CONTROLS
from lthctl.params import ReportParams
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import RANDOM, Experiment, ExperimentKey, paired
from lthctl.reporting.ladders import Ladder, LadderKey, ladders_of, primary_of
from lthctl.reporting.power import seeds_to_decide
from lthctl.reporting.selection import STEP_WORDS
from lthctl.reporting.statistics import Interval, Verdict, judge
from lthctl.reporting.targets import Target, times_sooner
from lthctl.reporting.verdicts import Group

ASKED_RATIO = 0.8

ASKED_CONTROLS = ("reinit", "shuffle", "random")
"""Those that the answers are about, whether they were run or not. Others are shown if they were."""


def rule_of(params: ReportParams) -> str:
    """What was fixed before any run, in a few sentences."""
    if params.primary:
        names = ", ".join(params.primary)
        about = f"{'the ladder' if len(params.primary) == 1 else 'the first ladder of'} {names}"
    else:
        about = "rewound tickets of the first method with the most rounds"
    targets = " and ".join(f"{100 * target:g} %" for target in params.targets)
    return (
        f"Fixed before any run: the answers are about {about}, at the ratio nearest to "
        f"{ASKED_RATIO:g}. Targets are {targets}, of which the first counts; the margin is "
        f"{100 * params.margin:g} points, the confidence {100 * params.confidence:g} %. "
        f"{_select_words(params)}Random pruning counts as a control. {_looks_words(params)}"
    )


def _select_words(params: ReportParams) -> str:
    if params.select == "max-accuracy":
        return ""
    return f"Runs are read {STEP_WORDS[params.select]}. "


def _looks_words(params: ReportParams) -> str:
    if not params.looks:
        return "All this holds for one look, at a number of seeds fixed beforehand."
    numbers = ", ".join(map(str, params.looks))
    return f"Looks at {numbers} seeds were planned, with O'Brien-Fleming bounds."


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
      shown: what it shows. "as good": there is no difference beyond the margin, either way.
      seeds: how many would end an "unknown", at a power of 80 %; None where there is no telling.
    """

    difference: Interval | None
    shown: Verdict
    seeds: int | None


@dataclass(frozen=True)
class WeightsOrMask:
    """Whether it is the weights or the mask.

    Attributes:
      ticket: the experiment that is asked about.
      reinit: against the same mask with fresh weights.
      shuffle: against its own weights under the permuted mask.
      random: against random pruning with its own weights.
      others: against every other control that was run, by its name.
    """

    ticket: Experiment
    reinit: Against
    shuffle: Against
    random: Against
    others: Mapping[str, Against]


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
    """The answers of a group of comparable runs; see `rule_of`."""
    asked = asked_ladder(group)
    ticket = None if asked is None else asked_ticket(group, asked)
    if asked is None or ticket is None:
        return Answers(group, group.is_too_short, None, None, None)
    ladders = {ladder.key: ladder for ladder in ladders_of(group)}
    controls = {
        name: None if key is None else group.experiment(key)
        for name, key in controls_of(ticket.key).items()
    }
    target = Target(group.params.targets[0])

    def than(other: Experiment | None) -> Sooner | None:
        return times_sooner(group, ticket, other, target)

    return Answers(
        group,
        group.is_too_short,
        HowFar(
            asked,
            ladders.get(asked),
            ladders.get(asked._replace(control="reinit")),
            None
            if asked.method == RANDOM
            else ladders.get(asked._replace(method=RANDOM, pruned_with="")),
        ),
        HowMuchSooner(
            ticket, target, than(group.dense), than(controls["reinit"]), than(controls["random"])
        ),
        WeightsOrMask(
            ticket,
            reinit=against(group, ticket, controls["reinit"]),
            shuffle=against(group, ticket, controls["shuffle"]),
            random=against(group, ticket, controls["random"]),
            others={
                name: against(group, ticket, other)
                for name, other in controls.items()
                if other is not None and name not in ASKED_CONTROLS
            },
        ),
    )


def asked_ladder(group: Group) -> LadderKey | None:
    """The ladder that `rule_of` names; None where no pruned ticket was rewound."""
    return next(iter(primary_of(group)), None)


def asked_ticket(group: Group, ladder: LadderKey) -> Experiment | None:
    """The experiment that `rule_of` names; of two that are as near, the denser one. None where
    there is none of this ladder."""
    return min(
        (one for one in group.experiments if LadderKey.of(one.key) == ladder),
        key=lambda one: (round(abs(one.key.ratio - ASKED_RATIO), 9), one.key.ratio),
        default=None,
    )


def controls_of(ticket: ExperimentKey) -> dict[str, ExperimentKey | None]:
    """What a ticket is measured against at its own size."""
    return {
        **{name: ticket._replace(control=name) for name in CONTROLS.names() if name != "rewind"},
        "random": None
        if ticket.method == RANDOM
        else ticket._replace(method=RANDOM, pruned_with=""),
    }


def logarithms(times: Interval) -> Interval:
    """The interval of the logarithms that a ratio came from."""
    low, high = (None if end is None else math.log(end) for end in (times.low, times.high))
    return Interval(times.n, math.log(times.mean), low, high, times.deviation)


def shown_by(difference: Interval | None) -> Verdict:
    """Whether an interval leaves out 0, and on which side."""
    if difference is None:
        return "unknown"
    if difference.low is not None and difference.low > 0:
        return "better"
    return "worse" if difference.high is not None and difference.high < 0 else "unknown"


def sooner_by(sooner: Sooner | None) -> Verdict:
    """Whether runs arrive sooner than others, which is better, or later. A bound shows something on
    its own side only."""
    return shown_by(logarithms(sooner.times) if sooner and sooner.times else None)


def against(group: Group, ticket: Experiment, other: Experiment | None) -> Against:
    """The accuracy of an experiment beside that of a control."""
    params = group.params
    others = other.runs if other else {}
    difference = paired(ticket.runs, others, "accuracy", params)
    if difference is None:
        return Against(None, "unknown", None)
    if group.is_too_short:
        return Against(difference, "too short to tell", None)
    bounds = {"margin": params.margin, "confidence": params.confidence}
    shown = judge(difference, **bounds, looks=params.looks, equivalence=True)
    if shown != "unknown":
        return Against(difference, shown, None)
    return Against(difference, shown, seeds_to_decide(difference, **bounds, equivalence=True))

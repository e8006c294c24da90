"""The claims of a paper, judged by runs: each holds, fails, is undecided, or was not run.

A claim is judged by the interval that is shown, at the confidence of the report. It holds where the
interval lies where the claim says, and fails where it lies elsewhere. Each is a question by itself,
not adjusted for how many there are. A claim over a range of sizes holds where it holds at every one
that was run. It fails where it does at one of them, adjusted for their number (Bonferroni).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lthctl.reporting.claim_quantities import QUANTITIES, Question
from lthctl.reporting.claim_sizes import absent_words, other_of, percent_left, sizes_of
from lthctl.reporting.claims_file import DENSE, Bound, Claim, Claims
from lthctl.reporting.experiments import Experiment
from lthctl.reporting.looks import level_at
from lthctl.reporting.statistics import Interval, p_above
from lthctl.reporting.verdicts import Group

Outcome = Literal["holds", "fails", "undecided", "not run"]


@dataclass(frozen=True)
class Measured:
    """A quantity at a size.

    Attributes:
      percent: of the weights that are left, as they were measured.
      value: in the unit of the quantity; of a ladder that is walked, the difference to dense in
        points.
      outcome: what it says by itself.
    """

    percent: float
    value: Interval
    outcome: Outcome


@dataclass(frozen=True)
class JudgedClaim:
    """A claim beside what was measured.

    Attributes:
      claim: the claim.
      outcome: what became of it.
      measured: at each size, densest first.
      leaves: of a ladder that is walked, percent of the weights at which it is first not as good as
        dense; None where it is as good to its end, and for any other claim.
      why: why it is undecided, or was not run; empty where the interval says so.
    """

    claim: Claim
    outcome: Outcome
    measured: tuple[Measured, ...] = ()
    leaves: float | None = None
    why: str = ""

    @property
    def least(self) -> Measured | None:
        """What speaks least for the claim; of a ladder, the size at which it leaves dense, or its
        last."""
        if QUANTITIES[self.claim.quantity].where == "a ladder":
            left = (one for one in self.measured if one.percent == self.leaves)
            return next(left, self.measured[-1] if self.measured else None)
        return min(self.measured, key=lambda one: _distance(one, self.claim.bound), default=None)


@dataclass(frozen=True)
class JudgedClaims:
    """The claims of a paper, judged.

    Attributes:
      paper: which.
      tolerance: percent of a size by which a ticket may miss it.
      claims: in the order of the file.
    """

    paper: str
    tolerance: float
    claims: tuple[JudgedClaim, ...]


def judge_claims(group: Group, claims: Claims) -> JudgedClaims:
    """Judge claims by a group of comparable runs."""
    judged = (_judged(group, claim, claims.tolerance / 100) for claim in claims.claims)
    return JudgedClaims(claims.paper, claims.tolerance, tuple(judged))


def _judged(group: Group, claim: Claim, tolerance: float) -> JudgedClaim:
    quantity = QUANTITIES[claim.quantity]
    sizes = sizes_of(group, claim, tolerance)
    if not sizes:
        return JudgedClaim(claim, "not run", why=absent_words(claim))
    if group.dense is None and quantity.compares and claim.than == DENSE:
        return JudgedClaim(claim, "not run", why="no dense run")
    tested = [size for size in sizes if _has(size, claim)]
    if not tested:
        return JudgedClaim(claim, "not run", why="these runs have no test images")
    if quantity.where == "a ladder":
        judged = _walked(group, claim, tested, tolerance)
    elif quantity.where == "sizes":
        judged = _along(group, claim, tested, tolerance)
    else:
        judged = _at_each(group, claim, tested, tolerance)
    if group.is_too_short and judged.outcome != "not run" and not quantity.needs_target:
        return replace(judged, outcome="undecided", why="too short: dense still improves")
    return judged


def _at_each(
    group: Group, claim: Claim, sizes: Sequence[Experiment], tolerance: float
) -> JudgedClaim:
    """A quantity at one size, or at every size of a range."""
    quantity = QUANTITIES[claim.quantity]
    confidence = group.params.confidence
    shared = {"confidence": 1 - (1 - confidence) / len(sizes)}
    strict = replace(group, params=group.params.model_copy(update=shared))
    measured, fails = [], False
    for size in sizes:
        other = other_of(group, claim, size, tolerance) if quantity.compares else None
        if quantity.compares and (other is None or not _has(other, claim)):
            continue
        asked = Question(group, [size], other, claim.target)
        value, strictly = quantity.measure(asked), quantity.measure(replace(asked, group=strict))
        if value is None or strictly is None:
            continue
        measured.append(Measured(percent_left(size), value, _outcome(value, claim.bound)))
        fails |= _outcome(strictly, claim.bound) == "fails"
    if not measured:
        return JudgedClaim(claim, "not run", why=f"no {claim.than} to compare with")
    outcomes = {one.outcome for one in measured}
    outcome: Outcome = "fails" if fails else "holds" if outcomes == {"holds"} else "undecided"
    why = "one seed has no interval" if all(one.value.n == 1 for one in measured) else ""
    if claim.sizes is not None and len(measured) == 1 and outcome == "holds":
        outcome, why = "undecided", "one size is no range"
    return JudgedClaim(claim, outcome, tuple(measured), why=why)


def _along(
    group: Group, claim: Claim, sizes: Sequence[Experiment], tolerance: float
) -> JudgedClaim:
    """A quantity along sizes, down to the last of them."""
    quantity = QUANTITIES[claim.quantity]
    if claim.sizes is not None and percent_left(sizes[-1]) > claim.sizes[1] * (1 + tolerance):
        return JudgedClaim(claim, "not run", why=f"only down to {percent_left(sizes[-1]):.3g} %")
    value = quantity.measure(Question(group, sizes, group.dense, claim.target))
    if value is None:
        return JudgedClaim(claim, "not run", why="no seed has all of these sizes")
    outcome = _outcome(value, claim.bound)
    return JudgedClaim(claim, outcome, (Measured(percent_left(sizes[-1]), value, outcome),))


def _walked(
    group: Group, claim: Claim, sizes: Sequence[Experiment], tolerance: float
) -> JudgedClaim:
    """The size at which a ladder is first not as good as dense, by a fixed sequence."""
    quantity, params, bound = QUANTITIES[claim.quantity], group.params, claim.bound
    margin, alpha = 100 * params.margin, 1 - params.confidence
    measured: list[Measured] = []
    leaves, is_worse = None, False
    for size in sizes:
        value = quantity.measure(Question(group, [size], group.dense, None))
        if value is None:
            continue
        holds = p_above(value, -margin) < level_at(alpha, value.n, params.looks)
        measured.append(Measured(percent_left(size), value, "holds" if holds else "undecided"))
        if not holds:
            leaves = percent_left(size)
            is_worse = value.high is not None and value.high < 0
            measured[-1] = replace(measured[-1], outcome="fails" if is_worse else "undecided")
            break
    if not measured:
        return JudgedClaim(claim, "not run", why="no dense run of these seeds")
    outcome = _left(bound, leaves, is_worse, percent_left(sizes[-1]), tolerance)
    why = "" if outcome != "not run" else "the ladder ends above this size"
    return JudgedClaim(claim, outcome, tuple(measured), leaves, why)


def _left(
    bound: Bound, leaves: float | None, is_worse: bool, last: float, tolerance: float
) -> Outcome:
    """What the size at which a ladder leaves dense says of a bound.

    Args:
      bound: above or below a size. That size itself counts as both.
      leaves: the size, in percent; None where the ladder is as good to its end.
      is_worse: whether it is shown to be worse there; else it may still be as good.
      last: the smallest size of the ladder.
      tolerance: the part of a size by which another may miss it.
    """
    outcomes: list[Outcome] = []
    reached = last if leaves is None else leaves
    if bound.below is not None:
        if reached <= bound.below * (1 + tolerance):
            outcomes.append("holds")
        elif leaves is None:
            outcomes.append("not run")
        else:
            outcomes.append("fails" if is_worse else "undecided")
    if bound.above is not None:
        if leaves is not None and leaves >= bound.above * (1 - tolerance):
            outcomes.append("holds" if is_worse else "undecided")
        elif reached <= bound.above * (1 + tolerance):
            outcomes.append("fails")
        else:
            outcomes.append("not run")
    for outcome in ("fails", "not run", "undecided", "holds"):
        if outcome in outcomes:
            return outcome
    raise ValueError("a bound has an end")


def _outcome(value: Interval, bound: Bound) -> Outcome:
    """What an interval says of a bound."""
    low, high = value.low, value.high
    if (bound.above is None or (low is not None and low > bound.above)) and (
        bound.below is None or (high is not None and high < bound.below)
    ):
        return "holds"
    if (bound.above is not None and high is not None and high < bound.above) or (
        bound.below is not None and low is not None and low > bound.below
    ):
        return "fails"
    return "undecided"


def _distance(one: Measured, bound: Bound) -> float:
    """How far a mean lies inside a bound; negative outside."""
    above = one.value.mean - bound.above if bound.above is not None else float("inf")
    below = bound.below - one.value.mean if bound.below is not None else float("inf")
    return min(above, below)


def _has(size: Experiment, claim: Claim) -> bool:
    """Whether runs have what a claim reads of them."""
    metric = QUANTITIES[claim.quantity].metric
    return metric is None or all(
        getattr(run.metrics, metric) is not None for _, run in size.all_runs
    )

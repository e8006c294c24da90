"""What is shown of every ticket by itself; runs are made by hand."""

import math
from pathlib import Path

import pytest

from lthctl.params import ReportParams
from lthctl.reporting.tickets import TicketVerdict, ticket_verdicts
from lthctl.reporting.verdicts import Group

from .test_answers import (
    AS_GOOD,
    BETTER,
    FIFTH,
    HALF,
    RANDOM_FIFTH,
    UNSURE,
    WORSE,
    arriving,
    ladder_of,
    ratio_of,
    runs_of,
)
from .test_report import DENSE_TICKET, group_of, make_run

COMPANY = {
    "random": runs_of(RANDOM_FIFTH, WORSE),
    "reinit": runs_of(FIFTH, WORSE, control="reinit"),
    "shuffle": runs_of(FIFTH, WORSE, control="shuffle"),
    "other rounds": runs_of(("l1", 0.8, 1), WORSE),
    "other method": runs_of(("snip", 0.8, 5), BETTER),
    "reinit of another": runs_of(("l1", 0.8, 1), UNSURE, control="reinit"),
}
MEAN = -0.002 + 3.1 * 0.0005 / 3**0.5
"""With a deviation of .0005, p of the margin is .045: enough alone, and not for one of two."""
ALONE = [
    *runs_of(DENSE_TICKET, [0, 0, 0]),
    *runs_of(HALF, AS_GOOD),
    *runs_of(FIFTH, [MEAN - 0.0005, MEAN, MEAN + 0.0005]),
]


def verdict_on(group: Group, ticket: tuple[str, float, int]) -> TicketVerdict:
    method, ratio, rounds = ticket
    return {(one.key.method, one.key.ratio, one.key.rounds): one for one in ticket_verdicts(group)}[
        method, ratio, rounds
    ]


@pytest.mark.long
@pytest.mark.parametrize("company", [*COMPANY, "all"])
def test_no_verdict_on_a_ticket_changes_with_what_else_is_in_the_report(
    tmp_path: Path, company: str
) -> None:
    names = COMPANY if company == "all" else [company]
    others = [run for name in names for run in COMPANY[name]]
    for primary in ((), ("l1-n5",)):
        params = ReportParams(primary=primary)
        alone = group_of(tmp_path / f"alone {primary}", *ALONE, params=params)
        together = group_of(tmp_path / f"all {primary}", *ALONE, *others, params=params)
        for ticket in (HALF, FIFTH):
            one, other = verdict_on(alone, ticket), verdict_on(together, ticket)
            assert (one.keeps_up, one.dense, one.sooner, one.step_difference) == (
                other.keeps_up, other.dense, other.sooner, other.step_difference
            )  # fmt: skip
            assert one.keeps_up and one.dense.shown == "as good"
        first, second = ladder_of(alone), ladder_of(together)
        assert (first.num_held, first.stopped, first.level) == (
            2,
            "at its end",
            pytest.approx(0.05),
        )
        assert (first.num_held, first.stopped) == (second.num_held, second.stopped)
        assert (first.level, first.seeds) == (second.level, second.seeds)


def test_primary_ladders_share_their_error_whether_there_are_runs_of_them_or_not(
    tmp_path: Path,
) -> None:
    """p is .045, and each of two has .025."""
    params = ReportParams(primary=("l1-n5", "l1-n1"))
    there = group_of(tmp_path / "there", *ALONE, *COMPANY["other rounds"], params=params)
    missing = group_of(tmp_path / "missing", *ALONE, params=params)
    for group in (there, missing):
        ladder = ladder_of(group)
        assert (ratio_of(ladder), ladder.level, ladder.is_primary) == (
            0.5,
            pytest.approx(0.025),
            True,
        )


def test_a_primary_ladder_that_holds_hands_its_part_on(tmp_path: Path) -> None:
    params = ReportParams(primary=("l1-n5", "l1-n1"))
    group = group_of(tmp_path, *ALONE, *runs_of(("l1", 0.8, 1), AS_GOOD), params=params)
    assert ratio_of(ladder_of(group)) == 0.8


def test_controls_are_better_the_same_or_unknown(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, AS_GOOD)
    runs += runs_of(FIFTH, WORSE, control="reinit") + runs_of(FIFTH, AS_GOOD, control="shuffle")
    verdict = verdict_on(group_of(tmp_path, *runs, *runs_of(RANDOM_FIFTH, UNSURE)), FIFTH)
    assert verdict.random is not None
    assert [one.shown for one in (verdict.reinit, verdict.shuffle, verdict.random)] == [
        "better", "as good", "unknown",
    ]  # fmt: skip
    assert verdict.reinit.difference is not None
    assert verdict.reinit.difference.mean == pytest.approx(0.011)
    assert verdict.reinit.seeds is None and verdict.random.seeds is not None


def test_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    verdict = verdict_on(group_of(tmp_path, make_run(FIFTH), make_run(RANDOM_FIFTH)), RANDOM_FIFTH)
    assert verdict.random is None  # random pruning is not compared with itself
    assert (verdict.dense.shown, verdict.reinit.shown, verdict.sooner_shown) == ("unknown",) * 3
    assert (verdict.keeps_up, verdict.step_difference, verdict.sooner) == (None, None, None)


def test_sooner_is_better_and_later_is_worse(tmp_path: Path) -> None:
    runs = arriving(DENSE_TICKET, 60, 60, 60) + arriving(FIFTH, 20, 20, 20)
    runs += arriving(HALF, 90, 100, 90) + arriving(("l1", 0.3, 5), 60, 70, 50)
    group = group_of(tmp_path, *runs)
    shown = [verdict_on(group, one).sooner_shown for one in (FIFTH, HALF, ("l1", 0.3, 5))]
    assert shown == ["better", "worse", "unknown"]


def test_a_bound_shows_something_on_its_own_side_only(tmp_path: Path) -> None:
    """Dense never gets there in one seed of three, and counts as arriving at its last step, 100."""
    runs = arriving(DENSE_TICKET, 90, 90, None) + arriving(FIFTH, 20, 20, 20)
    runs += arriving(HALF, None, 90, 100)
    group = group_of(tmp_path, *runs)
    early, late = verdict_on(group, FIFTH), verdict_on(group, HALF)
    assert early.sooner is not None and early.sooner.times is not None
    assert (early.sooner_shown, early.sooner.kind) == ("better", "at least")
    assert early.sooner.times.mean == pytest.approx(math.exp(math.log(4.5 * 4.5 * 5) / 3))
    assert early.sooner.times.low is not None and early.sooner.times.high is None
    assert late.sooner is not None and late.sooner.times is None  # both have runs that never do
    assert late.sooner_shown == "unknown"


def test_early_stops_are_shown_and_not_judged(tmp_path: Path) -> None:
    runs = [make_run(DENSE_TICKET, seed, stop=20) for seed in (1, 2)]
    runs += [make_run(FIFTH, seed, stop=10) for seed in (1, 2)]
    verdict = verdict_on(group_of(tmp_path, *runs), FIFTH)
    assert verdict.step_difference is not None and verdict.step_difference.mean == -10

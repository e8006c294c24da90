"""Looking more than once: bounds against published ones, and against simulated trials."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from lthctl.params import ReportParams
from lthctl.reporting.looks import bounds, confidence_at, level_at, nominal_levels
from lthctl.reporting.statistics import interval, judge

from .test_answers import AS_GOOD, FIFTH, WORSE, ladder_of, ratio_of, runs_of, said_of, unknown_in
from .test_report import DENSE_TICKET, group_of


@pytest.mark.parametrize(
    ("looks", "published"),
    # Lan-DeMets spending of O'Brien-Fleming type, one-sided 2.5 %: gsDesign (sfLDOF) in R, and
    # Reboussin et al. (2000) for five looks.
    [
        ((1, 2), [2.9626, 1.9686]),
        ((1, 2, 3), [3.7103, 2.5114, 1.9930]),
        ((4, 8, 12, 16, 20), [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
    ],
)
def test_bounds_are_the_published_ones(looks: tuple[int, ...], published: list[float]) -> None:
    assert bounds(0.025, looks) == pytest.approx(published, abs=5e-4)


def test_the_first_look_spends_by_hand() -> None:
    """At a quarter of the seeds 2 (1 - Phi(1.96 / 0.5)) is spent of 5 %, and the rest in the end."""
    first, last = nominal_levels(0.05, (5, 20))
    assert first == pytest.approx(2 * ndtr(-1.959964 / 0.5), rel=1e-5)
    assert 0.049 < last < 0.05


def test_one_look_is_the_usual_test() -> None:
    assert level_at(0.05, 7, ()) == 0.05 == pytest.approx(level_at(0.05, 10, (10,)))
    assert confidence_at(0.95, 7, ()) == 0.95 == pytest.approx(confidence_at(0.95, 10, (10,)))


def test_between_looks_nothing_is_decided_and_beyond_them_the_last_counts() -> None:
    looks = (5, 10)
    assert level_at(0.05, 4, looks) == level_at(0.05, 7, looks) == 0
    assert level_at(0.05, 11, looks) == level_at(0.05, 10, looks) < 0.05
    found = interval([1.0] * 6 + [1.1], 0.95, looks=looks)
    assert (found.n, found.low, found.high) == (7, None, None)
    assert judge(found, margin=0.1, confidence=0.95, looks=looks) == "unknown"
    assert judge(found, margin=0.1, confidence=0.95) == "better"


def test_an_early_look_takes_more_than_the_last() -> None:
    """t is 4 with 4 degrees of freedom: two-sided p is .016, and the first of two looks has .003."""
    values = [1 + 0.559 * step for step in (-1, -0.5, 0, 0.5, 1)]
    found = interval(values, 0.95, looks=(5, 10))
    assert judge(found, margin=1e-6, confidence=0.95, looks=(5, 10)) != "better"
    assert judge(interval(values, 0.95), margin=1e-6, confidence=0.95) == "better"
    assert found.low is not None and found.low < 0


def test_a_report_at_a_look(tmp_path: Path) -> None:
    """p of the margin is .045: enough for one look, and not for the first of two."""
    mean = -0.002 + 3.1 * 0.0005 / 3**0.5
    runs = runs_of(DENSE_TICKET, [0, 0, 0])
    runs += runs_of(FIFTH, [mean - 0.0005, mean, mean + 0.0005])
    held = {
        looks: ratio_of(
            ladder_of(group_of(tmp_path / str(looks), *runs, params=ReportParams(looks=looks)))
        )
        for looks in ((), (3,), (3, 6), (2, 6))
    }
    assert held == {(): 0.8, (3,): 0.8, (3, 6): None, (2, 6): None}


def test_a_report_between_looks_names_the_next(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, AS_GOOD)
    runs += runs_of(FIFTH, WORSE, control="reinit")
    group = group_of(tmp_path, *runs, params=ReportParams(looks=(2, 5)))
    assert unknown_in(group) == [
        "No look is due at 3 seeds, so nothing is decided; the next is at 5. Type: lthctl prune "
        "--method l1 --ratio 0,0.8 --rounds 5 --seed 1-5 --steps 30 && lthctl retrain masks --steps "
        "30 && lthctl retrain masks --control reinit --steps 30"
    ]
    assert said_of(group)[0].startswith("No size of l1 tickets of 5 rounds is known")


def test_more_seeds_than_planned_cannot_be_corrected(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, AS_GOOD)
    group = group_of(tmp_path, *runs, params=ReportParams(looks=(2,)))
    assert unknown_in(group)[-1] == (
        "There are 3 seeds, and the last look was planned at 2. Nothing corrects for seeds that "
        "were added to it."
    )


@pytest.mark.slow
def test_looks_keep_the_error_of_t_tests() -> None:
    """20,000 trials without an effect: at 5, 10 or 20 seeds, 5 % are called better, one-sided. By a
    plain test at each of these looks, it would be about 11 %."""
    values = np.random.default_rng(1).normal(size=(20_000, 20))
    looks = (5, 10, 20)
    wrong = {"planned": np.zeros(len(values), bool), "plain": np.zeros(len(values), bool)}
    from scipy.stats import t as student

    for n in looks:
        some = values[:, :n]
        statistic = some.mean(axis=1) / (some.std(axis=1, ddof=1) / n**0.5)
        p = student.sf(statistic, n - 1)
        wrong["planned"] |= p < level_at(0.05, n, looks)
        wrong["plain"] |= p < 0.05
    assert wrong["planned"].mean() < 0.05 + 3 * (0.05 * 0.95 / 20_000) ** 0.5
    assert wrong["plain"].mean() > 0.09

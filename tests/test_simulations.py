"""Whole reports of simulated runs keep their error, and docs/STATISTICS.md says what they show."""

from pathlib import Path

import pytest

from . import simulated_reports as simulated

PAGE = Path(__file__).parents[1] / "docs" / "STATISTICS.md"

ALPHA = 0.05


def test_a_simulated_report_is_made_of_runs_like_any_other() -> None:
    (runs,) = simulated.reports(simulated.MEASURED, 1, most=3)
    group = simulated.group_of_seeds(simulated.MEASURED, runs, 3)
    assert (group.num_seeds, group.num_runs) == (3, 3 * 22)
    assert group.dense is not None and not group.is_too_short
    assert group.dense.accuracy.mean == pytest.approx(0.9828, abs=0.002)


def test_simulated_reports_are_the_same_twice() -> None:
    once, twice = (
        [run.metrics for seed in runs for run in seed]
        for runs in (next(simulated.reports(simulated.NOTHING, 1, most=2)) for _ in range(2))
    )
    assert once == twice


@pytest.mark.slow
def test_no_question_errs_more_often_than_it_says() -> None:
    """Within three standard errors of what is allowed; a few minutes."""
    found = simulated.rates(simulated.WRONG)
    assert simulated.table(found) in PAGE.read_text()
    allowed = ALPHA + 3 * (ALPHA * (1 - ALPHA) / simulated.REPORTS) ** 0.5
    for name, rates in found.items():
        if not name.startswith("any win"):  # three questions, each with an error of its own
            assert max(rates) <= allowed, name


@pytest.mark.slow
def test_what_is_there_is_seen() -> None:
    found = simulated.rates(simulated.RIGHT)
    assert simulated.table(found) in PAGE.read_text()
    assert all(rates == sorted(rates) for rates in found.values())  # more seeds see more


@pytest.mark.slow
def test_planned_looks_keep_the_error_of_a_report() -> None:
    found = simulated.rates_of_looks()
    assert simulated.looks_table(found) in PAGE.read_text()
    unplanned, planned = found.values()
    assert planned <= ALPHA + 3 * (ALPHA * (1 - ALPHA) / simulated.REPORTS) ** 0.5 < unplanned

"""Kinds of machine that the runs of a report were trained on, where that can change their bytes."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from lthctl.artifacts.trained_where import machines_of
from lthctl.reporting.reading import Report
from lthctl.training.engines import may_differ


def machines_that_differ(report: Report, store: Path) -> dict[str, int]:
    """Kind of machine -> runs of the report that were trained on it, sorted.

    Empty where there is one kind, where nobody knows, as no workers trained them, and where the
    engine gives the same bytes on all.
    """
    runs = [
        run
        for group in report.groups
        for experiment in group.experiments
        for _, run in experiment.all_runs
    ]
    runs += report.copies
    where = machines_of(store, {run.training for run in runs})
    kinds = {*where.values()}
    known = [run for run in runs if run.training in where and may_differ(run.train, kinds)]
    counts = Counter(where[run.training] for run in known)
    return dict(sorted(counts.items())) if len(counts) > 1 else {}


def machines_words(machines: Mapping[str, int]) -> str:
    """What is said of them."""
    kinds = ", ".join(f"{kind} ({count:,})" for kind, count in machines.items())
    return (
        f"These runs were trained on {len(machines)} kinds of machine, {kinds}. With their engine "
        "results may differ in the last bits from kind to kind."
    )

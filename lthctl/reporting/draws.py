"""Several draws of one control: runs of one ticket that differ in their random numbers only.

They are averaged within their seed, and never counted as seeds: draws of one ticket share its mask,
its batches and its seed, so they are no replicates of the experiment.
"""

from collections.abc import Sequence

from lthctl.artifacts.run import Run
from lthctl.params import ReportParams
from lthctl.reporting.selection import Quantity, value_of
from lthctl.training.history import Row

DRAWS_NOTE = "Several draws of a control are averaged within their seed: n is the number of seeds."

Draws = tuple[Run, ...]
"""Runs of one ticket under one control, by their draws; one at least, and mostly one."""


def mean_value(draws: Draws, quantity: Quantity, params: ReportParams) -> float:
    """A quantity, averaged over draws."""
    return sum(value_of(run, quantity, params.select) for run in draws) / len(draws)


def mean_history(draws: Draws) -> tuple[Row, ...]:
    """Evaluations, averaged over draws; as many as all of them have."""
    if len(draws) == 1:
        return draws[0].history
    return tuple(_mean_row(rows) for rows in zip(*(run.history for run in draws), strict=False))


def _mean_row(rows: Sequence[Row]) -> Row:
    columns = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    means = {name: sum(of) / len(of) for name, of in columns.items() if None not in of}
    return Row(**{**means, "step": rows[0].step})

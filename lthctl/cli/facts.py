"""Facts of tickets and runs in words, and the tables that they stand in."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lthctl.artifacts.run import Run
from lthctl.cli.sparks import finite_values
from lthctl.cli.terminal import new_table, plain
from lthctl.params import RoundParams, rate_words

CUT_OFF = 0.1  # this share of the first evaluations, which differ from the rest more than it varies


METRIC_NAMES = {
    "best_accuracy": "best accuracy (%)",
    "best_step": "at step",
    "early_stop_accuracy": "early-stop accuracy (%)",
    "early_stop_step": "early-stop step",
    "early_stop_test_accuracy": "test accuracy there (%)",
    "final_accuracy": "final accuracy (%)",
}


def fact_grid(title: str, *columns: str) -> Table:
    """A table whose numbers stay whole; names are folded where the terminal is narrow."""
    table = new_table(title, *columns)
    for column in table.columns:
        column.no_wrap = column.justify == "right"
    return table


def fact_table(facts: Iterable[tuple[str, str]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, plain(str(value)))
    return grid


def curve_floor(accuracies: Sequence[float]) -> float:
    return float(np.quantile(finite_values(accuracies), CUT_OFF))


def count_words(pairs: Sequence[object]) -> int:
    """How many things there are of which these are all pairs; the first pairs are of the first with
    each other."""
    return (1 + math.isqrt(1 + 8 * len(pairs))) // 2


def run_words(run: Run) -> str:
    return f"{run.ticket.name}, {run.variant}"


def value_words(value: object) -> str:
    if value is None:
        return "none"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def percent_or_blank(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def step_words(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def p_words(log10_p: float) -> str:
    """A p-value of any size: 0.31, 2e-96, 5e-12014."""
    if log10_p >= -2:
        return f"{10**log10_p:.2f}"
    exponent = math.floor(log10_p)
    digit = round(10 ** (log10_p - exponent))
    return f"1e{exponent + 1}" if digit == 10 else f"{digit}e{exponent}"


CHANCE = Text(
    "chance: what masks of these densities share on average; ratio: both over that; p: exact, "
    "two-sided.",
    style="dim",
)


def settings_words(train: RoundParams) -> str:
    """How many steps of which kind.

    Example:
      >>> settings_words(RoundParams(steps=2000))
      '2,000 steps, adam 0.0012, batch 60'
    """
    return f"{train.steps:,} steps, {train.optimizer} {rate_words(train)}, batch {train.batch_size}"

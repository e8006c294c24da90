"""Which machine trained what: tables that workers keep beside their plan, no part of any result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PLANS = "plans"
"""The folder of a store with a folder for each plan."""

TRAINED = "trained"
"""The folder of a plan with a table for each worker."""

COLUMNS = ("training", "task", "seconds", "weights", "host", "machine")
"""Of a table. `weights` is the digest of those that a training ended in, by which a ticket names
its rounds."""


@dataclass(frozen=True)
class TrainedWhere:
    """Kinds of machine on which workers of a store have trained.

    Attributes:
      trainings: digest of a training -> the kind.
      weights: digest of the weights that one ended in -> the kind.
    """

    trainings: Mapping[str, str]
    weights: Mapping[str, str]


def trained_where(store: Path) -> TrainedWhere:
    """What the tables in a store say. What is no table says nothing."""
    trainings, weights = {}, {}
    for table in sorted((store / PLANS).glob(f"*/{TRAINED}/*.csv")):
        for row in _rows(table):
            trainings[row["training"]] = weights[row["weights"]] = row["machine"]
    return TrainedWhere(trainings, weights)


def machines_of(plan: Path) -> list[str]:
    """The kinds of machine on which workers of a plan have trained, sorted."""
    tables = (plan / TRAINED).glob("*.csv")
    return sorted({row["machine"] for table in tables for row in _rows(table)})


def _rows(table: Path) -> Iterator[dict[str, str]]:
    try:
        lines = table.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        cells = line.split(",", len(COLUMNS) - 1)  # the last one may have commas
        if len(cells) == len(COLUMNS) and tuple(cells) != COLUMNS:
            yield dict(zip(COLUMNS, cells, strict=True))


def count_trained(plan: Path) -> int:
    """How many trainings workers of a plan have done, those that were lost since included."""
    return sum(
        len(table.read_text(errors="replace").splitlines()) - 1
        for table in (plan / TRAINED).glob("*.csv")
    )

"""Which machine trained what: tables that workers keep beside their plan, no part of any result."""

from collections.abc import Collection
from pathlib import Path

PLANS = "plans"
"""The folder of a store with a folder for each plan."""

TRAINED = "trained"
"""The folder of a plan with a table for each worker."""

COLUMNS = ("training", "task", "seconds", "host", "machine")


def machines_of(store: Path, trainings: Collection[str]) -> dict[str, str]:
    """Digest of a training -> the kind of machine that a worker trained it on, of those that
    workers trained.

    Args:
      store: its folder.
      trainings: digests of those that are asked for.
    """
    found = {}
    for table in sorted((store / PLANS).glob(f"*/{TRAINED}/*.csv")):
        try:
            lines = table.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            cells = line.split(",", len(COLUMNS) - 1)
            if len(cells) == len(COLUMNS) and cells[0] in trainings:
                found[cells[0]] = cells[-1]
    return found


def count_trained(plan: Path) -> int:
    """How many trainings workers of a plan have done, those that were lost since included."""
    return sum(
        len(table.read_text(errors="replace").splitlines()) - 1
        for table in (plan / TRAINED).glob("*.csv")
    )

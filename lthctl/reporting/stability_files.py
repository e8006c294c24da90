"""Stability as files: stability.csv, a row per experiment whose copies were connected."""

from lthctl.canonical import Json
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.reading import Report
from lthctl.reporting.stability import stabilities_of
from lthctl.reporting.tables import csv_bytes


def stability_files(report: Report) -> dict[str, bytes]:
    """File name -> bytes; none where there are no connections."""
    rows = stability_rows(report)
    if not rows:
        return {}
    return {"stability.csv": csv_bytes(list(rows[0]), [list(row.values()) for row in rows])}


def stability_rows(report: Report) -> list[Json]:
    """A flat row per experiment, barriers as fractions."""
    return [
        {
            "group": number,
            **{name: getattr(one.experiment.key, name) for name in ExperimentKey._fields},
            "density": 1 - one.experiment.sparsity,
            "n": one.barrier.n,
            "images": one.judged,
            "barrier": one.barrier.mean,
            "barrier_low": one.barrier.low,
            "barrier_high": one.barrier.high,
            "train_barrier": one.on_train.mean,
            "train_barrier_low": one.on_train.low,
            "train_barrier_high": one.on_train.high,
            "stable": one.is_stable,
            "verdict": one.experiment.verdict,
        }
        for number, group in enumerate(report.groups, start=1)
        for one in stabilities_of(group)
    ]

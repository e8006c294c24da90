"""The report as CSV tables and flat numbers."""

import csv
import io
from collections.abc import Sequence

from lthctl.canonical import Json, canonical_json
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.reading import Report
from lthctl.reporting.verdicts import Group
from lthctl.training.history import Row


def csv_bytes(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """A CSV file with Unix line ends; floats are written so that they read back exactly, None as
    nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def report_files(report: Report) -> dict[str, bytes]:
    """File name -> bytes of everything in the report but the figures."""
    return {
        "summary.csv": _summary_csv(report),
        "claims.csv": _claims_csv(report),
        "runs.csv": _runs_csv(report),
        "curves.csv": _curves_csv(report),
        "metrics.json": canonical_json(_metrics(report.groups[0])),
    }


def summary_rows(report: Report) -> list[Json]:
    """One flat row per cell, accuracies as fractions; what summary.csv holds."""
    rows = []
    for number, group in enumerate(report.groups, start=1):
        for cell in group.cells:
            row: Json = {
                "group": number,
                **cell.key._asdict(),
                "sparsity": cell.sparsity,
                "n": cell.accuracy.n,
            }
            for name, value in (
                ("accuracy", cell.accuracy),
                ("difference", cell.difference),
                ("early_stop_step", cell.early_stop_step),
                ("early_stop_accuracy", cell.early_stop_accuracy),
                ("test_accuracy", cell.test_accuracy),
            ):
                row |= {
                    name: value and value.mean,
                    f"{name}_low": value and value.low,
                    f"{name}_high": value and value.high,
                }
            row["difference_n"] = cell.difference and cell.difference.n
            rows.append(row | {"verdict": cell.verdict, "seeds_to_decide": cell.seeds_to_decide})
    return rows


def _summary_csv(report: Report) -> bytes:
    rows = summary_rows(report)
    return csv_bytes(list(rows[0]), [list(row.values()) for row in rows])


def _claims_csv(report: Report) -> bytes:
    """A row per pruned, rewound experiment: the four conditions, and the paired differences behind
    them."""
    header = [
        "group",
        "method",
        "rounds",
        "ratio",
        "sparsity",
        "winning",
        "accurate",
        "fast",
        "sparse",
        "special",
        "random_verdict",
    ]
    header += [f"{name}_seeds" for name in ("accurate", "fast", "special", "random")]
    names = ("dense", "step", "reinit", "random")
    header += [f"{name}_difference{end}" for name in names for end in ("", "_low", "_high", "_n")]
    rows = []
    for number, group in enumerate(report.groups, start=1):
        for claim in group.claims:
            cell = group.cell(claim.key)
            assert cell is not None
            row = [
                number,
                claim.key.method,
                claim.key.rounds,
                claim.key.ratio,
                cell.sparsity,
                claim.state,
            ]
            row += [claim.accurate, claim.fast, claim.sparse, claim.special, claim.random_verdict]
            row += [
                claim.seeds_to_decide.get(name)
                for name in ("accurate", "fast", "special", "random")
            ]
            for value in (
                cell.difference,
                claim.step_difference,
                claim.reinit_difference,
                claim.random_difference,
            ):
                row += [value.mean, value.low, value.high, value.n] if value else [None] * 4
            rows.append(row)
    return csv_bytes(header, rows)


def _runs_csv(report: Report) -> bytes:
    header = ["group", "name", "start", "method", "rounds", "ratio", "seed", "sparsity"]
    metrics = [
        "best_accuracy",
        "best_step",
        "early_stop_accuracy",
        "early_stop_step",
        "final_accuracy",
        "early_stop_test_accuracy",
    ]
    rows = [
        [
            number,
            run.ticket["name"],
            *cell.key,
            seed,
            run.ticket["sparsity"],
            *(run.metrics.get(metric) for metric in metrics),
        ]
        for number, group in enumerate(report.groups, start=1)
        for cell in group.cells
        for seed, run in cell.runs.items()
    ]
    return csv_bytes(header + metrics, rows)


def _curves_csv(report: Report) -> bytes:
    """A row per experiment and evaluation: means over seeds."""
    rows = []
    for number, group in enumerate(report.groups, start=1):
        for cell in group.cells:
            for after in zip(*(run.history for run in cell.runs.values()), strict=False):
                (step, *_), *columns = zip(*(row[:4] for row in after), strict=True)
                rows.append(
                    [
                        number,
                        *cell.key,
                        step,
                        len(after),
                        *(sum(column) / len(after) for column in columns),
                    ]
                )
    return csv_bytes(["group", *ExperimentKey._fields, "step", "n", *Row._fields[1:4]], rows)


def _metrics(group: Group) -> Json:
    """A few flat numbers of the largest group, for `dvc metrics diff`: mean accuracy per cell in
    percent, and how many tickets win."""
    return {
        "runs": group.num_runs,
        "winning": sum(claim.state == "held" for claim in group.claims),
        **{cell.key.label: round(100 * cell.accuracy.mean, 4) for cell in group.cells},
    }

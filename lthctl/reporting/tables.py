"""The report as CSV tables and flat numbers."""

import csv
import io
from collections.abc import Sequence

from lthctl.artifacts.run import Run
from lthctl.canonical import Json, canonical_json
from lthctl.parameter_types import Select
from lthctl.reporting.answers import ASKED_CONTROLS
from lthctl.reporting.answers_json import answer_metrics
from lthctl.reporting.claims_json import claim_metrics
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.reading import Report
from lthctl.reporting.selection import USUAL_ACCURACY, chosen, value_of
from lthctl.reporting.statistics import Interval
from lthctl.reporting.styles import control_order
from lthctl.reporting.tickets import ticket_verdicts
from lthctl.reporting.verdicts import Group
from lthctl.training.history import Row

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_bytes(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """A CSV file with Unix line ends; floats are written so that they read back exactly, None as
    nothing. Text that a spreadsheet would run as a formula gets an apostrophe: names come from
    files of others."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[_never_a_formula(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _never_a_formula(cell: object) -> object:
    """Text from a file that no spreadsheet takes for a formula, and no terminal for a command."""
    if not isinstance(cell, str):
        return cell
    text = "".join(
        char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in cell
    )
    return f"'{text}" if cell.startswith(FORMULA_STARTS) else text


def report_files(report: Report) -> dict[str, bytes]:
    """File name -> bytes of everything in the report but the figures."""
    return {
        "summary.csv": _summary_csv(report),
        "verdicts.csv": _verdicts_csv(report),
        "runs.csv": _runs_csv(report),
        "curves.csv": _curves_csv(report),
        "metrics.json": canonical_json(
            {**_metrics(report.groups[0]), **claim_metrics(report.claims)}
        ),
    }


def summary_rows(report: Report) -> list[Json]:
    """One flat row per experiment, accuracies as fractions; what summary.csv holds."""
    rows = []
    for number, group in enumerate(report.groups, start=1):
        for experiment in group.experiments:
            row: Json = {
                "group": number,
                **experiment.key._asdict(),
                "sparsity": experiment.sparsity,
                "n": experiment.accuracy.n,
            }
            for name, value in (
                ("accuracy", experiment.accuracy),
                ("difference", experiment.difference),
                ("early_stop_step", experiment.early_stop_step),
                ("early_stop_accuracy", experiment.early_stop_accuracy),
                ("test_accuracy", experiment.test_accuracy),
            ):
                row |= {
                    name: value and value.mean,
                    f"{name}_low": value and value.low,
                    f"{name}_high": value and value.high,
                }
            row["difference_n"] = experiment.difference and experiment.difference.n
            rows.append(
                row | {"verdict": experiment.verdict, "seeds_to_decide": experiment.seeds_to_decide}
            )
    return rows


def _summary_csv(report: Report) -> bytes:
    rows = summary_rows(report)
    return csv_bytes(list(rows[0]), [list(row.values()) for row in rows])


def _verdicts_csv(report: Report) -> bytes:
    """A row per pruned, rewound experiment: what is shown of it against dense and its controls."""
    ends = ("", "_low", "_high", "_n")
    header = ["group", *ExperimentKey._fields[1:], "sparsity", "keeps_up"]
    verdicts = [ticket_verdicts(group) for group in report.groups]
    others = sorted(
        {name for of_group in verdicts for one in of_group for name in one.others},
        key=control_order,
    )
    for name in ("dense", *ASKED_CONTROLS, *others):
        header += [f"{name}_verdict", f"{name}_seeds", *(f"{name}_difference{end}" for end in ends)]
    header += ["target", "sooner_verdict", "sooner_kind", *(f"times_sooner{end}" for end in ends)]
    header += [f"step_difference{end}" for end in ends]
    rows = []
    for number, of_group in enumerate(verdicts, start=1):
        for verdict in of_group:
            sooner = verdict.sooner
            row: list[object] = [number, *verdict.key[1:], verdict.experiment.sparsity]
            row += [None if verdict.keeps_up is None else int(verdict.keeps_up)]
            asked = verdict.dense, verdict.reinit, verdict.shuffle, verdict.random
            for one in (*asked, *map(verdict.others.get, others)):
                row += [one.shown, one.seeds] if one else [None, None]
                row += _cells(one.difference if one else None)
            row += [verdict.target.name, verdict.sooner_shown, sooner and sooner.kind]
            row += _cells(sooner.times if sooner else None)
            rows.append([*row, *_cells(verdict.step_difference)])
    return csv_bytes(header, rows)


def _cells(value: Interval | None) -> list[object]:
    return [value.mean, value.low, value.high, value.n] if value else [None] * 4


def run_rows(report: Report) -> list[Json]:
    """One flat row per run, accuracies as fractions; what runs.csv holds. Draws are told apart
    where there are several."""
    several = any(
        run.draw > 1
        for group in report.groups
        for experiment in group.experiments
        for _, run in experiment.all_runs
    )
    reads_more = any(group.accuracy_words != USUAL_ACCURACY for group in report.groups)
    metrics = [
        "best_accuracy",
        "best_step",
        "early_stop_accuracy",
        "early_stop_step",
        "final_accuracy",
        "early_stop_test_accuracy",
    ]
    return [
        {
            "group": number,
            "name": run.ticket.name,
            **experiment.key._asdict(),
            "seed": seed,
            **({"draw": run.draw} if several else {}),
            "sparsity": run.ticket.sparsity,
            **{metric: getattr(run.metrics, metric) for metric in metrics},
            **(_read(run, group.params.select) if reads_more else {}),
        }
        for number, group in enumerate(report.groups, start=1)
        for experiment in group.experiments
        for seed, run in experiment.all_runs
    ]


def _read(run: Run, select: Select) -> Json:
    """The step that a run is read at, and the accuracy that it is judged by."""
    return {
        "chosen_step": chosen(run, select).step,
        "chosen_accuracy": value_of(run, "accuracy", select),
    }


def _runs_csv(report: Report) -> bytes:
    rows = run_rows(report)
    return csv_bytes(list(rows[0]), [list(row.values()) for row in rows])


def _curves_csv(report: Report) -> bytes:
    """A row per experiment and evaluation: means over seeds."""
    rows = []
    for number, group in enumerate(report.groups, start=1):
        for experiment in group.experiments:
            for after in zip(*experiment.histories, strict=False):
                (step, *_), *columns = zip(*(row[:4] for row in after), strict=True)
                rows.append(
                    [
                        number,
                        *experiment.key,
                        step,
                        len(after),
                        *(sum(column) / len(after) for column in columns),
                    ]
                )
    return csv_bytes(["group", *ExperimentKey._fields, "step", "n", *Row._fields[1:4]], rows)


def _metrics(group: Group) -> Json:
    """A few flat numbers of the largest group, for `dvc metrics diff`: mean accuracy per experiment
    in percent, and the answers."""
    return {
        "runs": group.num_runs,
        **{
            experiment.key.label: round(100 * experiment.accuracy.mean, 4)
            for experiment in group.experiments
        },
        **answer_metrics(group),
    }

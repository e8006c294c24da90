"""The report: runs read, grouped by protocol, aggregated over seeds and judged. Never trains.

One computation serves the terminal, the files and the figures.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from lthctl.errors import LthctlError, ReportError
from lthctl.files import Json, canonical_json, csv_bytes, find_folders, sha256
from lthctl.params import ReportParams
from lthctl.pruning import rate_per_round
from lthctl.schema import ticket_name
from lthctl.statistics import (
    Interval,
    Verdict,
    holm,
    interval,
    judge,
    p_above,
    p_nonzero,
    seeds_to_decide,
    seeds_to_show,
)
from lthctl.ticket import RUN_JSON, Run, load_run
from lthctl.training import Row

STARTS = ("rewind", "reinit", "shuffle")
METHODS = ("dense", "l1", "random")

State = Literal["held", "failed", "undecided", "unknown"]


class CellKey(NamedTuple):
    """What the runs of a cell have in common; they differ in seed."""

    start: str
    method: str
    rounds: int
    ratio: float

    @classmethod
    def of(cls, run: Run) -> "CellKey":
        return cls(run.start, run.ticket["method"], run.ticket["rounds"], run.ticket["ratio"])

    @property
    def ticket(self) -> str:
        """Name of the tickets, without their seeds."""
        return ticket_name(self.method, self.ratio, self.rounds)

    @property
    def label(self) -> str:
        return f"{self.ticket}-{self.start}"

    def order(self) -> tuple[object, ...]:
        """Sorts dense before l1 before random, and rewind before its controls."""
        return (
            METHODS.index(self.method) if self.method in METHODS else 9,
            self.method,
            self.rounds,
            self.ratio,
            STARTS.index(self.start),
        )


DENSE = CellKey("rewind", "dense", 0, 0.0)

VALUE_ROUNDING, DIFFERENCE_ROUNDING = 1 / math.sqrt(12), 1 / math.sqrt(6)
"""Standard deviations that rounding to steps of 1 gives to a value, and to the difference of two."""


@dataclass(frozen=True)
class Cell:
    """The replicates of one experiment.

    Attributes:
      key: what they have in common.
      runs: seed -> run.
      sparsity: mean actual sparsity.
      accuracy: maximum validation accuracy.
      difference: the same minus that of the dense run of the same seed; None for dense itself or where no dense run
        goes with any.
      verdict: what the difference shows; None where there is none.
      seeds_to_decide: see `lthctl.statistics`; None where it is decided or there is no telling.
      early_stop_step: step of minimum validation loss.
      early_stop_accuracy: validation accuracy there.
      test_accuracy: test accuracy there; None where the protocol has no test images.
    """

    key: CellKey
    runs: dict[int, Run]
    sparsity: float
    accuracy: Interval
    difference: Interval | None
    verdict: Verdict | None
    seeds_to_decide: int | None
    early_stop_step: Interval
    early_stop_accuracy: Interval
    test_accuracy: Interval | None

    @property
    def stops_at_end(self) -> int:
        """Number of runs whose validation loss was lowest at the last evaluation: too short to tell where it would have
        been."""
        return sum(run.metrics["early_stop_step"] == run.history[-1].step for run in self.runs.values())


@dataclass(frozen=True)
class Claim:
    """Whether a rewound ticket is a winning one: four conditions, and the figures behind them.

    Random pruning is no condition, but what any method has to be measured against: it is judged beside them.

    Attributes:
      key: the rewound cell.
      accurate: not inferior to dense in accuracy.
      fast: not later than dense in early-stop step, within one evaluation interval.
      sparse: fewer weights than dense.
      special: its reinitialization does worse.
      step_difference, reinit_difference: ticket minus dense in early-stop step; ticket minus reinit in accuracy. None
        where unknown.
      random_difference, random_verdict: accuracy minus that of random pruning of the same ratio and rounds, rewound
        too, and what it shows. None where there is no such ticket, and for random pruning itself.
      seeds_to_decide: "accurate", "fast", "special" or "random" -> number of seeds that would decide what is undecided
        there; see `lthctl.statistics`. Without those of which there is no telling.
    """

    key: CellKey
    accurate: State
    fast: State
    sparse: State
    special: State
    step_difference: Interval | None
    reinit_difference: Interval | None
    random_difference: Interval | None
    random_verdict: Verdict | None
    seeds_to_decide: Mapping[str, int]

    @property
    def state(self) -> State:
        """Held if all four are, failed if one has failed."""
        states = (self.accurate, self.fast, self.sparse, self.special)
        for state in ("failed", "unknown", "undecided"):
            if state in states:
                return state
        return "held"


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: same data, model, training and prunable parameters."""

    title: str
    params: ReportParams
    cells: tuple[Cell, ...]

    @cached_property
    def dense(self) -> Cell | None:
        return self.cell(DENSE)

    def cell(self, key: CellKey) -> Cell | None:
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[CellKey, Cell]:
        return {cell.key: cell for cell in self.cells}

    @property
    def num_runs(self) -> int:
        return sum(len(cell.runs) for cell in self.cells)

    @property
    def num_seeds(self) -> int:
        return len({seed for cell in self.cells for seed in cell.runs})

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """One per pruned, rewound cell; each condition adjusted by Holm over the cells."""
        cells = [cell for cell in self.cells if cell.key.start == "rewind" and cell.key.method != "dense"]
        resolution = float(next(iter(self.cells[0].runs.values())).train["evaluate_every"])
        steps = [self._paired(cell, self.dense, "early_stop_step") for cell in cells]
        reinits = [self._paired(cell, self.cell(cell.key._replace(start="reinit")), "best_accuracy") for cell in cells]
        randoms = [
            None
            if cell.key.method == "random"
            else self._paired(cell, self.cell(cell.key._replace(method="random")), "best_accuracy")
            for cell in cells
        ]
        margin, confidence = self.params.margin, self.params.confidence
        alpha = 1 - confidence
        fast = _states(steps, [p_above(_negate(d), -resolution) if d else 1.0 for d in steps],
                       [p_above(d, resolution) if d else 1.0 for d in steps], alpha)  # fmt: skip
        special = _states(reinits, [p_nonzero(d) if d and d.mean > 0 else 1.0 for d in reinits],
                          [p_above(_negate(d), -margin) if d else 1.0 for d in reinits], alpha)  # fmt: skip
        judged = [difference for difference in randoms if difference is not None]
        verdicts = iter(judge(judged, margin=margin, confidence=confidence))
        random = [None if difference is None else next(verdicts) for difference in randoms]
        accurate: dict[Verdict | None, State] = {
            "better": "held", "as good": "held", "worse": "failed", "undecided": "undecided", None: "unknown"
        }  # fmt: skip

        def needed(i: int) -> dict[str, int]:
            """Seeds that would decide what is undecided; the strictest of Holm's levels is assumed."""
            level, numbers = alpha / len(cells), {"accurate": cells[i].seeds_to_decide}
            step, reinit, chance = steps[i], reinits[i], randoms[i]
            if step and fast[i] == "undecided":
                numbers["fast"] = seeds_to_show(
                    step, [(resolution - step.mean, level), (step.mean - resolution, level)]
                )
            if reinit and special[i] == "undecided":
                numbers["special"] = seeds_to_show(reinit, [(reinit.mean, level / 2), (margin - reinit.mean, level)])
            if chance and random[i] == "undecided":
                numbers["random"] = seeds_to_decide(chance, margin=margin, confidence=confidence, num_cells=len(judged))
            return {name: number for name, number in numbers.items() if number}

        return tuple(
            Claim(
                cell.key,
                accurate[cell.verdict],
                fast[i],
                "held" if cell.sparsity > 0 else "failed",
                special[i],
                steps[i],
                reinits[i],
                randoms[i],
                random[i],
                needed(i),
            )
            for i, cell in enumerate(cells)
        )

    @property
    def headlines(self) -> tuple[str, ...]:
        """What the claims come to: a sentence per method."""
        sentences = []
        for method in dict.fromkeys(claim.key.method for claim in self.claims):
            states = [claim.state for claim in self.claims if claim.key.method == method]
            counts = {state: states.count(state) for state in ("held", "undecided", "failed", "unknown")}
            others = [f"{count} {state}" for state, count in counts.items() if count and state != "held"]
            if len(states) == 1:
                sentences.append(f"The only {method} ticket" + (" won." if states == ["held"] else f": {states[0]}."))
                continue
            found = f"{counts['held'] or 'None'} of {len(states)} {method} tickets won"
            sentences.append(found + (f": {', '.join(others)}" if others else "") + ".")
        return tuple(sentences) or ("Nothing to judge: there is no pruned ticket with its original weights here.",)

    def _paired(self, cell: Cell, other: Cell | None, metric: str) -> Interval | None:
        return paired(cell.runs, other.runs if other else {}, metric, self.params)


@dataclass(frozen=True)
class Report:
    """Groups, the largest first, and the folders that were left out with the reason."""

    groups: tuple[Group, ...]
    left_out: tuple[tuple[Path, str], ...]


def make_report(paths: Sequence[Path], params: ReportParams) -> Report:
    """Read all runs at or below some paths and judge them.

    Raises:
      ReportError: there is no run, or two different runs claim to be the same experiment.
    """
    runs: dict[tuple[str, str, str], Run] = {}
    left_out: list[tuple[Path, str]] = []
    for path in paths:
        if not path.exists():
            raise ReportError(f"{path}: does not exist; retrain some tickets first: lthctl retrain masks/")
    for folder in find_folders(paths, RUN_JSON):
        try:
            run = load_run(folder, with_weights=False)
            runs.setdefault(
                (run.ticket["digest"], run.start, run.training), run
            )  # the same run in two places counts once
        except LthctlError as error:
            left_out.append((folder, str(error)))
    if not runs:
        reasons = "".join(f"\n  {reason}" for _, reason in left_out)
        raise ReportError(
            f"{', '.join(map(str, paths))}: no run that can be read; make some: lthctl retrain masks/{reasons}"
        )
    groups = [_group(title, members, params) for title, members in _by_protocol(list(runs.values())).items()]
    return Report(tuple(sorted(groups, key=lambda group: (-group.num_runs, group.title))), tuple(left_out))


def _by_protocol(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that may be compared, under a title that says what they have in common.

    Tickets that needed no training go with those of any training.
    """
    bases: dict[str, list[Run]] = {}
    for run in runs:
        shared = {
            "data": [run.data[key] for key in ("name", "source", "train", "validation", "test")],
            "model": run.model,
            "train": run.train,
            "biases": run.ticket["biases"],
        }
        bases.setdefault(json.dumps(shared, sort_keys=True), []).append(run)
    groups: dict[str, list[Run]] = {}
    for shared_by, members in sorted(bases.items()):
        trained = {canonical_json(run.ticket["train"]): run.ticket["train"] for run in members if run.ticket["train"]}
        for key, found in sorted(trained.items()) or [(b"", {})]:
            group = [run for run in members if run.ticket["train"] in ({}, found)]
            title = _title(group[0], found)
            if title in groups:  # they differ in something that the title has no words for
                title += f" [{sha256(shared_by.encode() + key)[:8]}]"
            groups[title] = group
    return groups


def _title(run: Run, found: Json) -> str:
    train, model, data = run.train, run.model, run.data
    tests = f", {data['test']:,} test" if data["test"] else ""
    parts = [f"{data['name']} ({data['train']:,} train, {data['validation']:,} validation{tests} images)"]
    sizes = "-".join(map(str, model["layers"])) if model.get("kind") == "mlp" else ""
    parts.append(f"{sizes} {model['init']}" if sizes else str(model.get("name")))
    parts.append(f"{train['optimizer']} {train['lr']:g}")
    parts += [f"{key.replace('_', ' ')} {train[key]:g}" for key in ("momentum", "weight_decay") if train[key]]
    parts += [
        f"batch {train['batch_size']}",
        f"{train['steps']:,} steps",
        f"evaluated every {train['evaluate_every']:,}",
    ]
    parts.append("weights and biases pruned" if run.ticket["biases"] else "weights pruned")
    if found and found["steps"] != train["steps"]:
        parts.append(f"pruned after {found['steps']:,} steps in all")
    threads = f", {train['threads']} threads" if train["threads"] > 1 else ""
    parts.append(f"engine {train['engine']} on {train['device']}{threads}")
    return ", ".join(parts)


def _group(title: str, runs: Sequence[Run], params: ReportParams) -> Group:
    members: dict[CellKey, dict[int, Run]] = {}
    for run in runs:
        key = CellKey.of(run)
        seed = run.ticket["seed"]
        if seed in members.setdefault(key, {}):
            raise ReportError(
                f"two different runs claim to be {key.label} of seed {seed} ({title}); report on each folder by itself"
            )
        members[key][seed] = run
    keys = sorted(members, key=CellKey.order)
    dense = members.get(DENSE, {})
    differences = {key: paired(members[key], dense, "best_accuracy", params) for key in keys if key.method != "dense"}
    judged = {key: difference for key, difference in differences.items() if difference is not None}
    verdicts = dict(
        zip(judged, judge(list(judged.values()), margin=params.margin, confidence=params.confidence), strict=True)
    )

    def cell(key: CellKey) -> Cell:
        replicates = dict(sorted(members[key].items()))

        def over_seeds(metric: str) -> Interval:
            return _over_seeds(list(replicates.values()), metric, params)

        undecided = verdicts.get(key) == "undecided"
        return Cell(
            key=key,
            runs=replicates,
            sparsity=sum(run.ticket["sparsity"] for run in replicates.values()) / len(replicates),
            accuracy=over_seeds("best_accuracy"),
            difference=differences.get(key),
            verdict=verdicts.get(key),
            seeds_to_decide=seeds_to_decide(
                judged[key], margin=params.margin, confidence=params.confidence, num_cells=len(judged)
            )
            if undecided
            else None,
            early_stop_step=over_seeds("early_stop_step"),
            early_stop_accuracy=over_seeds("early_stop_accuracy"),
            test_accuracy=over_seeds("early_stop_test_accuracy")
            if all("early_stop_test_accuracy" in run.metrics for run in replicates.values())
            else None,
        )

    return Group(title, params, tuple(cell(key) for key in keys))


def paired(runs: dict[int, Run], others: dict[int, Run], metric: str, params: ReportParams) -> Interval | None:
    """Difference of a metric over the seeds that both have; None where they have none in common.

    Args:
      runs, others: seed -> run. The difference is that of `runs` minus that of `others`.
      metric: a key of `Run.metrics`.
      params: confidence of the interval.
    """
    seeds = sorted(runs.keys() & others.keys())
    if not seeds:
        return None
    differences = [runs[seed].metrics[metric] - others[seed].metrics[metric] for seed in seeds]
    least = DIFFERENCE_ROUNDING * _resolution(runs[seeds[0]], metric)
    return interval(differences, params.confidence, least_deviation=least)


def _over_seeds(runs: Sequence[Run], metric: str, params: ReportParams) -> Interval:
    least = VALUE_ROUNDING * _resolution(runs[0], metric)
    return interval([run.metrics[metric] for run in runs], params.confidence, least_deviation=least)


def _resolution(run: Run, metric: str) -> float:
    """The steps in which a metric comes: evaluations for steps, images for accuracies."""
    if metric.endswith("step"):
        return float(run.train["evaluate_every"])
    return 1 / float(run.data["test" if "test" in metric else "validation"])


def _negate(value: Interval) -> Interval:
    return Interval(value.n, -value.mean, None, None, value.deviation)


def _states(
    differences: Sequence[Interval | None], p_held: Sequence[float], p_failed: Sequence[float], alpha: float
) -> list[State]:
    held, failed = holm(p_held), holm(p_failed)
    return [
        "unknown"
        if difference is None
        else "held"
        if held[i] < alpha
        else "failed"
        if failed[i] < alpha
        else "undecided"
        for i, difference in enumerate(differences)
    ]


def desired_by_round(key: CellKey) -> list[float]:
    """The sparsity that was asked for after every round."""
    if key.method == "dense":
        return []
    rate = rate_per_round(key.ratio, key.rounds)
    return [1 - (1 - rate) ** number for number in range(1, key.rounds + 1)]


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
            row: Json = {"group": number, **cell.key._asdict(), "sparsity": cell.sparsity, "n": cell.accuracy.n}
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
    """A row per pruned, rewound experiment: the four conditions, and the paired differences behind them."""
    header = ["group", "method", "rounds", "ratio", "sparsity", "winning", "accurate", "fast", "sparse", "special",
              "random_verdict"]  # fmt: skip
    header += [f"{name}_seeds" for name in ("accurate", "fast", "special", "random")]
    names = ("dense", "step", "reinit", "random")
    header += [f"{name}_difference{end}" for name in names for end in ("", "_low", "_high", "_n")]
    rows = []
    for number, group in enumerate(report.groups, start=1):
        for claim in group.claims:
            cell = group.cell(claim.key)
            assert cell is not None
            row = [number, claim.key.method, claim.key.rounds, claim.key.ratio, cell.sparsity, claim.state]
            row += [claim.accurate, claim.fast, claim.sparse, claim.special, claim.random_verdict]
            row += [claim.seeds_to_decide.get(name) for name in ("accurate", "fast", "special", "random")]
            for value in (cell.difference, claim.step_difference, claim.reinit_difference, claim.random_difference):
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
                rows.append([number, *cell.key, step, len(after), *(sum(column) / len(after) for column in columns)])
    return csv_bytes(["group", *CellKey._fields, "step", "n", *Row._fields[1:4]], rows)


def _metrics(group: Group) -> Json:
    """A few flat numbers of the largest group, for `dvc metrics diff`: mean accuracy per cell in percent, and how many
    tickets win."""
    return {
        "runs": group.num_runs,
        "winning": sum(claim.state == "held" for claim in group.claims),
        **{cell.key.label: round(100 * cell.accuracy.mean, 4) for cell in group.cells},
    }

"""The report as one HTML file that opens from disk: data, style, script and d3 in it, nothing from
a network.

Says what the page holds; how it looks and answers is in page_assets/. It decides nothing: every
number is the report's. Names from files reach the page as JSON that cannot close its element, and
its script puts them there as text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from lthctl.artifacts.run import Run
from lthctl.canonical import Json, finite
from lthctl.errors import ReportError
from lthctl.reporting.answers import Against, answers_of, rule_of
from lthctl.reporting.experiments import Experiment, desired_by_round
from lthctl.reporting.reading import Report
from lthctl.reporting.sentences import sentences_of
from lthctl.reporting.statistics import Interval
from lthctl.reporting.styles import controls_for_page, methods_for_page
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.tickets import TicketVerdict, ticket_verdicts
from lthctl.reporting.unknowns import unknowns_of
from lthctl.reporting.verdicts import Group
from lthctl.training.history import MetricName, Row

MOST_EVALUATIONS = 120_000
"""Evaluations in a page; where the runs have more, curves are thinned, and the page says so."""

SCRIPTS = (
    "words", "document", "verdicts", "axes", "runs", "selection", "sizes", "curves", "sparsity",
    "masks", "provenance", "main",
)  # fmt: skip
"""Files of page_assets/ in the order in which they make one script."""


def page_bytes(
    report: Report,
    survivors: Sequence[Survivors],
    provenance: Json,
    pictures: Mapping[str, bytes],
    left_out: Sequence[tuple[Path, str]],
) -> bytes:
    """The page.

    Args:
      report: what it shows, all groups of it.
      survivors: of each group.
      provenance: see `provenance_of`.
      pictures: file name -> SVG, of the first group; they stand in where no script runs.
      left_out: folders of runs and tickets that could not be read, with the reason.
    """
    stride = thinning(report)
    keys = [experiment.key for group in report.groups for experiment in group.experiments]
    data = {
        "groups": [
            _group(group, surviving, stride)
            for group, surviving in zip(report.groups, survivors, strict=True)
        ],
        "methods": methods_for_page(key.method for key in keys),
        "controls": controls_for_page(key.control for key in keys),
        "left_out": [_left_out(*one) for one in left_out],
        "provenance": provenance,
        "thinned": stride,
    }
    answers = answers_of(report.groups[0])
    assets = {
        path.name: path.read_text(encoding="utf-8")
        for path in (files("lthctl") / "reporting" / "page_assets").iterdir()
    }
    scripts = [d3_script(), "\n".join(assets[f"{name}.js"] for name in SCRIPTS)]
    parts = {
        "style": assets["page.css"],
        "d3": scripts[0],
        "script": scripts[1],
        "data": json_in_html(data),
        "answers": "".join(f"<span>{escape(text)}</span>" for text in sentences_of(answers)),
        "unknown": "".join(f"<li>{escape(str(one))}</li>" for one in unknowns_of(answers)),
        "rule": escape(rule_of(report.groups[0].params)),
        "title": escape(report.groups[0].title),
        # Nothing may be loaded, and no script may run but these two: d3 and the page's own.
        "policy": "; ".join(
            [
                "default-src 'none'",
                "img-src data:",
                "style-src 'unsafe-inline'",
                "base-uri 'none'",
                "form-action 'none'",
                f"script-src {' '.join(map(_script_digest, scripts))}",
            ]
        ),
        **{name: _picture(content) for name, content in pictures.items()},
    }
    return re.sub(r"\{\{([\w.]+)\}\}", lambda match: parts[match[1]], assets["page.html"]).encode()


def d3_script() -> str:
    """d3 5 as mpld3 carries it, licence line and all. Only read: to import mpld3 would import
    pyplot."""
    again = "pip install --force-reinstall mpld3"
    package = find_spec("mpld3")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "js" / "d3.v5.min.js"
        try:
            script = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReportError(f"{path}: cannot be read ({error}): {again}") from None
        if ends := re.search("</script|<!--", script, re.IGNORECASE):
            raise ReportError(f"{path}: cannot stand in a page, as it holds {ends[0]}: {again}")
        return script
    raise ReportError(
        "the page is drawn with d3, which mpld3 carries, and that is not installed: pip install "
        "mpld3"
    )


def json_in_html(value: object) -> str:
    """JSON that can stand in a script element: nothing in it can close the element or open a
    comment."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def thinning(report: Report) -> int:
    """Every how many evaluations one is in the page; 1 for all."""
    runs = [
        run
        for group in report.groups
        for experiment in group.experiments
        for run in experiment.runs.values()
    ]
    return max(1, -(-sum(len(run.history) for run in runs) // MOST_EVALUATIONS))


def _group(group: Group, survivors: Survivors, stride: int) -> Json:
    runs = [
        (index, seed, run)
        for index, experiment in enumerate(group.experiments)
        for seed, run in experiment.runs.items()
    ]
    history = runs[0][2].history
    kept = [i for i in range(len(history)) if i % stride == stride - 1 or i == len(history) - 1]
    return {
        "title": group.title,
        "answers": list(sentences_of(answers_of(group))),
        "unknown": [str(one) for one in unknowns_of(answers_of(group))],
        "margin": group.params.margin,
        "confidence": group.params.confidence,
        "num_runs": group.num_runs,
        "num_seeds": group.num_seeds,
        "validation": runs[0][2].data.validation,
        "test": runs[0][2].data.test,
        "stops_at_end": sum(experiment.stops_at_end for experiment in group.experiments),
        "verdicts": [_verdict(verdict) for verdict in ticket_verdicts(group)],
        "experiments": [_experiment(experiment) for experiment in group.experiments],
        "runs": [
            [
                index,
                seed,
                run.ticket.name,
                run.ticket.sparsity,
                *(run.metrics.value(name) for name in RUN_METRICS),
            ]
            for index, seed, run in runs
        ],
        "curves": {
            "steps": [history[i].step for i in kept],
            "accuracy": [
                [_short(row.validation_accuracy, 5) for row in _at(run, kept)] for _, _, run in runs
            ],
            "loss": [
                [_short(row.validation_loss, 4) for row in _at(run, kept)] for _, _, run in runs
            ],
            "train_loss": [
                [_short(row.train_loss, 4) for row in _at(run, kept)] for _, _, run in runs
            ],
        },
        "sparsity": [
            _sparsity(experiment)
            for experiment in group.experiments
            if experiment.key.method != "dense"
        ],
        "layers": [[*row.key[1:], *row[1:]] for row in survivors.layers],
        "pixels": [
            [*row.key[1:], row.n, [round(float(kept), 1) for kept in row.kept]]
            for row in survivors.pixels
        ],
        "common": [[*row.a[1:], *row.b[1:], *row[2:]] for row in survivors.common],
        "missing": list(survivors.missing),
    }


RUN_METRICS: tuple[MetricName, ...] = (
    "best_accuracy",
    "best_step",
    "early_stop_accuracy",
    "early_stop_step",
    "final_accuracy",
)


def _at(run: Run, kept: Sequence[int]) -> list[Row]:
    return [run.history[i] for i in kept if i < len(run.history)]


def _short(value: float, digits: int) -> float | None:
    """Few digits: a curve is looked at."""
    return finite(float(f"{value:.{digits}g}"))


def _interval(value: Interval | None) -> Json | None:
    return (
        {"n": value.n, "mean": value.mean, "low": value.low, "high": value.high} if value else None
    )


def _verdict(verdict: TicketVerdict) -> Json:
    def against(one: Against | None) -> Json | None:
        if one is None:
            return None
        return {
            "difference": _interval(one.difference), "verdict": one.shown, "seeds": one.seeds
        }  # fmt: skip

    sooner = verdict.sooner
    return {
        **verdict.key._asdict(),
        "ticket": verdict.key.ticket,
        "density": 1 - verdict.experiment.sparsity,
        "n": verdict.experiment.accuracy.n,
        "dense": against(verdict.dense),
        "reinit": against(verdict.reinit),
        "random": against(verdict.random),
        "sooner": {
            "times": _interval(sooner.times if sooner else None),
            "kind": sooner and sooner.kind,
            "verdict": verdict.sooner_shown,
        },
    }


def _experiment(experiment: Experiment) -> Json:
    return {
        **experiment.key._asdict(),
        "ticket": experiment.key.ticket,
        "density": 1 - experiment.sparsity,
        "accuracy": _interval(experiment.accuracy),
        "stop": _interval(experiment.early_stop_step),
        "test": _interval(experiment.test_accuracy),
        "stops_at_end": experiment.stops_at_end,
    }


def _sparsity(experiment: Experiment) -> Json:
    reached = [run.ticket.sparsity_by_round for run in experiment.runs.values()]
    return {
        **experiment.key._asdict(),
        "ticket": experiment.key.ticket,
        "n": len(reached),
        "desired": desired_by_round(experiment.key),
        "actual": [sum(after) / len(after) for after in zip(*reached, strict=True)],
    }


def _left_out(folder: Path, reason: str) -> Json:
    """A folder by the end of its path and why, without the places of this machine."""
    shown = str(Path(*folder.parts[-2:]) if folder.is_absolute() else folder)
    return {"folder": shown, "reason": reason.replace(str(folder), shown)}


def _script_digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _picture(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"

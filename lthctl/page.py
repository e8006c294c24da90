"""The report as one HTML file that opens from disk: data, style, script and d3 in it, nothing from a network.

Says what the page holds; how it looks and answers is in assets/. It decides nothing: every number is the report's.
Names from files reach the page as JSON that cannot close its element, and its script puts them there as text.
"""

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from lthctl.errors import ReportError
from lthctl.files import Json, finite
from lthctl.report import Cell, Claim, Group, Report, desired_by_round
from lthctl.statistics import Interval
from lthctl.survivors import Survivors
from lthctl.ticket import Run
from lthctl.training import Row

MOST_EVALUATIONS = 120_000
"""Evaluations in a page; where the runs have more, curves are thinned, and the page says so."""

SOFTWARE = ("lthctl", "numpy", "scipy", "matplotlib", "mpld3", "safetensors", "torch", "numba")


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
    data = {
        "groups": [_group(group, of, stride) for group, of in zip(report.groups, survivors, strict=True)],
        "left_out": [_left_out(*one) for one in left_out],
        "provenance": provenance,
        "thinned": stride,
    }
    assets = {path.name: path.read_text(encoding="utf-8") for path in (files("lthctl") / "assets").iterdir()}
    scripts = [d3_script(), assets["page.js"]]
    parts = {
        "style": assets["page.css"],
        "d3": scripts[0],
        "script": scripts[1],
        "data": json_in_html(data),
        "headline": escape(" ".join(report.groups[0].headlines)),
        "title": escape(report.groups[0].title),
        # Nothing may be loaded, and no script may run but these two.
        "policy": "; ".join([
            "default-src 'none'", "img-src data:", "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'",
            f"script-src {' '.join(map(_script_digest, scripts))}",
        ]),
        **{name: _picture(content) for name, content in pictures.items()},
    }  # fmt: skip
    return re.sub(r"\{\{([\w.]+)\}\}", lambda found: parts[found[1]], assets["page.html"]).encode()


def d3_script() -> str:
    """d3 5 as mpld3 carries it, licence line and all. Only read: to import mpld3 would import pyplot."""
    again = "pip install --force-reinstall mpld3"
    found = find_spec("mpld3")
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder) / "js" / "d3.v5.min.js"
        try:
            script = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReportError(f"{path}: cannot be read ({error}): {again}") from None
        if ends := re.search("</script|<!--", script, re.IGNORECASE):
            raise ReportError(f"{path}: cannot stand in a page, as it holds {ends[0]}: {again}")
        return script
    raise ReportError("the page is drawn with d3, which mpld3 carries, and that is not installed: pip install mpld3")


def json_in_html(value: object) -> str:
    """JSON that can stand in a script element: nothing in it can close the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def thinning(report: Report) -> int:
    """Every how many evaluations one is in the page; 1 for all."""
    runs = [run for group in report.groups for cell in group.cells for run in cell.runs.values()]
    return max(1, -(-sum(len(run.history) for run in runs) // MOST_EVALUATIONS))


def provenance_of(report: Report) -> Json:
    """Where the numbers come from: parameters, protocol, data, software, revision, and n of everything.

    The same for the same runs, software and commit: no times, no places.
    """
    return {
        "revision": revision(),
        "software": {name: version(name) for name in SOFTWARE},
        "groups": [_group_provenance(group) for group in report.groups],
    }


def revision() -> Json | None:
    """The commit of the working folder, and the tracked files that differ from it; None where there is none.

    What results write is no difference: dvc.lock, and everything in folders called report, masks and tickets. So the
    pipeline, which changes these itself, says the same before and after.
    """

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=20).stdout

    try:
        commit = git("rev-parse", "HEAD").strip()
        lines = git("status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames").split("\0")
    except (OSError, subprocess.SubprocessError):
        return None
    changed = [line[3:] for line in lines if line]
    return {"commit": commit, "changed": sorted(path for path in changed if not _is_result(path))}


def _is_result(path: str) -> bool:
    parts = path.split("/")
    return parts[-1] == "dvc.lock" or bool({"report", "masks", "tickets"} & set(parts[:-1]))


def protocol_rows(group: Group) -> list[Json]:
    """What the runs of a group did beside what the paper's did (Frankle & Carbin, ICLR 2019, for this network)."""
    run = _runs(group)[0]
    train, data, model = run.train, run.data, run.model
    found: Json = next((of.ticket["train"] for of in _runs(group) if of.ticket["train"]), {})
    sizes = "-".join(map(str, model["layers"])) if model.get("kind") == "mlp" else str(model.get("name"))
    test = f"{data['test']:,} test" if data["test"] else "no test split"
    rounds = sorted({cell.key.rounds for cell in group.cells if cell.key.rounds})
    optimizer = f"{train['optimizer']} {train['lr']:g}, batch {train['batch_size']}"
    rows = [
        ("network", sizes, "784-300-100-10"),
        ("initial weights", str(model.get("init", "the module's own")), "glorot"),
        ("images", f"{data['train']:,} train, {data['validation']:,} validation, {test}",
         "55,000 train, 5,000 validation, 10,000 test"),
        ("optimizer", optimizer + _decays(train), "adam 0.0012, batch 60"),
        ("steps of a retraining", f"{train['steps']:,}", "50,000"),
        ("evaluated every", f"{train['evaluate_every']:,} steps", "100 steps"),
        ("prunable", "weights and biases" if run.ticket["biases"] else "weights", "weights"),
        ("removed per round", "what reaches the ratio in the rounds; half as much of the output layer",
         "20 % of what remains; 10 % of the output layer"),
        ("rounds", ", ".join(map(str, rounds)) or "none", "as many as the ratio takes"),
        ("steps before a pruning", f"{found['steps']:,} shared by the rounds" if found else "none needed",
         "50,000 in every round"),
        ("accuracy", "highest of the validation images" + ("; test at the early stop" if data["test"] else ""),
         "test images, at the early-stop step"),
        ("trials", f"{group.num_seeds} seeds, each ticket reinitialized once",
         "5 seeds, each ticket reinitialized 3 times"),
    ]  # fmt: skip
    return [{"item": item, "here": here, "paper": paper, "departs": here != paper} for item, here, paper in rows]


def _decays(train: Json) -> str:
    named = (("momentum", "momentum"), ("weight_decay", "weight decay"))
    return "".join(f", {words} {train[key]:g}" for key, words in named if train[key])


def _group_provenance(group: Group) -> Json:
    runs = _runs(group)
    trained = {json.dumps(run.ticket["train"], sort_keys=True): run.ticket["train"] for run in runs}
    return {
        "title": group.title,
        "judged_with": group.params.model_dump(mode="json"),
        "train": runs[0].train,
        "train_of_tickets": [of for _, of in sorted(trained.items()) if of],
        "model": runs[0].model,
        "prunable": "weights and biases" if runs[0].ticket["biases"] else "weights",
        "data": {key: runs[0].data[key] for key in ("name", "source", "train", "validation", "test")},
        "data_digests": sorted({str(run.data["digest"]) for run in runs}),
        "protocol": protocol_rows(group),
        "n": {
            "runs": len(runs),
            "tickets": len({run.ticket["digest"] for run in runs}),
            "experiments": len(group.cells),
            "seeds": sorted({seed for cell in group.cells for seed in cell.runs}),
            "evaluations": sum(len(run.history) for run in runs),
        },
    }


def _group(group: Group, survivors: Survivors, stride: int) -> Json:
    runs = [(index, seed, run) for index, cell in enumerate(group.cells) for seed, run in cell.runs.items()]
    history = runs[0][2].history
    kept = [i for i in range(len(history)) if i % stride == stride - 1 or i == len(history) - 1]
    return {
        "title": group.title,
        "headlines": list(group.headlines),
        "margin": group.params.margin,
        "confidence": group.params.confidence,
        "num_runs": group.num_runs,
        "num_seeds": group.num_seeds,
        "validation": runs[0][2].data["validation"],
        "test": runs[0][2].data["test"],
        "stops_at_end": sum(cell.stops_at_end for cell in group.cells),
        "claims": [_claim(group, claim) for claim in group.claims],
        "cells": [_cell(cell) for cell in group.cells],
        "runs": [
            [index, seed, run.ticket["name"], run.ticket["sparsity"], *(run.metrics[name] for name in RUN_METRICS)]
            for index, seed, run in runs
        ],
        "curves": {
            "steps": [history[i].step for i in kept],
            "accuracy": [[_short(row.validation_accuracy, 5) for row in _at(run, kept)] for _, _, run in runs],
            "loss": [[_short(row.validation_loss, 4) for row in _at(run, kept)] for _, _, run in runs],
            "train_loss": [[_short(row.train_loss, 4) for row in _at(run, kept)] for _, _, run in runs],
        },
        "sparsity": [_sparsity(cell) for cell in group.cells if cell.key.method != "dense"],
        "layers": [[*row.key[1:], *row[1:]] for row in survivors.layers],
        "pixels": [[*row.key[1:], row.n, [round(float(kept), 1) for kept in row.kept]] for row in survivors.pixels],
        "common": [[*row.a[1:], *row.b[1:], *row[2:]] for row in survivors.common],
        "missing": list(survivors.missing),
    }


RUN_METRICS = ("best_accuracy", "best_step", "early_stop_accuracy", "early_stop_step", "final_accuracy")


def _at(run: Run, kept: Sequence[int]) -> list[Row]:
    return [run.history[i] for i in kept if i < len(run.history)]


def _short(value: float, digits: int) -> float | None:
    """Few digits: a curve is looked at."""
    return finite(float(f"{value:.{digits}g}"))


def _interval(value: Interval | None) -> Json | None:
    return {"n": value.n, "mean": value.mean, "low": value.low, "high": value.high} if value else None


def _claim(group: Group, claim: Claim) -> Json:
    cell = group.cell(claim.key)
    assert cell is not None
    return {
        **claim.key._asdict(),
        "ticket": claim.key.ticket,
        "density": 1 - cell.sparsity,
        "n": cell.accuracy.n,
        "state": claim.state,
        "conditions": {name: getattr(claim, name) for name in ("accurate", "fast", "sparse", "special")},
        "seeds": dict(claim.seeds_to_decide),
        "dense": _interval(cell.difference),
        "dense_verdict": cell.verdict,
        "step": _interval(claim.step_difference),
        "reinit": _interval(claim.reinit_difference),
        "random": _interval(claim.random_difference),
        "random_verdict": claim.random_verdict,
    }


def _cell(cell: Cell) -> Json:
    return {
        **cell.key._asdict(),
        "ticket": cell.key.ticket,
        "density": 1 - cell.sparsity,
        "accuracy": _interval(cell.accuracy),
        "stop": _interval(cell.early_stop_step),
        "test": _interval(cell.test_accuracy),
        "stops_at_end": cell.stops_at_end,
    }


def _sparsity(cell: Cell) -> Json:
    reached = [run.ticket["sparsity_by_round"] for run in cell.runs.values()]
    return {
        **cell.key._asdict(),
        "ticket": cell.key.ticket,
        "n": len(reached),
        "desired": desired_by_round(cell.key),
        "actual": [sum(after) / len(after) for after in zip(*reached, strict=True)],
    }


def _runs(group: Group) -> list[Run]:
    return [run for cell in group.cells for run in cell.runs.values()]


def _left_out(folder: Path, reason: str) -> Json:
    """A folder by the end of its path and why, without the places of this machine."""
    shown = str(Path(*folder.parts[-2:]) if folder.is_absolute() else folder)
    return {"folder": shown, "reason": reason.replace(str(folder), shown)}


def _script_digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _picture(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"

"""The report: runs read, grouped by protocol, aggregated over seeds and judged. Never trains.

One computation serves the terminal, the files and the figures.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.names import RUN_JSON
from lthctl.artifacts.run import Run, load_run
from lthctl.canonical import Json, canonical_json, sha256
from lthctl.errors import LthctlError, ReportError
from lthctl.params import ReportParams
from lthctl.reading import find_folders
from lthctl.reporting.verdicts import Group, judged_group


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
            raise ReportError(
                f"{path}: does not exist; retrain some tickets first: lthctl retrain masks/"
            )
    for folder in find_folders(paths, RUN_JSON):
        try:
            run = load_run(folder, with_weights=False)
            runs.setdefault(
                (run.ticket["digest"], run.control, run.training), run
            )  # the same run in two places counts once
        except LthctlError as error:
            left_out.append((folder, str(error)))
    if not runs:
        reasons = "".join(f"\n  {reason}" for _, reason in left_out)
        raise ReportError(
            f"{', '.join(map(str, paths))}: no run that can be read; make some: lthctl retrain "
            f"masks/{reasons}"
        )
    groups = [
        judged_group(title, members, params)
        for title, members in _by_protocol(list(runs.values())).items()
    ]
    return Report(
        tuple(sorted(groups, key=lambda group: (-group.num_runs, group.title))), tuple(left_out)
    )


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
        trained = {
            canonical_json(run.ticket["train"]): run.ticket["train"]
            for run in members
            if run.ticket["train"]
        }
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
    parts = [
        f"{data['name']} ({data['train']:,} train, {data['validation']:,} validation{tests} images)"
    ]
    sizes = "-".join(map(str, model["layers"])) if model.get("kind") == "mlp" else ""
    parts.append(f"{sizes} {model['init']}" if sizes else str(model.get("name")))
    parts.append(f"{train['optimizer']} {train['lr']:g}")
    parts += [
        f"{key.replace('_', ' ')} {train[key]:g}"
        for key in ("momentum", "weight_decay")
        if train[key]
    ]
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

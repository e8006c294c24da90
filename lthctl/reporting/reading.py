"""The report: runs read, grouped by protocol, aggregated over seeds and judged. Never trains.

One computation serves the terminal, the files and the figures.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.names import RUN_JSON
from lthctl.artifacts.run import Run, load_run
from lthctl.canonical import canonical_json, sha256
from lthctl.errors import LthctlError, ReportError
from lthctl.models.base import MlpDescription
from lthctl.params import ReportParams, RoundParams
from lthctl.reading import find_folders, is_there
from lthctl.reporting.making import Places
from lthctl.reporting.verdicts import Group, judged_group


@dataclass(frozen=True)
class Report:
    """Groups, the largest first; the folders that were left out with the reason, damaged ones and
    those that cannot be looked into; and the folders that were read."""

    groups: tuple[Group, ...]
    left_out: tuple[tuple[Path, str], ...]
    folders: tuple[Path, ...] = ()


def make_report(paths: Sequence[Path], params: ReportParams, masks: Path = Path("masks")) -> Report:
    """Read all runs at or below some paths and judge them.

    Args:
      paths: runs, or folders with runs below them.
      params: how they are judged.
      masks: where the commands that a report names look for their tickets.

    Raises:
      ReportError: there is no run, or two different runs claim to be the same experiment.
    """
    runs: dict[tuple[str, str, str], Run] = {}
    left_out: list[tuple[Path, str]] = []
    folders: list[Path] = []
    for path in paths:
        if not is_there(path, ReportError):
            raise ReportError(
                f"{path}: does not exist; retrain some tickets first: lthctl retrain masks/"
            )
    found = find_folders(paths, RUN_JSON)
    left_out += found.unread
    for folder in found.folders:
        try:
            run = load_run(folder, with_weights=False)
            runs.setdefault(
                (run.ticket.digest, run.control, run.training), run
            )  # the same run in two places counts once
            folders.append(folder)
        except LthctlError as error:
            left_out.append((folder, str(error)))
    if not runs:
        reasons = "".join(f"\n  {reason}" for _, reason in left_out)
        raise ReportError(
            f"{', '.join(map(str, paths))}: no run that can be read; make some: lthctl retrain "
            f"masks/{reasons}"
        )
    groups = [
        judged_group(title, members, params, Places.of(paths, masks))
        for title, members in _by_protocol(list(runs.values())).items()
    ]
    groups.sort(key=lambda group: (-group.num_runs, group.title))
    return Report(tuple(groups), tuple(left_out), tuple(folders))


def _by_protocol(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that may be compared, under a title that says what they have in common.

    Tickets that needed no training go with those of any training.
    """
    bases: dict[str, list[Run]] = {}
    for run in runs:
        bases.setdefault(_protocol(run), []).append(run)
    groups: dict[str, list[Run]] = {}
    for protocol, members in sorted(bases.items()):
        trained: dict[bytes, RoundParams | None] = {
            canonical_json(run.ticket.train.identity()): run.ticket.train
            for run in members
            if run.ticket.train is not None
        }
        for key, train in sorted(trained.items()) or [(b"", None)]:
            group = [run for run in members if run.ticket.train in (None, train)]
            title = _title(group[0], train)
            if title in groups:  # they differ in something that the title has no words for
                title += f" [{sha256(protocol.encode() + key)[:8]}]"
            groups[title] = group
    return groups


def _protocol(run: Run) -> str:
    """The same text for runs of the same data, model, training and prunable parameters."""
    data = run.data
    shared = {
        "data": [data.name, data.source, data.train, data.validation, data.test],
        "model": run.model.to_json(),
        "train": run.train.identity(),
        "biases": run.ticket.biases,
    }
    return json.dumps(shared, sort_keys=True)


ALWAYS_NAMED = frozenset(
    ("steps", "evaluate_every", "batch_size", "optimizer", "lr", "engine", "device", "threads")
)


def unusual_settings(train: RoundParams) -> list[str]:
    """The settings of a training that are named only where they are not at their defaults, such as
    "momentum 0.9"."""
    fields = type(train).model_fields
    values = {name: getattr(train, name) for name in fields if name not in ALWAYS_NAMED}
    return [
        f"{name.replace('_', ' ')} {value:g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
        for name, value in values.items()
        if value != fields[name].default
    ]


def _title(run: Run, train_of_tickets: RoundParams | None) -> str:
    train, model, data = run.train, run.model, run.data
    tests = f", {data.test:,} test" if data.test else ""
    parts = [f"{data.name} ({data.train:,} train, {data.validation:,} validation{tests} images)"]
    initial = f" {model.init}" if isinstance(model, MlpDescription) else ""
    parts.append(f"{model.name}{initial}")
    parts.append(f"{train.optimizer} {train.lr:g}")
    parts += unusual_settings(train)
    parts += [
        f"batch {train.batch_size}",
        f"{train.steps:,} steps",
        f"evaluated every {train.evaluate_every:,}",
    ]
    parts.append("weights and biases pruned" if run.ticket.biases else "weights pruned")
    if train_of_tickets is not None and train_of_tickets.steps != train.steps:
        parts.append(f"pruned after {train_of_tickets.steps:,} steps in all")
    threads = f", {train.threads} threads" if train.threads > 1 else ""
    parts.append(f"engine {train.engine} on {train.device}{threads}")
    return ", ".join(parts)

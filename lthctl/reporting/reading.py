"""The report: runs read, grouped by protocol, aggregated over seeds and judged. Never trains.

One computation serves the terminal, the files and the figures.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.names import RUN_JSON
from lthctl.artifacts.run import Run, load_run
from lthctl.canonical import Json, flat
from lthctl.errors import LthctlError, ReportError
from lthctl.models.base import MlpDescription
from lthctl.parameter_types import Moments
from lthctl.params import ReportParams, RoundParams, augment_words, rate_words
from lthctl.reading import find_folders, is_there
from lthctl.reporting.claims import JudgedClaims, judge_claims
from lthctl.reporting.claims_file import Claims
from lthctl.reporting.experiments import natural_order
from lthctl.reporting.making import Places
from lthctl.reporting.stability import read_connections, with_connections
from lthctl.reporting.verdicts import Group, judged_group


@dataclass(frozen=True)
class Report:
    """What was read, judged.

    Attributes:
      groups: the largest first.
      left_out: folders with the reason: damaged ones, and those that cannot be looked into.
      folders: those that were read.
      copies: runs with another order of the batches. They are no replicates, so no group has them.
      claims: those of a paper, judged by the largest group; None where none were given.
    """

    groups: tuple[Group, ...]
    left_out: tuple[tuple[Path, str], ...]
    folders: tuple[Path, ...] = ()
    copies: tuple[Run, ...] = ()
    claims: JudgedClaims | None = None


def make_report(
    paths: Sequence[Path],
    params: ReportParams,
    masks: Path = Path("masks"),
    claims: Claims | None = None,
) -> Report:
    """Read all runs at or below some paths and judge them.

    Args:
      paths: runs, or folders with runs below them.
      params: how they are judged.
      masks: where the commands that a report names look for their tickets.
      claims: what a paper says, to be judged.

    Raises:
      ReportError: there is no run, or two different runs claim to be the same experiment.
    """
    runs: dict[tuple[str, str, str], Run] = {}
    copies: dict[str, Run] = {}
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
            # The same run in two places counts once.
            if run.order_seed is None:
                runs.setdefault((run.ticket.digest, run.control, run.training), run)
            else:
                copies.setdefault(run.training, run)
            folders.append(folder)
        except LthctlError as error:
            left_out.append((folder, str(error)))
    if not runs:
        reasons = "".join(f"\n  {reason}" for _, reason in left_out)
        if copies:
            reasons += f"\n  there are {len(copies)} second copies only, which are no replicates"
        raise ReportError(
            f"{', '.join(map(str, paths))}: no run that can be read; make some: lthctl retrain "
            f"masks/{reasons}"
        )
    groups = [
        judged_group(protocol.title, members, params, Places.of(paths, masks), protocol.differs)
        for protocol, members in by_protocol(list(runs.values()))
    ]
    connections, unread = read_connections(paths)
    left_out += unread
    groups = [with_connections(group, copies.values(), connections) for group in groups]
    groups.sort(key=lambda group: (-group.num_runs, natural_order(group.title)))
    judged = judge_claims(groups[0], claims) if claims else None
    return Report(tuple(groups), tuple(left_out), tuple(folders), tuple(copies.values()), judged)


@dataclass(frozen=True)
class Protocol:
    """What runs that may be compared have in common.

    Attributes:
      title: all of it, in words.
      differs: what sets it apart from the others that were read; empty where there is one.
    """

    title: str
    differs: str


def by_protocol(runs: Sequence[Run]) -> list[tuple[Protocol, list[Run]]]:
    """Runs that may be compared, with what they have in common.

    How the trainings between the rounds of a ticket were done is not a part of it: tickets that
    were pruned otherwise are ladders of one group, beside the same dense runs.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(json.dumps(_protocol(run), sort_keys=True), []).append(run)
    settings = [dict(flat(json.loads(text))) for text in groups]
    differing = [
        key
        for key in dict.fromkeys(key for one in settings for key in one)
        if len({json.dumps(one.get(key)) for one in settings}) > 1
    ]
    titles = Counter(_title(members[0]) for members in groups.values())
    found = []
    for one, members in zip(settings, groups.values(), strict=True):
        title = _title(members[0])
        differs = ", ".join(f"{_words(key)} {_short(one.get(key))}" for key in differing)
        if titles[title] > 1:  # they differ in something that the title has no words for
            title += f" [{differs}]"
        found.append((Protocol(title, differs), members))
    return sorted(found, key=lambda pair: natural_order(pair[0].title))


def _protocol(run: Run) -> Json:
    """The same for runs of the same data, model, training and prunable parameters."""
    data = run.data
    return {
        "data": {name: value for name, value in data.identity().items() if name != "digest"},
        "model": run.model.to_json(),
        "train": run.train.identity(),
        "biases": run.ticket.biases,
    }


def _words(key: str) -> str:
    """A setting for people: a training's by its name alone, others with their section."""
    return key.removeprefix("train.").replace("_", " ").replace(".", " ")


def _short(value: object) -> str:
    """A value as it is written; a digest by its first letters."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return "-".join(map(str, value))
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text[:8] if re.fullmatch("[0-9a-f]{64}", text) else text


ALWAYS_NAMED = frozenset(
    ("steps", "evaluate_every", "batch_size", "optimizer", "lr", "engine", "device", "threads")
) | {"schedule", "warmup", "lr_drops"}


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


def _pixel_words(normalize: Moments | str) -> str:
    """Such as "by mean 0.1307 and deviation 0.3081"."""
    if isinstance(normalize, str):
        return f"({normalize})"
    mean, deviation = (
        ", ".join(f"{value:g}" for value in (part if isinstance(part, tuple) else (part,)))
        for part in normalize
    )
    return f"by mean {mean} and deviation {deviation}"


def _title(run: Run) -> str:
    train, model, data = run.train, run.model, run.data
    tests = f", {data.test:,} test" if data.test else ""
    parts = [f"{data.name} ({data.train:,} train, {data.validation:,} validation{tests} images)"]
    if data.normalize is not None:
        parts.append(f"pixels normalized {_pixel_words(data.normalize)}")
    if data.augment is not None:
        parts.append(f"augmented ({augment_words(data.augment)})")
    initial = f" {model.init}" if isinstance(model, MlpDescription) else ""
    parts.append(f"{model.name}{initial}")
    parts.append(f"{train.optimizer} {rate_words(train)}")
    parts += unusual_settings(train)
    parts += [
        f"batch {train.batch_size}",
        f"{train.steps:,} steps",
        f"evaluated every {train.evaluate_every:,}",
    ]
    parts.append("weights and biases pruned" if run.ticket.biases else "weights pruned")
    threads = f", {train.threads} threads" if train.threads > 1 else ""
    parts.append(f"engine {train.engine} on {train.device}{threads}")
    return ", ".join(parts)

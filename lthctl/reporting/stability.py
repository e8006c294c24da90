"""Is it stable? How much the error rises between copies of a run that differ in their order.

Reads connections, as `lthctl connect` keeps them, and never evaluates a network. The measure is the
instability of Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis" (ICML
2020). What they say of a mean is said here of its interval.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from lthctl.artifacts.connection import Connection
from lthctl.artifacts.connection_document import STABLE_BELOW, SplitName
from lthctl.artifacts.connection_folder import ConnectionFolder
from lthctl.artifacts.names import CONNECTION_JSON
from lthctl.artifacts.run import Run
from lthctl.errors import LthctlError
from lthctl.reading import find_folders
from lthctl.reporting.experiments import VALUE_ROUNDING, Experiment
from lthctl.reporting.statistics import Interval, interval
from lthctl.reporting.verdicts import Group, Joined

IsStable = Literal["stable", "not stable", "unknown"]

RULE = (
    f"Stable: the interval of the barrier lies below {100 * STABLE_BELOW:g} points; not stable: it "
    "lies above. The barrier is the highest error on the straight line between two copies of a "
    "run, minus the mean error of both. The copies differ in the order of their batches."
)


@dataclass(frozen=True)
class Stability:
    """Whether an experiment is stable to the order of its batches.

    Attributes:
      experiment: whose runs were copied.
      judged: the split that says so.
      heights: seed -> barrier of those images, a fraction in [0, 1]; of several pairs of copies
        their mean.
      barrier, on_train: barriers over the seeds, of the judged images and of those trained on.
      is_stable: what the interval of the first shows.
      rises: the line's places, and the error there minus the mean of both ends, mean over all
        pairs.
    """

    experiment: Experiment
    judged: SplitName
    heights: dict[int, float]
    barrier: Interval
    on_train: Interval
    is_stable: IsStable
    rises: tuple[tuple[float, float], ...]


def stabilities_of(group: Group) -> tuple[Stability, ...]:
    """The experiments of a group whose copies were connected, in order."""
    return tuple(
        _stability(group, experiment, joined)
        for experiment in group.experiments
        if (joined := [one for one in group.joined if one.key == experiment.key])
    )


def _stability(group: Group, experiment: Experiment, joined: Sequence[Joined]) -> Stability:
    first = joined[0].connection

    def over_seeds(split: SplitName) -> tuple[dict[int, float], Interval]:
        heights: dict[int, list[float]] = {}
        for one in joined:
            heights.setdefault(one.seed, []).append(one.connection.barriers[split].height)
        means = {seed: float(np.mean(values)) for seed, values in sorted(heights.items())}
        least = VALUE_ROUNDING / first.images[split]
        found = interval(list(means.values()), group.params.confidence, least_deviation=least)
        return means, found

    heights, barrier = over_seeds(first.judged)
    return Stability(
        experiment,
        first.judged,
        heights,
        barrier,
        over_seeds("train")[1],
        _is_stable(barrier),
        _rises([one.connection for one in joined], first.judged),
    )


def _is_stable(barrier: Interval) -> IsStable:
    if barrier.low is None or barrier.high is None:
        return "unknown"
    if barrier.high < STABLE_BELOW:
        return "stable"
    return "not stable" if barrier.low >= STABLE_BELOW else "unknown"


def _rises(connections: Sequence[Connection], split: SplitName) -> tuple[tuple[float, float], ...]:
    places = [point.place for point in connections[0].points]
    alike = [one for one in connections if len(one.points) == len(places)]
    rises = np.mean(
        [
            [point.error(split) - sum(one.barriers[split].ends) / 2 for point in one.points]
            for one in alike
        ],
        axis=0,
    )
    return tuple(zip(places, map(float, rises), strict=True))


def read_connections(
    paths: Sequence[Path],
) -> tuple[tuple[Connection, ...], list[tuple[Path, str]]]:
    """The connections at or below some paths; and the folders that cannot be read, with the
    reason."""
    found = find_folders(paths, CONNECTION_JSON)
    connections, left_out = [], list(found.unread)
    for folder in found.folders:
        try:
            connections.append(ConnectionFolder(folder).connection)
        except LthctlError as error:
            left_out.append((folder, str(error)))
    return tuple(connections), left_out


def with_connections(
    group: Group, copies: Iterable[Run], connections: Iterable[Connection]
) -> Group:
    """A group with the connections of its runs.

    Args:
      group: comparable runs.
      copies: runs with another order of the batches, of this group and of others.
      connections: of any runs. Those that do not join two copies of a run of the group are left
        out.
    """
    by_request: dict[str, list[Run]] = {}
    for copy in copies:
        by_request.setdefault(_request(copy), []).append(copy)
    owners = {
        _end(run): (experiment.key, seed)
        for experiment in group.experiments
        for seed, first in experiment.all_runs
        for run in (first, *by_request.get(_request(first), ()))
    }
    joined = {}
    for connection in connections:
        a, b = connection.request.a, connection.request.b
        ends = [(end.training, end.ticket, end.variant) for end in (a, b)]
        owner = owners.get(ends[0])
        if owner is not None and owner == owners.get(ends[1]):
            # The same pair in two places, or the other way round, counts once.
            joined[frozenset(ends)] = Joined(*owner, connection)
    return replace(group, joined=tuple(joined.values())) if joined else group


def _request(run: Run) -> str:
    """What was asked for, but for the order of the batches."""
    first = run.specification.model_copy(update={"order_seed": None})
    return json.dumps(first.to_json(), sort_keys=True)


def _end(run: Run) -> tuple[str, str, str]:
    return run.training, run.ticket.name, run.variant


def stability_sentence(group: Group) -> str | None:
    """What is said in a line; None where there are no connections."""
    found = stabilities_of(group)
    if not found:
        return None
    highest = max(found, key=lambda one: one.barrier.mean)
    words = [
        f"{number} {answer}"
        for answer in ("stable", "not stable", "unknown")
        if (number := sum(one.is_stable == answer for one in found))
    ]
    return (
        f"Stable to the order of the batches: of {len(found)} "
        f"experiment{'s' * (len(found) != 1)} {', '.join(words)}. The highest barrier is "
        f"{100 * highest.barrier.mean:.2f} points, {highest.experiment.key.label}, "
        f"n {highest.barrier.n}."
    )

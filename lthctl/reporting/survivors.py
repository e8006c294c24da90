"""What survived pruning: per layer and round, per pixel, and in common with other masks.

Reads the tickets that the runs of a report name, by their digests. Knows masks and where they came
from; nothing about accuracies.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lthctl.artifacts.folders import TicketFolder
from lthctl.artifacts.names import TICKET_JSON, layer_order
from lthctl.artifacts.run_document import TicketSummary
from lthctl.artifacts.ticket_document import RoundCounts
from lthctl.errors import LthctlError, TicketError
from lthctl.mask import Mask
from lthctl.models.base import MlpDescription
from lthctl.reading import find_folders
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.overlap import MaskOverlap, overlap
from lthctl.reporting.reading import Report
from lthctl.reporting.tables import csv_bytes
from lthctl.reporting.verdicts import Group

SEEDS_COMPARED = 5
"""Overlaps are of the first so many seeds: pairs grow with the square of their number."""


DIFFERS = ("seed", "method", "rounds", "ratio", "pruned_with", "per_round", "variant")


class LayerCount(NamedTuple):
    """A parameter after a round, over the seeds.

    `desired` and `actual` are sparsities, `kept` and `actual` means over `n` tickets; `size` and
    `kept` are weights.
    """

    key: ExperimentKey
    round: int
    layer: str
    size: int
    desired: float
    kept: float
    actual: float
    n: int


class Pixels(NamedTuple):
    """The surviving weights of every input, mean over `n` tickets, in row-major order."""

    key: ExperimentKey
    n: int
    kept: NDArray[np.float64]


class Kernels(NamedTuple):
    """The kernels of the first convolution of one ticket, that of the lowest seed.

    `shape` is (outputs, inputs, rows, columns). `values` are the weights that it rewinds to, in
    row-major order; None where a weight is pruned.
    """

    key: ExperimentKey
    ticket: str
    layer: str
    shape: tuple[int, ...]
    values: tuple[float | None, ...]


class Common(NamedTuple):
    """What the masks of two experiments keep in common, over pairs of tickets that differ in one
    thing only.

    `differs` says in what: "seed" (then a is b), or "method", "rounds" or "ratio" (pairs of equal
    seeds). `both` and `expected` are numbers of weights, kept by both and by chance, means over `n`
    pairs; `ratio` is their quotient, likewise, with its least and greatest; `log10_p` is the
    greatest of the pairs.
    """

    a: ExperimentKey
    b: ExperimentKey
    differs: str
    n: int
    both: float
    expected: float
    ratio: float
    least: float
    greatest: float
    log10_p: float


@dataclass(frozen=True)
class Survivors:
    """What survived in the tickets of a group.

    Attributes:
      layers: in the order of experiments, rounds and layers.
      pixels: per experiment; empty where the inputs are no square picture.
      common: overlaps.
      missing: names of tickets that the runs name and that were not found, sorted.
      kernels: per experiment; empty where the first layer is no convolution over pictures.
    """

    layers: tuple[LayerCount, ...]
    pixels: tuple[Pixels, ...]
    common: tuple[Common, ...]
    missing: tuple[str, ...]
    kernels: tuple[Kernels, ...] = ()


def find_survivors(
    report: Report, folder: Path
) -> tuple[tuple[Survivors, ...], tuple[tuple[Path, str], ...]]:
    """Read the masks of a report's runs, from the tickets at or below a folder.

    Args:
      report: its runs name the tickets by their digests.
      folder: where to look; need not exist.

    Returns:
      For every group what survived; and the ticket folders that were left out, with the reason.
    """
    wanted = {
        run.ticket.digest
        for group in report.groups
        for experiment in group.experiments
        for _, run in experiment.all_runs
    }
    places: dict[str, Path] = {}
    left_out: list[tuple[Path, str]] = []
    found = find_folders([folder], TICKET_JSON)
    left_out += found.unread
    for place in found.folders:
        try:
            ticket = TicketFolder(place)
            if ticket.document and ticket.digest in wanted and ticket.digest not in places:
                _ = ticket.mask  # refused here if it is damaged, and read again where it is used
                places[ticket.digest] = place
        except LthctlError as error:
            left_out.append((place, str(error)))
    return tuple(_survivors(group, places) for group in report.groups), tuple(left_out)


def survivor_files(groups: Sequence[Survivors]) -> dict[str, bytes]:
    """File name -> bytes: layers.csv, pixels.csv (a row per experiment, a column per pixel) and
    overlap.csv."""
    layers = [
        [number, *row.key[1:], *row[1:]]
        for number, group in enumerate(groups, start=1)
        for row in group.layers
    ]
    num_pixels = max((len(row.kept) for group in groups for row in group.pixels), default=0)
    pixels = [
        [number, *row.key[1:], row.n, *(round(float(kept), 4) for kept in row.kept)]
        for number, group in enumerate(groups, start=1)
        for row in group.pixels
    ]
    common = [
        [number, *row.a[1:], *row.b[1:], *row[2:-1], _written(row.log10_p)]
        for number, group in enumerate(groups, start=1)
        for row in group.common
    ]
    ticket = ExperimentKey._fields[1:]
    return {
        "layers.csv": csv_bytes(["group", *ticket, *LayerCount._fields[1:]], layers),
        "pixels.csv": csv_bytes(
            ["group", *ticket, "n", *(f"pixel_{i}" for i in range(num_pixels))], pixels
        ),
        "overlap.csv": csv_bytes(
            ["group", *(f"{name}_{side}" for side in "ab" for name in ticket), *Common._fields[2:]],
            common,
        ),
    }


def _written(log10_p: float) -> float:
    """Nine significant digits: the rest differs between processors."""
    return float(f"{log10_p:.9g}")


def _survivors(group: Group, places: Mapping[str, Path]) -> Survivors:
    tickets: dict[ExperimentKey, dict[int, TicketSummary]] = {}
    for experiment in group.experiments:
        replicates = tickets.setdefault(experiment.key._replace(control="rewind"), {})
        replicates.update(experiment.tickets)
    missing = {
        ticket.name
        for replicates in tickets.values()
        for ticket in replicates.values()
        if ticket.digest not in places
    }
    model = group.experiments[0].first_run.model
    inputs = model.layers[0] if isinstance(model, MlpDescription) else 0
    is_square = inputs > 0 and math.isqrt(inputs) ** 2 == inputs
    compared = set(
        sorted({seed for replicates in tickets.values() for seed in replicates})[:SEEDS_COMPARED]
    )
    layers: list[LayerCount] = []
    pixels: list[Pixels] = []
    kernels: list[Kernels] = []
    masks: dict[ExperimentKey, dict[int, Mask]] = {}
    for key in sorted(tickets, key=ExperimentKey.order):
        if key.method == "dense":
            continue
        counts = []
        kept = []
        for seed, ticket in sorted(tickets[key].items()):
            if ticket.digest not in places:
                continue
            folder = TicketFolder(places[ticket.digest])
            mask = folder.mask
            if folder.digest != ticket.digest:
                raise TicketError(
                    f"{folder.path}: was replaced while the report was made; make it again"
                )
            counts.append(folder.document.counts)
            first = mask[min(mask, key=layer_order)]
            if is_square and first.ndim == 2 and first.shape[1] == inputs:
                kept.append(first.sum(axis=0))
            if seed in compared:
                masks.setdefault(key, {})[seed] = mask
            if not any(one.key == key for one in kernels):
                kernels += _kernels(key, folder, mask)
        layers += _layer_counts(key, counts)
        if kept:
            pixels.append(Pixels(key, len(kept), np.mean(kept, axis=0)))
    common = tuple(_common(masks))
    return Survivors(tuple(layers), tuple(pixels), common, tuple(sorted(missing)), tuple(kernels))


MOST_KERNEL_WEIGHTS = 10_000  # of a picture: 9,408 are those of a ResNet-18
CHANNELS = (1, 3)  # of a picture


def _kernels(key: ExperimentKey, folder: TicketFolder, mask: Mask) -> Iterator[Kernels]:
    for name in sorted(mask, key=layer_order):
        kept = mask[name]
        if kept.ndim == 4 and kept.shape[1] in CHANNELS and kept.size <= MOST_KERNEL_WEIGHTS:
            rewound = folder.rewound
            weights = (folder.init if rewound is None else rewound)[name]
            values = tuple(
                float(f"{value:.3g}") if there else None
                for value, there in zip(weights.ravel().tolist(), kept.ravel(), strict=True)
            )
            yield Kernels(key, folder.document.name, name, kept.shape, values)
            return


def _layer_counts(
    key: ExperimentKey, tickets: Sequence[Sequence[RoundCounts]]
) -> Iterator[LayerCount]:
    for index in range(key.rounds if tickets else 0):
        layers = [counts[index].layers for counts in tickets]
        for name in sorted(layers[0], key=layer_order):
            replicates = [of_ticket[name] for of_ticket in layers if name in of_ticket]
            n, first = len(replicates), replicates[0]
            kept = sum(layer.kept for layer in replicates) / n
            actual = sum(layer.actual for layer in replicates) / n
            yield LayerCount(key, index + 1, name, first.size, first.desired, kept, actual, n)


def _common(masks: Mapping[ExperimentKey, Mapping[int, Mask]]) -> Iterator[Common]:
    for key, replicates in masks.items():
        overlaps = [overlap(a, b) for a, b in combinations(replicates.values(), 2)]
        if overlaps:
            yield _mean_common(key, key, "seed", overlaps)
    for a, b in combinations(masks, 2):
        differing = [name for name in DIFFERS[1:] if getattr(a, name) != getattr(b, name)]
        seeds = [seed for seed in masks[a] if seed in masks[b]]
        if len(differing) == 1 and seeds:
            yield _mean_common(
                a, b, differing[0], [overlap(masks[a][seed], masks[b][seed]) for seed in seeds]
            )


def _mean_common(
    a: ExperimentKey, b: ExperimentKey, differs: str, overlaps: Sequence[MaskOverlap]
) -> Common:
    totals = [overlap.total for overlap in overlaps]
    ratios = [total.ratio or 0.0 for total in totals]
    return Common(
        a,
        b,
        differs,
        len(totals),
        sum(total.kept_both for total in totals) / len(totals),
        sum(total.expected for total in totals) / len(totals),
        sum(ratios) / len(ratios),
        min(ratios),
        max(ratios),
        max(total.log10_p for total in totals),
    )

"""Figures of single runs: what they were and what they reached, and where weights survive."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lthctl.reporting.styles import (
    control_order,
    is_known_method,
    method_order,
)
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.verdicts import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parallel_figure(group: Group) -> "Figure":
    """Every run as a line over what it was and what it reached, coloured by its accuracy."""
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    runs = [
        (experiment.key, seed, run)
        for experiment in group.experiments
        for seed, run in experiment.all_runs
    ]
    methods = sorted(
        {key.method for key, _, _ in runs},
        key=lambda name: (is_known_method(name), method_order(name)),
        reverse=True,
    )
    controls = sorted({key.control for key, _, _ in runs}, key=control_order)
    axes: list[tuple[str, list[float], list[tuple[float, str]]]] = [
        _ranks("method", [key.method for key, _, _ in runs], methods[::-1]),
        _ranks("control", [key.control for key, _, _ in runs], controls[::-1]),
        _ranks("rounds", [key.rounds for key, _, _ in runs]),
        _ranks("ratio", [key.ratio for key, _, _ in runs]),
        _ranks("seed", [seed for _, seed, _ in runs]),
        _values("sparsity reached", [-math.log(1 - run.ticket.sparsity) for _, _, run in runs],
                lambda value: f"{100 * (1 - math.exp(-value)):.1f} %"),
        _values("best accuracy", [run.metrics.best_accuracy for _, _, run in runs],
                lambda value: f"{100 * value:.2f} %"),
        _values("early-stop step", [run.metrics.early_stop_step for _, _, run in runs],
                lambda value: f"{value:,.0f}"),
    ]  # fmt: skip
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    panel = figure.subplots()
    heights = [position for _, position, _ in axes]
    lines = [[(x, heights[x][i]) for x in range(len(axes))] for i in range(len(runs))]
    colours = colormaps["viridis"]([0.9 * heights[6][i] for i in range(len(runs))])
    panel.add_collection(
        LineCollection(
            lines, colors=colours, linewidths=0.8, alpha=max(0.1, min(0.8, 100 / len(runs)))
        )
    )
    for x, (_, _, ticks) in enumerate(axes):
        panel.axvline(x, color="#888888", linewidth=0.8)
        for height, text in ticks:
            panel.text(x + 0.04, height, text, fontsize=8, va="center", parse_math=False)
    panel.set_xticks(range(len(axes)), [name for name, _, _ in axes])
    panel.tick_params(length=0, labelsize=9)
    panel.set_xlim(-0.1, len(axes) - 0.5)
    panel.set_ylim(-0.04, 1.04)
    panel.yaxis.set_visible(False)
    panel.spines[:].set_visible(False)
    panel.set_title(f"{len(runs)} runs, coloured by best accuracy", fontsize=11)
    return figure


def _ranks(
    name: str, values: Sequence[Any], order: Sequence[Any] | None = None
) -> tuple[str, list[float], list[tuple[float, str]]]:
    """An axis of values that are set: evenly spaced, few of them labelled where there are many."""
    order = list(order) if order else sorted(set(values))
    place = {value: (i + 0.5) / len(order) for i, value in enumerate(order)}
    labelled = order[:: -(-len(order) // 14)]
    return (
        name,
        [place[value] for value in values],
        [(place[value], str(value)) for value in labelled],
    )


def _values(
    name: str, values: Sequence[float], text: Callable[[float], str]
) -> tuple[str, list[float], list[tuple[float, str]]]:
    """An axis of values that were reached, from the least to the greatest."""
    low, high = min(values), max(values)
    width = high - low or 1.0
    labels = [(i / 4, text(low + i / 4 * width)) for i in range(5 if high > low else 1)]
    return name, [(value - low) / width for value in values], labels


def pixels_figure(survivors: Survivors) -> "Figure":
    """Surviving input weights per pixel: a column per ratio and number of rounds, a row per
    method."""
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(row.key.method for row in survivors.pixels))
    columns = sorted({(row.key.rounds, row.key.ratio) for row in survivors.pixels})
    figure = Figure(
        figsize=(1 + 1.9 * max(1, len(columns)), 0.5 + 2.1 * max(1, len(methods))),
        layout="constrained",
    )
    if not columns:
        figure.text(0.5, 0.5, "no masks", ha="center", va="center")
        return figure
    panels = figure.subplots(len(methods), len(columns), squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    most = {column: max(float(row.kept.max()) for row in survivors.pixels
                        if (row.key.rounds, row.key.ratio) == column)
            for column in columns}  # fmt: skip
    for row in survivors.pixels:
        column = (row.key.rounds, row.key.ratio)
        panel = panels[methods.index(row.key.method), columns.index(column)]
        side = math.isqrt(len(row.kept))
        panel.imshow(
            row.kept.reshape(side, side),
            cmap="viridis",
            vmin=0,
            vmax=most[column],
            interpolation="nearest",
        )
        rounds = "one-shot" if row.key.rounds == 1 else f"{row.key.rounds} rounds"
        title = (
            f"{row.key.method}, {row.key.ratio:g}, {rounds}\n0 to {most[column]:.0f} (n = {row.n})"
        )
        panel.set_title(title, fontsize=8, parse_math=False)
    return figure

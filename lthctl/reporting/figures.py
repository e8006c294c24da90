"""Static figures of a report, as SVG whose bytes depend on the data alone."""

import io
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from lthctl.reporting.experiments import DENSE, Experiment, ExperimentKey
from lthctl.reporting.looks import (
    DENSE_COLOUR,
    control_look,
    control_order,
    is_known_method,
    line_style,
    method_look,
    method_order,
)
from lthctl.reporting.statistics import Interval, interval
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.verdicts import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure_files(group: Group, survivors: Survivors) -> dict[str, bytes]:
    """File name -> SVG of the figures of a group."""
    return {
        "verdict.svg": _svg(_verdict(group)),
        "accuracy.svg": _svg(_accuracy(group)),
        "early_stop.svg": _svg(_early_stop(group)),
        "curves.svg": _svg(_curves(group)),
        "parallel.svg": _svg(_parallel(group)),
        "pixels.svg": _svg(_pixels(survivors)),
    }


def _verdict(group: Group) -> "Figure":
    """The paired differences behind every verdict, with their intervals; the margin is shaded."""
    from matplotlib.figure import Figure

    verdicts = group.verdicts
    names = [
        f"{verdict.key.ticket}: {'wins' if verdict.state == 'held' else verdict.state}"
        for verdict in verdicts
    ]
    judged = {verdict.key for verdict in verdicts}
    margin = 100 * group.params.margin
    panels_of: list[tuple[str, float, list[Interval | None]]] = [
        (
            "accuracy minus dense (points)",
            100,
            [experiment.difference for experiment in group.experiments if experiment.key in judged],
        ),
        ("early stop minus dense (steps)", 1, [verdict.step_difference for verdict in verdicts]),
        (
            "accuracy minus reinit (points)",
            100,
            [verdict.reinit_difference for verdict in verdicts],
        ),
        (
            "accuracy minus random (points)",
            100,
            [verdict.random_difference for verdict in verdicts],
        ),
    ]
    figure = Figure(figsize=(13, 1.2 + 0.32 * max(1, len(verdicts))), layout="constrained")
    panels = figure.subplots(1, len(panels_of), sharey=True)
    for panel, (name, factor, differences) in zip(panels, panels_of, strict=True):
        panel.axvline(0, color="#888888", linewidth=0.8)
        if factor == 100:
            panel.axvspan(-margin, margin, color=DENSE_COLOUR, alpha=0.06, linewidth=0)
        for method in dict.fromkeys(verdict.key.method for verdict in verdicts):
            rows = [
                (i, value)
                for i, value in enumerate(differences)
                if value and verdicts[i].key.method == method
            ]
            panel.errorbar(
                [factor * value.mean for _, value in rows],
                [height for height, _ in rows],
                xerr=[
                    0.0 if value.low is None else factor * (value.mean - value.low)
                    for _, value in rows
                ],
                color=method_look(method).colour,
                linestyle="none",
                marker="o",
                markersize=4,
                capsize=2.5,
            )
        panel.set_ylim(max(1, len(verdicts)) - 0.5, -0.5)  # the first on top
        panel.set_xlabel(name, fontsize=9)
        panel.tick_params(labelsize=8, left=False)
        panel.grid(axis="x", alpha=0.25)
        panel.spines[["top", "right", "left"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    for text in panels[0].get_yticklabels():
        text.set_parse_math(False)
    return figure


def _accuracy(group: Group) -> "Figure":
    return _against_size(group, "accuracy", 100, "maximum validation accuracy (%)")


def _early_stop(group: Group) -> "Figure":
    return _against_size(group, "early_stop_step", 1, "early-stop step")


def _against_size(
    group: Group, figure_of: Literal["accuracy", "early_stop_step"], factor: float, name: str
) -> "Figure":
    """A figure of the experiments against remaining weights, a panel per number of rounds.

    Args:
      group: whose experiments.
      figure_of: which of their intervals.
      factor: by which it is multiplied.
      name: what the axis is called.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    all_rounds = sorted(
        {
            experiment.key.rounds
            for experiment in group.experiments
            if experiment.key.method != "dense"
        }
    ) or [0]
    figure = Figure(figsize=(1.2 + 5.3 * len(all_rounds), 4.4), layout="constrained")
    panels = figure.subplots(1, len(all_rounds), sharey=True, squeeze=False)[0]
    for panel, rounds in zip(panels, all_rounds, strict=True):
        if group.dense is not None:
            value: Interval = getattr(group.dense, figure_of)
            panel.axhline(
                factor * value.mean,
                color=DENSE_COLOUR,
                linewidth=1.2,
                label=f"dense (n = {value.n})",
            )
            if value.low is not None and value.high is not None:
                panel.axhspan(
                    factor * value.low,
                    factor * value.high,
                    color=DENSE_COLOUR,
                    alpha=0.08,
                    linewidth=0,
                )
        experiments = [
            experiment
            for experiment in group.experiments
            if experiment.key.rounds == rounds and experiment.key.method != "dense"
        ]
        densities = sorted(
            {float(f"{100 * (1 - experiment.sparsity):.3g}") for experiment in experiments},
            reverse=True,
        )
        for method, control in sorted(
            {(experiment.key.method, experiment.key.control) for experiment in experiments},
            key=lambda ms: ExperimentKey(ms[1], ms[0], 0, 0).order(),
        ):
            line = [
                experiment
                for experiment in experiments
                if (experiment.key.method, experiment.key.control) == (method, control)
            ]
            _draw_line(panel, line, [getattr(experiment, figure_of) for experiment in line], factor)
        panel.set_xscale("log")
        panel.invert_xaxis()
        panel.set_xticks(densities)
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel("remaining weights (%)")
        panel.set_title("one-shot" if rounds == 1 else f"{rounds} rounds", fontsize=11)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(name)
    _legend(panels[0], "lower left" if figure_of == "accuracy" else "upper left")
    return figure


def _draw_line(
    panel: "Axes", experiments: list[Experiment], values: list[Interval], factor: float
) -> None:
    method, control = experiments[0].key.method, experiments[0].key.control
    replicates = sorted({value.n for value in values})
    n = str(replicates[0]) if len(replicates) == 1 else f"{replicates[0]} to {replicates[-1]}"
    panel.errorbar(
        [100 * (1 - experiment.sparsity) for experiment in experiments],
        [factor * value.mean for value in values],
        yerr=[
            factor * (value.mean - (value.mean if value.low is None else value.low))
            for value in values
        ],  # symmetric
        color=method_look(method).colour,
        linestyle=line_style(control),
        marker=control_look(control).marker,
        markersize=4,
        linewidth=1.4,
        capsize=2.5,
        label=f"{method}, {control} (n = {n})",
    )


def _parallel(group: Group) -> "Figure":
    """Every run as a line over what it was and what it reached, coloured by its accuracy."""
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    runs = [
        (experiment.key, seed, run)
        for experiment in group.experiments
        for seed, run in experiment.runs.items()
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


def _pixels(survivors: Survivors) -> "Figure":
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


def _curves(group: Group) -> "Figure":
    """Validation accuracy over the steps, mean over seeds, of rewound tickets of the first
    method and the most rounds, all ratios over each other."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 4.4), layout="constrained")
    panel = figure.subplots()
    pruned = [
        experiment
        for experiment in group.experiments
        if experiment.key.control == "rewind" and experiment.key.method != "dense"
    ]
    best_method = min(
        (experiment.key.method for experiment in pruned), key=method_order, default=""
    )
    rounds = max(
        (experiment.key.rounds for experiment in pruned if experiment.key.method == best_method),
        default=0,
    )
    chosen = [
        experiment
        for experiment in pruned
        if experiment.key.method == best_method and experiment.key.rounds == rounds
    ]
    shades = colormaps["viridis"]
    for index, experiment in enumerate(chosen):
        colour = shades(0.05 + 0.85 * index / max(1, len(chosen) - 1))
        _draw_curve(
            panel,
            experiment,
            f"{100 * (1 - experiment.sparsity):.1f} % of weights (n = {experiment.accuracy.n})",
            colour,
        )
    dense = group.experiment(DENSE)
    if dense is not None:
        _draw_curve(panel, dense, f"dense (n = {dense.accuracy.n})", DENSE_COLOUR)
    final = [
        100 * run.history[-1].validation_accuracy
        for experiment in group.experiments
        for run in experiment.runs.values()
    ]
    first = [
        100 * row.validation_accuracy
        for experiment in chosen
        for run in experiment.runs.values()
        for row in run.history[1:2]
    ]
    panel.set_ylim(bottom=max(0.0, min([*first, *final, 100.0]) - 1))
    panel.set_xlabel("training steps")
    panel.set_ylabel("validation accuracy (%), mean over seeds")
    if chosen:
        panel.set_title(
            f"{best_method}, {'one-shot' if rounds == 1 else f'{rounds} rounds'}, rewound",
            fontsize=11,
        )
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    _legend(panel, "lower right")
    return figure


def _draw_curve(panel: "Axes", experiment: Experiment, label: str, colour: object) -> None:
    runs = list(experiment.runs.values())
    steps = [row.step for row in runs[0].history]
    means = [
        100 * interval([run.history[i].validation_accuracy for run in runs], 0.95).mean
        for i in range(len(steps))
    ]
    panel.plot(steps, means, color=colour, linewidth=1.6, label=label)


def _legend(panel: "Axes", place: Literal["lower left", "lower right", "upper left"]) -> None:
    """A legend of the lines that have a label, if any. Labels hold names from files: text, not
    mathematics."""
    drawn: list[Any] = [*panel.lines, *panel.containers]
    lines = {str(artist.get_label()): artist for artist in drawn}
    named = {
        label: line
        for label, line in lines.items()
        if not label.startswith(("_child", "_nolegend_"))
    }
    if named:
        legend = panel.legend(
            handles=list(named.values()), labels=list(named), fontsize=8, frameon=False, loc=place
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _svg(figure: "Figure") -> bytes:
    from matplotlib import rc_context

    content = io.BytesIO()
    with rc_context({"svg.hashsalt": "lthctl", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()

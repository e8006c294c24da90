"""Figures of experiments as lines: against remaining weights, and over the steps."""

from typing import TYPE_CHECKING, Any, Literal

from lthctl.reporting.experiments import DENSE, Experiment, ExperimentKey
from lthctl.reporting.statistics import Interval, interval
from lthctl.reporting.styles import (
    DENSE_COLOUR,
    control_look,
    line_style,
    method_look,
    method_order,
)
from lthctl.reporting.verdicts import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def accuracy_figure(group: Group) -> "Figure":
    return _against_size(group, "accuracy", 100, f"{group.accuracy_words} (%)")


def early_stop_figure(group: Group) -> "Figure":
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

    walks = list(
        dict.fromkeys(one.key.walk for one in group.experiments if one.key.method != DENSE.method)
    ) or [DENSE.walk]
    figure = Figure(figsize=(1.2 + 5.3 * len(walks), 4.4), layout="constrained")
    panels = figure.subplots(1, len(walks), sharey=True, squeeze=False)[0]
    for panel, walk in zip(panels, walks, strict=True):
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
            if experiment.key.walk == walk and experiment.key.method != "dense"
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
            draw_line(panel, line, [getattr(experiment, figure_of) for experiment in line], factor)
        panel.set_xscale("log")
        panel.invert_xaxis()
        panel.set_xticks(densities)
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel("remaining weights (%)")
        panel.set_title(walk, fontsize=11)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(name)
    _legend(panels[0], "lower left" if figure_of == "accuracy" else "upper left")
    return figure


def draw_line(
    panel: "Axes", experiments: list[Experiment], values: list[Interval], factor: float
) -> None:
    """Experiments of one method and control against their remaining weights, with intervals."""
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


def curves_figure(group: Group) -> "Figure":
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
    keys = [experiment.key for experiment in pruned if experiment.key.method == best_method]
    longest = max(keys, key=lambda key: (key.per_round is not None, key.rounds), default=DENSE)
    chosen = [
        experiment
        for experiment in pruned
        if (experiment.key.method, experiment.key.walk) == (best_method, longest.walk)
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
        for _, run in experiment.all_runs
    ]
    first = [
        100 * row.validation_accuracy
        for experiment in chosen
        for _, run in experiment.all_runs
        for row in run.history[1:2]
    ]
    panel.set_ylim(bottom=max(0.0, min([*first, *final, 100.0]) - 1))
    panel.set_xlabel("training steps")
    panel.set_ylabel("validation accuracy (%), mean over seeds")
    if chosen:
        panel.set_title(
            f"{best_method}, {longest.walk}, rewound",
            fontsize=11,
        )
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    _legend(panel, "lower right")
    return figure


def _draw_curve(panel: "Axes", experiment: Experiment, label: str, colour: object) -> None:
    histories = experiment.histories
    steps = [row.step for row in histories[0]]
    means = [
        100 * interval([history[i].validation_accuracy for history in histories], 0.95).mean
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

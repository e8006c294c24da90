"""The figure of stability: the error between copies of a run, and its barrier at every size."""

from itertools import groupby
from typing import TYPE_CHECKING

from lthctl.artifacts.connection_document import STABLE_BELOW
from lthctl.reporting.figure_curves import draw_line
from lthctl.reporting.sentences import size_words
from lthctl.reporting.stability import Stability, stabilities_of
from lthctl.reporting.styles import DENSE_COLOUR, line_style
from lthctl.reporting.verdicts import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 8
"""Labels for which there is room; more sizes are drawn without."""


def stability_figure(group: Group) -> "Figure | None":
    """The error along the line, beside the barrier over size; None where there are no
    connections."""
    from matplotlib.figure import Figure

    stabilities = stabilities_of(group)
    if not stabilities:
        return None
    figure = Figure(figsize=(12.5, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_rises(left, stabilities)
    _draw_sizes(right, stabilities)
    for panel in (left, right):
        panel.axhline(100 * STABLE_BELOW, color="#888888", linewidth=1, linestyle=(0, (4, 3)))
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.2)
        panel.spines[["top", "right"]].set_visible(False)
        legend = panel.legend(
            fontsize=8, frameon=False, loc="upper right", bbox_to_anchor=(1, 0.92)
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def _draw_rises(panel: "Axes", stabilities: tuple[Stability, ...]) -> None:
    from matplotlib import colormaps

    shades = colormaps["viridis"]
    for number, one in enumerate(stabilities):
        key = one.experiment.key
        is_dense = key.method == "dense"
        place, rises = zip(*one.rises, strict=True)
        panel.plot(
            place,
            [100 * rise for rise in rises],
            color=DENSE_COLOUR if is_dense else shades(0.9 * number / len(stabilities)),
            linestyle=line_style(key.control),
            linewidth=1.5,
            label=f"{key.label}, {size_words(one.experiment)}" if number < MOST_LINES else None,
        )
    panel.set_xlabel("place on the line between two copies")
    panel.set_ylabel(f"error minus the mean of both ends (points), {stabilities[0].judged}")
    panel.set_title("Error between copies that differ in the order of batches", fontsize=10)


def _draw_sizes(panel: "Axes", stabilities: tuple[Stability, ...]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    def kind(one: Stability) -> tuple[str, str, str]:
        return one.experiment.key.method, one.experiment.key.walk, one.experiment.key.control

    for (method, _, _), found in groupby(stabilities, key=kind):
        line = list(found)
        if method == "dense":
            panel.errorbar(
                [100 * (1 - one.experiment.sparsity) for one in line],
                [100 * one.barrier.mean for one in line],
                yerr=[100 * _half(one) for one in line],
                color=DENSE_COLOUR,
                marker="o",
                markersize=4,
                capsize=2.5,
                linestyle="",
                label=f"{line[0].experiment.key.label} (n = {line[0].barrier.n})",
            )
        else:
            draw_line(panel, [one.experiment for one in line], [one.barrier for one in line], 100)
    densities = {float(f"{100 * (1 - one.experiment.sparsity):.3g}") for one in stabilities}
    panel.set_xscale("log")
    panel.invert_xaxis()
    panel.set_xticks(sorted(densities, reverse=True))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("remaining weights (%)")
    panel.set_ylabel(f"barrier (points), {stabilities[0].judged} images")
    panel.set_title("Barrier; below the dashed line is stable", fontsize=10)


def _half(one: Stability) -> float:
    return 0.0 if one.barrier.low is None else one.barrier.mean - one.barrier.low

"""The paired differences behind the verdicts, as a figure."""

from typing import TYPE_CHECKING

from lthctl.reporting.statistics import Interval
from lthctl.reporting.styles import (
    DENSE_COLOUR,
    method_look,
)
from lthctl.reporting.tickets import ticket_verdicts
from lthctl.reporting.verdicts import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def verdict_figure(group: Group) -> "Figure":
    """The paired differences behind every verdict, with their intervals; the margin is shaded."""
    from matplotlib.figure import Figure

    verdicts = ticket_verdicts(group)
    names = [f"{verdict.key.ticket}: {verdict.dense.shown}" for verdict in verdicts]
    margin = 100 * group.params.margin
    panels_of: list[tuple[str, float, list[Interval | None]]] = [
        (
            "accuracy minus dense (points)",
            100,
            [verdict.dense.difference for verdict in verdicts],
        ),
        ("early stop minus dense (steps)", 1, [verdict.step_difference for verdict in verdicts]),
        (
            "accuracy minus reinit (points)",
            100,
            [verdict.reinit.difference for verdict in verdicts],
        ),
        (
            "accuracy minus random (points)",
            100,
            [verdict.random.difference if verdict.random else None for verdict in verdicts],
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

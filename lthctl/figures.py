"""Static figures of a report, as SVG whose bytes depend on the data alone."""

import io
from typing import TYPE_CHECKING, Any, Literal

from lthctl.report import DENSE, Cell, CellKey, Group
from lthctl.statistics import interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by the colour-blind.
COLOURS = {"l1": "#0072b2", "random": "#d55e00"}
DENSE_COLOUR = "#222222"
LINES = {"rewind": "-", "reinit": "--", "shuffle": ":"}
MARKERS = {"rewind": "o", "reinit": "s", "shuffle": "^"}


def figure_files(group: Group) -> dict[str, bytes]:
    """File name -> SVG of the figures of a group."""
    return {"accuracy.svg": _svg(_accuracy(group)), "curves.svg": _svg(_curves(group))}


def _accuracy(group: Group) -> "Figure":
    """Accuracy against remaining weights, a panel per number of rounds."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    all_rounds = sorted({cell.key.rounds for cell in group.cells if cell.key.method != "dense"}) or [0]
    figure = Figure(figsize=(1.2 + 5.3 * len(all_rounds), 4.4), layout="constrained")
    panels = figure.subplots(1, len(all_rounds), sharey=True, squeeze=False)[0]
    for panel, rounds in zip(panels, all_rounds, strict=True):
        if group.dense is not None:
            accuracy = group.dense.accuracy
            panel.axhline(100 * accuracy.mean, color=DENSE_COLOUR, linewidth=1.2, label=f"dense (n = {accuracy.n})")
            if accuracy.low is not None and accuracy.high is not None:
                panel.axhspan(100 * accuracy.low, 100 * accuracy.high, color=DENSE_COLOUR, alpha=0.08, linewidth=0)
        cells = [cell for cell in group.cells if cell.key.rounds == rounds and cell.key.method != "dense"]
        densities = sorted({float(f"{100 * (1 - cell.sparsity):.3g}") for cell in cells}, reverse=True)
        for method, start in sorted(
            {(cell.key.method, cell.key.start) for cell in cells}, key=lambda ms: CellKey(ms[1], ms[0], 0, 0).order()
        ):
            _draw_line(panel, [cell for cell in cells if (cell.key.method, cell.key.start) == (method, start)])
        panel.set_xscale("log")
        panel.invert_xaxis()
        panel.set_xticks(densities)
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel("remaining weights (%)")
        panel.set_title("one-shot" if rounds == 1 else f"{rounds} rounds", fontsize=11)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("maximum validation accuracy (%)")
    _legend(panels[0], "lower left")
    return figure


def _draw_line(panel: "Axes", cells: list[Cell]) -> None:
    method, start = cells[0].key.method, cells[0].key.start
    replicates = sorted({cell.accuracy.n for cell in cells})
    n = str(replicates[0]) if len(replicates) == 1 else f"{replicates[0]} to {replicates[-1]}"
    heights = [100 * cell.accuracy.mean for cell in cells]
    below = [
        100 * (cell.accuracy.mean - (cell.accuracy.mean if cell.accuracy.low is None else cell.accuracy.low))
        for cell in cells
    ]
    panel.errorbar(
        [100 * (1 - cell.sparsity) for cell in cells],
        heights,
        yerr=below,  # t intervals are symmetric
        color=COLOURS.get(method, "#777777"),
        linestyle=LINES[start],
        marker=MARKERS[start],
        markersize=4,
        linewidth=1.4,
        capsize=2.5,
        label=f"{method}, {start} (n = {n})",
    )


def _curves(group: Group) -> "Figure":
    """Validation accuracy over the steps, mean over seeds, of rewound l1 tickets of the most rounds, all ratios over
    each other."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 4.4), layout="constrained")
    panel = figure.subplots()
    pruned = [cell for cell in group.cells if cell.key.start == "rewind" and cell.key.method != "dense"]
    best_method = "l1" if any(cell.key.method == "l1" for cell in pruned) else pruned[0].key.method if pruned else ""
    rounds = max((cell.key.rounds for cell in pruned if cell.key.method == best_method), default=0)
    chosen = [cell for cell in pruned if cell.key.method == best_method and cell.key.rounds == rounds]
    shades = colormaps["viridis"]
    for index, cell in enumerate(chosen):
        colour = shades(0.05 + 0.85 * index / max(1, len(chosen) - 1))
        _draw_curve(panel, cell, f"{100 * (1 - cell.sparsity):.1f} % of weights (n = {cell.accuracy.n})", colour)
    dense = group.cell(DENSE)
    if dense is not None:
        _draw_curve(panel, dense, f"dense (n = {dense.accuracy.n})", DENSE_COLOUR)
    final = [100 * run.history[-1].validation_accuracy for cell in group.cells for run in cell.runs.values()]
    first = [100 * row.validation_accuracy for cell in chosen for run in cell.runs.values() for row in run.history[1:2]]
    panel.set_ylim(bottom=max(0.0, min([*first, *final, 100.0]) - 1))
    panel.set_xlabel("training steps")
    panel.set_ylabel("validation accuracy (%), mean over seeds")
    if chosen:
        panel.set_title(f"{best_method}, {'one-shot' if rounds == 1 else f'{rounds} rounds'}, rewound", fontsize=11)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    _legend(panel, "lower right")
    return figure


def _draw_curve(panel: "Axes", cell: Cell, label: str, colour: object) -> None:
    runs = list(cell.runs.values())
    steps = [row.step for row in runs[0].history]
    means = [100 * interval([run.history[i].validation_accuracy for run in runs], 0.95).mean for i in range(len(steps))]
    panel.plot(steps, means, color=colour, linewidth=1.6, label=label)


def _legend(panel: "Axes", place: Literal["lower left", "lower right"]) -> None:
    """A legend of the lines that have a label, if any. Labels hold names from files: text, not mathematics."""
    drawn: list[Any] = [*panel.lines, *panel.containers]
    lines = {str(artist.get_label()): artist for artist in drawn}
    named = {label: line for label, line in lines.items() if not label.startswith(("_child", "_nolegend_"))}
    if named:
        legend = panel.legend(handles=list(named.values()), labels=list(named), fontsize=8, frameon=False, loc=place)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _svg(figure: "Figure") -> bytes:
    from matplotlib import rc_context

    content = io.BytesIO()
    with rc_context({"svg.hashsalt": "lthctl", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()

"""The figure of the three answers: how a ticket learns, and how far down its ladder keeps up."""

from math import log
from typing import TYPE_CHECKING

from lthctl.reporting.answers import Answers, answers_of, controls_of
from lthctl.reporting.experiments import Experiment
from lthctl.reporting.ladders import Ladder
from lthctl.reporting.sentences import size_words
from lthctl.reporting.statistics import interval
from lthctl.reporting.styles import DENSE_COLOUR, line_style, method_look
from lthctl.reporting.targets import arrivals_of, steps_worth_seeing
from lthctl.reporting.verdicts import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAR = 8
"""Margins. What lies further below dense is cut off, unless it is the tickets themselves."""

LABEL_ROOM = 0.06
"""Of the width of an axis, for a label."""

LEAST_ROOM = 0.2
"""Points. The curves are shown from as far below the target as they get above it, and this at
least. What lies further down is how every training begins."""


def answer_figure(group: Group) -> "Figure":
    """Learning curves at the size of the answers, beside accuracy minus dense over size."""
    from matplotlib.figure import Figure

    answers = answers_of(group)
    figure = Figure(figsize=(12.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_learning(left, answers)
    _draw_sizes(right, answers)
    for panel, place in ((left, "lower right"), (right, "lower left")):
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.2)
        panel.spines[["top", "right"]].set_visible(False)
        if panel.get_legend_handles_labels()[0]:
            legend = panel.legend(fontsize=8, frameon=False, loc=place)
            for text in legend.get_texts():
                text.set_parse_math(False)
    return figure


def _draw_learning(panel: "Axes", answers: Answers) -> None:
    """Means with their intervals at every evaluation, and where the target is reached."""
    much, group = answers.how_much_sooner, answers.group
    if much is None or much.target.accuracy is None:
        panel.set_title("No ticket to be shown", loc="left", fontsize=10)
        return
    controls = controls_of(much.ticket.key)
    lines = [(group.dense, "dense"), (much.ticket, "ticket")] + [
        (group.experiment(key), words)
        for key, words in (
            (controls["reinit"], "same mask, fresh weights"),
            (controls["random"], "random mask"),
        )
        if key is not None
    ]
    target, highest = 100 * much.target.accuracy, 0.0
    for experiment, words in lines:
        if experiment is None:
            continue
        colour = _colour(experiment)
        after = list(zip(*experiment.histories, strict=False))
        steps = [rows[0].step for rows in after]
        values = [
            interval([100 * row.validation_accuracy for row in rows], group.params.confidence)
            for rows in after
        ]
        style, mean = line_style(experiment.key.control), [value.mean for value in values]
        label = f"{words} (n = {len(experiment.runs)})"
        panel.plot(steps, mean, color=colour, linestyle=style, linewidth=1.6, label=label)
        if values[0].low is not None:
            low, high = ([getattr(value, end) for value in values] for end in ("low", "high"))
            panel.fill_between(steps, low, high, color=colour, alpha=0.12, linewidth=0)
        arrives = arrivals_of(group, experiment, much.target).mean_steps
        if arrives is not None:
            panel.plot([arrives], [target], marker="o", markersize=6, color=colour, zorder=4)
        highest = max(highest, *mean)
    panel.axhline(target, color="#888888", linewidth=0.9, linestyle=":", zorder=1)
    above = max(highest - target, LEAST_ROOM)
    if highest > target:
        panel.set_ylim(target - above, highest + 0.35 * above)
    shown = [experiment for experiment, _ in lines if experiment is not None]
    until = steps_worth_seeing(group, shown, much.target)
    panel.set_xlim(0, until)
    panel.set_xlabel("training steps; a dot: mean step of reaching the target", fontsize=9)
    panel.set_ylabel("validation accuracy (%)", fontsize=9)
    title = f"Learning, at {size_words(much.ticket)} of the weights"
    if until is not None:
        title += f": the first {until:,} of {shown[0].histories[0][-1].step:,} steps"
    panel.set_title(title, loc="left", fontsize=10)


def _draw_sizes(panel: "Axes", answers: Answers) -> None:
    """Accuracy minus dense over size; a ring is the smallest size that is as good."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    far = answers.how_far
    named = (
        [
            (far.ladder, "tickets"),
            (far.reinit, "same masks, fresh weights"),
            (far.random, "random masks"),
        ]
        if far
        else []
    )
    ladders = [(ladder, words) for ladder, words in named if ladder is not None]
    margin = 100 * answers.group.params.margin
    panel.axhspan(-margin, 0, color=DENSE_COLOUR, alpha=0.08, linewidth=0)
    panel.axhline(0, color=DENSE_COLOUR, linewidth=1.2)
    for ladder, words in ladders:
        _draw_ladder(panel, ladder, words)
    sizes = {float(f"{_percent(size):.3g}") for ladder, _ in ladders for size in ladder.sizes}
    if sizes:
        panel.set_xscale("log")
        panel.invert_xaxis()
        panel.set_xticks(_apart(sorted(sizes, reverse=True)))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("weights left (%, log scale); shaded: within the margin", fontsize=9)
    panel.set_ylabel("accuracy minus dense (points)", fontsize=9)
    title = "How far down each keeps up; a ring: the last size that does"
    panel.set_title(title, loc="left", fontsize=10)
    if ladders:
        lowest = min(map(_lowest, [ladder for ladder, _ in ladders]))
        shown = min(-FAR * margin, _lowest(ladders[0][0]))
        if lowest < shown:
            panel.set_ylim(bottom=1.05 * shown)


def _lowest(ladder: Ladder) -> float:
    """The lowest end of an interval, in points; 0 if all lie above."""
    values = [size.difference for size in ladder.sizes if size.difference is not None]
    return min([0.0, *(100 * (one.mean if one.low is None else one.low) for one in values)])


def _apart(sizes: list[float]) -> list[float]:
    """Of sizes in descending order those that have room for a label on a logarithmic axis."""
    room = LABEL_ROOM * log(sizes[0] / sizes[-1])
    chosen = sizes[:1]
    for size in sizes[1:]:
        if log(chosen[-1] / size) >= room:
            chosen.append(size)
    return chosen


def _draw_ladder(panel: "Axes", ladder: Ladder, words: str) -> None:
    colour = method_look(ladder.key.method).colour
    values = [size.difference for size in ladder.sizes if size.difference is not None]
    panel.errorbar(
        [_percent(size) for size in ladder.sizes],
        [100 * value.mean for value in values],
        yerr=[0.0 if value.low is None else 100 * (value.mean - value.low) for value in values],
        color=colour,
        linestyle=line_style(ladder.key.control),
        linewidth=1.6,
        elinewidth=1,
        marker="o",
        markersize=3.5,
        label=f"{words} (n = {values[0].n})",
    )
    smallest = ladder.smallest
    if smallest is not None and smallest.difference is not None:
        panel.plot(
            [_percent(smallest)],
            [100 * smallest.difference.mean],
            marker="o",
            markersize=13,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=2,
            zorder=5,
        )


def _percent(size: Experiment) -> float:
    return 100 * (1 - size.sparsity)


def _colour(experiment: Experiment) -> str:
    method = experiment.key.method
    return DENSE_COLOUR if method == "dense" else method_look(method).colour

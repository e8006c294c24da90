"""Captions of figures and tables: what they show, by which method, and n."""

from collections.abc import Sequence

from lthctl.reporting.answers import rule_of
from lthctl.reporting.reading import Report
from lthctl.reporting.selection import USUAL_ACCURACY, capital
from lthctl.reporting.verdicts import Group

FIGURES: dict[str, str] = {
    "answer": "How a ticket learns, and how far down tickets keep up. Left: validation accuracy "
    "over training steps, means over seeds with {intervals}. Right: accuracy minus dense, paired "
    "by seed, over the weights left, with {intervals}; {shaded}. {rule}",
    "verdict": "The differences behind the verdict on every ticket, paired by seed, with "
    "{intervals}; {shaded}.",
    "accuracy": "{accuracy} over the weights left: means over seeds with "
    "{intervals}. The line with a band is the dense network.",
    "early_stop": "Step of the lowest validation loss over the weights left: means over seeds with "
    "{intervals}. The line with a band is the dense network.",
    "curves": "Validation accuracy over training steps of rewound tickets of all sizes, means over "
    "seeds.",
    "stability": "Stability to the order of the batches. Left: error on the straight line between "
    "two copies of a run that differ in that order, minus the mean of both ends; means over seeds. "
    "Right: the highest of it, over the weights left, with {intervals}. Below 2 points (dashed) is "
    "stable.",
    "parallel": "Every run as a line over what it was and what it reached.",
    "pixels": "Input weights that survive pruning, counted per pixel: means over the masks of all "
    "seeds.",
}
"""Name of a figure -> its caption."""

TABLES: dict[str, str] = {
    "claims": "What the paper says, what was found here as a mean with {intervals}, and what that "
    "makes of each claim, by itself. Differences and ratios are paired by seed; {margin}.",
    "summary": "Every experiment: means over seeds with {intervals}.{read} Differences are "
    "accuracy minus dense, paired by seed; {margin}.",
    "ladders": "How far down each ladder of sizes keeps up with dense. A ladder is walked from its "
    "densest ticket down, and stops at the first that is not shown to be as good; {margin}. "
    "Differences are paired by seed, with {intervals}.",
    "arrivals": "Steps to targets of validation accuracy, and how many times sooner than dense and "
    "than reinitialized: geometric means of ratios paired by seed, with {intervals} of their "
    "logarithms. Steps are means where all runs arrive.",
    "verdicts": "What is shown of every ticket, against dense and against its controls: "
    "differences in accuracy, paired by seed, with {intervals}; {margin}. Times sooner are of the "
    "target, paired by seed, too.",
    "stability": "How much the error rises on the straight line between two copies of a run that "
    "differ in the order of their batches: the highest error minus the mean of both ends, means "
    "over seeds with {intervals}. Stable means an interval below 2 points.",
    "runs": "Every run. Accuracies are of the validation images.",
    "layers": "Weights left per layer and round: means over the masks of n seeds.",
    "overlap": "Weights that two masks have in common, against what chance would give, and the "
    "exact significance of the hypergeometric distribution: means over n pairs of masks.",
}
"""Name of a table -> its caption."""


def figure_caption(name: str, report: Report) -> str:
    """The caption of a figure, which is about the largest group of runs."""
    return _filled(FIGURES[name], report.groups[:1])


def table_caption(name: str, report: Report) -> str:
    """The caption of a table, which is about all groups of runs."""
    return _filled(TABLES[name], report.groups)


def _filled(caption: str, groups: Sequence[Group]) -> str:
    """A caption with the method, n and the setting in it."""
    params = groups[0].params  # those of all groups
    margin = f"{100 * params.margin:g} points"
    shown = caption.format(
        intervals=f"two-sided {100 * params.confidence:g} % t intervals",
        shaded=f"the margin of {margin} is shaded",
        margin=f"as good as dense means within {margin}",
        rule=rule_of(params),
        accuracy=capital(groups[0].accuracy_words),
        read=""
        if groups[0].accuracy_words == USUAL_ACCURACY
        else f" Accuracy is {groups[0].accuracy_words}.",
    )
    settings = [f"{_n_words(group)}, {group.num_runs} runs: {group.title}." for group in groups]
    if len(groups) > 1:
        settings = [f"Group {number}: {text}" for number, text in enumerate(settings, start=1)]
    return " ".join([shown, *settings])


def _n_words(group: Group) -> str:
    """How many seeds the experiments of a group have, such as "n = 5 seeds"."""
    numbers = sorted({len(experiment.runs) for experiment in group.experiments})
    n = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    drawn = ", draws of a control averaged within their seed" * group.has_draws
    return f"n = {n} seed{'' if numbers == [1] else 's'} an experiment{drawn}"

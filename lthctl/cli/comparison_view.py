"""A comparison of tickets or runs on a screen."""

from collections.abc import Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from lthctl.cli.facts import (
    CHANCE,
    fact_grid,
    fact_table,
    p_words,
)
from lthctl.cli.pair_view import (
    changes,
    difference_curve,
    many_runs,
    many_tickets,
    ratio,
    two_runs,
    two_tickets,
)
from lthctl.cli.terminal import VERDICT_STYLES, plain, points, steps
from lthctl.params import ReportParams
from lthctl.reporting.compare import Comparison
from lthctl.reporting.pairs import RunPair

STATE_ORDER = ("same", "origin differs", "mask differs", "init differs", "mask and init differ")


def comparison_screen(comparison: Comparison, params: ReportParams) -> RenderableType:
    """What a comparison found; in full for two tickets or two runs, compact for many."""
    parts: list[RenderableType] = []
    if comparison.matched:
        parts += _matched(comparison, params)
    elif len(comparison.tickets) == 1:
        parts += two_tickets(comparison.tickets[0])
    elif comparison.tickets:
        parts += many_tickets(comparison.tickets, params)
    elif len(comparison.runs) == 1:
        parts += two_runs(comparison.runs[0])
    else:
        parts += many_runs(comparison.runs)
    return Lines(*parts)


def _matched(comparison: Comparison, params: ReportParams) -> list[RenderableType]:
    parts: list[RenderableType] = [fact_table(zip("ab", comparison.labels, strict=True))]
    if comparison.tickets:
        counts = [
            (state, sum(pair.state == state for pair in comparison.tickets))
            for state in STATE_ORDER
        ]
        summary = ", ".join(f"{number} {state}" for state, number in counts if number)
        parts += [
            Text(),
            Text(f"{len(comparison.tickets)} tickets in both: {summary}", style="bold"),
        ]
        changed = [pair for pair in comparison.tickets if pair.state != "same"]
        if any(not pair.same_mask for pair in changed):
            table = fact_grid("", "ticket", "state", ">in a", ">in b", ">both", ">ratio", ">p")
            for pair in changed:
                total = pair.overlap.total if pair.overlap else None
                counted = (total.kept_a, total.kept_b, total.kept_both) if total else ()
                cells = [f"{value:,}" for value in counted] if not pair.same_mask else []
                cells += (
                    [ratio(total), p_words(total.log10_p)] if total and not pair.same_mask else []
                )
                table.add_row(plain(pair.name), pair.state, *cells)
            parts += [table, CHANCE]
        elif changed:
            parts += [plain(f"{pair.name}: {pair.state}") for pair in changed]
        parts += changes([pair.changes for pair in changed])
    if comparison.runs:
        changed_runs = [pair for pair in comparison.runs if pair.a.history != pair.b.history]
        num_same = len(comparison.runs) - len(changed_runs)
        parts += [
            Text(),
            Text(
                f"{len(comparison.runs)} runs in both: {num_same} with the same history, "
                f"{len(changed_runs)} with another",
                style="bold",
            ),
        ]
        if changed_runs:
            parts.append(_accuracies(changed_runs))
            if not all(pair.same_images for pair in changed_runs):
                parts.append(
                    Text(
                        "# Accuracies are of other images: the difference says little.", style="dim"
                    )
                )
        parts += _experiment_table(comparison, params)
        parts += changes([pair.changes for pair in comparison.runs if not pair.is_same])
    for side, names in comparison.only.items():
        if names:
            parts += [Text(), plain(f"Only in {side}: {', '.join(names)}")]
    if not comparison.tickets and not comparison.runs:
        parts += [Text(), Text("No name is on both sides.")]
    return parts


def _accuracies(pairs: Sequence[RunPair]) -> RenderableType:
    table = fact_grid(
        "Maximum validation accuracy (%)",
        "ticket",
        ">a",
        ">b",
        ">b - a",
        "curve of b - a, each by itself",
    )
    for pair in pairs:
        a, b = pair.a.metrics.best_accuracy, pair.b.metrics.best_accuracy
        other = "" if pair.same_images else " #"
        row = f"{100 * a:.2f}", f"{100 * b:.2f}", f"{100 * (b - a):+.2f}{other}"
        table.add_row(plain(pair.name), *row, difference_curve(pair))
    return table


def _experiment_table(comparison: Comparison, params: ReportParams) -> list[RenderableType]:
    if not comparison.experiments:
        return []
    title = (
        f"Paired by seed, b - a, {100 * params.confidence:g} % t intervals: "
        "best accuracy (points), early-stop step"
    )
    table = fact_grid("", "experiment", ">n", ">accuracy", ">step", "b is")
    for experiment in comparison.experiments:
        verdict = Text(experiment.verdict, style=VERDICT_STYLES[experiment.verdict])
        table.add_row(
            plain(experiment.label),
            str(experiment.difference.n),
            points(experiment.difference),
            steps(experiment.step_difference),
            verdict,
        )
    note = (
        f"as good: not worse than a by {100 * params.margin:g} points or more, one-sided; "
        "each verdict by itself, not adjusted for their number."
        + (
            " One seed decides nothing."
            if any(experiment.difference.n == 1 for experiment in comparison.experiments)
            else ""
        )
    )
    return [Text(), Text(title, style="bold"), table, Text(note, style="dim")]

"""Two or more tickets, or runs, beside each other."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text

from lthctl.canonical import digest_of_arrays
from lthctl.cli.facts import (
    CHANCE,
    METRIC_NAMES,
    count_words,
    curve_floor,
    fact_grid,
    fact_table,
    p_words,
    percent_or_blank,
    run_words,
    step_words,
    value_words,
)
from lthctl.cli.sparks import Spark
from lthctl.cli.terminal import plain
from lthctl.params import ReportParams
from lthctl.reporting.overlap import Overlap
from lthctl.reporting.pairs import Change, RunPair, TicketPair, significant


def two_tickets(pair: TicketPair) -> list[RenderableType]:
    parts: list[RenderableType] = [
        fact_table([
            ("a", f"{pair.name_a}  {pair.a.digest[:12]}"),
            ("b", f"{pair.name_b}  {pair.b.digest[:12]}"),
            ("mask", "the same" if pair.same_mask else "differs"),
            ("init", "the same weights" if pair.same_init else "other weights"),
        ])
    ]  # fmt: skip
    if pair.overlap is None:
        parts.append(Text("The masks are of other shapes: there is no overlap to speak of."))
    elif not pair.same_mask:
        table = fact_grid(
            "Weights kept", "layer", ">in a", ">in b", ">both", ">chance", ">ratio", ">p"
        )
        table.padding = (0, 1, 0, 0)  # so that it fits into 60 columns
        for name, layer in [*pair.overlap.layers.items(), ("total", pair.overlap.total)]:
            chance = f"{layer.expected:,.0f}" if layer.expected >= 100 else f"{layer.expected:.1f}"
            counts = (f"{value:,}" for value in (layer.kept_a, layer.kept_b, layer.kept_both))
            table.add_row(plain(name), *counts, chance, ratio(layer), p_words(layer.log10_p))
        parts += [Text(), table, CHANCE]
    return parts + changes([pair.changes])


def many_tickets(pairs: Sequence[TicketPair], params: ReportParams) -> list[RenderableType]:
    of_first = pairs[: count_words(pairs) - 1]
    tickets = [(pairs[0].name_a, pairs[0].a), *((pair.name_b, pair.b) for pair in of_first)]
    listed = fact_grid("Tickets", ">", "ticket", ">kept (%)", "same init as")
    first_with: dict[str, int] = {}
    for number, (name, ticket) in enumerate(tickets, start=1):
        first = first_with.setdefault(digest_of_arrays(ticket.weights), number)
        listed.add_row(
            str(number),
            plain(name),
            f"{100 * ticket.mask.density:.2f}",
            str(first) * (first != number),
        )
    matrix = OverlapMatrix(pairs, significant(pairs, params.confidence))
    note = (
        f"1 is chance. * is more, or less, than chance (p < {1 - params.confidence:g}, adjusted "
        "for their number by "
        "Holm); = is the same mask. Per layer: --json."
    )
    title = Text("Weights that both keep, over what chance gives per layer", style="bold")
    return [listed, Text(), title, matrix, Text(note, style="dim")]


class OverlapMatrix:
    """Ratio to chance for every two tickets, in as many tables as the width asks for."""

    def __init__(self, pairs: Sequence[TicketPair], marked: Sequence[bool]) -> None:
        self.number = count_words(pairs)
        cells = iter(zip(pairs, marked, strict=True))
        self.cells = {
            (row, column): self._cell(*next(cells))
            for row in range(self.number)
            for column in range(row + 1, self.number)
        }

    @staticmethod
    def _cell(pair: TicketPair, marked: bool) -> str:
        if pair.overlap is None:
            return "-"
        return ratio(pair.overlap.total) + ("=" if pair.same_mask else "*" if marked else " ")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        fitting = max(1, (options.max_width - 6) // 8)
        for first in range(1, self.number, fitting):
            columns = range(first, min(first + fitting, self.number))
            table = Table(box=None, pad_edge=False, header_style="dim")
            table.add_column("", justify="right", style="dim")
            for column in columns:
                table.add_column(f"{column + 1} ", justify="right", no_wrap=True)
            for row in range(min(self.number - 1, columns[-1])):
                table.add_row(
                    str(row + 1), *(self.cells.get((row, column), "") for column in columns)
                )
            yield table


def two_runs(pair: RunPair) -> list[RenderableType]:
    parts: list[RenderableType] = [
        fact_table(
            [
                ("a", f"{pair.name_a}  {run_words(pair.a)}"),
                ("b", f"{pair.name_b}  {run_words(pair.b)}"),
            ]
        ),
        Text(),
    ]
    table = fact_grid("Validation", "", ">a", ">b", ">b - a")
    for name, (a, b) in pair.metrics().items():
        show = step_words if name.endswith("step") else percent_or_blank
        table.add_row(
            METRIC_NAMES.get(name, plain(name)), show(a), show(b), _difference(a, b, name)
        )
    parts.append(table)
    if pair.curve:
        parts += [Text(), _curves(pair)]
    if not pair.same_images:
        parts.append(
            Text("Their accuracies are of other images: differences say little.", style="dim")
        )
    if pair.a.history == pair.b.history:
        parts.append(Text("Their histories are the same, evaluation for evaluation."))
    parts.append(
        Text("One pair of runs has no interval: nothing can be decided from it.", style="dim")
    )
    return parts + changes([pair.changes])


def _curves(pair: RunPair) -> RenderableType:
    a, b = ([rows[side].validation_accuracy for rows in pair.curve] for side in (0, 1))
    low, high = curve_floor(a + b), max(a + b)
    above, below = (sum(sign * (y - x) > 0 for x, y in zip(a, b, strict=True)) for sign in (1, -1))
    grid = Table.grid(padding=(0, 2))
    span = f"{100 * low:.2f} or less to {100 * high:.2f} %"
    grid.add_row("a", Spark(a, low, high), span)
    grid.add_row("b", Spark(b, low, high), span)
    differences = [y - x for x, y in zip(a, b, strict=True)]
    span = f"{100 * min(differences):+.2f} to {100 * max(differences):+.2f} points"
    grid.add_row("b - a", Spark(differences), span)
    shown = [
        pair.curve[index]
        for index in np.unique(np.linspace(0, len(pair.curve) - 1, 6).round().astype(int))
    ]
    table = fact_grid("", "step", *(f">{x.step:,}" for x, _ in shown))
    table.add_row(
        "b - a",
        *(f"{100 * (y.validation_accuracy - x.validation_accuracy):+.2f}" for x, y in shown),
    )
    title = (
        f"Validation accuracy at the {len(a)} steps that both have: "
        f"b is above a at {above}, below at {below}"
    )
    return Lines(Text(title, style="bold"), grid, table)


def many_runs(pairs: Sequence[RunPair]) -> list[RenderableType]:
    first = pairs[0]
    title = Text("Maximum validation accuracy (%), and minus the first", style="bold")
    table = fact_grid("", "run", ">best", ">- first", ">early stop", "accuracy")
    of_first = pairs[: count_words(pairs) - 1]
    rows = [(first.name_a, first.a, None), *((pair.name_b, pair.b, pair) for pair in of_first)]
    accuracies = [row.validation_accuracy for _, run, _ in rows for row in run.history]
    low, high = curve_floor(accuracies), max(accuracies)
    for name, run, pair in rows:
        best = run.metrics.best_accuracy
        minus = (
            "" if pair is None else _difference(pair.a.metrics.best_accuracy, best, "best_accuracy")
        )
        curve = Spark([row.validation_accuracy for row in run.history], low, high)
        step = f"{run.metrics.early_stop_step:,}"
        table.add_row(plain(name), percent_or_blank(best), minus, step, curve)
    note = (
        f"Curves from {100 * low:.2f} or less to {100 * high:.2f} %. "
        "To pair runs by seed, give two folders: their runs are matched by name."
    )
    return [title, table, Text(note, style="dim")]


def difference_curve(pair: RunPair) -> RenderableType:
    differences = [b.validation_accuracy - a.validation_accuracy for a, b in pair.curve]
    return Spark(differences) if differences else Text()


def changes(pairs: Sequence[Sequence[Change]]) -> list[RenderableType]:
    """What was asked for differently, each once, with the number of pairs where there are
    several."""
    seen: dict[tuple[str, str, str], int] = {}
    for changed in pairs:
        for change in changed:
            what = change.key, value_words(change.a), value_words(change.b)
            seen[what] = seen.get(what, 0) + 1
    if not seen:
        return []
    table = fact_grid("", "what", "a", "b", *([">pairs"] if len(pairs) > 1 else []))
    for (key, a, b), number in sorted(seen.items()):
        table.add_row(plain(key), plain(a), plain(b), *([str(number)] if len(pairs) > 1 else []))
    return [Text(), Text("What differs in how they were made", style="bold"), table]


def _difference(a: float | None, b: float | None, metric: str) -> str:
    if a is None or b is None:
        return ""
    return f"{b - a:+,}" if metric.endswith("step") else f"{100 * (b - a):+.2f}"


def ratio(overlap: Overlap) -> str:
    return "-" if overlap.ratio is None else f"{overlap.ratio:.2f}"

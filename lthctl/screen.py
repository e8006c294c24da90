"""A ticket, a run, or a comparison on one screen. Rich only; decides nothing.

Everything is shown without colour too, and in plain ASCII where the terminal knows no more.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.console import Group as Lines
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lthctl.compare import Change, Comparison, RunPair, Side, TicketPair, significant
from lthctl.display import VERDICT_STYLES, new_table, plain, points, steps, ticket_tables
from lthctl.files import Json, digest_of_arrays
from lthctl.overlap import Overlap
from lthctl.params import ReportParams
from lthctl.ticket import Run, Ticket
from lthctl.units import Units, units_of

SPARK_WIDTH, SPARK_LEAST = 40, 10  # characters
T = TypeVar("T")

CUT_OFF = 0.1  # the first evaluations differ more from the rest than the rest from each other: this share is cut off
STATE_ORDER = ("same", "origin differs", "mask differs", "init differs", "mask and init differ")
METRIC_NAMES = {
    "best_accuracy": "best accuracy (%)",
    "best_step": "at step",
    "early_stop_accuracy": "early-stop accuracy (%)",
    "early_stop_step": "early-stop step",
    "early_stop_test_accuracy": "test accuracy there (%)",
    "final_accuracy": "final accuracy (%)",
}


class Spark:
    """Numbers as a line of little columns; where there is no room for all of them, averages of neighbours.

    Args:
      values: what is not finite is left out.
      low, high: what the lowest and the highest column stand for; values beyond get these. The values' own when not
        given.
    """

    def __init__(self, values: Sequence[float], low: float | None = None, high: float | None = None) -> None:
        self.values = _finite(values)
        self.low = float(self.values.min()) if low is None else low
        self.high = float(self.values.max()) if high is None else high

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        marks = ".:-=+*#@" if options.ascii_only else "▁▂▃▄▅▆▇█"
        groups = np.array_split(self.values, min(SPARK_WIDTH, options.max_width, len(self.values)))
        means, span = np.array([group.mean() for group in groups]), self.high - self.low
        scaled = (means - self.low) / span if span > 0 else np.zeros_like(means)
        columns = np.clip((scaled * len(marks)).astype(int), 0, len(marks) - 1)
        yield Text("".join(marks[column] for column in columns))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        most = min(SPARK_WIDTH, len(self.values))
        return Measurement(min(SPARK_LEAST, most), most).with_maximum(options.max_width)


class SparsityTables:
    """Sparsity of a ticket per layer and round, with as many rounds beside each other as the width allows."""

    def __init__(self, document: Json) -> None:
        self.document = document

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        try:
            yield ticket_tables([self.document], rounds_per_table=max(1, (options.max_width - 33) // 9))
        except (KeyError, TypeError, ValueError, AttributeError):
            yield Text("Its rounds are not stated as expected.", style="dim")


class PixelPicture:
    """Numbers per input pixel in shades, two rows of pixels in a line of text.

    Args:
      values: shape (side, side), at least 0.
    """

    def __init__(self, values: NDArray[np.int64]) -> None:
        pairs = np.array_split(values, range(2, len(values), 2))
        self.values = np.array([pair.mean(axis=0) for pair in pairs])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shades = " .:*#" if options.ascii_only else " ░▒▓█"
        most = float(self.values.max(initial=0.0)) or 1.0
        steps = len(shades) - 1
        for line in np.ceil(self.values / most * steps).astype(int):
            yield Text("|" + "".join(shades[shade] for shade in line) + "|")
        bounds = [most * step / steps for step in range(steps + 1)]
        parts = [f"blank 0, {shades[1]} up to {bounds[1]:.1f}"]
        parts += [f"{shades[step]} {bounds[step]:.1f}" for step in range(2, steps + 1)]
        yield Text(", ".join(parts), style="dim")


# --- one ticket, one run, several


def ticket_screen(label: str, ticket: Ticket, document: Json) -> RenderableType:
    """All that is worth knowing of a ticket; `document` is what its ticket.json says."""
    mask = ticket.mask
    facts = [
        ("kept", f"{mask.num_kept:,} of {mask.size:,} prunable weights, {100 * mask.density:.2f} %"),
        ("found by", _told(_found_by, ticket)),
        ("network", _told(_model, ticket.model)),
        ("data", _told(_data, ticket.data)),
        ("digest", document["digest"]),
        *((name, digest) for name, digest in sorted(document["files"].items())),
    ]
    if ticket.train:
        facts.insert(4, ("trained", _told(_training, ticket.train)))
    parts: list[RenderableType] = [plain(f"{label}: a ticket, {document['name']}", style="bold"), _facts(facts)]
    if ticket.sparsity:
        parts += [Text(), SparsityTables(document)]
    units = units_of(mask)
    if units is None:
        parts += [Text(), Text("Not a chain of layers.<i>.weight: units are not counted.", style="dim")]
    else:
        parts += [Text(), _dead_units(units), *_picture(units)]
    return Lines(*parts)


def run_screen(label: str, run: Run, document: Json) -> RenderableType:
    """All that is worth knowing of a run; `document` is what its run.json says."""
    metrics = run.metrics
    facts = [
        ("ticket", f"{run.ticket['name']}, {100 * (1 - run.ticket['sparsity']):.2f} % kept, {run.ticket['digest']}"),
        ("trained", _training(run.train)),
        ("network", _told(_model, run.model)),
        ("data", _data(run.data)),
        ("best", f"{100 * metrics['best_accuracy']:.2f} % at step {metrics['best_step']:,}"),
        (
            "early stop",
            f"{100 * metrics['early_stop_accuracy']:.2f} % at step {metrics['early_stop_step']:,}, "
            "where the validation loss is lowest",
        ),
        ("final", f"{100 * metrics['final_accuracy']:.2f} % at step {run.history[-1].step:,}"),
    ]
    if "early_stop_test_accuracy" in metrics:
        facts.append(("test", f"{100 * metrics['early_stop_test_accuracy']:.2f} % at the early-stop step"))
    facts += [
        ("pruned", _told(_pruned, run.proof)),
        ("kept", _told(_kept, run.proof)),
        ("started from", _told(lambda proof: str(proof["start"]), run.proof)),
        ("training", run.training),
        ("digest", document["digest"]),
        *((name, digest) for name, digest in sorted(document["files"].items())),
    ]
    accuracy = [row.validation_accuracy for row in run.history]
    loss = [row.validation_loss for row in run.history]
    curves = Table.grid(padding=(0, 2))
    first, last = run.history[0].step, run.history[-1].step
    low, largest = _low(accuracy), float(np.quantile(_finite(loss), 1 - CUT_OFF))
    curves.add_row("accuracy", Spark(accuracy, low), f"{100 * low:.2f} or less to {100 * max(accuracy):.2f} %")
    curves.add_row("loss", Spark(loss, high=largest), f"{min(loss):.4f} to {largest:.4f} or more")
    return Lines(
        plain(f"{label}: a run, {run.ticket['name']} from {_START_WORDS[run.start]}", style="bold"),
        _facts(facts),
        Text(),
        Text(f"Validation, {len(run.history)} evaluations from step {first:,} to {last:,}", style="bold"),
        curves,
    )


_START_WORDS = {
    "rewind": "its own weights (rewind)",
    "reinit": "fresh weights (reinit)",
    "shuffle": "its own weights, the mask permuted (shuffle)",
}


def side_screen(side: Side) -> RenderableType:
    """The ticket or run that a path holds; a list where it holds several."""
    if not side.is_single:
        return _list(side)
    for name, ticket in side.tickets.items():
        return ticket_screen(side.named(name), ticket, side.documents[name])
    name, run = next(iter(side.runs.items()))
    return run_screen(side.named(name), run, side.documents[name])


def _list(side: Side) -> RenderableType:
    parts: list[RenderableType] = []
    if side.tickets:
        listed = _table("Tickets", "ticket", ">kept", ">kept (%)", "digest")
        for name, ticket in side.tickets.items():
            mask = ticket.mask
            listed.add_row(
                plain(name), f"{mask.num_kept:,}", f"{100 * mask.density:.2f}", side.documents[name]["digest"][:12]
            )
        parts += [listed, Text()]
    if side.runs:
        listed = _table("Runs, validation accuracy (%)", "run", "start", ">best", ">at step", ">early stop", ">at step")
        for name, run in side.runs.items():
            metrics = run.metrics
            best = _percent(metrics["best_accuracy"]), _step(metrics["best_step"])
            stop = _percent(metrics["early_stop_accuracy"]), _step(metrics["early_stop_step"])
            listed.add_row(plain(name), run.start, *best, *stop)
        parts += [listed, Text()]
    names = [*side.tickets, *side.runs]
    parts.append(plain(f"{len(names)} below {side.label}; to see one: lthctl show {side.named(names[0])}", style="dim"))
    return Lines(*parts)


def _table(title: str, *columns: str) -> Table:
    """A table whose numbers stay whole; names are folded where the terminal is narrow."""
    made = new_table(title, *columns)
    for column in made.columns:
        column.no_wrap = column.justify == "right"
    return made


def _facts(facts: Iterable[tuple[str, str]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, plain(str(value)))
    return grid


def _told(tell: Callable[[T], str], of: T) -> str:
    """What `tell` tells of a part of a document; such parts are shown but not computed with, so readers let them be."""
    try:
        return tell(of)
    except (KeyError, TypeError, ValueError, AttributeError):
        return "not stated as expected"


def _pruned(proof: Json) -> str:
    return f"{proof['pruned']:,} weights, {proof['pruned_nonzero']:,} of them not 0 at the end"


def _kept(proof: Json) -> str:
    return f"{proof['kept']:,} weights, {proof['kept_moved']:,} of them changed by training"


def _found_by(ticket: Ticket) -> str:
    what = "weights and biases prunable" if ticket.biases else "weights prunable"
    if ticket.rounds == 0:
        return f"nothing: dense; seed {ticket.seed}, {what}"
    rounds = f"{ticket.rounds} round{'s' * (ticket.rounds != 1)}"
    return f"{ticket.method}, ratio {ticket.ratio:g} in {rounds}, seed {ticket.seed}, {what}"


def _model(model: Json) -> str:
    if model.get("kind") == "mlp":
        return f"MLP {'-'.join(map(str, model['layers']))}, {model['init']} weights"
    return f"module {model.get('name')}"


def _data(data: Json) -> str:
    if not data:  # imported from elsewhere
        return "not known"
    test = f", {data['test']:,} test" if data.get("test") else ""
    return f"{data['name']}, {data['train']:,} train, {data['validation']:,} validation{test} images"


def _training(train: Json) -> str:
    return (
        f"{train['steps']:,} steps, {train['optimizer']} {train['lr']:g}, batch {train['batch_size']}, "
        f"engine {train['engine']} on {train['device']}"
    )


def _dead_units(units: Units) -> RenderableType:
    made = _table("Units with no surviving weights", "layer", ">units", ">dead", ">none in", ">none out")
    made.add_row("inputs", f"{len(units.weights_per_input):,}", f"{units.num_dead_inputs:,}", "", "")
    for index, hidden in enumerate(units.hidden, start=1):
        counts = hidden.num_units, hidden.dead, hidden.without_incoming, hidden.without_outgoing
        made.add_row(f"hidden {index}", *(f"{value:,}" for value in counts))
    return made


def _picture(units: Units) -> list[RenderableType]:
    per_input = units.weights_per_input
    side = math.isqrt(len(per_input))
    if side * side != len(per_input) or not 4 <= side <= 56:
        return []
    title = Text(f"Surviving weights per input pixel, {side} x {side}, two rows a line", style="bold")
    return [Text(), title, PixelPicture(per_input.reshape(side, side))]


# --- comparisons


def comparison_screen(found: Comparison, params: ReportParams) -> RenderableType:
    """What a comparison found; in full for two tickets or two runs, compact for many."""
    parts: list[RenderableType] = []
    if found.matched:
        parts += _matched(found, params)
    elif len(found.tickets) == 1:
        parts += _two_tickets(found.tickets[0])
    elif found.tickets:
        parts += _many_tickets(found.tickets, params)
    elif len(found.runs) == 1:
        parts += _two_runs(found.runs[0])
    else:
        parts += _many_runs(found.runs)
    return Lines(*parts)


def _two_tickets(pair: TicketPair) -> list[RenderableType]:
    parts: list[RenderableType] = [
        _facts([
            ("a", f"{pair.name_a}  {pair.a.digest[:12]}"),
            ("b", f"{pair.name_b}  {pair.b.digest[:12]}"),
            ("mask", "the same" if pair.same_mask else "differs"),
            ("init", "the same weights" if pair.same_init else "other weights"),
        ])
    ]  # fmt: skip
    if pair.overlap is None:
        parts.append(Text("The masks are of other shapes: there is no overlap to speak of."))
    elif not pair.same_mask:
        made = _table("Weights kept", "layer", ">in a", ">in b", ">both", ">chance", ">ratio", ">p")
        made.padding = (0, 1, 0, 0)  # so that it fits into 60 columns
        for name, layer in [*pair.overlap.layers.items(), ("total", pair.overlap.total)]:
            chance = f"{layer.expected:,.0f}" if layer.expected >= 100 else f"{layer.expected:.1f}"
            counts = (f"{value:,}" for value in (layer.kept_a, layer.kept_b, layer.kept_both))
            made.add_row(plain(name), *counts, chance, _ratio(layer), _p(layer.log10_p))
        parts += [Text(), made, _CHANCE]
    return parts + _changes([pair.changes])


def _many_tickets(pairs: Sequence[TicketPair], params: ReportParams) -> list[RenderableType]:
    of_first = pairs[: _number(pairs) - 1]
    tickets = [(pairs[0].name_a, pairs[0].a), *((pair.name_b, pair.b) for pair in of_first)]
    listed = _table("Tickets", ">", "ticket", ">kept (%)", "same init as")
    first_with: dict[str, int] = {}
    for number, (name, ticket) in enumerate(tickets, start=1):
        first = first_with.setdefault(digest_of_arrays(ticket.init), number)
        listed.add_row(str(number), plain(name), f"{100 * ticket.mask.density:.2f}", str(first) * (first != number))
    matrix = OverlapMatrix(pairs, significant(pairs, params.confidence))
    note = (
        f"1 is chance. * is more, or less, than chance (p < {1 - params.confidence:g}, adjusted for their number by "
        "Holm); = is the same mask. Per layer: --json."
    )
    title = Text("Weights that both keep, over what chance gives per layer", style="bold")
    return [listed, Text(), title, matrix, Text(note, style="dim")]


class OverlapMatrix:
    """Ratio to chance for every two tickets, in as many tables as the width asks for."""

    def __init__(self, pairs: Sequence[TicketPair], marked: Sequence[bool]) -> None:
        self.number = _number(pairs)
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
        return _ratio(pair.overlap.total) + ("=" if pair.same_mask else "*" if marked else " ")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        fitting = max(1, (options.max_width - 6) // 8)
        for first in range(1, self.number, fitting):
            columns = range(first, min(first + fitting, self.number))
            made = Table(box=None, pad_edge=False, header_style="dim")
            made.add_column("", justify="right", style="dim")
            for column in columns:
                made.add_column(f"{column + 1} ", justify="right", no_wrap=True)
            for row in range(min(self.number - 1, columns[-1])):
                made.add_row(str(row + 1), *(self.cells.get((row, column), "") for column in columns))
            yield made


def _matched(found: Comparison, params: ReportParams) -> list[RenderableType]:
    parts: list[RenderableType] = [_facts(zip("ab", found.labels, strict=True))]
    if found.tickets:
        counts = [(state, sum(pair.state == state for pair in found.tickets)) for state in STATE_ORDER]
        summary = ", ".join(f"{number} {state}" for state, number in counts if number)
        parts += [Text(), Text(f"{len(found.tickets)} tickets in both: {summary}", style="bold")]
        changed = [pair for pair in found.tickets if pair.state != "same"]
        if any(not pair.same_mask for pair in changed):
            made = _table("", "ticket", "state", ">in a", ">in b", ">both", ">ratio", ">p")
            for pair in changed:
                total = pair.overlap.total if pair.overlap else None
                counted = (total.kept_a, total.kept_b, total.kept_both) if total else ()
                cells = [f"{value:,}" for value in counted] if not pair.same_mask else []
                cells += [_ratio(total), _p(total.log10_p)] if total and not pair.same_mask else []
                made.add_row(plain(pair.name), pair.state, *cells)
            parts += [made, _CHANCE]
        elif changed:
            parts += [plain(f"{pair.name}: {pair.state}") for pair in changed]
        parts += _changes([pair.changes for pair in changed])
    if found.runs:
        changed_runs = [pair for pair in found.runs if pair.a.history != pair.b.history]
        parts += [
            Text(),
            Text(
                f"{len(found.runs)} runs in both: {len(found.runs) - len(changed_runs)} with the same history, "
                f"{len(changed_runs)} with another",
                style="bold",
            ),
        ]
        if changed_runs:
            parts.append(_accuracies(changed_runs))
            if not all(pair.same_images for pair in changed_runs):
                parts.append(Text("# Accuracies are of other images: the difference says little.", style="dim"))
        parts += _cell_table(found, params)
        parts += _changes([pair.changes for pair in found.runs if not pair.is_same])
    for side, names in found.only.items():
        if names:
            parts += [Text(), plain(f"Only in {side}: {', '.join(names)}")]
    if not found.tickets and not found.runs:
        parts += [Text(), Text("No name is on both sides.")]
    return parts


def _accuracies(pairs: Sequence[RunPair]) -> RenderableType:
    made = _table("Maximum validation accuracy (%)", "ticket", ">a", ">b", ">b - a", "curve of b - a, each by itself")
    for pair in pairs:
        a, b = pair.a.metrics["best_accuracy"], pair.b.metrics["best_accuracy"]
        other = "" if pair.same_images else " #"
        row = f"{100 * a:.2f}", f"{100 * b:.2f}", f"{100 * (b - a):+.2f}{other}"
        made.add_row(plain(pair.name), *row, _difference_curve(pair))
    return made


def _cell_table(found: Comparison, params: ReportParams) -> list[RenderableType]:
    if not found.cells:
        return []
    title = f"Paired by seed, b - a, {100 * params.confidence:g} % t intervals: best accuracy (points), early-stop step"
    made = _table("", "experiment", ">n", ">accuracy", ">step", "b is")
    for cell in found.cells:
        verdict = Text(cell.verdict, style=VERDICT_STYLES[cell.verdict])
        made.add_row(
            plain(cell.label), str(cell.difference.n), points(cell.difference), steps(cell.step_difference), verdict
        )
    note = (
        f"as good: not worse than a by {100 * params.margin:g} points or more, one-sided; "
        "verdicts are adjusted for their number (Holm)."
        + (" One seed decides nothing." if any(cell.difference.n == 1 for cell in found.cells) else "")
    )
    return [Text(), Text(title, style="bold"), made, Text(note, style="dim")]


def _two_runs(pair: RunPair) -> list[RenderableType]:
    parts: list[RenderableType] = [
        _facts([("a", f"{pair.name_a}  {_told_run(pair.a)}"), ("b", f"{pair.name_b}  {_told_run(pair.b)}")]),
        Text(),
    ]
    made = _table("Validation", "", ">a", ">b", ">b - a")
    for name, (a, b) in pair.metrics().items():
        show = _step if name.endswith("step") else _percent
        made.add_row(METRIC_NAMES.get(name, plain(name)), show(a), show(b), _difference(a, b, name))
    parts.append(made)
    if pair.curve:
        parts += [Text(), _curves(pair)]
    if not pair.same_images:
        parts.append(Text("Their accuracies are of other images: differences say little.", style="dim"))
    if pair.a.history == pair.b.history:
        parts.append(Text("Their histories are the same, evaluation for evaluation."))
    parts.append(Text("One pair of runs has no interval: nothing can be decided from it.", style="dim"))
    return parts + _changes([pair.changes])


def _curves(pair: RunPair) -> RenderableType:
    a, b = ([rows[side].validation_accuracy for rows in pair.curve] for side in (0, 1))
    low, high = _low(a + b), max(a + b)
    above, below = (sum(sign * (y - x) > 0 for x, y in zip(a, b, strict=True)) for sign in (1, -1))
    grid = Table.grid(padding=(0, 2))
    span = f"{100 * low:.2f} or less to {100 * high:.2f} %"
    grid.add_row("a", Spark(a, low, high), span)
    grid.add_row("b", Spark(b, low, high), span)
    differences = [y - x for x, y in zip(a, b, strict=True)]
    span = f"{100 * min(differences):+.2f} to {100 * max(differences):+.2f} points"
    grid.add_row("b - a", Spark(differences), span)
    shown = [pair.curve[index] for index in np.unique(np.linspace(0, len(pair.curve) - 1, 6).round().astype(int))]
    table = _table("", "step", *(f">{x.step:,}" for x, _ in shown))
    table.add_row("b - a", *(f"{100 * (y.validation_accuracy - x.validation_accuracy):+.2f}" for x, y in shown))
    title = f"Validation accuracy at the {len(a)} steps that both have: b is above a at {above}, below at {below}"
    return Lines(Text(title, style="bold"), grid, table)


def _many_runs(pairs: Sequence[RunPair]) -> list[RenderableType]:
    first = pairs[0]
    title = Text("Maximum validation accuracy (%), and minus the first", style="bold")
    made = _table("", "run", ">best", ">- first", ">early stop", "accuracy")
    of_first = pairs[: _number(pairs) - 1]
    rows = [(first.name_a, first.a, None), *((pair.name_b, pair.b, pair) for pair in of_first)]
    accuracies = [row.validation_accuracy for _, run, _ in rows for row in run.history]
    low, high = _low(accuracies), max(accuracies)
    for name, run, pair in rows:
        best = run.metrics["best_accuracy"]
        minus = "" if pair is None else _difference(pair.a.metrics["best_accuracy"], best, "best_accuracy")
        curve = Spark([row.validation_accuracy for row in run.history], low, high)
        step = f"{run.metrics['early_stop_step']:,}"
        made.add_row(plain(name), _percent(best), minus, step, curve)
    note = (
        f"Curves from {100 * low:.2f} or less to {100 * high:.2f} %. "
        "To pair runs by seed, give two folders: their runs are matched by name."
    )
    return [title, made, Text(note, style="dim")]


def _low(accuracies: Sequence[float]) -> float:
    return float(np.quantile(_finite(accuracies), CUT_OFF))


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    """The finite ones; a single 0 where there is none."""
    array = np.array(values, np.float64)
    return array[np.isfinite(array)] if np.isfinite(array).any() else np.zeros(1)


def _number(pairs: Sequence[object]) -> int:
    """How many things there are of which these are all pairs; the first pairs are of the first with each other."""
    return (1 + math.isqrt(1 + 8 * len(pairs))) // 2


def _told_run(run: Run) -> str:
    return f"{run.ticket['name']}, {run.start}"


def _difference_curve(pair: RunPair) -> RenderableType:
    differences = [b.validation_accuracy - a.validation_accuracy for a, b in pair.curve]
    return Spark(differences) if differences else Text()


def _changes(of: Sequence[Sequence[Change]]) -> list[RenderableType]:
    """What was asked for differently, each once, with the number of pairs where there are several."""
    seen: dict[tuple[str, str, str], int] = {}
    for changed in of:
        for change in changed:
            what = change.key, _value(change.a), _value(change.b)
            seen[what] = seen.get(what, 0) + 1
    if not seen:
        return []
    made = _table("", "what", "a", "b", *([">pairs"] if len(of) > 1 else []))
    for (key, a, b), number in sorted(seen.items()):
        made.add_row(plain(key), plain(a), plain(b), *([str(number)] if len(of) > 1 else []))
    return [Text(), Text("What differs in how they were made", style="bold"), made]


def _value(value: object) -> str:
    if value is None:
        return "none"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _step(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def _difference(a: float | None, b: float | None, metric: str) -> str:
    if a is None or b is None:
        return ""
    return f"{b - a:+,}" if metric.endswith("step") else f"{100 * (b - a):+.2f}"


def _ratio(found: Overlap) -> str:
    return "-" if found.ratio is None else f"{found.ratio:.2f}"


def _p(log10_p: float) -> str:
    """A p-value of any size: 0.31, 2e-96, 5e-12014."""
    if log10_p >= -2:
        return f"{10**log10_p:.2f}"
    exponent = math.floor(log10_p)
    digit = round(10 ** (log10_p - exponent))
    return f"1e{exponent + 1}" if digit == 10 else f"{digit}e{exponent}"


_CHANCE = Text(
    "chance: what masks of these densities share on average; ratio: both over that; p: exact, two-sided.",
    style="dim",
)

"""Tickets and runs that were just made, as tables."""

import json
from collections.abc import Iterator, Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from lthctl.artifacts.names import layer_order
from lthctl.artifacts.run import Run
from lthctl.artifacts.run_document import RunDocument
from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import RoundCounts, TicketDocument
from lthctl.cli.terminal import T, new_table, plain

ROUNDS_PER_TABLE = 5


def ticket_tables(
    tickets: Sequence[Ticket | TicketDocument], *, rounds_per_table: int = ROUNDS_PER_TABLE
) -> RenderableType:
    """Desired and actual sparsity of some tickets, per layer and after every round.

    Counts depend on ratio, rounds and sizes alone, so tickets that differ in method or seed share a
    table.

    Args:
      tickets: the tickets, or their documents.
      rounds_per_table: how many rounds are beside each other.
    """
    alike: dict[str, tuple[list[str], tuple[RoundCounts, ...]]] = {}
    for ticket in tickets:
        kept = [
            {name: layer.kept for name, layer in after.layers.items()} for after in ticket.counts
        ]
        key = json.dumps([dict(ticket.rate), kept], sort_keys=True)
        names, _ = alike.setdefault(key, ([], ticket.counts))
        names.append(ticket.name)
    parts: list[RenderableType] = []
    for names, counts in alike.values():
        if not counts:
            parts += [_names(names, "dense, nothing pruned"), Text()]
        for block in blocks(counts, rounds_per_table):
            parts += [_layer_table(names, block), Text()]
    return Lines(*parts[:-1])


def blocks(rounds: Sequence[T], size: int = ROUNDS_PER_TABLE) -> Iterator[Sequence[T]]:
    """As many rounds at a time as fit beside each other."""
    for first in range(0, len(rounds), size):
        yield rounds[first : first + size]


def _layer_table(names: Sequence[str], rounds: Sequence[RoundCounts]) -> RenderableType:
    """Some successive rounds of tickets that share their counts."""
    last = rounds[-1]
    table = new_table(
        _names(names, "sparsity (%)"),
        "layer",
        ">weights",
        ">kept",
        *(f">round {after.round}" for after in rounds),
    )
    wanted: list[str] = []
    for layer in sorted(last.layers, key=layer_order):
        by_round = [after.layers[layer] for after in rounds]
        desired = [f"{100 * counts.desired:.2f}" for counts in by_round]
        if desired != wanted:
            wanted = desired
            table.add_row("asked for", "", "", *desired, style="dim")
        size, kept = by_round[-1].size, by_round[-1].kept
        table.add_row(
            plain(layer),
            f"{size:,}",
            f"{kept:,}",
            *(f"{100 * counts.actual:.2f}" for counts in by_round),
        )
    size = sum(layer.size for layer in last.layers.values())
    kept = sum(layer.kept for layer in last.layers.values())
    table.add_row(
        "total", f"{size:,}", f"{kept:,}", *(f"{100 * after.actual:.2f}" for after in rounds)
    )
    return table


def _names(names: Sequence[str], what: str) -> Text:
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return plain(f"{names[0]}{others}: {what}", style="bold")


def run_table(runs: Sequence[Run | RunDocument]) -> RenderableType:
    """Metrics of some runs, from their documents."""
    table = new_table(
        "Validation accuracy (%)",
        "ticket",
        "control",
        ">best",
        ">at step",
        ">early stop",
        ">at step",
    )
    for run in runs:
        metrics = run.metrics
        table.add_row(
            plain(run.ticket.name),
            plain(run.variant),
            f"{100 * metrics.best_accuracy:.2f}",
            f"{metrics.best_step:,}",
            f"{100 * metrics.early_stop_accuracy:.2f}",
            f"{metrics.early_stop_step:,}",
        )
    return table

"""Tickets and runs as a notebook shows them: a line of text, and a small card in HTML.

A card has no style sheet, no script and no colours of its own but grey and its text's. So it is
readable on light and on dark ground. Names come from files: all text is escaped.
"""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from lthctl.artifacts.names import is_imported, layer_order
from lthctl.params import rate_words

if TYPE_CHECKING:
    from lthctl.artifacts.run import Run
    from lthctl.artifacts.ticket import Ticket

SHOWN_DIGEST = 12  # characters

MOST_LAYERS = 8
"""Bars in a card; a network may have hundreds of parameters."""

SPARK_WIDTH, SPARK_HEIGHT = 220, 36  # pixels

GREY = "rgba(128,128,128,.4)"


def ticket_line(ticket: "Ticket") -> str:
    """Such as `Ticket l1-r0.80-n5-s1: 20.2 % of 266,200 weights kept, 784-300-100-10`."""
    return f"Ticket {ticket.name}: {_kept(ticket)} kept, {ticket.model.name}"


def run_line(run: "Run") -> str:
    """Such as `Run l1-r0.80-n5-s1, rewind: best accuracy 98.34 % at step 2,500 of 3,000`."""
    return f"Run {run.ticket.name}, {run.variant}: best accuracy {_best(run)}"


def ticket_card(ticket: "Ticket") -> str:
    """What a ticket is, and what is left of each layer."""
    trained = "no training" if ticket.train is None else f"{ticket.train.steps:,} steps in all"
    how = [ticket.method]
    if not is_imported(ticket.method):
        how += [f"{ticket.rounds} round{'' if ticket.rounds == 1 else 's'}", trained]
    if ticket.specification.rewind_step:
        how.append(f"rewinds to step {ticket.specification.rewind_step:,}")
    facts = [
        ("found by", escape(", ".join(how))),
        ("model", escape(ticket.model.name)),
        ("data", escape(ticket.data.name if ticket.data else "none")),
        ("seed", str(ticket.seed)),
        ("kept", escape(_kept(ticket))),
    ]
    names = sorted(ticket.mask, key=layer_order)
    for name in names[:MOST_LAYERS]:
        array = ticket.mask[name]
        facts.append((name, _bar(float(array.mean()) if array.size else 1.0)))
    if len(names) > MOST_LAYERS:
        facts.append(("", f"and {len(names) - MOST_LAYERS} parameters more"))
    facts.append(("digest", _code(ticket.digest)))
    return _card(f"Ticket {ticket.name}", facts)


def run_card(run: "Run") -> str:
    """What a run was, how well it did, and its validation accuracy over the steps."""
    metrics, train = run.metrics, run.train
    facts = [
        ("started from", escape(run.variant)),
        ("weights kept", f"{100 * (1 - run.ticket.sparsity):.3g} %"),
        ("trained", escape(f"{train.steps:,} steps, {train.optimizer} {rate_words(train)}")),
        ("best accuracy", escape(_best(run))),
        ("early stop", f"step {metrics.early_stop_step:,}"),
    ]
    if metrics.early_stop_test_accuracy is not None:
        facts.append(("test accuracy there", f"{100 * metrics.early_stop_test_accuracy:.2f} %"))
    facts += [
        ("accuracy", _spark([row.validation_accuracy for row in run.history])),
        ("training", _code(run.training)),
    ]
    return _card(f"Run {run.ticket.name}, {run.variant}", facts)


def _kept(ticket: "Ticket") -> str:
    return f"{100 * ticket.mask.density:.3g} % of {ticket.mask.size:,} weights"


def _best(run: "Run") -> str:
    metrics = run.metrics
    return (
        f"{100 * metrics.best_accuracy:.2f} % at step {metrics.best_step:,} of {run.train.steps:,}"
    )


def _card(title: str, facts: Sequence[tuple[str, str]]) -> str:
    """Args:
    title: text, which is escaped here.
    facts: name -> HTML; the names are escaped here.
    """
    cell = "border:0;padding:1px 12px 1px 0;text-align:left;color:inherit;background:none"
    rows = "".join(
        f'<tr style="background:none"><th scope="row" style="{cell};font-weight:normal;opacity:.7">'
        f'{escape(name)}</th><td style="{cell}">{value}</td></tr>'
        for name, value in facts
    )
    return (
        f'<div style="display:inline-block;border:1px solid {GREY};border-radius:6px;'
        'padding:8px 12px;color:inherit;font-size:13px">'
        f"<strong>{escape(title)}</strong>"
        f'<table style="border:0;margin:4px 0 0;color:inherit;background:none">{rows}</table></div>'
    )


def _bar(share: float) -> str:
    """A share, in [0, 1], as a bar and a number."""
    return (
        f'<span style="display:inline-block;width:120px;height:8px;background:{GREY}">'
        f'<span style="display:block;width:{100 * share:.1f}%;height:8px;background:currentColor">'
        f"</span></span> {100 * share:.3g} %"
    )


def _spark(values: Sequence[float]) -> str:
    """Numbers as a line, from the lowest to the highest."""
    low, high = min(values), max(values)
    span, last = (high - low) or 1.0, max(1, len(values) - 1)
    points = " ".join(
        f"{2 + (SPARK_WIDTH - 4) * i / last:.1f},"
        f"{SPARK_HEIGHT - 2 - (SPARK_HEIGHT - 4) * (value - low) / span:.1f}"
        for i, value in enumerate(values)
    )
    words = f"validation accuracy from {100 * low:.2f} to {100 * high:.2f} %"
    return (
        f'<svg width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" role="img" aria-label="{words}">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def _code(digest: str) -> str:
    return f"<code>{escape(digest[:SHOWN_DIGEST])}</code>"

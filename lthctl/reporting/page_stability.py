"""Stability as a section of the page. No script takes part, so it is there without."""

from collections.abc import Sequence
from html import escape

from lthctl.artifacts.connection_document import STABLE_BELOW
from lthctl.reporting.reading import Report
from lthctl.reporting.sentences import size_words
from lthctl.reporting.stability import RULE, IsStable, Stability, stabilities_of
from lthctl.reporting.statistics import Interval, Verdict

CHIPS: dict[IsStable | Verdict, tuple[str, str]] = {
    "stable": ("good", "✓"),
    "not stable": ("bad", "✗"),
    "better": ("good", "✓"),
    "as good": ("good", "✓"),
    "worse": ("bad", "✗"),
    "unknown": ("open", "?"),
    "too short to tell": ("open", "?"),
}
"""What is shown -> the class of its colour, and a sign."""

WIDTH, HEIGHT = 150, 34  # pixels of the picture of a line

COLUMNS = (
    "weights left",
    "control",
    "as good as dense?",
    "error along the line",
    "barrier",
    "on train images",
    "stable?",
)


def stability_html(report: Report) -> str:
    """A section; nothing where there are no connections. All names are escaped."""
    tables = [
        (group.title if len(report.groups) > 1 else "", stabilities)
        for group in report.groups
        if (stabilities := stabilities_of(group))
    ]
    if not tables:
        return ""
    return (
        '<section id="stability" tabindex="-1" aria-labelledby="h-stability">'
        '<h2 id="h-stability">Is it stable?</h2>'
        f'<p class="lede">{escape(RULE)} Tickets are as good as dense only where they are stable, '
        "says the paper of this measure. In the pictures the dashed line is at "
        f"{100 * STABLE_BELOW:g} points; all have one scale.</p>"
        + "".join(_table(title, stabilities) for title, stabilities in tables)
        + "</section>"
    )


def _table(title: str, stabilities: Sequence[Stability]) -> str:
    most = max(STABLE_BELOW, *(rise for one in stabilities for _, rise in one.rises)) * 1.1
    head = "".join(f'<th scope="col">{name}</th>' for name in ("ticket", *COLUMNS))
    rows = "".join(_row(one, most) for one in stabilities)
    label = escape(f"Stability, {stabilities[0].judged} images")
    return (
        (f'<p class="note">{escape(title)}</p>' if title else "")
        + f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table class="cards"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(one: Stability, most: float) -> str:
    key = one.experiment.key
    cells = (
        size_words(one.experiment),
        escape(key.control),
        _chip(one.experiment.verdict) if one.experiment.verdict else "",
        _picture(one, most),
        f"{_points(one.barrier)} <small>{one.judged} images, n {one.barrier.n}</small>",
        _points(one.on_train),
        _chip(one.is_stable),
    )
    labelled = zip(COLUMNS, cells, strict=True)
    return (
        f'<tr><th scope="row">{escape(key.ticket)}</th>'
        + "".join(f'<td data-label="{label}"><div>{cell}</div></td>' for label, cell in labelled)
        + "</tr>"
    )


def _chip(answer: IsStable | Verdict) -> str:
    kind, sign = CHIPS[answer]
    return f'<span class="chip {kind}">{sign} {answer}</span>'


def _points(value: Interval) -> str:
    half = "" if value.low is None else f" ± {100 * (value.mean - value.low):.2f}"
    return f"{100 * value.mean:.2f}{half}"


def _picture(one: Stability, most: float) -> str:
    """The rise of the error along the line, from its lowest to `most`, and the threshold."""
    low = min(0.0, *(rise for _, rise in one.rises))

    def height(rise: float) -> float:
        return HEIGHT - 2 - (HEIGHT - 4) * (rise - low) / (most - low)

    points = " ".join(
        f"{2 + (WIDTH - 4) * place:.1f},{height(rise):.1f}" for place, rise in one.rises
    )
    threshold = f"{height(STABLE_BELOW):.1f}"
    place, rise = max(one.rises, key=lambda of: of[1])
    words = f"error rises by {100 * rise:.2f} points, at {place:.2f} of the line"
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{words}">'
        f'<line x1="2" x2="{WIDTH - 2}" y1="{threshold}" y2="{threshold}" stroke="currentColor" '
        'stroke-dasharray="3 3" opacity="0.5"/>'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.8"/></svg>'
    )

"""Text and tables for a terminal. Rich only; decides nothing.

Names that come from files are text here and never markup.
"""

from typing import Literal, TypeVar

from rich.table import Table
from rich.text import Text

from lthctl.reporting.statistics import Interval, Verdict

T = TypeVar("T")


VERDICT_STYLES: dict[Verdict, str] = {
    "better": "bold green",
    "as good": "green",
    "worse": "red",
    "unknown": "yellow",
    "too short to tell": "yellow",
}


def duration(seconds: float) -> str:
    """As people say it, to about two figures."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def percent(value: Interval) -> str:
    return f"{100 * value.mean:.2f}" + (
        "" if value.low is None else f" ± {100 * (value.mean - value.low):.2f}"
    )


def points(value: Interval | None, n: int | None = None) -> str:
    """A difference in points; with its own n where that is not `n`."""
    if value is None:
        return ""
    fewer = f" (n = {value.n})" if n is not None and value.n != n else ""
    return (
        f"{100 * value.mean:+.2f}"
        + ("" if value.low is None else f" ± {100 * (value.mean - value.low):.2f}")
        + fewer
    )


def steps(value: Interval | None) -> str:
    if value is None:
        return ""
    return f"{value.mean:+,.0f}" + (
        "" if value.low is None else f" ± {value.mean - value.low:,.0f}"
    )


def new_table(title: str | Text, *columns: str) -> Table:
    """A table of columns; one whose name starts with ">" is aligned to the right. Names stay whole,
    the rest is folded."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        name = column.lstrip(">")
        table.add_column(
            name, justify=justify, no_wrap=name in ("ticket", "layer"), overflow="fold"
        )
    return table


def plain(text: str, style: str = "") -> Text:
    """Text that may come from a file: no markup, and nothing that a terminal would obey."""
    return Text(
        "".join(
            char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}"
            for char in text
        ),
        style=style,
    )

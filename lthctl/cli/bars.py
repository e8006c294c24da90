"""Bars on a terminal, and plain lines where nothing can be drawn: what displays of progress share.

The display is rich's.
"""

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

PLAIN_SECONDS = 30.0  # between two lines where nothing can be drawn
SPEED_SECONDS = 30.0  # over which rich takes its rates


def bars(console: Console, *, enabled: bool, per_second: int) -> Progress:
    """A live display of bars, each with a note, that is gone in the end.

    Args:
      console: for stderr.
      enabled: whether to show any.
      per_second: how often it is drawn.
    """
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[note]}", style="dim", markup=False, table_column=Column(no_wrap=True)
        ),
        console=console,
        disable=not enabled or not console.is_terminal,
        transient=True,
        refresh_per_second=per_second,
        expand=True,
        speed_estimate_period=SPEED_SECONDS,
        get_time=lambda: time.monotonic(),
    )


class PlainLines:
    """Says when a plain line is due.

    Args:
      console: for stderr; on a terminal none is.
      enabled: whether any is.
    """

    def __init__(self, console: Console, *, enabled: bool) -> None:
        self._wanted = enabled and not console.is_terminal
        self._printed = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last one is half a minute ago; then the next half begins."""
        now = time.monotonic()
        if not self._wanted or now - self._printed < PLAIN_SECONDS:
            return False
        self._printed = now
        return True


def time_left(bar: Task) -> str:
    """The time that a bar takes to its end."""
    return "--:--" if bar.time_remaining is None else clock(bar.time_remaining)


def clock(seconds: float) -> str:
    """Seconds as people read them: 1:02:03, or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

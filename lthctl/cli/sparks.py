"""Pictures made of characters."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from lthctl.artifacts.ticket import Ticket
from lthctl.cli.ticket_table import ticket_tables

SPARK_WIDTH, SPARK_LEAST = 40, 10  # characters


class Spark:
    """Numbers as a line of little columns; where there is no room for all of them, averages of
    neighbours.

    Args:
      values: what is not finite is left out.
      low, high: what the lowest and the highest column stand for; values beyond get these. The
        values' own when not given.
    """

    def __init__(
        self, values: Sequence[float], low: float | None = None, high: float | None = None
    ) -> None:
        self.values = finite_values(values)
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
    """Sparsity of a ticket per layer and round, with as many rounds beside each other as the width
    allows."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rounds_per_table = max(1, (options.max_width - 33) // 9)
        yield ticket_tables([self.ticket], rounds_per_table=rounds_per_table)


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


def finite_values(values: Sequence[float]) -> NDArray[np.float64]:
    """The finite ones; a single 0 where there is none."""
    array = np.array(values, np.float64)
    return array[np.isfinite(array)] if np.isfinite(array).any() else np.zeros(1)

"""Connections of runs on a screen: the error along each line, and its barrier."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lthctl.artifacts.connection import Connection
from lthctl.artifacts.connection_document import STABLE_BELOW
from lthctl.cli.sparks import Spark
from lthctl.cli.terminal import new_table, plain

MOST_SHOWN = 3
"""Connections that are drawn; more are a line of a table each."""


def connection_screen(connections: Sequence[Connection], folder: Path) -> RenderableType:
    """What was found.

    Args:
      connections: one or more.
      folder: where they are kept.
    """
    parts: list[RenderableType] = []
    if len(connections) <= MOST_SHOWN:
        for connection in connections:
            parts += [*_drawn(connection), Text()]
    else:
        parts += [_listed(connections), Text()]
    judged = ", ".join(dict.fromkeys(connection.judged for connection in connections))
    parts += [
        Text(
            "barrier: the highest error on the line minus the mean of both ends, in points. "
            f"stable: below {100 * STABLE_BELOW:g} points, of the {judged} images.",
            style="dim",
        ),
        plain(f"Kept in {folder}", style="dim"),
    ]
    return Lines(*parts)


def _drawn(connection: Connection) -> list[RenderableType]:
    request = connection.request
    a, b = (f"{end.ticket}, {end.variant}" for end in (request.a, request.b))
    table = Table.grid(padding=(0, 2))
    table.add_row(
        *(Text(name, style="dim") for name in ("images", "error along the line", "ends (%)")),
        *(Text(name, style="dim") for name in ("highest", "at", "barrier", "")),
    )
    for split, barrier in connection.barriers.items():
        table.add_row(
            split,
            Spark([point.error(split) for point in connection.points]),
            " / ".join(f"{100 * end:.2f}" for end in barrier.ends),
            f"{100 * barrier.highest:.2f}",
            f"{barrier.at:.2f}",
            f"{100 * barrier.height:.2f}",
            _stable(connection) if split == connection.judged else "",
        )
    title = plain(f"{a} to {b}; {request.points} networks, engine {request.engine}", style="bold")
    return [title, table]


def _listed(connections: Sequence[Connection]) -> RenderableType:
    table = new_table(
        "Error (%) on the line between two runs",
        "ticket",
        "runs",
        ">ends",
        ">highest",
        ">at",
        ">barrier",
        ">on train",
        "",
    )
    for connection in connections:
        a, b = connection.request.a, connection.request.b
        barrier = connection.barriers[connection.judged]
        table.add_row(
            plain(" to ".join(dict.fromkeys((a.ticket, b.ticket)))),
            plain(f"{a.variant} to {b.variant}"),
            " / ".join(f"{100 * end:.2f}" for end in barrier.ends),
            f"{100 * barrier.highest:.2f}",
            f"{barrier.at:.2f}",
            f"{100 * barrier.height:.2f}",
            f"{100 * connection.barriers['train'].height:.2f}",
            _stable(connection),
        )
    return table


def _stable(connection: Connection) -> Text:
    is_low = connection.barriers[connection.judged].is_low
    return Text("stable", style="green") if is_low else Text("not stable", style="red")

"""The history of a training as CSV."""

from lthctl.artifacts.csv_table import table_bytes, table_from
from lthctl.training.history import Row


def history_bytes(history: tuple[Row, ...]) -> bytes:
    """A history as CSV; the columns for test images are there only where there are such."""
    return table_bytes(history)


def history_from(content: bytes) -> tuple[Row, ...]:
    """What `history_bytes` wrote.

    Raises:
      ValueError: these are not the bytes that it would write, or there is no evaluation or a number
        that cannot be.
    """
    return table_from(content, Row, int)

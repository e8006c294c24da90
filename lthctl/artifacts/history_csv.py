"""The history of a training as CSV."""

import math
from itertools import chain

from lthctl.training.history import Row

HISTORY_LIMIT = 16 * 2**20  # bytes; an evaluation takes about 80


def history_bytes(history: tuple[Row, ...]) -> bytes:
    """A history as CSV; the columns for test images are there only where there are such."""
    columns = Row._fields if history[-1].test_loss is not None else Row._fields[:4]
    rows = [columns, *(row[: len(columns)] for row in history)]
    return "".join([",".join(map(str, row)) + "\n" for row in rows]).encode()


def history_from(content: bytes) -> tuple[Row, ...]:
    """What `history_bytes` wrote.

    Raises:
      ValueError: these are not the bytes that it would write, or there is no evaluation or a number
        that cannot be.
    """
    header, *lines = content.decode().splitlines() or [""]
    names = header.split(",")
    if names not in (list(Row._fields), list(Row._fields[:4])):
        raise ValueError(
            f"has columns {', '.join(names)[:100]!r}, expected {', '.join(Row._fields)} or the "
            "first 4"
        )
    for number, line in enumerate(lines, start=2):
        if line.count(",") != len(names) - 1:
            num_values = len(line.split(",")) if line else 0
            raise ValueError(f"line {number} has {num_values} values, expected {len(names)}")
    values = ",".join(lines).split(",") if lines else []
    steps, *others = (values[column :: len(names)] for column in range(len(names)))
    history = tuple(map(Row, map(int, steps), *(map(float, column) for column in others)))
    if (
        not history or history_bytes(history) != content
    ):  # whatever was passed over until here is found here
        raise ValueError("is empty or not written as lthctl writes it")
    columns = list(zip(*history, strict=True))[1 : len(names)]
    accuracies = columns[2::2]
    if (
        not all(map(math.isfinite, chain(*columns)))
        or min(map(min, accuracies)) < 0
        or max(map(max, accuracies)) > 1
    ):
        raise ValueError("has a loss that is not finite or an accuracy outside [0, 1]")
    return history

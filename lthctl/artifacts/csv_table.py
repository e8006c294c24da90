"""Tables of numbers as CSV, read as strictly as they are written."""

import math
from itertools import chain
from typing import TypeVar

CSV_LIMIT = 16 * 2**20  # bytes; an evaluation takes about 80

R = TypeVar("R", bound=tuple[float | None, ...])

OPTIONAL = 2
"""Columns for test images, the last; they are there only where there are such images."""

FRACTIONS = ("accuracy", "error")
"""How names of columns end that hold fractions of the images."""


def table_bytes(rows: tuple[R, ...]) -> bytes:
    """Named tuples as CSV, without the columns that hold nothing."""
    fields = _fields(type(rows[-1]))
    columns = fields if rows[-1][-1] is not None else fields[:-OPTIONAL]
    lines = [columns, *(row[: len(columns)] for row in rows)]
    return "".join([",".join(map(str, line)) + "\n" for line in lines]).encode()


def table_from(content: bytes, row: type[R], first: type[int] | type[float]) -> tuple[R, ...]:
    """What `table_bytes` wrote.

    Args:
      content: the bytes.
      row: the named tuple of a line.
      first: the type of its first value; the others are floats.

    Raises:
      ValueError: these are not the bytes that it would write, or there is no line or a number that
        cannot be.
    """
    fields = _fields(row)
    header, *lines = content.decode().splitlines() or [""]
    names = tuple(header.split(","))
    if names not in (fields, fields[:-OPTIONAL]):
        raise ValueError(
            f"has columns {', '.join(names)[:100]!r}, expected {', '.join(fields)} or the "
            f"first {len(fields) - OPTIONAL}"
        )
    for number, line in enumerate(lines, start=2):
        if line.count(",") != len(names) - 1:
            num_values = len(line.split(",")) if line else 0
            raise ValueError(f"line {number} has {num_values} values, expected {len(names)}")
    values = ",".join(lines).split(",") if lines else []
    firsts, *others = (values[column :: len(names)] for column in range(len(names)))
    rows = tuple(map(row, map(first, firsts), *(map(float, column) for column in others)))
    if not rows or table_bytes(rows) != content:  # whatever was passed over until here
        raise ValueError("is empty or not written as lthctl writes it")
    columns = dict(zip(names, zip(*rows, strict=True), strict=False))
    parts = [column for name, column in columns.items() if name.endswith(FRACTIONS)]
    if (
        not all(map(math.isfinite, chain(*columns.values())))
        or min(map(min, parts)) < 0
        or max(map(max, parts)) > 1
    ):
        kind = next(end for end in FRACTIONS if names[-1].endswith(end))
        raise ValueError(f"has a loss that is not finite or an {kind} outside [0, 1]")
    return rows


def _fields(row: type[R]) -> tuple[str, ...]:
    fields: tuple[str, ...] = row._fields  # type: ignore[attr-defined]
    return fields

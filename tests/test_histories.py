"""Histories as CSV: their bytes, and what is refused."""

import csv
import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl.artifacts.history_csv import history_bytes, history_from
from lthctl.training.history import Row

# ---- histories ----


ROWS = (Row(0, 2.5, 2.302585092994046, 0.1), Row(10, 0.1 + 0.2, 1e-20, 1.0))


HISTORY = b"step,train_loss,validation_loss,validation_accuracy\n0,2.5,2.302585092994046,0.1\n10,0.30000000000000004,1e-20,1.0\n"


def test_history_bytes() -> None:
    assert history_bytes(ROWS) == HISTORY
    assert history_from(HISTORY) == ROWS


def test_history_bytes_with_a_test_split() -> None:
    rows = (Row(0, 1.0, 2.0, 0.5, 3.0, 0.25), Row(10, 0.5, 1.0, 0.75, 1.5, 0.125))
    content = (
        b"step,train_loss,validation_loss,validation_accuracy,test_loss,test_accuracy\n"
        b"0,1.0,2.0,0.5,3.0,0.25\n"
        b"10,0.5,1.0,0.75,1.5,0.125\n"
    )
    assert history_bytes(rows) == content
    assert history_from(content) == rows


def history_of_the_standard_library(content: bytes) -> list[list[float]] | None:
    """The numbers of a history where they can be and the csv module would write the same; None
    otherwise."""
    try:
        header, *lines = csv.reader(io.StringIO(content.decode()))
        rows = [[int(line[0]), *map(float, line[1:])] for line in lines]
    except (ValueError, IndexError, csv.Error):
        return None
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    names = list(Row._fields)
    is_ours = header in (names, names[:4]) and rows and {len(row) for row in rows} == {len(header)}
    if not is_ours or text.getvalue().encode() != content:
        return None
    losses_can_be = all(math.isfinite(loss) for row in rows for loss in (*row[1:3], *row[4:5]))
    return (
        rows
        if losses_can_be and all(0 <= accuracy <= 1 for row in rows for accuracy in row[3::2])
        else None
    )


LOSSES = st.floats() | st.floats(0, 3)


ACCURACIES = st.floats(0, 1) | st.sampled_from([0.0, -0.0, 1.0, 0.9812, 1.5, math.nan])


ROWS_OF_4 = st.builds(Row, st.integers(), LOSSES, LOSSES, ACCURACIES)


ROWS_OF_6 = st.builds(Row, st.integers(), LOSSES, LOSSES, ACCURACIES, LOSSES, ACCURACIES)


HISTORIES = st.lists(ROWS_OF_4, min_size=1, max_size=4) | st.lists(
    ROWS_OF_6, min_size=1, max_size=4
)


PIECES = ["0", "-", "+", ".", "e0", " ", ",", "\n", "\r", "\r\n", "\x0b", "\u2028", '"', "_", "٣"]


@pytest.mark.long
@settings(deadline=None)
@given(st.data(), HISTORIES)
def test_a_history_is_read_only_as_the_csv_module_would_write_it(
    data: st.DataObject, rows: list[Row]
) -> None:
    text = history_bytes(tuple(rows)).decode()
    place = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.just("") | st.sampled_from(PIECES))
    content = (text[:place] + piece + text[place + data.draw(st.integers(0, 1)) :]).encode()
    expected = history_of_the_standard_library(content)
    if expected is None:
        with pytest.raises(ValueError):
            history_from(content)
    else:
        assert [list(row[: len(expected[0])]) for row in history_from(content)] == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        HISTORY[:-20],
        HISTORY.replace(b"train_loss", b"loss"),
        HISTORY.replace(b"step,train_loss", b"train_loss,step"),
        HISTORY.replace(b"2.5", b"x"),
        HISTORY.replace(b"\n0,", b"\n0.5,"),
        HISTORY + b"1,2,3\n",
        HISTORY + b"\n",
        HISTORY.replace(
            b",validation_accuracy\n", b",validation_accuracy,test_loss,test_accuracy,more\n"
        ),
    ],
)
def test_history_that_is_none(content: bytes) -> None:
    with pytest.raises(ValueError):  # many are Python's own
        history_from(content)


# ---- forged with right digests ----


LINES = HISTORY.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LINES[0], "is empty or not written as lthctl writes it"),
        (HISTORY.replace(b"\n", b"\r\n"), "is empty or not written as lthctl writes it"),
        (HISTORY.replace(b"2.5", b"2.50"), "is empty or not written as lthctl writes it"),
        (HISTORY.replace(b"2.5", b"nan"), "has a loss that is not finite or an accuracy outside [0, 1]"),
        (HISTORY.replace(b"2.5", b"inf"), "has a loss that is not finite or an accuracy outside [0, 1]"),
        (b"step,train_loss,validation_loss,validation_accuracy\n1,1.0,1.0,1.5\n", "has a loss that is not finite or an accuracy outside [0, 1]"),
        (history_bytes((Row(1, 1.0, 1.0, 1.0, 1.0, 1.5),)), "has a loss that is not finite or an accuracy outside [0, 1]"),
        (history_bytes((Row(1, 1.0, 1.0, 1.0, 1.0, -0.5),)), "has a loss that is not finite or an accuracy outside [0, 1]"),
        (b"step,train_loss,validation_loss,validation_accuracy\n" + b"\n" * 10, "line 2 has 0 values, expected 4"),
        (b"step,train_loss\n1,1.0\n", "has columns 'step, train_loss', expected "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_history(content: bytes, said: str) -> None:
    with pytest.raises(ValueError) as refusal:
        history_from(content)
    assert str(refusal.value).startswith(said)

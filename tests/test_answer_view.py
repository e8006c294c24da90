"""The short report of the terminal: sentences, a table per ladder, few notes."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from lthctl.artifacts.run import Run
from lthctl.cli.answer_view import print_answers
from lthctl.reporting.reading import Report

from .test_report import DENSE_TICKET, L1_TICKET, replicates, report_of


def shown(report: Report, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    print_answers(console, report)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def experiment(*controls: str, method: str = "l1") -> list[Run]:
    """Dense, and tickets of one ratio, of three seeds."""
    runs = replicates(DENSE_TICKET, [0.75, 0.76, 0.77])
    for control in controls:
        for ratio in (L1_TICKET[1], 0.9):
            ticket = (method, ratio, L1_TICKET[2])
            runs += replicates(ticket, [0.75, 0.7605, 0.77], control=control)
    return runs


def test_controls_stand_beside_each_other_where_they_fit(tmp_path: Path) -> None:
    report = report_of(tmp_path, *experiment("rewind", "reinit", "shuffle"))
    for width, per_table in ((120, 3), (80, 2), (40, 1)):
        heads = [line for line in shown(report, width).splitlines() if "verdict" in line]
        assert [head.count("verdict") for head in heads if head.lstrip().startswith("size")] == {
            3: [3], 2: [2, 1], 1: [1, 1, 1]
        }[per_table]  # fmt: skip


def test_a_row_has_size_difference_verdict_and_times(tmp_path: Path) -> None:
    text = shown(report_of(tmp_path, *experiment("rewind", "reinit")), 80)
    rows = [line.split() for line in text.splitlines() if " ± " in line and "Dense" not in line]
    # 0, 0.05 and 0 points: 0.0167 +- 4.303 * 0.0289 / sqrt(3)
    assert [row[3:6] for row in rows] == [["+0.02", "±", "0.07"]] * 2
    assert all(row.count("±") == 2 for row in rows)


def test_random_pruning_is_a_line(tmp_path: Path) -> None:
    runs = experiment("rewind") + experiment("rewind", method="random")[3:]
    text = shown(report_of(tmp_path, *runs), 80)
    assert "\nl1 tickets of 1 round, minus dense (points)\n" in text
    assert "\nrandom tickets of 1 round: rewound as good down to " in text
    alone = shown(report_of(tmp_path / "alone", *experiment("rewind", method="random")), 80)
    assert "\nrandom tickets of 1 round, minus dense (points)\n" in alone


@pytest.mark.parametrize("width", [80, 40])
def test_no_word_is_broken(width: int, tmp_path: Path) -> None:
    report = report_of(tmp_path, *experiment("rewind", "reinit", "shuffle"))
    words = set(shown(report, 1000).split())
    text = shown(report, width)
    lines = [line for line in text.splitlines() if "lthctl" not in line]
    assert max(map(len, lines)) <= width
    assert set(" ".join(lines).split()) <= words


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (replicates(L1_TICKET, [0.7, 0.8]), "There is no dense run"),
        (replicates(DENSE_TICKET, [0.7, 0.8]), "Nothing to judge"),
        ([*replicates(DENSE_TICKET, [0.7]), *replicates(L1_TICKET, [0.7])], "One seed has no"),
    ],
)
def test_little_is_told_from_little(runs: list[Run], said: str, tmp_path: Path) -> None:
    assert said in shown(report_of(tmp_path, *runs), 120)


def test_notes_are_three_at_most(tmp_path: Path) -> None:
    text = shown(report_of(tmp_path, *experiment("rewind")), 1000)
    assert len(text.rstrip().rpartition("\n\n")[2].splitlines()) <= 3

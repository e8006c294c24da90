"""Tables as text on consoles of fixed width."""

import io
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from lthctl.artifacts.ticket_document import LayerCounts, RoundCounts
from lthctl.canonical import Json
from lthctl.cli.report_view import report_tables
from lthctl.cli.ticket_table import run_table, ticket_tables
from lthctl.reporting.reading import Report
from lthctl.training.history import Row

from .by_hand import respecified
from .test_report import (
    DATA,
    DENSE_TICKET,
    L1_TICKET,
    MODEL,
    TRAIN,
    Asked,
    make_run,
    replicates,
    report_of,
    tiny_report,
    unread_report,
)


def text_of(renderable: RenderableType, width: int) -> str:
    """What a console of this width shows, without the spaces at the ends of its lines."""
    console = Console(
        file=io.StringIO(), width=width, color_system=None, force_terminal=False, highlight=False
    )
    console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


# --- tickets

Layers = dict[
    str, tuple[int, float, list[int]]
]  # name -> size, rate per round, kept after every round

TWO_ROUNDS: Layers = {
    "layers.10.bias": (2, 0.25, [2, 2]),
    "layers.10.weight": (20, 0.25, [15, 11]),
    "layers.2.bias": (10, 0.5, [5, 2]),
    "layers.2.weight": (1200, 0.5, [600, 300]),
}


@dataclass
class TicketCounts:
    """The part of a ticket that the tables read."""

    name: str
    rate: dict[str, float]
    counts: tuple[RoundCounts, ...]


def ticket_of(layers: Layers, name: str = "l1-r0.75-n15-s1") -> TicketCounts:
    total = sum(size for size, _, _ in layers.values())
    num_rounds = max((len(kept) for _, _, kept in layers.values()), default=0)
    counts = tuple(
        RoundCounts(
            round=number + 1,
            steps=0,
            trained=None,
            desired=0.0,
            actual=1 - sum(kept[number] for _, _, kept in layers.values()) / total,
            layers={
                layer: LayerCounts(
                    size=size,
                    kept=kept[number],
                    desired=1 - (1 - rate) ** (number + 1),
                    actual=1 - kept[number] / size,
                )
                for layer, (size, rate, kept) in layers.items()
            },
        )
        for number in range(num_rounds)
    )
    return TicketCounts(name, {layer: rate for layer, (_, rate, _) in layers.items()}, counts)


TICKETS = [
    ticket_of(TWO_ROUNDS, "l1-r0.75-n2-s1"),
    ticket_of({}, "dense-s1"),
    ticket_of(TWO_ROUNDS, "random-r0.75-n2-s2"),  # the same counts: shares the first one's table
]

TICKET_TABLES = """\
l1-r0.75-n2-s1 and 1 more: sparsity (%)
layer             weights  kept  round 1  round 2
asked for                          50.00    75.00
layers.2.weight     1,200   300    50.00    75.00
layers.2.bias          10     2    50.00    80.00
asked for                          25.00    43.75
layers.10.weight       20    11    25.00    45.00
layers.10.bias          2     2     0.00     0.00
total               1,232   315    49.51    74.43

dense-s1: dense, nothing pruned
"""


@pytest.mark.parametrize("width", [80, 120])
def test_ticket_tables(width: int) -> None:
    """Layers by their numbers, weights before biases, and what was asked for wherever it
    changes."""
    assert text_of(ticket_tables(TICKETS), width) == TICKET_TABLES


def test_tickets_of_other_counts_have_tables_of_their_own() -> None:
    other = TWO_ROUNDS | {"layers.10.weight": (20, 0.25, [15, 12])}
    text = text_of(ticket_tables([ticket_of(TWO_ROUNDS, "a"), ticket_of(other, "b")]), 80)
    assert [line for line in text.splitlines() if "sparsity" in line] == [
        "a: sparsity (%)",
        "b: sparsity (%)",
    ]


def test_no_ticket_no_table() -> None:
    assert text_of(ticket_tables([]), 80) == ""


# --- runs


RUN_TABLE = """\
Validation accuracy (%)
ticket           control    best  at step  early stop  at step
dense-s1         rewind    50.00       20       37.50       30
l1-r0.50-n1-s12  reinit   100.00       20       75.00       10
"""


@pytest.mark.parametrize("width", [80, 120])
def test_run_table(width: int) -> None:
    runs = [
        make_run(DENSE_TICKET, 1, 0.5, stop=30),
        make_run(L1_TICKET, 12, 1.0, stop=10, control="reinit"),
    ]
    assert text_of(run_table(runs), width) == RUN_TABLE


# --- reports

TABLES_120 = """\
digits (600 train, 1,000,000 validation images), 4-3-2 uniform, adam 0.0012, batch 60, 30 steps, evaluated every 10,
weights and biases pruned, engine torch on cpu; 7 runs, 2 seeds

Too short to tell how far down l1 tickets of 1 round keep up: 2 of 2 dense runs still improve at the end.
At 56.2 % of the weights, 2 of 2 tickets and 2 of 2 dense runs never reach 97 % accuracy.
Too short to tell: at 56.2 % of the weights, accuracy is +50.00 points against reinitialized (+50.00 to +50.00), +37.50
points against random, n 2 and 1.
Not known: In 2 of 2 dense runs the validation loss is lowest at the last evaluation. To be as good as these is no win.
Train longer. Type: lthctl prune --steps 60 --out masks-60 && lthctl retrain masks-60 --steps 60 --out runs-60
Not known: Steps to 97 % accuracy: 2 of 2 tickets and 2 of 2 dense runs never get there. Set report.targets in
params.yaml to what dense runs reach.
Fixed before any run: the answers are about rewound tickets of the first method with the most rounds, at the ratio
nearest to 0.8. Targets are 97 % and 98 %, of which the first counts; the margin is 0.2 points, the confidence 95 %.
Random pruning counts as a control. All this holds for one look, at a number of seeds fixed beforehand.

Sparsity (%) asked for and reached,
mean over seeds
ticket           n             round 1
l1-r0.50-n1      2  asked for    50.00
                    reached      43.75
random-r0.50-n1  1  asked for    50.00
                    reached      43.75

Maximum validation accuracy (%), 95 % t intervals; minus dense is paired by
seed (points)
ticket           control  n      accuracy    minus dense  verdict
dense            rewind   2  50.00 ± 0.00
l1-r0.50-n1      rewind   2  75.00 ± 0.00  +25.00 ± 0.00  too short to tell
l1-r0.50-n1      reinit   2  25.00 ± 0.00  -25.00 ± 0.00  too short to tell
random-r0.50-n1  rewind   1         37.50         -12.50  too short to tell

At the early-stop step, where the validation loss
is lowest
ticket           control  n      step      accuracy
dense            rewind   2  30 ± 26*  37.50 ± 0.00
l1-r0.50-n1      rewind   2   20 ± 26  75.00 ± 0.00
l1-r0.50-n1      reinit   2   10 ± 26   0.00 ± 0.00
random-r0.50-n1  rewind   1        20         37.50

as good: not worse than dense by 0.2 points or more (one-sided). Each verdict is by itself, not adjusted for their
number.
One seed has no interval, so nothing can be decided from it.
* In some of these runs the validation loss was lowest at the last step. They may be too short to overfit.
This protocol has no test images. Accuracies are of the images that chose the best step, so they are a little too high.

Accuracy of tickets minus that of their controls, paired
by seed (points)
ticket       control  n  minus control  verdict
l1-r0.50-n1  reinit   2  +50.00 ± 0.00  too short to tell
l1-r0.50-n1  random   1         +37.50  too short to tell

Steps to 97 % accuracy, beside dense
ticket           n                                        verdict
l1-r0.50-n1      2  not known how much sooner than dense  unknown
random-r0.50-n1  1  not known how much sooner than dense  unknown
as good as a control: no difference beyond the margin, either way. better in steps: sooner. Each verdict is by itself,
not adjusted for their number.

"""

TABLES_80 = """\
digits (600 train, 1,000,000 validation images), 4-3-2 uniform, adam 0.0012,
batch 60, 30 steps, evaluated every 10, weights and biases pruned, engine torch
on cpu; 7 runs, 2 seeds

Too short to tell how far down l1 tickets of 1 round keep up: 2 of 2 dense runs
still improve at the end.
At 56.2 % of the weights, 2 of 2 tickets and 2 of 2 dense runs never reach 97 %
accuracy.
Too short to tell: at 56.2 % of the weights, accuracy is +50.00 points against
reinitialized (+50.00 to +50.00), +37.50 points against random, n 2 and 1.
Not known: In 2 of 2 dense runs the validation loss is lowest at the last
evaluation. To be as good as these is no win. Train longer. Type: lthctl prune
--steps 60 --out masks-60 && lthctl retrain masks-60 --steps 60 --out runs-60
Not known: Steps to 97 % accuracy: 2 of 2 tickets and 2 of 2 dense runs never
get there. Set report.targets in params.yaml to what dense runs reach.
Fixed before any run: the answers are about rewound tickets of the first method
with the most rounds, at the ratio nearest to 0.8. Targets are 97 % and 98 %, of
which the first counts; the margin is 0.2 points, the confidence 95 %. Random
pruning counts as a control. All this holds for one look, at a number of seeds
fixed beforehand.

Sparsity (%) asked for and reached,
mean over seeds
ticket           n             round 1
l1-r0.50-n1      2  asked for    50.00
                    reached      43.75
random-r0.50-n1  1  asked for    50.00
                    reached      43.75

Maximum validation accuracy (%), 95 % t intervals; minus dense is paired by
seed (points)
ticket           control  n      accuracy    minus dense  verdict
dense            rewind   2  50.00 ± 0.00
l1-r0.50-n1      rewind   2  75.00 ± 0.00  +25.00 ± 0.00  too short to tell
l1-r0.50-n1      reinit   2  25.00 ± 0.00  -25.00 ± 0.00  too short to tell
random-r0.50-n1  rewind   1         37.50         -12.50  too short to tell

At the early-stop step, where the validation loss
is lowest
ticket           control  n      step      accuracy
dense            rewind   2  30 ± 26*  37.50 ± 0.00
l1-r0.50-n1      rewind   2   20 ± 26  75.00 ± 0.00
l1-r0.50-n1      reinit   2   10 ± 26   0.00 ± 0.00
random-r0.50-n1  rewind   1        20         37.50

as good: not worse than dense by 0.2 points or more (one-sided). Each verdict is
by itself, not adjusted for their number.
One seed has no interval, so nothing can be decided from it.
* In some of these runs the validation loss was lowest at the last step. They
may be too short to overfit.
This protocol has no test images. Accuracies are of the images that chose the
best step, so they are a little too high.

Accuracy of tickets minus that of their controls, paired
by seed (points)
ticket       control  n  minus control  verdict
l1-r0.50-n1  reinit   2  +50.00 ± 0.00  too short to tell
l1-r0.50-n1  random   1         +37.50  too short to tell

Steps to 97 % accuracy, beside dense
ticket           n                                        verdict
l1-r0.50-n1      2  not known how much sooner than dense  unknown
random-r0.50-n1  1  not known how much sooner than dense  unknown
as good as a control: no difference beyond the margin, either way. better in
steps: sooner. Each verdict is by itself, not adjusted for their number.

"""


def test_report_tables_at_120_columns(tmp_path: Path) -> None:
    assert text_of(report_tables(tiny_report(tmp_path)), 120) == TABLES_120


def test_report_tables_at_80_columns(tmp_path: Path) -> None:
    assert text_of(report_tables(tiny_report(tmp_path)), 80) == TABLES_80


LONG_STEPS: tuple[tuple[int, ...], ...] = ((12_250, 750, 15_000), (1_500, 14_750, 8_000))


def wide_report(folder: Path, ticket: Asked = ("random", 0.93, 5)) -> Report:
    """Figures as long as those of the paper's and the video's experiments, whose trainings have
    15,000 steps or more."""

    def history(best: float, stop: int) -> tuple[Row, ...]:
        return tuple(
            Row(step, 0.5, 0.25 if step == stop else 0.5, best if step == stop else best - 0.01)
            for step in range(250, 15_001, 250)
        )

    train = {**TRAIN, "steps": 15_000, "evaluate_every": 250}
    model: Json = {**MODEL, "layers": [784, 300, 100, 10]}
    data = {**DATA, "train": 60_000, "validation": 10_000}
    runs = []
    for seed, (dense_stop, stop) in enumerate(zip(*LONG_STEPS, strict=True), start=1):
        runs.append(
            make_run(
                DENSE_TICKET,
                seed,
                history=history(0.98, dense_stop),
                train=train,
                model=model,
                data=data,
            )
        )
        for control in ("rewind", "reinit", "shuffle"):
            rows = history(0.93 + 0.02 * seed - 0.001 * len(control), stop)
            runs.append(
                make_run(
                    ticket, seed, control=control, history=rows, train=train, model=model, data=data
                )
            )
    return report_of(folder, *runs)


@pytest.mark.parametrize("ticket", [("random", 0.93, 5), ("random", 0.9375, 15)])
def test_at_80_columns_lines_fit_and_names_are_whole(tmp_path: Path, ticket: Asked) -> None:
    report = wide_report(tmp_path, ticket)
    lines = text_of(report_tables(report), 80).splitlines()
    assert max(map(len, lines)) <= 80
    name = report.groups[0].experiments[-1].key.ticket
    # Sparsity in tables of five rounds, three controls in each of the next two tables, two to be
    # compared with, and steps to the target.
    assert sum(line.startswith(f"{name} ") for line in lines) == -(-ticket[2] // 5) + 3 + 3 + 2 + 1


def test_at_80_columns_accuracies_steps_and_verdicts_are_whole(tmp_path: Path) -> None:
    text = text_of(report_tables(wide_report(tmp_path)), 80)
    for row in (
        "random-r0.93-n5  rewind   3  96.40 ± 4.97  -1.60 ± 4.97  unknown (19+ seeds)",
        "random-r0.93-n5  rewind   3   8,083 ± 16,458  96.40 ± 4.97",
        "dense            rewind   3  9,333 ± 18,779*  98.00 ± 0.01",
    ):
        assert row in text


@pytest.mark.parametrize("width", [80, 120])
def test_sparsities_of_many_rounds_are_whole(tmp_path: Path, width: int) -> None:
    text = text_of(report_tables(report_of(tmp_path, make_run(("l1", 0.98, 20)))), width)
    assert "asked for" in text
    assert all(f"{98 * number / 20:.2f}" in text for number in range(1, 21))


def test_layers_of_many_rounds_are_whole() -> None:
    kept = [1000 - 50 * number for number in range(1, 16)]
    text = text_of(ticket_tables([ticket_of({"layers.0.weight": (1000, 0.05, kept)})]), 80)
    assert "layers.0.weight" in text
    assert all(f"{5 * number:.2f}" in text for number in range(1, 16))


def test_a_difference_of_fewer_seeds_says_its_n(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.5, 0.5]) + replicates(L1_TICKET, [0.75, 0.75, 0.75])
    (row,) = (
        line
        for line in text_of(report_tables(report_of(tmp_path, *runs)), 120).splitlines()
        if line.startswith("l1-r0.50-n1 ") and line.endswith("better")
    )
    assert "2" in row.replace("(", " ").replace(")", " ").split()


def test_groups_are_numbered_where_there_are_several(tmp_path: Path) -> None:
    report = report_of(
        tmp_path, make_run(DENSE_TICKET), make_run(DENSE_TICKET, train={**TRAIN, "steps": 60})
    )
    lines = text_of(report_tables(report), 120).splitlines()
    assert [line[:14] for line in lines if line.startswith("Group")] == [
        "Group 1 of 2: ",
        "Group 2 of 2: ",
    ]


def test_a_report_without_dense_says_what_to_do(tmp_path: Path) -> None:
    text = text_of(report_tables(report_of(tmp_path, *replicates(L1_TICKET, [0.5, 0.75]))), 120)
    assert "There is no dense run here, so there is nothing to compare with." in text
    assert "One seed has no interval" not in text
    assert "l1-r0.50-n1  rewind   2  62.50 ± 158.83               unknown\n" in text


def test_a_report_of_dense_alone_has_no_verdicts(tmp_path: Path) -> None:
    text = text_of(report_tables(report_of(tmp_path, *replicates(DENSE_TICKET, [0.5, 0.75]))), 120)
    assert "minus control" not in text and "verdict is" in text
    assert (
        "dense   rewind   2  62.50 ± 158.83\n" in text
    )  # t is 12.706, the standard error 12.5 points


def test_seeds_that_would_decide_are_told(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.5, 0.5, 0.5]) + replicates(L1_TICKET, [0.49, 0.50, 0.52])
    report = report_of(tmp_path, *runs)
    needed = report.groups[0].experiments[1].seeds_to_decide
    assert needed is not None
    assert f"unknown ({needed}+ seeds)\n" in text_of(report_tables(report), 80)


def test_test_accuracy_has_a_column_where_there_are_test_images(tmp_path: Path) -> None:
    history = (Row(10, 1.0, 0.25, 0.5, 0.25, 0.625), Row(20, 1.0, 0.5, 0.75, 0.5, 0.875))
    run = make_run(DENSE_TICKET, history=history, data={**DATA, "test": 32})
    text = text_of(report_tables(unread_report(run)), 80)
    assert "ticket  control  n  step  accuracy  test accuracy\n" in text
    assert "dense   rewind   1    10     50.00          62.50\n" in text
    assert "This protocol has no test images" not in text


# --- names are text

HOSTILE = "<script>[bold]"


def test_markup_in_names_stays_text() -> None:
    run = make_run((HOSTILE, 0.5, 1), data={**DATA, "name": "[red]digits[/red]"})
    text = text_of(report_tables(unread_report(run)), 120)
    assert text.count(f"{HOSTILE}-r0.50-n1 ") == 3
    assert "[red]digits[/red] (600 train" in text
    assert f"\n{HOSTILE}-r0.50-n1-s1  rewind" in text_of(run_table([run]), 120)
    table = text_of(ticket_tables([ticket_of({"[blink]x.weight": (4, 0.5, [2])}, HOSTILE)]), 120)
    assert table.startswith(f"{HOSTILE}: sparsity (%)\n")
    assert "\n[blink]x.weight        4" in table


def test_markup_in_a_start_stays_text() -> None:
    run = respecified(make_run(), control="[red]rewind")
    assert "[red]rewind" in text_of(run_table([run]), 120)


def test_escape_sequences_in_names_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in text_of(run_table([make_run(("\x1b]0;owned\x1b\\l1", 0.5, 1))]), 120)

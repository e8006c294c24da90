"""The step that a run is read at: validation images choose it, and test images never do."""

import random as chance
from pathlib import Path

import pytest

from lthctl.artifacts.run import Run
from lthctl.errors import ParamsError
from lthctl.params import Params, ReportParams
from lthctl.reporting.answer_files import answer_files
from lthctl.reporting.answers import answers_of, rule_of
from lthctl.reporting.page_data import group_data
from lthctl.reporting.selection import accuracy_words, chosen, value_of
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.tables import report_files, run_rows
from lthctl.training.history import Row

from .test_report import (
    DATA,
    DENSE_TICKET,
    L1,
    L1_REINIT,
    L1_TICKET,
    RANDOM_TICKET,
    experiment_of,
    group_of,
    make_run,
    report_of,
)

SPLIT = {**DATA, "test": 32}
MIN_LOSS = ReportParams(select="min-loss")

# The accuracy is highest at 10, the loss lowest at 20.
VALIDATION = [(10, 1.0, 0.75, 0.75), (20, 1.0, 0.25, 0.5), (30, 1.0, 0.5, 0.625)]
TESTS = [(9.0, 0.125), (9.0, 0.25), (9.0, 0.375)]


def run_of(
    tests: list[tuple[float, float]] | None = TESTS, shift: float = 0.0, **more: object
) -> Run:
    rows = [(step, train, loss, accuracy + shift) for step, train, loss, accuracy in VALIDATION]
    if tests is None:
        return make_run(history=tuple(Row(*row) for row in rows), **more)
    history = tuple(Row(*row, *test) for row, test in zip(rows, tests, strict=True))
    return make_run(data=SPLIT, history=history, **more)


def test_validation_chooses_the_step_and_test_images_are_judged_there() -> None:
    run, without = run_of(), run_of(None)
    assert chosen(run, "max-accuracy").step == 10
    assert chosen(run, "min-loss").step == 20
    assert value_of(run, "accuracy", "max-accuracy") == 0.125
    assert value_of(run, "accuracy", "min-loss") == 0.25
    assert value_of(without, "accuracy", "max-accuracy") == 0.75
    assert value_of(without, "accuracy", "min-loss") == 0.5


def test_of_equal_evaluations_the_earliest_is_read() -> None:
    same = tuple(Row(step, 1.0, 0.5, 0.5, 1.0, step / 100) for step in (10, 20, 30))
    run = make_run(data=SPLIT, history=same)
    assert {chosen(run, select).step for select in ("max-accuracy", "min-loss")} == {10}


def experiments(poison: chance.Random | None = None) -> list[Run]:
    """Dense, tickets and controls; with poison, test figures are anything where none is read."""

    def tests(number: int) -> list[tuple[float, float]]:
        rows = [(1.0, 0.5 + number / 100), (1.0, 0.6 + number / 100), (1.0, 0.7)]
        if poison is not None:
            rows[2] = (poison.random(), poison.random())
            rows = [(poison.random(), accuracy) for _, accuracy in rows]
        return rows

    kinds = [(DENSE_TICKET, "rewind"), (L1_TICKET, "rewind"), (L1_TICKET, "reinit")]
    return [
        run_of(tests(3 * number + seed), 0.01 * number, experiment=kind, seed=seed, control=control)
        for number, (kind, control) in enumerate([*kinds, (RANDOM_TICKET, "rewind")])
        for seed in (1, 2, 3)
    ]


@pytest.mark.parametrize("select", ["max-accuracy", "min-loss"])
def test_poisoned_test_figures_change_nothing_but_where_they_are_read(
    tmp_path: Path, select: str
) -> None:
    params = ReportParams(select=select)
    files = []
    for name, poison in ("clean", None), ("a", chance.Random(1)), ("b", chance.Random(2)):
        report = report_of(tmp_path / name, *experiments(poison), params=params)
        files.append({**report_files(report), **answer_files(report)})
    assert files[0] == files[1] == files[2]


@pytest.mark.long
def test_poisoned_test_figures_move_no_chosen_step(tmp_path: Path) -> None:
    """Also where they are read: the accuracy changes, and nothing that is chosen does."""
    for select in "max-accuracy", "min-loss":
        params = ReportParams(select=select)
        clean = run_rows(report_of(tmp_path / f"{select}-1", run_of(), params=params))
        wild = run_of([(0.0, 1.0), (5.0, 0.0), (0.0, 0.5)])
        poisoned = run_rows(report_of(tmp_path / f"{select}-2", wild, params=params))
        differing = {name for name in clean[0] if clean[0][name] != poisoned[0][name]}
        assert differing == {"chosen_accuracy", "early_stop_test_accuracy"}


def test_all_questions_are_about_the_accuracy_that_was_chosen(tmp_path: Path) -> None:
    group = group_of(tmp_path, *experiments(), params=MIN_LOSS)
    dense, ticket = group.dense, experiment_of(group, L1)
    assert dense is not None
    assert dense.accuracy.mean == pytest.approx(0.62)
    assert ticket.accuracy.mean == pytest.approx(0.65)
    assert ticket.difference.mean == pytest.approx(0.03)
    which = answers_of(group).weights_or_mask
    assert which.reinit.difference.mean == pytest.approx(-0.03)
    assert experiment_of(group, L1_REINIT).accuracy.mean == pytest.approx(0.68)
    assert group.accuracy_words == "test accuracy at the step of minimum validation loss"
    assert "Runs are read at the step of minimum validation loss." in rule_of(MIN_LOSS)
    shown = group_data(group, Survivors((), (), (), ()), 1)
    assert shown["accuracy_words"] == group.accuracy_words


def test_a_spread_is_never_less_than_that_of_an_image_of_those_that_are_judged(
    tmp_path: Path,
) -> None:
    runs = [run_of(seed=seed) for seed in (1, 2)]
    group = group_of(tmp_path, *runs)
    assert experiment_of(group, L1).accuracy.deviation == pytest.approx(1 / 32 / 12**0.5)


def test_without_test_images_the_default_is_what_it_was(tmp_path: Path) -> None:
    report = report_of(tmp_path, run_of(None))
    (row,) = run_rows(report)
    assert not {"chosen_step", "chosen_accuracy"} & row.keys()
    assert report.groups[0].accuracy_words == "maximum validation accuracy"
    assert experiment_of(report.groups[0], L1).accuracy.mean == row["best_accuracy"] == 0.75
    assert "Runs are read" not in rule_of(ReportParams())


def test_the_words_name_images_and_step() -> None:
    assert accuracy_words("min-loss", has_test=False) == (
        "validation accuracy at the step of minimum validation loss"
    )
    assert accuracy_words("max-accuracy", has_test=True) == (
        "test accuracy at the step of maximum validation accuracy"
    )


def test_another_choice_is_refused() -> None:
    expected = r"--select: is 'max-test', expected 'max-accuracy' or 'min-loss'"
    with pytest.raises(ParamsError, match=expected):
        Params().override({"report.select": "max-test"})

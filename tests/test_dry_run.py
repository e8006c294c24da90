"""Plans, and what commands print: for people, for programs, or nothing."""

import json
import re
from pathlib import Path

import pytest

from .command_line import lthctl, refusal


def test_dry_run_does_nothing(workspace: Path) -> None:
    result = lthctl("prune", "--dry-run", "--seed", "1", "--jobs", "2")
    lines = result.stdout.splitlines()
    assert [line.rstrip() for line in lines[:5]] == [
        "tickets    4 asked for, 3 of them distinct: 3 to be made",
        "trainings  2 distinct: 0 in the store, 2 to run",
        "           1 depend on earlier results: taken as distinct and not stored",
        "steps      30",
        "time       about 0 s, 2 at a time, as measured now:",
    ]
    assert re.fullmatch(
        r" +[0-9,]+ steps/s each at density 0.71, [0-9]+ ms an evaluation *", lines[5]
    )
    assert re.fullmatch(r" +[0-9,]+ steps/s each at density 1, [0-9]+ ms an evaluation *", lines[6])
    assert len(lines) == 7
    assert not Path("masks").exists() and not Path(".lthctl").exists()


@pytest.mark.long
def test_dry_run_for_programs_and_folder_by_folder(workspace: Path) -> None:
    words = ("prune", "--dry-run", "--seed", "1", "--method", "l1")
    planned = json.loads(lthctl(*words, "--json").stdout)
    assert planned["folders"] == [
        {"path": "masks/dense-s1", "state": "to be made", "steps": 0},
        {"path": "masks/l1-r0.50-n2-s1", "state": "to be made", "steps": 30},
    ]
    assert planned["trainings"] == {"in_store": 0, "to_run": 2, "of_later_rounds": 1}
    assert planned["asked"] == 2 and planned["steps"] == 30 and planned["seconds"] > 0
    assert [of["density"] for of in planned["measured"]] == [0.71, 1.0]
    assert lthctl(*words, "--verbose").stdout.splitlines()[:2] == [
        "masks/dense-s1: to be made, 0 steps at most",
        "masks/l1-r0.50-n2-s1: to be made, 30 steps at most",
    ]


def test_dry_run_with_nothing_to_do(tickets: Path) -> None:
    assert [line.rstrip() for line in lthctl("prune", "--dry-run").stdout.splitlines()] == [
        "tickets    8 asked for, 6 of them distinct: 6 there already",
        "trainings  0 distinct: 0 in the store, 0 to run",
        "steps      0",
    ]


def test_dry_run_of_retraining_tickets_that_are_not_there(workspace: Path) -> None:
    message = refusal(3, "retrain", "masks", "--dry-run")
    assert message.startswith("masks: does not exist; ") and message.endswith(
        "there is no plan before that"
    )


def test_verbose_tells_every_training(workspace: Path) -> None:
    lines = lthctl("prune", "--method", "l1", "--seed", "1", "--verbose").stderr.splitlines()
    assert re.fullmatch(
        r"l1-r0.50-n2-s1 1/2: density 1.000, 15 steps, best accuracy \d+\.\d\d %, \d+\.\d s",
        lines[-3],
    )
    assert lines[-2].startswith("l1-r0.50-n2-s1 2/2: density 0.70")
    again = lthctl(
        "prune", "--method", "l1", "--seed", "1", "--verbose", "--out", "again"
    ).stderr.splitlines()
    assert again[0] == "l1-r0.50-n2-s1 1/2: density 1.000, from the store"


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
def test_json_is_json_and_quiet_is_quiet(workspace: Path) -> None:
    tickets = json.loads(lthctl("prune", "--json").stdout)
    assert {ticket["name"] for ticket in tickets} >= {"dense-s1", "l1-r0.50-n2-s2"}
    runs = json.loads(lthctl("retrain", "masks", "--json").stdout)
    assert all(0 <= run["metrics"]["best_accuracy"] <= 1 for run in runs)
    rows = json.loads(lthctl("report", "--json").stdout)
    assert rows[0]["method"] == "dense" and rows[0]["n"] == 2
    for words in (["prune", "-q"], ["retrain", "masks", "-q"], ["report", "-q"]):
        result = lthctl(*words)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("command", [("prune",), ("retrain", "masks")])
def test_a_plan_refuses_an_executor_that_is_none(command: tuple[str, ...], tickets: Path) -> None:
    assert refusal(2, *command, "--executor", "process", "--dry-run").startswith(
        "executor: is 'process'; did you mean 'processes'? Expected 'threads'"
    )

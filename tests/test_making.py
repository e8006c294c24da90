"""The commands that a report names: complete, and understood by the command line."""

import shlex
from pathlib import Path

import pytest
import typer.main

from lthctl.artifacts.run import Run
from lthctl.cli.app import app
from lthctl.params import Params, ReportParams
from lthctl.reporting.making import Making, Places, enough_seeds, ranges
from lthctl.reporting.reading import make_report
from lthctl.reporting.report import report
from lthctl.reporting.unknowns import unknowns_of
from lthctl.reporting.verdicts import Group, judged_group

from .test_answers import (
    AS_GOOD,
    FIFTH,
    HALF,
    RANDOM_FIFTH,
    TENTH,
    UNSURE,
    answers_of,
    arriving,
    runs_of,
)
from .test_report import DENSE_TICKET, PARAMS, make_run, report_of

DENSE_RUNS = runs_of(DENSE_TICKET, [0, 0, 0])
GROUPS: dict[str, tuple[list[Run], ReportParams]] = {
    "nothing pruned": (DENSE_RUNS, PARAMS),
    "another primary ladder": (
        DENSE_RUNS + runs_of(FIFTH, AS_GOOD),
        ReportParams(primary=("my.scores:taylor-n7",)),
    ),
    "no dense run": (runs_of(FIFTH, AS_GOOD), PARAMS),
    "dense runs of other seeds": ([make_run(DENSE_TICKET, 9), *runs_of(FIFTH, AS_GOOD)], PARAMS),
    "too short": (
        runs_of(DENSE_TICKET, [0, 0, 0], stops=[30, 30, 30]) + runs_of(FIFTH, AS_GOOD),
        PARAMS,
    ),
    "one seed": (
        [make_run(DENSE_TICKET), make_run(FIFTH), make_run(FIFTH, control="reinit")],
        PARAMS,
    ),
    "an unknown size": (
        DENSE_RUNS + runs_of(HALF, AS_GOOD) + runs_of(FIFTH, UNSURE),
        PARAMS,
    ),
    "a gap": (
        DENSE_RUNS + runs_of(TENTH, AS_GOOD) + runs_of(FIFTH, UNSURE, control="reinit"),
        PARAMS,
    ),
    "sooner or not": (arriving(DENSE_TICKET, 20, 60, 80) + arriving(FIFTH, 30, 30, 60), PARAMS),
    "unknown controls": (
        DENSE_RUNS
        + runs_of(FIFTH, AS_GOOD)
        + runs_of(FIFTH, UNSURE, control="reinit")
        + runs_of(RANDOM_FIFTH, UNSURE),
        PARAMS,
    ),
    "between looks": (DENSE_RUNS + runs_of(FIFTH, AS_GOOD), ReportParams(looks=(2, 5))),
}


def group_at(name: str) -> Group:
    runs, params = GROUPS[name]
    return judged_group("", runs, params, Places("masks/pipeline", "runs/pipeline"))


@pytest.mark.parametrize("name", GROUPS)
def test_the_command_line_understands_every_command(name: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = [one.command for one in unknowns_of(answers_of(group_at(name))) if one.command]
    assert named
    for line in named:
        for command in line.split(" && "):
            program, verb, *rest = shlex.split(command)
            context = commands[verb].make_context(verb, list(rest), obj=Params())
            assert program == "lthctl"
            out = "masks/pipeline" if verb == "prune" else "runs/pipeline"
            assert str(context.params["out"]).startswith(out)
            if verb == "retrain":
                assert str(context.params["paths"][0]).startswith("masks/pipeline")
            if "--steps" in rest:
                assert context.params["steps"] in (30, 60, 100)


def test_a_command_in_full() -> None:
    places = Places("my masks", "runs")
    making = Making(
        places, ("l1", "a:b c"), (0.0, 0.8), (5,), (1, 2, 3, 7), ("rewind", "reinit"), 300
    )
    assert making.command == (
        "lthctl prune --method 'l1,a:b c' --ratio 0,0.8 --rounds 5 --seed 1-3,7 --steps 300 --out "
        "'my masks' && lthctl retrain 'my masks' --steps 300 && lthctl retrain 'my masks' --control "
        "reinit --steps 300"
    )


def test_places_are_those_of_the_report_unless_they_are_absolute() -> None:
    of = Places.of
    assert of([Path("runs/pipeline")], Path("masks/a")) == Places("masks/a", "runs/pipeline")
    assert of([Path("runs/pipeline/reinit"), Path("x")], Path("m")) == Places("m", "runs/pipeline")
    assert of([Path("/home/me/runs")], Path("/home/me/masks")) == Places("masks", "runs")
    assert of([], Path("masks")) == Places()


def test_a_report_names_the_folders_that_it_was_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_of(tmp_path, *DENSE_RUNS, *runs_of(FIFTH, AS_GOOD))
    (tmp_path / "runs").rename(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    finished = report("mine", masks="tickets")
    (group,) = finished.report.groups
    assert group.places == Places("tickets", "mine")
    assert make_report([tmp_path / "mine"], PARAMS).groups[0].places == Places("masks", "runs")


@pytest.mark.parametrize(
    ("seeds", "text"), [([], ""), ([4], "4"), ([3, 1, 2], "1-3"), ([1, 2, 5, 7, 8], "1-2,5,7-8")]
)
def test_seeds_as_the_command_line_takes_them(seeds: list[int], text: str) -> None:
    assert ranges(seeds) == text


def test_more_seeds_are_the_lowest_others() -> None:
    assert enough_seeds([2, 9], 4) == (1, 2, 3, 9)
    assert enough_seeds([1, 2, 3], 2) == (1, 2, 3)

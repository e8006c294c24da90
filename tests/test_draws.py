"""Several draws of a control: what each starts from, where it lies, and how they are averaged."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lthctl import load_run
from lthctl.artifacts.names import run_place
from lthctl.artifacts.run import Run, save_run
from lthctl.cli import answer_view
from lthctl.cli.command import with_draws
from lthctl.errors import ParamsError, ReportError
from lthctl.lottery.controls import CONTROLS, apply_control, draws_of
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.models.mlp import MLP
from lthctl.params import ReportParams, TrainParams
from lthctl.reporting import figures, page_data
from lthctl.reporting.arrivals import Arrival, mean_arrival, sooner
from lthctl.reporting.draws import DRAWS_NOTE, mean_history
from lthctl.reporting.page_data import group_data
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.tables import run_rows
from lthctl.reporting.targets import Target, arrivals_of
from lthctl.seeding import Stream
from lthctl.training.history import Row

from .command_line import files_below, lthctl, refusal
from .pictures import PICTURES
from .test_report import (
    DENSE_TICKET,
    L1,
    L1_REINIT,
    L1_TICKET,
    experiment_of,
    group_of,
    make_run,
    report_of,
)

LITTLE = TrainParams(steps=4, evaluate_every=2, batch_size=20, engine="torch", device="cpu")


@pytest.fixture(scope="module")
def ticket(dataset):
    model = MLP((784, 10, 10))
    return find_ticket(model, dataset, method="random", ratio=0.5, rounds=1, seed=3, train=LITTLE)


# ---- what a draw starts from ----


@pytest.mark.parametrize("control", ["reinit", "shuffle"])
def test_the_first_draw_is_as_ever_and_others_have_a_stream_of_their_own(ticket, control) -> None:
    model = MLP((784, 10, 10))
    masks, starts = zip(
        *(apply_control(ticket, control, model, draw=draw) for draw in (1, 2, 3)), strict=True
    )
    if control == "reinit":
        for draw, key in (1, ()), (2, (2,)), (3, (3,)):
            drawn = model.draw(Stream(3, "reinit", *key))
            expected = ticket.mask.apply(drawn)
            assert all(np.array_equal(starts[draw - 1][n], expected[n]) for n in expected)
    else:
        words = Stream(3, "shuffle")
        order = {name: words.words(array.size) for name, array in ticket.mask.items()}
        assert masks[0] == ticket.mask.shuffled(order)
    arrays = [np.concatenate([start[n].ravel() for n in sorted(start)]) for start in starts]
    assert not any(np.array_equal(arrays[i], arrays[j]) for i, j in [(0, 1), (0, 2), (1, 2)])


def test_only_what_draws_has_draws(ticket) -> None:
    assert list(draws_of("rewind", 3)) == [1]
    assert list(draws_of("reinit", 3)) == [1, 2, 3]
    with pytest.raises(ParamsError, match="is 2, and control rewind expects 1, as it draws no"):
        apply_control(ticket, "rewind", None, draw=2)
    with pytest.raises(ParamsError, match="is 0, and control reinit expects at least 1"):
        apply_control(ticket, "reinit", MLP((784, 10, 10)), draw=0)


def test_a_run_says_its_draw_and_the_first_says_nothing(ticket, dataset, tmp_path: Path) -> None:
    first, second = (
        retrain(ticket, dataset, control="reinit", draw=draw, train=LITTLE) for draw in (1, 2)
    )
    assert first.training != second.training
    assert "draw" not in first.specification.to_json()
    assert second.specification.to_json()["draw"] == 2
    read = load_run(save_run(second, tmp_path / "run"))
    assert (read.draw, read.specification) == (2, second.specification)
    assert read.files() == second.files()
    assert "reinit-draw2" in repr(read)


def test_no_place_of_a_draw_is_that_of_another_run() -> None:
    """A control's name has at most one dash, and a ticket's ends in its seed."""
    assert str(run_place("reinit", ticket="t-s1")) == "reinit/t-s1"
    assert str(run_place("reinit", draw=2, ticket="t-s1")) == "reinit/draw-2/t-s1"
    assert str(run_place("mine:reinit", draw=3)) == "mine.reinit/draw-3"


# ---- the command line ----


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("masks/ --reinit", "masks/ --reinit"),
        ("--reinit masks/", "--reinit masks/"),
        ("masks/ --reinit 3", "masks/ --reinit --draws 3"),
        ("--reinit 3 masks/", "--reinit --draws 3 masks/"),
        ("--reinit=3 masks/", "--reinit --draws 3 masks/"),
        ("masks/ --reinit --draws 3", "masks/ --reinit --draws 3"),
        ("masks/ --reinit --draws=3", "masks/ --reinit --draws=3"),
        ("--reinit ./3", "--reinit ./3"),
        ("--reinit -1 masks/", "--reinit --draws -1 masks/"),
        ("--reinit masks/ 3", "--reinit masks/ 3"),
        ("--jobs 3 masks", "--jobs 3 masks"),
        ("--reinit -- 3", "--reinit -- 3"),
        ("--other=3", "--other=3"),
    ],
)
def test_a_number_behind_a_control_is_that_of_draws(typed: str, meant: str) -> None:
    assert with_draws(typed.split(), ["--reinit", "--shuffle"]) == meant.split()


SMALL = ("--steps", "4", "--quiet", "--jobs", "1")


@pytest.mark.long
def test_draws_in_any_order_of_words_are_the_same_runs(tickets: Path) -> None:
    one = "masks/l1-r0.50-n2-s1"
    assert lthctl("retrain", "--reinit", one, *SMALL).exit_code == 0
    before = {path: path.read_bytes() for path in files_below("runs")}
    for words in (one, "--reinit", "3"), ("--reinit", "3", one), ("--reinit=3", one):
        shutil.rmtree("runs", ignore_errors=True)
        assert lthctl("retrain", *words, *SMALL).exit_code == 0
        assert sorted(path.parent for path in Path("runs").rglob("run.json")) == [
            Path("runs/reinit/draw-2/l1-r0.50-n2-s1"),
            Path("runs/reinit/draw-3/l1-r0.50-n2-s1"),
            Path("runs/reinit/l1-r0.50-n2-s1"),
        ]
        assert {path: path.read_bytes() for path in before} == before
    assert lthctl("verify", "runs", one).exit_code == 0
    verified = lthctl("verify", "runs/reinit/draw-2", one, "--replay", "--json")
    assert verified.exit_code == 0
    altered = Path("runs/reinit/draw-2/l1-r0.50-n2-s1")
    assert json.loads((altered / "run.json").read_bytes())["draw"] == 2
    shown = lthctl("show", "runs/reinit/draw-3/l1-r0.50-n2-s1").output
    assert "reinit-draw3" in shown


@pytest.mark.long
def test_run_makes_draws_of_what_draws(workspace: Path) -> None:
    words = ("--method", "l1", "--ratio", "0.5", "--seed", "1", "--rounds", "1", "--draws", "2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "figure_files", lambda group, survivors: PICTURES)
        done = lthctl("run", *words, *SMALL)
    assert done.exit_code == 0, done.output
    places = {path.parent.relative_to("runs/run") for path in Path("runs/run").rglob("run.json")}
    names = "dense-s1", "l1-r0.50-n1-s1"
    folders = "rewind", "reinit", "reinit/draw-2"
    assert places == {Path(folder, name) for folder in folders for name in names}
    for place in places:
        assert load_run(Path("runs/run", place)).draw == (2 if "draw-2" in place.parts else 1)


def test_bad_numbers_of_draws(tickets: Path) -> None:
    one = "masks/l1-r0.50-n2-s1"
    assert "--draws: is 0, expected greater than or equal to 1" in refusal(
        2, "retrain", one, "--reinit", "0"
    )
    assert "--draws: is -1" in refusal(2, "retrain", one, "--reinit", "-1")
    assert "--draws: is 1001" in refusal(2, "retrain", one, "--reinit", "1001")
    assert "--draws: is given twice" in refusal(2, "retrain", one, "--reinit", "3", "--draws", "2")
    assert "--draws: is 3, but rewind draws no random numbers" in refusal(
        2, "retrain", one, "--rewind", "3"
    )
    for words in (["--draws", "3"], ["--set", "retrain.draws=3"]):
        assert "--draws: is 3, but rewind draws no random numbers" in refusal(
            2, "run", "--control", "rewind", *words
        )
    assert lthctl("retrain", one, "--reinit", "2.5").exit_code == 2


# ---- the report ----


def drawn(seed: int, draw: int, best: float, **more: object) -> Run:
    """A reinitialized run of some draw."""
    run = make_run(L1_TICKET, seed, best, control="reinit", **more)
    return replace(run, specification=run.specification.model_copy(update={"draw": draw}))


def test_draws_are_averaged_within_their_seed_and_never_counted(tmp_path: Path) -> None:
    dense = [make_run(DENSE_TICKET, seed, 0.75) for seed in (1, 2)]
    draws = [
        drawn(1, 1, 0.5),
        drawn(1, 2, 0.625),
        drawn(1, 3, 0.75),
        drawn(2, 1, 0.5),
    ]
    group = group_of(tmp_path, *dense, *draws)
    found = experiment_of(group, L1_REINIT)
    assert found.accuracy.n == 2
    assert found.accuracy.mean == (0.625 + 0.5) / 2
    assert found.difference is not None
    assert (found.difference.n, found.difference.mean) == (2, ((0.625 - 0.75) + (0.5 - 0.75)) / 2)
    assert [run.draw for run in found.runs[1]] == [1, 2, 3]
    assert (group.num_runs, group.num_seeds) == (6, 2)


def test_a_single_draw_is_read_as_it_is() -> None:
    run = make_run(L1_TICKET, 1, 0.6)
    assert mean_history((run,)) is run.history


def test_curves_are_averaged_within_their_seed() -> None:
    rows = mean_history((drawn(1, 1, 0.5), drawn(1, 2, 0.75)))
    assert [row.step for row in rows] == [10, 20, 30]
    assert [row.validation_accuracy for row in rows] == [0.375, 0.625, 0.5]
    assert rows[0].test_accuracy is None


def test_the_same_draw_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"l1-r0\.50-n1-reinit-draw2, seed 1"):
        group_of(tmp_path, drawn(1, 2, 0.5), drawn(1, 2, 0.75))


def test_a_table_tells_draws_apart_where_there_are_several(tmp_path: Path) -> None:
    rows = run_rows(report_of(tmp_path, drawn(1, 1, 0.5), drawn(1, 2, 0.75)))
    assert [row["draw"] for row in rows] == [1, 2]
    (row,) = run_rows(report_of(tmp_path / "b", drawn(1, 1, 0.5)))
    assert "draw" not in row


def reaching(step: int | None, best: float = 0.98) -> tuple[Row, ...]:
    """Evaluations at 10, 20 and 30; the first of these at 98 % is `step`."""
    return tuple(
        Row(at, 1.0, 0.5, best if step is not None and at >= step else 0.5) for at in (10, 20, 30)
    )


def test_a_draw_that_never_arrives_is_not_averaged_away(tmp_path: Path) -> None:
    params = ReportParams(targets=(0.97,))
    rewound = [make_run(L1_TICKET, seed, history=reaching(10)) for seed in (1, 2)]
    draws = [
        drawn(1, 1, 0, history=reaching(10)),
        drawn(1, 2, 0, history=reaching(None)),
        drawn(2, 1, 0, history=reaching(20)),
        drawn(2, 2, 0, history=reaching(20)),
    ]
    group = group_of(tmp_path, *rewound, *draws, params=params)
    found = arrivals_of(group, experiment_of(group, L1_REINIT), Target(0.97))
    assert (found.num_arrived, found.mean_steps) == (1, None)
    assert [one.step for one in found.of_runs[1]] == [10, None]
    than = arrivals_of(group, experiment_of(group, L1), Target(0.97)).than_reinit
    assert than is not None
    assert (than.n, than.num_others_missing, than.kind) == (2, 1, "at least")
    assert than.times is not None
    assert than.times.high is None
    # Seed 1: at least sqrt(10 * 30) / 10 times; seed 2: 20 / 10 times.
    assert than.times.mean == pytest.approx(math.sqrt(math.sqrt(3) * 2), rel=1e-6)


def test_draws_that_all_arrive_count_by_their_geometric_mean() -> None:
    mean = mean_arrival([Arrival(500, 3000, 250), Arrival(2000, 3000, 250)])
    assert mean == Arrival(1000.0, 1000.0, 250)
    one = Arrival(500, 3000, 250)
    assert mean_arrival([one]) is one
    first = mean_arrival([Arrival(250, 3000, 250)] * 3)
    assert first.is_first
    assert sooner({1: one}, {1: mean}, 0.95).times.mean == pytest.approx(2)


def test_the_page_has_every_draw_by_itself(tmp_path: Path) -> None:
    group = group_of(tmp_path, drawn(1, 1, 0.5), drawn(1, 2, 0.75), drawn(2, 1, 0.75))
    shown = group_data(group, Survivors((), (), (), ()), 1)
    assert [row[2] for row in shown["runs"]] == [
        "l1-r0.50-n1-s1",
        "l1-r0.50-n1-s1-draw2",
        "l1-r0.50-n1-s2",
    ]
    assert (shown["num_runs"], shown["num_seeds"], list(shown["quantiles"])) == (3, 2, ["2"])
    assert shown["has_draws"]
    assert not group_of(tmp_path / "b", drawn(1, 1, 0.5), drawn(2, 1, 0.5)).has_draws


def test_what_is_said_of_draws_is_said_where_there_are_several(tmp_path: Path) -> None:
    group = group_of(tmp_path, drawn(1, 1, 0.5), drawn(1, 2, 0.75))
    assert DRAWS_NOTE in answer_view._notes(group)
    assert DRAWS_NOTE not in answer_view._notes(group_of(tmp_path / "b", drawn(1, 1, 0.5)))
    page = Path(page_data.__file__).parent / "page_assets" / "main.js"
    assert DRAWS_NOTE in page.read_text()


def test_every_control_says_whether_it_draws() -> None:
    assert [name for name in CONTROLS.names() if not CONTROLS.get(name).is_random] == [
        "rewind",
        "other-mask",
        "finetune",
        "lr-rewind",
    ]

"""Tickets and runs compared, with figures worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts.names import MASK_FILE, TICKET_JSON
from lthctl.artifacts.revision import Place
from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.ticket import Ticket, save_ticket
from lthctl.canonical import Json
from lthctl.errors import ParamsError, PathError
from lthctl.mask import Mask
from lthctl.params import ReportParams
from lthctl.reporting.compare import Comparison, compare
from lthctl.reporting.pairs import Change, changes, significant
from lthctl.reporting.sides import Side, facts, read_side

from .by_hand import one_round, specification_of
from .test_report import DATA, L1_TICKET, RANDOM_TICKET, TRAIN, history_of, make_run

MODEL: Json = {"kind": "mlp", "layers": [4, 3, 2], "init": "uniform"}
SHAPES = {"layers.0.weight": (3, 4), "layers.1.weight": (2, 3)}
PARAMS = ReportParams()


def make_ticket(
    *,
    seed: int = 1,
    kept: int = 6,
    ratio: float = 0.5,
    init: int = 1,
    first: int = 0,
    **changed: object,
) -> Ticket:
    """A ticket made by hand of 18 weights.

    Args:
      seed, ratio: as stated.
      kept: so many weights of the first layer survive, in a row;
      first: from this one on. All of the second layer survive.
      init: seed of the weights.
      changed: in place of other attributes.
    """
    flat = np.zeros(12, np.bool_)
    flat[first : first + kept] = True
    mask = Mask(
        {"layers.0.weight": flat.reshape(3, 4), "layers.1.weight": np.ones((2, 3), np.bool_)}
    )
    rng = np.random.default_rng(init)
    specification: Json = {
        "method": "l1",
        "ratio": ratio,
        "rounds": 1,
        "seed": seed,
        "biases": False,
        "model": MODEL,
        "data": DATA,
        "train": {
            key: value for key, value in {**TRAIN, "lr": 0.001}.items() if key != "evaluate_every"
        },
    }
    asked = {name: changed.pop(name) for name in list(changed) if name in specification}
    parts: dict[str, object] = {
        "rate": dict.fromkeys(SHAPES, ratio),
        "counts": (one_round(mask, ratio),),
        "mask": mask,
        "init": {name: rng.random(shape, np.float32) for name, shape in SHAPES.items()}
        | {"layers.0.bias": np.zeros(3, np.float32), "layers.1.bias": np.zeros(2, np.float32)},
    }
    return Ticket(specification_of(specification | asked), **{**parts, **changed})  # type: ignore[arg-type]


def side_of(folder: Path, **held: Ticket | Run) -> Side:
    """A folder with these tickets and runs below it, read."""
    for name, of in held.items():
        (save_ticket if isinstance(of, Ticket) else save_run)(of, folder / name)  # type: ignore[operator]
    return read_side(folder.name, folder)


def sides_of(
    folder: Path, a: dict[str, Ticket | Run], b: dict[str, Ticket | Run]
) -> tuple[Side, Side]:
    return side_of(folder / "a", **a), side_of(folder / "b", **b)


def compared(*sides: Side) -> Comparison:
    return compare(sides, PARAMS)


# --- reading


def test_a_side_holds_tickets_and_runs_by_their_paths(tmp_path: Path) -> None:
    save_ticket(make_ticket(), tmp_path / "x" / "masks" / "one")
    save_run(make_run(), tmp_path / "x" / "tickets" / "rewind" / "one")
    side = read_side("x", tmp_path / "x")
    assert (list(side.tickets), list(side.runs)) == (["masks/one"], ["tickets/rewind/one"])
    assert not side.is_single
    assert side.named("masks/one") == "x/masks/one"
    itself = read_side("x/masks/one", tmp_path / "x" / "masks" / "one")
    assert (list(itself.tickets), itself.is_single, itself.named("")) == ([""], True, "x/masks/one")


def test_names_at_a_revision_are_arguments_again() -> None:
    side = Side("masks/@v1", {}, {}, {}, Place(Path("copy"), "masks/", "v1"))
    assert (side.named("one"), side.named("")) == ("masks/one@v1", "masks/@v1")


def test_nothing_below_a_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"^here: holds no ticket and no run"):
        read_side("here", tmp_path)


def test_all_that_is_damaged_is_named(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        save_ticket(make_ticket(), tmp_path / name)
    (tmp_path / "one" / MASK_FILE).write_bytes(b"x")
    (tmp_path / "two" / TICKET_JSON).write_bytes(b"{}")
    with pytest.raises(PathError) as refused:
        read_side("here", tmp_path)
    first, second = str(refused.value).splitlines()
    assert "one/mask.safetensors" in first
    assert "two/ticket.json" in second


# --- two tickets


def test_equal_tickets_are_the_same(tmp_path: Path) -> None:
    (pair,) = compared(*sides_of(tmp_path, {"x": make_ticket()}, {"x": make_ticket()})).tickets
    assert (pair.state, pair.changes, pair.same_init, pair.same_mask) == ("same", (), True, True)


@pytest.mark.parametrize(
    ("other", "state", "changed"),
    [
        (make_ticket(first=3), "mask differs", []),
        (make_ticket(init=2, seed=2), "init differs", ["seed"]),
        (make_ticket(init=2, first=3), "mask and init differ", []),
        (make_ticket(method="random"), "origin differs", ["method"]),
        (make_ticket(kept=3, ratio=0.75), "mask differs", ["ratio", "sparsity"]),
        (make_ticket(train={**make_ticket().train.identity(), "steps": 40}), "origin differs",
         ["train.steps"]),
    ],
)  # fmt: skip
def test_what_differs_is_named(
    other: Ticket, state: str, changed: list[str], tmp_path: Path
) -> None:
    (pair,) = compared(*sides_of(tmp_path, {"x": make_ticket()}, {"y": other})).tickets
    assert (pair.state, [change.key for change in pair.changes]) == (state, changed)
    assert not pair.name  # two single ones are compared whatever they are called


def test_overlap_of_two(tmp_path: Path) -> None:
    (pair,) = compared(
        *sides_of(tmp_path, {"x": make_ticket()}, {"x": make_ticket(first=3)})
    ).tickets
    assert pair.overlap is not None
    layer = pair.overlap.layers["layers.0.weight"]
    assert (layer.kept_a, layer.kept_b, layer.kept_both, layer.expected) == (6, 6, 3, 3.0)
    assert pair.overlap.total.kept_both == 9
    told = pair.to_json()
    assert told["overlap"]["layers"]["layers.0.weight"]["ratio"] == 1.0
    assert (told["state"], told["overlap"]["total"]["p"]) == ("mask differs", 1.0)


def test_masks_of_other_shapes_have_no_overlap(tmp_path: Path) -> None:
    other = replace(
        make_ticket(method="dense", ratio=0.0, rounds=0, model={**MODEL, "layers": [2, 2]}),
        mask=Mask.full({"layers.0.weight": (2, 2)}),
        init={
            "layers.0.weight": np.ones((2, 2), np.float32),
            "layers.0.bias": np.ones(2, np.float32),
        },
        rate={"layers.0.weight": 0.0},
        counts=(),
    )
    found = compared(*sides_of(tmp_path, {"x": make_ticket()}, {"x": other}))
    assert found.tickets[0].overlap is None
    assert found.to_json()["tickets"][0]["overlap"] is None
    assert significant(found.tickets, 0.95) == [False]


def test_many_are_compared_each_with_each(tmp_path: Path) -> None:
    side = side_of(tmp_path / "a", x=make_ticket(), y=make_ticket(first=6), z=make_ticket(seed=2))
    found = compared(side)
    assert [(pair.name_a, pair.name_b) for pair in found.tickets] == [
        ("a/x", "a/y"),
        ("a/x", "a/z"),
        ("a/y", "a/z"),
    ]
    # Disjoint halves of 12, in one way of 924 each: p = 2/924, equal halves the same; Holm times 3,
    # 2, 1.
    assert [pair.overlap.total.p for pair in found.tickets if pair.overlap] == pytest.approx(
        [2 / 924] * 3
    )
    assert significant(found.tickets, 0.95) == [True, True, True]
    assert significant(found.tickets, 1 - 5 / 924) == [False, False, False]


# --- folders by name


def test_folders_are_matched_by_name(tmp_path: Path) -> None:
    a, b = sides_of(
        tmp_path,
        {"same": make_ticket(), "moved": make_ticket(), "gone": make_ticket()},
        {"same": make_ticket(), "moved": make_ticket(first=3), "new": make_ticket()},
    )
    found = compared(a, b)
    assert found.matched
    assert {pair.name: pair.state for pair in found.tickets} == {
        "moved": "mask differs",
        "same": "same",
    }
    assert found.only == {"a": ("gone",), "b": ("new",)}
    assert found.to_json()["only"] == {"a": ["gone"], "b": ["new"]}


def test_one_below_a_folder_is_matched_with_many(tmp_path: Path) -> None:
    a, b = sides_of(tmp_path, {"x": make_ticket()}, {"x": make_ticket(), "y": make_ticket()})
    found = compared(a, b)
    assert ([pair.name for pair in found.tickets], found.only) == (["x"], {"a": (), "b": ("y",)})


def test_a_ticket_itself_is_compared_with_all_of_a_folder(tmp_path: Path) -> None:
    _, many = sides_of(
        tmp_path, {"x": make_ticket()}, {"x": make_ticket(), "y": make_ticket(first=1)}
    )
    found = compared(read_side("a/x", tmp_path / "a" / "x"), many)
    assert not found.matched
    assert len(found.tickets) == 3


# --- runs


def test_runs_are_paired_by_seed(tmp_path: Path) -> None:
    bests = [(0.75, 0.80), (0.76, 0.80), (0.77, 0.84)]  # differences of 5, 4 and 7 points
    a = {
        f"s{seed}": make_run(L1_TICKET, seed, of[0], stop=20)
        for seed, of in enumerate(bests, start=1)
    }
    b = {
        f"s{seed}": make_run(L1_TICKET, seed, of[1], stop=30)
        for seed, of in enumerate(bests, start=1)
    }
    found = compared(*sides_of(tmp_path, dict(a), dict(b)))
    (experiment,) = found.experiments
    assert (experiment.label, experiment.difference.n) == ("l1-r0.50-n1 rewind", 3)
    assert experiment.difference.mean == pytest.approx(0.16 / 3)
    assert experiment.difference.deviation == pytest.approx(np.std([0.05, 0.04, 0.07], ddof=1))
    assert experiment.step_difference.mean == 10
    assert experiment.verdict == "better"
    assert found.to_json()["experiments"][0]["difference"]["n"] == 3


def test_the_sign_is_b_minus_a(tmp_path: Path) -> None:
    a, b = (
        {f"s{seed}": make_run(seed=seed, best=best + seed / 100) for seed in (1, 2, 3)}
        for best in (0.80, 0.70)
    )
    (experiment,) = compared(*sides_of(tmp_path, dict(a), dict(b))).experiments
    assert experiment.difference.mean == pytest.approx(-0.10)
    assert experiment.verdict == "worse"


def test_the_same_runs_are_no_statistics(tmp_path: Path) -> None:
    held = {"s1": make_run(seed=1), "s2": make_run(seed=2)}
    found = compared(*sides_of(tmp_path, dict(held), dict(held)))
    assert found.experiments == ()
    assert all(pair.is_same for pair in found.runs)


def test_runs_on_other_images_are_not_paired(tmp_path: Path) -> None:
    other = {**DATA, "digest": "2a" * 32, "validation": 500}
    a, b = (
        {f"s{s}": make_run(seed=s, data=data, best=best) for s in (1, 2)}
        for data, best in ((DATA, 0.5), (other, 0.75))
    )
    found = compared(*sides_of(tmp_path, dict(a), dict(b)))
    assert (found.experiments, [pair.same_images for pair in found.runs]) == ((), [False, False])


def test_rewound_and_reinitialized_runs_are_paired_by_name(tmp_path: Path) -> None:
    a = {f"s{seed}": make_run(seed=seed, best=0.7) for seed in (1, 2)}
    b = {f"s{seed}": make_run(seed=seed, best=0.6, control="reinit") for seed in (1, 2)}
    (experiment,) = compared(*sides_of(tmp_path, dict(a), dict(b))).experiments
    assert experiment.label == "l1-r0.50-n1 rewind / reinit"


def test_curves_are_compared_at_the_steps_that_both_have(tmp_path: Path) -> None:
    short = {**TRAIN, "evaluate_every": 20}  # evaluated at 20 and 30
    rows = tuple(row for row in history_of(0.5, 20) if row.step != 10)
    (pair,) = compared(
        *sides_of(tmp_path, {"x": make_run()}, {"x": make_run(history=rows, train=short)})
    ).runs
    assert [(a.step, b.step) for a, b in pair.curve] == [(20, 20), (30, 30)]
    assert pair.to_json()["curve"][0] == {
        "step": 20, "validation_accuracy": [0.75, 0.5], "validation_loss": [0.25, 0.25],
    }  # fmt: skip
    assert pair.metrics()["best_accuracy"] == (0.75, 0.5)


def test_metrics_that_one_run_lacks_are_none(tmp_path: Path) -> None:
    from lthctl.training.history import Row

    tested = tuple(Row(*row[:4], test_loss=0.5, test_accuracy=0.25) for row in history_of(0.5, 20))
    (pair,) = compared(*sides_of(tmp_path, {"x": make_run()}, {"x": make_run(history=tested)})).runs
    assert pair.metrics()["early_stop_test_accuracy"] == (None, 0.25)


# --- what cannot be compared


def test_one_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"^a: is one alone; .* such as a@HEAD~1$"):
        compared(side_of(tmp_path / "a", x=make_ticket()))


def test_tickets_with_runs_are_refused(tmp_path: Path) -> None:
    a, b = sides_of(tmp_path, {"x": make_ticket()}, {"x": make_run(RANDOM_TICKET)})
    with pytest.raises(ParamsError, match=r"1 ticket and 1 run; compare tickets with tickets"):
        compared(a, b)


# --- documents


def test_changes_go_to_the_leaves() -> None:
    a = {"x": {"y": 1, "z": [1]}, "only_a": True, "same": None}
    b = {"x": {"y": 2, "z": [2]}, "same": None}
    assert changes(a, b) == (
        Change("only_a", True, None),
        Change("x.y", 1, 2),
        Change("x.z", [1], [2]),
    )


def test_facts_are_the_documents_with_what_is_counted(tmp_path: Path) -> None:
    side = side_of(tmp_path / "a", t=make_ticket(), r=make_run())
    ticket, run = facts(side)
    assert (ticket["path"], ticket["kept"], ticket["units"]["weights_per_input"]) == (
        "a/t",
        12,
        [2, 2, 1, 1],
    )
    assert ticket["digest"] == side.tickets["t"].digest
    assert (run["path"], run["digest"], len(run["history"])) == (
        "a/r",
        side.folders["r"].digest,
        3,
    )

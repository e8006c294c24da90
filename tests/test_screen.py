"""Screens as text on consoles of fixed width, with and without the characters for shades."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType

from lthctl.artifacts.names import RUN_JSON
from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.run_document import Proof
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.ticket import Ticket, save_ticket
from lthctl.cli.comparison_view import comparison_screen
from lthctl.cli.facts import p_words
from lthctl.cli.sparks import PixelPicture, Spark
from lthctl.cli.ticket_view import run_screen, side_screen, ticket_screen
from lthctl.mask import Mask
from lthctl.models.base import OtherDescription
from lthctl.params import ReportParams
from lthctl.reporting.compare import compare
from lthctl.reporting.sides import read_side

from .by_hand import respecified
from .test_compare import make_ticket, side_of, sides_of
from .test_display import text_of
from .test_report import DATA, make_run

PROOF = Proof(pruned=1200, pruned_nonzero=0, kept=34, kept_moved=33, start="5a" * 32)


def ascii_of(renderable: RenderableType, width: int = 60) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=file, width=width, color_system=None, force_terminal=False, highlight=False).print(
        renderable
    )
    file.flush()
    return file.buffer.getvalue().decode()  # type: ignore[attr-defined]


def shown(folder: Path, of: Ticket | Run, width: int = 100) -> str:
    side = side_of(folder, x=of)
    return text_of(side_screen(side), width)


def unread(of: Ticket | Run, width: int = 100) -> str:
    """The same of one that no reader would let through."""
    screen = (
        ticket_screen("t/x", of, {})
        if isinstance(of, Ticket)
        else run_screen("t/x", of, "0" * 64, {})
    )
    return text_of(screen, width)


def comparison(
    folder: Path, a: dict[str, Ticket | Run], b: dict[str, Ticket | Run], width: int = 100
) -> str:
    params = ReportParams()
    return text_of(comparison_screen(compare(sides_of(folder, a, b), params), params), width)


# --- small pictures


def test_a_spark_goes_from_the_lowest_to_the_highest() -> None:
    assert text_of(Spark([0, 1, 2, 3, 4, 5, 6, 7]), 60) == "▁▂▃▄▅▆▇█\n"
    assert ascii_of(Spark([0, 1, 2, 3, 4, 5, 6, 7])) == ".:-=+*#@\n"
    assert text_of(Spark([3.0]), 60) == text_of(Spark([3]), 60) == "▁\n"
    assert text_of(Spark([-1, 0, 2, 3], low=0, high=2), 60) == "▁▁██\n"


def test_a_spark_leaves_out_what_is_not_finite() -> None:
    assert text_of(Spark([float("inf"), 0, 1, float("nan")]), 60) == "▁█\n"
    assert text_of(Spark([float("nan")]), 60) == "▁\n"


def test_a_spark_takes_the_room_there_is() -> None:
    assert text_of(Spark(range(80)), 60) == "".join(mark * 5 for mark in "▁▂▃▄▅▆▇█") + "\n"
    assert len(text_of(Spark(range(80)), 16)) == 17


def test_a_picture_shades_two_rows_a_line() -> None:
    values = np.array(
        [[0, 4, 8, 12, 16], [0, 4, 8, 12, 16], [16, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 16]]
    )
    assert text_of(PixelPicture(values), 60) == (
        "| ░▒▓█|\n"
        "|▒    |\n"
        "|░   █|\n"
        "blank 0, ░ up to 4.0, ▒ 8.0, ▓ 12.0, █ 16.0\n"
    )  # fmt: skip
    assert ascii_of(PixelPicture(values)).splitlines()[0] == "| .:*#|"


def test_a_picture_of_nothing_is_blank() -> None:
    assert text_of(PixelPicture(np.zeros((4, 4), np.int64)), 60).splitlines()[:2] == [
        "|    |",
        "|    |",
    ]


@pytest.mark.parametrize(
    ("log10_p", "told"),
    [(0.0, "1.00"), (-0.5, "0.32"), (-2.0, "0.01"), (-2.5, "3e-3"), (-2.01, "1e-2"), (-96.0, "1e-96"), (-12013.4, "4e-12014")],
)  # fmt: skip
def test_p_values_of_any_size(log10_p: float, told: str) -> None:
    assert p_words(log10_p) == told


# --- one ticket

TICKET = """\
t/x: a ticket, l1-r0.50-n1-s1
kept              12 of 18 prunable weights, 66.67 %
found by          l1, ratio 0.5 in 1 round, seed 1, weights prunable
network           MLP 4-3-2, uniform weights
data              digits, 600 train, 1,000,000 validation images
trained           30 steps, adam 0.001, batch 60, engine torch on cpu
digest            {digest}
init.safetensors  {init}
mask.safetensors  {mask}

l1-r0.50-n1-s1: sparsity (%)
layer            weights  kept  round 1
asked for                         50.00
layers.0.weight       12     6    50.00
layers.1.weight        6     6     0.00
total                 18    12    33.33

Units with no surviving weights
layer     units  dead  none in  none out
inputs        4     0
hidden 1      3     1        1         0
"""


def test_a_ticket_on_a_screen(tmp_path: Path) -> None:
    side = side_of(tmp_path / "t", x=make_ticket())
    folder = side.folders["x"]
    files = {name.split(".")[0]: digest for name, digest in folder.digests().items()}
    assert text_of(side_screen(side), 100) == TICKET.format(digest=folder.digest, **files)


def image_ticket() -> Ticket:
    """Of 16 pixels, in a picture of four by four; the first four have no weights."""
    first = np.ones((3, 16), np.bool_)
    first[:, :4] = False
    mask = Mask({"layers.0.weight": first, "layers.1.weight": np.ones((2, 3), np.bool_)})
    init = {name: np.ones(array.shape, np.float32) for name, array in mask.items()}
    return replace(make_ticket(), mask=mask, init=init, counts=())


def test_square_inputs_get_a_picture(tmp_path: Path) -> None:
    text = unread(image_ticket(), 60)
    assert "inputs       16     4" in text
    picture = "Surviving weights per input pixel, 4 x 4, two rows a line\n|▒▒▒▒|\n|████|\n"
    assert picture in text
    assert "per input pixel" not in shown(tmp_path / "u", make_ticket(), 60)  # 2 x 2 is no picture


def test_nothing_is_cut_on_sixty_columns(tmp_path: Path) -> None:
    text = shown(tmp_path / "t", make_ticket(), 60)
    assert all(len(line) <= 60 for line in text.splitlines())
    assert "…" not in text
    digest = read_side("t", tmp_path / "t").folders["x"].digest
    assert digest in text.replace("\n", "").replace(" ", "")


def test_other_networks_have_no_units() -> None:
    mask = Mask({"conv.weight": np.array([[True, False]])})
    module = replace(
        respecified(make_ticket(), model=OtherDescription(kind="mine", name="net")),
        mask=mask,
        init={"conv.weight": np.ones((1, 2), np.float32)},
        rate={"conv.weight": 0.5},
        counts=(),
    )
    text = unread(module)
    assert "network   module net" in text
    assert "units are not counted" in text


@pytest.mark.parametrize(
    "changed", [{"ratio": "x"}, {"rounds": None}, {"method": 3}, {"sparsity": [{"actual": 1 / 3}]}]
)
def test_a_misstated_ticket_is_refused_or_shown(changed: dict[str, object], tmp_path: Path) -> None:
    """Never a traceback, whatever a well-sealed document says."""
    from lthctl.errors import PathError

    folder = save_ticket(make_ticket(), tmp_path / "x")
    document = json.loads((folder / "ticket.json").read_bytes())
    del document["digest"]
    (folder / "ticket.json").write_bytes(seal(document | changed))
    try:
        text = text_of(side_screen(read_side("x", tmp_path)), 100)
    except PathError as error:
        assert "ticket.json: " in str(error) and "it is damaged or not written by lthctl" in str(
            error
        )
    else:
        assert "x: a ticket" in text


def test_what_a_stranger_wrote_is_shown_as_text() -> None:
    ticket = make_ticket()
    odd = respecified(
        ticket,
        model=OtherDescription(kind="\x1b[2J", name="\x1b[31mnet"),
        data=ticket.data.model_copy(update={"name": "[red]\x1b[2J"}),
        method="[bold]\x1b]0;x\x07",
    )
    text = unread(replace(odd, counts=()))
    assert "module \N{REPLACEMENT CHARACTER}[31mnet" in text
    assert "[red]\N{REPLACEMENT CHARACTER}[2J" in text
    assert "[bold]\N{REPLACEMENT CHARACTER}]0;x\N{REPLACEMENT CHARACTER}" in text
    assert "\x1b" not in text


# --- one run


def test_a_run_on_a_screen(tmp_path: Path) -> None:
    text = shown(tmp_path / "t", replace(make_run(), proof=PROOF))
    assert text.startswith("t/x: a run, l1-r0.50-n1-s1 from its own weights (rewind)\n")
    for line in (
        "best          75.00 % at step 20",
        "early stop    75.00 % at step 20, where the validation loss is lowest",
        "final         62.50 % at step 30",
        "pruned        1,200 weights, 0 of them not 0 at the end",
        "kept          34 weights, 33 of them changed by training",
        "Validation, 3 evaluations from step 10 to 30",
        "accuracy  ▁█▄  52.50 or less to 75.00 %",
        "loss      █▁█  0.2500 to 0.5000 or more",
    ):
        assert line in text


def test_a_test_figure_is_shown_where_there_is_one(tmp_path: Path) -> None:
    history = tuple(row._replace(test_loss=0.5, test_accuracy=0.25) for row in make_run().history)
    assert "25.00 % at the early-stop step" in shown(tmp_path / "t", make_run(history=history))


def test_a_damaged_document_is_refused_not_shown(tmp_path: Path) -> None:
    from lthctl.errors import PathError

    folder = save_run(make_run(), tmp_path / "x")
    (folder / RUN_JSON).write_bytes(seal({"kind": "run", "schema": 1}))
    with pytest.raises(PathError, match=r"run\.json: ticket is missing"):
        read_side("x", tmp_path)


# --- several


def test_several_are_listed_with_the_way_on(tmp_path: Path) -> None:
    side = side_of(tmp_path / "t", a=make_ticket(), b=make_run())
    text = text_of(side_screen(side), 100)
    assert f"a         12     66.67  {side.tickets['a'].digest[:12]}" in text
    assert "b    rewind   75.00       20       75.00       20" in text
    assert text.endswith("2 below t; to see one: lthctl show t/a\n")


# --- comparisons


def test_two_tickets_side_by_side(tmp_path: Path) -> None:
    text = comparison(tmp_path, {"x": make_ticket()}, {"y": make_ticket(first=3, seed=2)}, 60)
    assert "mask  differs\ninit  the same weights\n" in text
    assert (
        "layer           in a in b both chance ratio    p\n"
        "layers.0.weight    6    6    3    3.0  1.00 1.00\n"
        "layers.1.weight    6    6    6    6.0  1.00 1.00\n"
        "total             12   12    9    9.0  1.00 1.00\n"
    ) in text
    assert "What differs in how they were made\nwhat  a  b\nseed  1  2\n" in text


def test_the_same_ticket_has_no_table(tmp_path: Path) -> None:
    text = comparison(tmp_path, {"x": make_ticket()}, {"y": make_ticket()})
    assert text.endswith("mask  the same\ninit  the same weights\n")


def test_many_tickets_are_a_matrix_in_as_many_parts_as_the_width_asks(tmp_path: Path) -> None:
    held = {
        f"t{number}": make_ticket(first=number, seed=number, init=number // 2)
        for number in range(6)
    }
    params = ReportParams()
    found = compare([side_of(tmp_path / "a", **held)], params)
    wide, narrow = (text_of(comparison_screen(found, params), width) for width in (100, 30))
    assert "      2      3      4      5      6" in wide
    assert narrow.count("\n1  ") >= 2
    assert all(len(line) <= 30 for line in narrow.splitlines())


def test_the_same_ticket_twice_among_many(tmp_path: Path) -> None:
    params = ReportParams()
    side = side_of(tmp_path / "a", x=make_ticket(), y=make_ticket(first=3))
    text = text_of(
        comparison_screen(compare([side, read_side("a/x", tmp_path / "a/x")], params), params), 100
    )
    assert "       2      3\n1   1.00  1.33=\n2          1.00\n" in text


def test_folders_matched_by_name(tmp_path: Path) -> None:
    text = comparison(
        tmp_path,
        {"same": make_ticket(), "moved": make_ticket(), "gone": make_ticket()},
        {"same": make_ticket(), "moved": make_ticket(first=3), "new": make_ticket()},
    )
    assert "2 tickets in both: 1 same, 1 mask differs\n" in text
    assert "moved   mask differs    12    12     9   1.00  1.00\n" in text
    assert "Only in a: gone\n" in text
    assert "Only in b: new\n" in text


def test_folders_without_a_common_name(tmp_path: Path) -> None:
    text = comparison(tmp_path, {"x": make_ticket(), "y": make_ticket()}, {"z": make_ticket()})
    assert text == "a  a\nb  b\n\nOnly in a: x, y\n\nOnly in b: z\n\nNo name is on both sides.\n"


def test_runs_matched_by_name_are_paired(tmp_path: Path) -> None:
    a, b = (
        {f"s{seed}": make_run(seed=seed, best=best + seed / 100) for seed in (1, 2, 3)}
        for best in (0.7, 0.8)
    )
    text = comparison(tmp_path, dict(a), dict(b))
    assert "3 runs in both: 0 with the same history, 3 with another\n" in text
    assert "s1      71.00  81.00  +10.00  ▁▁▁\n" in text
    assert "l1-r0.50-n1 rewind  3  +10.00 ± 0.00  +0 ± 10  better\n" in text


def test_numbers_stay_whole_on_a_narrow_terminal(tmp_path: Path) -> None:
    a = {
        f"s{seed}": make_run(seed=seed, best=0.7 + seed / 50, stop=10 * seed) for seed in (1, 2, 3)
    }
    b = {
        f"s{seed}": make_run(seed=seed, best=0.5 + seed**2 / 50, control="reinit")
        for seed in (1, 2, 3)
    }
    text = comparison(tmp_path, dict(a), dict(b), 50)
    assert "-14.67 ± 15.18  +0 ± 25  unknown\n" in text
    assert "l1-r0.50-n1" in text and "rewind /" in text
    assert all(len(line) <= 50 for line in text.splitlines())


def test_runs_on_other_images_are_marked(tmp_path: Path) -> None:
    a, b = ({f"s{s}": make_run(seed=s, best=0.7 + extra, data=data) for s in (1, 2)} for extra, data in
            ((0.0, DATA), (0.1, {**DATA, "digest": "2a" * 32})))  # fmt: skip
    text = comparison(tmp_path, dict(a), dict(b))
    assert "+10.00 #" in text
    assert "# Accuracies are of other images" in text
    assert "Paired by seed" not in text


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    text = comparison(tmp_path, {"x": make_run(best=0.75)}, {"y": make_run(best=0.5, stop=30)}, 60)
    assert "best accuracy (%)        75.00  50.00  -25.00\n" in text
    assert "early-stop step             20     30     +10\n" in text
    assert "at the 3 steps that both have: b is\nabove a at 0, below at 3\n" in text
    assert "b - a  -25.00  -25.00  -25.00\n" in text
    assert "nothing can be decided" in text


def test_many_runs_in_rows(tmp_path: Path) -> None:
    params = ReportParams()
    side = side_of(
        tmp_path / "a", x=make_run(), y=make_run(seed=2, best=0.5), z=make_run(seed=3, best=0.875)
    )
    text = text_of(comparison_screen(compare([side], params), params), 100)
    assert "a/x  75.00                   20  " in text
    assert "a/y  50.00   -25.00          20  " in text
    assert "a/z  87.50   +12.50          20  " in text


def test_comparisons_are_plain_ascii_where_they_must_be(tmp_path: Path) -> None:
    params = ReportParams()
    sides = sides_of(tmp_path, {"x": make_run()}, {"y": make_run(seed=2)})
    assert ".@" in ascii_of(comparison_screen(compare(sides, params), params))

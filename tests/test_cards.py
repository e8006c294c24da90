"""What a notebook shows: a line, a card whose text is escaped, and rows that pandas takes."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lthctl
from lthctl.artifacts.cards import MOST_LAYERS
from lthctl.artifacts.run import Run, load_run, save_run
from lthctl.artifacts.ticket import Ticket, load_ticket, save_ticket
from lthctl.errors import OutputError
from lthctl.mask import Mask

from .test_report import DENSE_TICKET, make_run, replicates

SCHEMA_1 = Path(__file__).parent / "fixtures" / "schema-1"


@pytest.fixture(scope="module")
def ticket() -> Ticket:
    return load_ticket(SCHEMA_1 / "masks" / "l1-r0.50-n2-s1")


@pytest.fixture(scope="module")
def run() -> Run:
    return load_run(SCHEMA_1 / "tickets" / "rewind" / "l1-r0.50-n2-s1")


def card_of(value: Ticket | Run) -> ElementTree.Element:
    """The card, which is well-formed; it loads nothing and runs nothing."""
    card = ElementTree.fromstring(value._repr_html_())
    tags = {element.tag for element in card.iter()}
    assert tags <= {"div", "strong", "table", "tr", "th", "td", "span", "code", "svg", "polyline"}
    names = {name for element in card.iter() for name in element.attrib}
    assert not {name for name in names if name.startswith("on") or name in ("href", "src")}
    return card


def rows_of(card: ElementTree.Element) -> dict[str, str]:
    return {
        "".join(row[0].itertext()): "".join(row[1].itertext()).strip() for row in card.iter("tr")
    }


def test_a_ticket_prints_as_a_line(ticket: Ticket) -> None:
    kept, size = ticket.mask.num_kept, ticket.mask.size
    assert str(ticket) == repr(ticket) == (
        f"Ticket l1-r0.50-n2-s1: {100 * kept / size:.3g} % of {size:,} weights kept, "
        f"{ticket.model.name}"
    )  # fmt: skip


def test_a_run_prints_as_a_line() -> None:
    run = make_run(("l1", 0.8, 5), seed=2, best=0.9834, control="reinit")
    line = "Run l1-r0.80-n5-s2, reinit: best accuracy 98.34 % at step 20 of 30"
    assert str(run) == repr(run) == line


def test_a_run_with_weights_prints_as_a_line(run: Run) -> None:
    assert "\n" not in repr(run) and len(repr(run)) < 100


def test_the_card_of_a_ticket_has_a_bar_per_layer(ticket: Ticket) -> None:
    card = card_of(ticket)
    rows = rows_of(card)
    assert card.find("strong").text == "Ticket l1-r0.50-n2-s1"  # type: ignore[union-attr]
    assert rows["digest"] == ticket.digest[:12]
    for name, array in ticket.mask.items():
        assert rows[name] == f"{100 * array.mean():.3g} %"


def test_the_card_of_a_large_network_stays_small(ticket: Ticket) -> None:
    arrays = {f"layers.{i}.weight": np.ones((2, 2), np.bool_) for i in range(MOST_LAYERS + 3)}
    large = replace(ticket, mask=Mask(arrays))
    rows = rows_of(card_of(large))
    assert rows[""] == "and 3 parameters more"
    assert len([name for name in rows if name.startswith("layers")]) == MOST_LAYERS


def test_the_card_of_a_run_has_its_curve() -> None:
    run = make_run(("l1", 0.8, 5), best=0.9834)
    card = card_of(run)
    rows = rows_of(card)
    assert rows["best accuracy"] == "98.34 % at step 20 of 30"
    assert rows["training"] == run.training[:12]
    (line,) = card.iter("polyline")
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert len(heights) == len(run.history) and heights[1] == min(heights)  # the best is on top


def test_a_card_escapes_names() -> None:
    run = make_run(('<script>"&', 0.5, 1), control="<b onclick=x>")
    text = "".join(card_of(run).itertext())
    assert '<script>"&' in text and "<b onclick=x>" in text


@pytest.mark.parametrize("kind", ["ticket", "run"])
def test_saving_the_same_twice_writes_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    value, save = request.getfixturevalue(kind), {"ticket": save_ticket, "run": save_run}[kind]
    folder = save(value, tmp_path / "mine")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert save(value, folder) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_saving_another_ticket_or_over_a_damaged_one_is_refused(
    ticket: Ticket, tmp_path: Path
) -> None:
    folder = save_ticket(ticket, tmp_path / "mine")
    flipped = {name: ~array for name, array in ticket.mask.items()}
    with pytest.raises(OutputError, match="something else is in the way"):
        save_ticket(replace(ticket, mask=Mask(flipped)), folder)
    content = bytearray((folder / "init.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "init.safetensors").write_bytes(content)
    with pytest.raises(OutputError, match="something else is in the way"):
        save_ticket(ticket, folder)


def test_a_report_prints_as_a_line_and_gives_flat_rows(tmp_path: Path) -> None:
    runs = [*replicates(DENSE_TICKET, [0.9, 0.92]), *replicates(("l1", 0.5, 1), [0.91, 0.92])]
    for number, run in enumerate(runs):
        save_run(run, tmp_path / "runs" / str(number))
    finished = lthctl.report(tmp_path / "runs", masks=tmp_path / "masks")
    assert repr(finished) == "FinishedReport of 4 runs in 1 group"
    assert repr(lthctl.show(tmp_path / "runs")) == f"Side {tmp_path / 'runs'}: 0 tickets, 4 runs"
    for rows, number in ((finished.run_rows(), 4), (finished.summary_rows(), 2)):
        assert len(rows) == number and len({tuple(row) for row in rows}) == 1  # the same columns
        assert all(
            value is None or type(value) in (int, float, str)
            for row in rows
            for value in row.values()
        )

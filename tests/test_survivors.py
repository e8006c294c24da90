"""What survived: counts per layer, per pixel and in common, of masks made by hand."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lthctl.artifacts.names import MASK_FILE, TICKET_JSON
from lthctl.artifacts.run import Run
from lthctl.artifacts.ticket import Ticket, save_ticket
from lthctl.mask import Mask
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.reading import Report
from lthctl.reporting.survivors import Survivors, _kernels, find_survivors, survivor_files

from .by_hand import one_round, respecified, specification_of
from .test_report import DATA, DENSE_TICKET, MODEL, Asked, make_run, report_of

L1 = ExperimentKey("rewind", "l1", 1, 0.5)
RANDOM = ExperimentKey("rewind", "random", 1, 0.5)

SHAPES = {
    "layers.0.weight": (3, 4),
    "layers.0.bias": (3,),
    "layers.1.weight": (2, 3),
    "layers.1.bias": (2,),
}
# Which weights of the first layer survive; the four inputs are a picture of 2 x 2.
FIRST = {
    ("l1", 1): [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]],
    ("l1", 2): [[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]],
    ("random", 1): [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]],
    ("random", 2): [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]],
}


def make_ticket(method: str, seed: int) -> Ticket:
    """A ticket that keeps half of the first layer's weights and all else."""
    arrays = {name: np.ones(shape, np.bool_) for name, shape in SHAPES.items()}
    arrays["layers.0.weight"] = np.array(FIRST[method, seed], np.bool_)
    mask = Mask(arrays)
    counts = one_round(mask, 0.5)
    layers = {
        name: layer if name == "layers.0.weight" else layer.model_copy(update={"desired": 0.0})
        for name, layer in counts.layers.items()
    }
    specification = specification_of({
        "method": method, "ratio": 0.5, "rounds": 1, "seed": seed, "biases": True, "model": MODEL,
        "data": DATA, "train": {},
    })  # fmt: skip
    init = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    counts = counts.model_copy(update={"layers": layers})
    return Ticket(specification, dict.fromkeys(SHAPES, 0.5), (counts,), mask, init)


def run_of(ticket: Ticket, best: float = 0.75, control: str = "rewind") -> Run:
    """A run that names this ticket."""
    experiment: Asked = (ticket.method, ticket.ratio, ticket.rounds)
    run = make_run(
        experiment, ticket.seed, best, control=control, by_round=(ticket.mask.sparsity,), found={}
    )
    return of_ticket(run, digest=ticket.digest, sparsity=ticket.mask.sparsity)


def of_ticket(run: Run, **changes: object) -> Run:
    """A run that says something else of its ticket."""
    return respecified(run, ticket=run.ticket.model_copy(update=changes))


@pytest.fixture
def tickets(tmp_path: Path) -> dict[tuple[str, int], Ticket]:
    made = {key: make_ticket(*key) for key in FIRST}
    for (method, seed), ticket in made.items():
        save_ticket(ticket, tmp_path / "masks" / "below" / f"{method}-{seed}")
    return made


@pytest.fixture
def report(tmp_path: Path, tickets: dict[tuple[str, int], Ticket]) -> Report:
    runs = [run_of(ticket) for ticket in tickets.values()]
    return report_of(
        tmp_path, *runs, *(run_of(ticket, control="reinit") for ticket in tickets.values())
    )


def survivors_of(report: Report, masks: Path) -> Survivors:
    (found,), left_out = find_survivors(report, masks)
    assert left_out == ()
    return found


def test_pixels_are_means_over_seeds(tmp_path: Path, report: Report) -> None:
    found = survivors_of(report, tmp_path / "masks")
    assert [(row.key, row.n, list(row.kept)) for row in found.pixels] == [
        (L1, 2, [3, 2, 0.5, 0.5]),
        (RANDOM, 2, [1, 0.5, 2.5, 2]),
    ]
    assert found.missing == ()


def test_layers_in_their_order_asked_for_and_reached(tmp_path: Path, report: Report) -> None:
    found = survivors_of(report, tmp_path / "masks")
    assert [row[1:] for row in found.layers if row.key == L1] == [
        (1, "layers.0.weight", 12, 0.5, 6.0, 0.5, 2),
        (1, "layers.0.bias", 3, 0.0, 3.0, 0.0, 2),
        (1, "layers.1.weight", 6, 0.0, 6.0, 0.0, 2),
        (1, "layers.1.bias", 2, 0.0, 2.0, 0.0, 2),
    ]


def test_what_masks_have_in_common_by_hand(tmp_path: Path, report: Report) -> None:
    """By chance half of each other's weights of the first layer, 3 of 6, and all 11 of the rest."""
    found = survivors_of(report, tmp_path / "masks")
    rows = {(row.a.method, row.b.method, row.differs): row for row in found.common}
    assert set(rows) == {
        ("l1", "l1", "seed"),
        ("random", "random", "seed"),
        ("l1", "random", "method"),
    }
    seeds = rows["l1", "l1", "seed"]
    assert (seeds.n, seeds.both, seeds.expected) == (1, 4 + 11, pytest.approx(3 + 11))
    assert seeds.ratio == pytest.approx(15 / 14)
    methods = rows["l1", "random", "method"]  # of equal seeds: nothing in common, then 3 of 6
    assert (methods.n, methods.both) == (2, (11 + 13) / 2)
    assert (methods.least, methods.greatest) == (pytest.approx(11 / 14), pytest.approx(13 / 14))
    assert methods.log10_p == pytest.approx(0, abs=0.3)  # the least significant of the pairs


def test_tickets_that_are_not_there_are_named(tmp_path: Path, report: Report) -> None:
    assert survivors_of(report, tmp_path / "nowhere").missing == (
        "l1-r0.50-n1-s1", "l1-r0.50-n1-s2", "random-r0.50-n1-s1", "random-r0.50-n1-s2",
    )  # fmt: skip
    one = survivors_of(report, tmp_path / "masks" / "below" / "l1-2")
    assert one.missing == ("l1-r0.50-n1-s1", "random-r0.50-n1-s1", "random-r0.50-n1-s2")
    assert [(row.key, row.n) for row in one.pixels] == [(L1, 1)]
    assert one.common == ()


def test_a_ticket_of_the_same_name_and_other_content_is_not_taken(
    tmp_path: Path, report: Report
) -> None:
    folder = tmp_path / "other" / "l1-1"
    other = make_ticket("l1", 1)
    other.init["layers.1.bias"][:] = 1
    save_ticket(other, folder)
    assert survivors_of(report, tmp_path / "other").pixels == ()


@pytest.mark.parametrize("damage", ["mask", "json", "counts"])
def test_a_damaged_ticket_is_left_out_with_the_reason(
    tmp_path: Path, report: Report, damage: str
) -> None:
    folder = tmp_path / "masks" / "below" / "l1-1"
    if damage == "mask":
        (folder / MASK_FILE).write_bytes(b"")
    elif damage == "json":
        (folder / TICKET_JSON).write_text("{")
    else:  # of another mask, its digests in order; the runs name this ticket
        ticket = make_ticket("l1", 1)
        ticket = replace(ticket, counts=(ticket.counts[0].model_copy(update={"actual": 0.9}),))
        save_ticket(ticket, folder, replace=True)
        for experiment in report.groups[0].experiments:
            for seed, (run,) in experiment.runs.items():
                experiment.runs[seed] = (of_ticket(run, digest=ticket.digest),)
    (found,), ((place, reason),) = find_survivors(report, tmp_path / "masks")
    assert place == folder and reason.startswith(str(folder))
    assert "l1-r0.50-n1-s1" in found.missing


def test_a_damaged_ticket_that_no_run_names_is_nobodys_business(
    tmp_path: Path, report: Report
) -> None:
    other = make_ticket("l1", 1)
    other.init["layers.1.bias"][:] = 1
    (save_ticket(other, tmp_path / "masks" / "other") / MASK_FILE).write_bytes(b"")
    assert survivors_of(report, tmp_path / "masks").missing == ()


def test_dense_tickets_alone_leave_nothing_to_show(tmp_path: Path) -> None:
    found = survivors_of(report_of(tmp_path, make_run(DENSE_TICKET)), tmp_path)
    assert (found.layers, found.pixels, found.common, found.missing) == ((), (), (), ("dense-s1",))


def test_inputs_that_are_no_picture(tmp_path: Path) -> None:
    model = {"kind": "module", "name": "net", "output": "fc", "shapes": {}}
    runs = [make_run(DENSE_TICKET, model=model), make_run(("random", 0.5, 1), model=model)]
    assert survivors_of(report_of(tmp_path, *runs), tmp_path).pixels == ()


def test_files(tmp_path: Path, report: Report) -> None:
    found = survivors_of(report, tmp_path / "masks")
    files = survivor_files([found])
    assert files == survivor_files([survivors_of(report, tmp_path / "masks")])
    (l1, random) = csv.DictReader(io.StringIO(files["pixels.csv"].decode()))
    assert l1 == {
        "group": "1", "method": "l1", "rounds": "1", "ratio": "0.5", "pruned_with": "",
            "per_round": "", "variant": "", "n": "2",
        "pixel_0": "3.0", "pixel_1": "2.0", "pixel_2": "0.5", "pixel_3": "0.5",
    }  # fmt: skip
    assert random["pixel_2"] == "2.5"
    layers = list(csv.DictReader(io.StringIO(files["layers.csv"].decode())))
    assert layers[0] == {
        "group": "1", "method": "l1", "rounds": "1", "ratio": "0.5", "pruned_with": "",
            "per_round": "", "variant": "", "round": "1",
        "layer": "layers.0.weight",
        "size": "12", "desired": "0.5", "kept": "6.0", "actual": "0.5", "n": "2",
    }  # fmt: skip
    common = list(csv.DictReader(io.StringIO(files["overlap.csv"].decode())))
    assert [row["differs"] for row in common] == ["seed", "seed", "method"]
    assert common[0]["method_b"] == "l1" and float(common[0]["both"]) == 15


def test_the_last_bits_of_a_p_value_are_not_written(tmp_path: Path, report: Report) -> None:
    """Processors differ in them, and then a report that is made again differs from git's."""
    found = survivors_of(report, tmp_path / "masks")
    for towards in (-math.inf, math.inf):
        moved = [
            row._replace(log10_p=math.nextafter(row.log10_p, towards)) for row in found.common
            if row.log10_p < 0
        ]  # fmt: skip
        found = replace(found, common=tuple(row for row in found.common if row.log10_p < 0))
        assert moved
        assert survivor_files([replace(found, common=tuple(moved))]) == survivor_files([found])


def test_empty_files_have_their_headings() -> None:
    files = survivor_files([Survivors((), (), (), ())])
    assert all(content.count(b"\n") == 1 for content in files.values())


def test_kernels_are_the_weights_that_are_kept() -> None:
    """Of the first layer over pictures, whatever comes before it by name."""
    key = ExperimentKey("rewind", "l1", 1, 0.5)
    weights = np.arange(-9, 9, dtype=np.float32).reshape(2, 1, 3, 3)
    mask = Mask(
        {
            "block.0.weight": np.ones((2, 2, 3, 3), bool),
            "conv.weight": weights > 0,
            "fc.weight": np.ones((2, 2), bool),
        }
    )
    folder: Any = SimpleNamespace(
        init={"conv.weight": weights}, rewound=None, document=SimpleNamespace(name="l1-r0.50-n1-s1")
    )
    (kernels,) = _kernels(key, folder, mask)
    assert (kernels.layer, kernels.shape) == ("conv.weight", (2, 1, 3, 3))
    assert kernels.values == (None,) * 10 + (1, 2, 3, 4, 5, 6, 7, 8)
    assert not list(_kernels(key, folder, Mask({"layers.0.weight": np.ones((2, 2), bool)})))

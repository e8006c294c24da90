"""Stability in a report: from connections of second copies, per experiment and over seeds."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lthctl.artifacts.connection import Connection, Point, places, save_connection
from lthctl.artifacts.connection_document import ConnectionRequest, End
from lthctl.artifacts.names import PATH_FILE
from lthctl.artifacts.run import Run, save_run
from lthctl.cli.answer_view import print_answers
from lthctl.cli.report_view import report_tables
from lthctl.reporting.paper import paper_files
from lthctl.reporting.reading import Report, make_report
from lthctl.reporting.report import report
from lthctl.reporting.stability import stabilities_of, stability_sentence
from lthctl.reporting.stability_files import stability_files
from lthctl.reporting.statistics import interval
from lthctl.reporting.survivors import find_survivors
from lthctl.reporting.tables import report_files

from .test_report import DENSE_TICKET, L1_TICKET, PARAMS, Asked, make_run


def copy_of(run: Run, order_seed: int) -> Run:
    """A second copy, of another training."""
    specification = run.specification.model_copy(update={"order_seed": order_seed})
    training = f"{order_seed:x}{run.training}"[:64]
    return replace(run, specification=specification, training=training)


def end_of(run: Run) -> End:
    return End(run="1" * 64, training=run.training, ticket=run.ticket.name, variant=run.variant)


def connection_of(a: Run, b: Run, errors: Sequence[float], *, test: bool = False) -> Connection:
    """With these errors of the images that judge; half of them on those trained on."""
    request = ConnectionRequest(
        a=end_of(a), b=end_of(b), data="4" * 64, engine="sparse", points=len(errors)
    )
    images = {"train": 1000, "validation": 1000, **({"test": 1000} if test else {})}
    points = [
        Point(place, 0.5, error / 2, 0.5, 0.5 if test else error, *((0.5, error) if test else ()))
        for place, error in zip(places(len(errors)), errors, strict=True)
    ]
    return Connection(request, tuple(points), images)  # type: ignore[arg-type]


def save(folder: Path, *kept: Run | Connection) -> None:
    for number, one in enumerate(kept):
        if isinstance(one, Run):
            save_run(one, folder / "runs" / one.variant / f"{number}")
        else:
            save_connection(one, folder / "runs" / "connections" / f"{number}")


def experiment_in(
    folder: Path, heights: Sequence[float], asked: Asked = L1_TICKET, **options: object
) -> list[Run]:
    """Runs of an experiment, a second copy of each, and connections of these heights."""
    runs = [make_run(asked, seed, **options) for seed in range(1, len(heights) + 1)]  # type: ignore[arg-type]
    for run, height in zip(runs, heights, strict=True):
        second = copy_of(run, 7)
        name = folder / f"{asked[0]}-{run.variant}-{run.ticket.seed}"
        save(name, run, second, connection_of(run, second, (0.03, 0.03 + height, 0.03)))
    return runs


def shown(made: Report, *, full: bool) -> str:
    console = Console(width=140, file=io.StringIO(), color_system=None)
    if full:
        console.print(report_tables(made))
    else:
        print_answers(console, made)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return " ".join(text.split())


def test_barriers_are_averaged_over_seeds(tmp_path: Path) -> None:
    heights = (0.010, 0.004, 0.007)
    experiment_in(tmp_path, heights)
    experiment_in(tmp_path, (0.1, 0.12, 0.11), DENSE_TICKET)
    made = make_report([tmp_path], PARAMS)
    dense, ticket = stabilities_of(made.groups[0])
    assert (dense.is_stable, ticket.is_stable) == ("not stable", "stable")
    expected = interval(heights, 0.95)
    for end in ("mean", "low", "high"):
        assert getattr(ticket.barrier, end) == pytest.approx(getattr(expected, end), abs=1e-12)
    assert ticket.barrier.n == 3 and ticket.judged == "validation"
    assert ticket.heights == pytest.approx({1: 0.010, 2: 0.004, 3: 0.007})
    assert ticket.on_train.mean == pytest.approx(0.0035)
    assert [place for place, _ in ticket.rises] == [0, 0.5, 1]
    assert [rise for _, rise in ticket.rises] == pytest.approx([0, 0.007, 0])
    # Copies and connections change nothing else.
    assert made.groups[0].num_runs == 6 and len(made.copies) == 6


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ((0.005,), "unknown"),  # one seed has no interval
        ((0.3,), "unknown"),
        ((0.001, 0.030, 0.015), "unknown"),
        ((0.0190, 0.0192, 0.0191), "stable"),
        ((0.0210, 0.0212, 0.0211), "not stable"),
        ((0.0199, 0.0201, 0.0200), "unknown"),
    ],
)
def test_the_interval_decides(tmp_path: Path, heights: Sequence[float], expected: str) -> None:
    experiment_in(tmp_path, heights)
    (found,) = stabilities_of(make_report([tmp_path], PARAMS).groups[0])
    assert found.is_stable == expected


def test_equal_barriers_do_not_decide_more_than_images_can_tell(tmp_path: Path) -> None:
    experiment_in(tmp_path, (0.0199, 0.0199))
    (found,) = stabilities_of(make_report([tmp_path], PARAMS).groups[0])
    assert found.barrier.deviation == pytest.approx(1 / 12**0.5 / 1000)
    assert found.is_stable == "unknown"


def test_test_images_judge_where_there_are_such(tmp_path: Path) -> None:
    run = make_run(data={**make_run().data.to_json(), "test": 100})
    second = copy_of(run, 7)
    save(tmp_path, run, second, connection_of(run, second, (0.0, 0.1, 0.0), test=True))
    (found,) = stabilities_of(make_report([tmp_path], PARAMS).groups[0])
    assert (found.judged, found.barrier.mean) == ("test", pytest.approx(0.1))


def test_several_pairs_of_a_seed_count_once(tmp_path: Path) -> None:
    run = make_run()
    copies = [copy_of(run, order) for order in (7, 8)]
    pairs = [(run, copies[0], 0.02), (run, copies[1], 0.04), (copies[0], copies[1], 0.09)]
    joined = [connection_of(a, b, (0.0, height, 0.0)) for a, b, height in pairs]
    again = connection_of(copies[0], run, (0.0, 0.02, 0.0))  # the other way round
    save(tmp_path, run, *copies, *joined, joined[1], again)
    (found,) = stabilities_of(make_report([tmp_path], PARAMS).groups[0])
    assert found.barrier.n == 1
    assert found.barrier.mean == pytest.approx(0.05)


def test_only_copies_of_one_run_are_joined(tmp_path: Path) -> None:
    run, reinit, other = make_run(), make_run(control="reinit"), make_run(seed=2)
    longer = copy_of(make_run(train={**run.train.model_dump(mode="json"), "steps": 40}), 9)
    second, of_other = copy_of(run, 7), copy_of(other, 7)
    save(
        tmp_path,
        *(run, reinit, other, second, of_other, longer),
        connection_of(run, reinit, (0.0, 0.5, 0.0)),  # another start
        connection_of(run, other, (0.0, 0.5, 0.0)),  # another ticket
        connection_of(run, of_other, (0.0, 0.5, 0.0)),
        connection_of(run, longer, (0.0, 0.5, 0.0)),  # another training
        connection_of(run, copy_of(run, 8), (0.0, 0.5, 0.0)),  # a run that is not here
        connection_of(run, second, (0.0, 0.001, 0.0)),
    )
    (found,) = stabilities_of(make_report([tmp_path], PARAMS).groups[0])
    assert found.heights == {1: pytest.approx(0.001)}


def test_without_connections_nothing_is_said(tmp_path: Path) -> None:
    run = make_run()
    save(tmp_path, run)
    alone = report_files(make_report([tmp_path / "runs"], PARAMS))
    save(tmp_path, run, copy_of(run, 7))
    files = report(tmp_path / "runs", out=tmp_path / "out").files
    assert "stability.csv" not in files and "stability.svg" not in files
    assert b'id="stability"' not in files["index.html"]
    assert b"stability" not in files["index.html"].replace(b"#stability", b"").split(b"<script")[0]
    assert {name: files[name] for name in alone} == alone
    made = make_report([tmp_path / "runs"], PARAMS)
    assert stability_files(made) == {} and stability_sentence(made.groups[0]) is None
    for full in (True, False):
        text = shown(made, full=full)
        assert "stable" not in text and "1 second copy with another order" in text


@pytest.mark.long
def test_everywhere_it_is_shown(tmp_path: Path) -> None:
    experiment_in(tmp_path, (0.010, 0.004, 0.007))
    experiment_in(tmp_path, (0.1, 0.12, 0.11), DENSE_TICKET)
    files = report(tmp_path, out=tmp_path / "out").files
    rows = list(csv.DictReader(io.StringIO(files["stability.csv"].decode())))
    assert [(row["method"], row["n"], row["images"], row["stable"]) for row in rows] == [
        ("dense", "3", "validation", "not stable"),
        ("l1", "3", "validation", "stable"),
    ]
    assert float(rows[1]["barrier"]) == pytest.approx(0.007)
    assert files["stability.svg"].startswith(b"<?xml")
    page = files["index.html"].decode()
    section = page.partition('<section id="stability"')[2].partition("</section>")[0]
    assert "Is it stable?" in section and '<a href="#stability">' in page
    assert "✗ not stable" in section and "✓ stable" in section
    assert "0.70 ± 0.75 <small>validation images, n 3</small>" in section
    order = [page.index(f'id="{name}"') for name in ("weights-or-mask", "stability", "runs")]
    assert order == sorted(order)
    made = make_report([tmp_path], PARAMS)
    assert (
        "Stable to the order of the batches: of 2 experiments 1 stable, 1 not stable. The highest "
        "barrier is 11.00 points, dense-rewind, n 3."
    ) in shown(made, full=False)
    full = shown(made, full=True)
    assert "Is it stable? Barrier between copies (points), validation images" in full
    assert "l1-r0.50-n1 rewind as good 3 0.70 ± 0.75 0.35 ± 0.37 stable" in full
    survivors, _ = find_survivors(made, tmp_path / "masks")
    paper = paper_files(made, survivors)
    assert {"stability.pdf", "stability.csv", "table_stability.tex", "figure_stability.tex"} <= set(
        paper
    )
    assert b"**stability**" in paper["captions.md"]


@pytest.mark.long
def test_the_same_runs_give_the_same_figure(tmp_path: Path) -> None:
    experiment_in(tmp_path, (0.010, 0.004, 0.007))
    first, second = (report(tmp_path, out=tmp_path / name).files for name in ("a", "b"))
    assert first["stability.svg"] == second["stability.svg"]


def test_a_damaged_connection_is_left_out(tmp_path: Path) -> None:
    experiment_in(tmp_path, (0.010, 0.004))
    path = next(tmp_path.glob("**/connections/*")) / PATH_FILE
    path.write_bytes(path.read_bytes() + b"\n")
    made = make_report([tmp_path], PARAMS)
    ((folder, reason),) = made.left_out
    assert folder == path.parent and "truncated or altered" in reason
    (found,) = stabilities_of(made.groups[0])
    assert found.barrier.n == 1


def test_names_from_files_are_text(tmp_path: Path) -> None:
    experiment_in(tmp_path, (0.010, 0.004), control="mine:a_b")
    page = report(tmp_path, out=tmp_path / "out").files["index.html"].decode()
    assert "mine:a_b" in page.partition('<section id="stability"')[2].partition("</section>")[0]

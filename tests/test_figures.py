"""Figures: the bytes depend on the runs alone, and nothing that was measured is missing from
them."""

import xml.etree.ElementTree as ElementTree
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from lthctl.artifacts.run import Run
from lthctl.params import ReportParams
from lthctl.reporting import figure_curves, figure_runs, figure_verdicts, figures
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.figure_answer import answer_figure
from lthctl.reporting.figures import figure_files
from lthctl.reporting.statistics import Interval
from lthctl.reporting.survivors import Pixels, Survivors
from lthctl.reporting.tickets import ticket_verdicts
from lthctl.reporting.verdicts import Group
from lthctl.training.history import Row

from .test_report import (
    DENSE_TICKET,
    L1_TICKET,
    RANDOM_TICKET,
    TRAIN,
    group_of,
    make_run,
    replicates,
    unread_report,
)

NONE = Survivors((), (), (), ())
ACCURACIES = {1: 0.90, 2: 0.92, 3: 0.97}  # by seed


def grid(
    *, seeds: tuple[int, ...], rounds: tuple[int, ...] = (1,), ratios: tuple[float, ...] = (0.5,)
) -> list[Run]:
    """Dense runs, and rewound and reinitialized ones of both methods for all rounds and ratios."""
    runs = [make_run(DENSE_TICKET, seed, ACCURACIES[seed]) for seed in seeds]
    for number, ratio, method, control, seed in product(
        rounds, ratios, ("l1", "random"), ("rewind", "reinit"), seeds
    ):
        best = (
            ACCURACIES[seed]
            - 0.1 * ratio
            - 0.02 * (method == "random")
            - 0.01 * (control == "reinit")
            + 0.001 * number
        )
        runs.append(make_run((method, ratio, number), seed, best, control=control))
    return runs


GRIDS = {
    "all": grid(seeds=(1, 2, 3), rounds=(1, 5), ratios=(0.5, 0.8, 0.95)),
    "some": grid(seeds=(1, 2), rounds=(1, 5)),
    "one seed": grid(seeds=(1,), ratios=(0.5, 0.8)),
    "one ratio": grid(seeds=(1, 2)),
    "without dense": [
        run for run in grid(seeds=(1, 2), rounds=(1, 5)) if run.ticket.method != "dense"
    ],
    "dense only": replicates(DENSE_TICKET, [0.90, 0.92]),
    "one dense run": [make_run(DENSE_TICKET)],
    "one run": [make_run(L1_TICKET)],
    "random only": replicates(RANDOM_TICKET, [0.5, 0.6]),
    "shuffled": [
        *replicates(L1_TICKET, [0.9, 0.8]),
        *replicates(L1_TICKET, [0.7, 0.8], control="shuffle"),
    ],
    "another method": [
        *replicates(DENSE_TICKET, [0.5, 0.6]),
        *replicates(("snip", 0.5, 1), [0.5, 0.6]),
    ],
}


@pytest.fixture(params=GRIDS)
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Group:
    return group_of(tmp_path, *GRIDS[request.param])


def labels_of(panel: Any) -> list[str]:
    return [text.get_text() for text in panel.get_legend().get_texts()]


@cache
def drawn(name: str) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        return figure_files(group_of(Path(folder), *GRIDS[name]), NONE)


@pytest.mark.long
@pytest.mark.parametrize("name", ["some", "one seed", "without dense", "dense only"])
def test_svg_parses_and_has_no_date(name: str) -> None:
    files = drawn(name)
    assert sorted(files) == [
        "accuracy.svg", "answer.svg", "curves.svg", "early_stop.svg", "parallel.svg", "pixels.svg", "verdict.svg",
    ]  # fmt: skip
    for content in files.values():
        assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
        assert b"date" not in content.lower()


@pytest.mark.long
def test_bytes_are_the_same_twice(tmp_path: Path) -> None:
    assert figure_files(group_of(tmp_path, *reversed(GRIDS["one seed"])), NONE) == drawn("one seed")


def test_every_pruned_cell_has_its_point_and_its_interval(group: Group) -> None:
    drawn = []
    for panel in figure_curves.accuracy_figure(group).axes:
        for line, _, (bars,) in panel.containers:
            for (x, y), ends in zip(line.get_xydata(), bars.get_segments(), strict=True):
                drawn.append((x, y, ends[0][1], ends[1][1]))
    expected = []
    for experiment in group.experiments:
        if experiment.key.method != "dense":
            found = experiment.accuracy
            low, high = (found.mean if end is None else end for end in (found.low, found.high))
            expected.append(
                tuple(100 * value for value in (1 - experiment.sparsity, found.mean, low, high))
            )
    assert sorted(drawn) == [pytest.approx(point) for point in sorted(expected)]


@pytest.mark.long
def test_a_panel_per_number_of_rounds(tmp_path: Path) -> None:
    panels = figure_curves.accuracy_figure(group_of(tmp_path, *GRIDS["all"])).axes
    assert [panel.get_title() for panel in panels] == ["one-shot", "5 rounds"]
    assert [list(panel.get_xticks()) for panel in panels] == [[50, 20, 5]] * 2
    assert labels_of(panels[0]) == [
        "dense (n = 3)",
        "l1, rewind (n = 3)",
        "l1, reinit (n = 3)",
        "random, rewind (n = 3)",
        "random, reinit (n = 3)",
    ]


def test_dense_is_a_line_with_its_interval(tmp_path: Path) -> None:
    group = group_of(tmp_path, *GRIDS["dense only"])
    (panel,) = figure_curves.accuracy_figure(group).axes
    (line,), (band,) = panel.lines, panel.patches
    assert group.dense is not None and group.dense.accuracy.low is not None
    assert list(line.get_ydata()) == pytest.approx([91, 91])
    assert band.get_y() == pytest.approx(100 * group.dense.accuracy.low)


def test_one_seed_has_no_band_and_says_so(tmp_path: Path) -> None:
    (panel,) = figure_curves.accuracy_figure(group_of(tmp_path, *GRIDS["one seed"])).axes
    assert list(panel.patches) == []
    assert all(label.endswith("(n = 1)") for label in labels_of(panel))


def test_a_line_whose_cells_differ_in_n_says_so(tmp_path: Path) -> None:
    runs = [*replicates(L1_TICKET, [0.5, 0.6, 0.7]), make_run(("l1", 0.8, 1))]
    (panel,) = figure_curves.accuracy_figure(group_of(tmp_path, *runs)).axes
    assert labels_of(panel) == ["l1, rewind (n = 1 to 3)"]


@pytest.mark.long
def test_curves_are_means_over_seeds_of_all_ratios_of_the_most_rounds(tmp_path: Path) -> None:
    group = group_of(tmp_path, *GRIDS["all"])
    (panel,) = figure_curves.curves_figure(group).axes
    assert panel.get_title() == "l1, 5 rounds, rewound"
    assert labels_of(panel) == [
        "50.0 % of weights (n = 3)",
        "20.0 % of weights (n = 3)",
        "5.0 % of weights (n = 3)",
        "dense (n = 3)",
    ]
    dense = panel.lines[-1]
    assert list(dense.get_xdata()) == [10, 20, 30]
    assert list(dense.get_ydata()) == pytest.approx(
        [68, 93, 80.5]
    )  # 90, 92 and 97, less 25, 0 and 12.5


def test_curves_without_l1_are_of_the_method_there_is(tmp_path: Path) -> None:
    (panel,) = figure_curves.curves_figure(group_of(tmp_path, *GRIDS["random only"])).axes
    assert panel.get_title() == "random, one-shot, rewound"


def test_no_run_ends_below_the_curves_panel(tmp_path: Path) -> None:
    runs = [
        make_run(DENSE_TICKET, best=0.98),
        make_run(best=0.97),
        make_run(("l1", 0.99, 1), best=0.5),
    ]
    (panel,) = figure_curves.curves_figure(group_of(tmp_path, *runs)).axes
    assert panel.get_ylim()[0] < 37.5


@pytest.mark.parametrize("experiment", [L1_TICKET, DENSE_TICKET])
def test_reinitialized_runs_alone_can_be_drawn(
    tmp_path: Path, experiment: tuple[str, float, int]
) -> None:
    """As in `lthctl report runs/pipeline/reinit`."""
    figure_curves.curves_figure(group_of(tmp_path, make_run(experiment, control="reinit")))


def test_a_very_sparse_ticket_can_be_drawn(tmp_path: Path) -> None:
    runs = [make_run(DENSE_TICKET), make_run(("l1", 0.9997, 1))]
    (panel,) = figure_curves.accuracy_figure(group_of(tmp_path, *runs)).axes
    assert all(tick > 0 for tick in panel.get_xticks())  # 0 is nowhere on a logarithmic axis


@pytest.mark.long
def test_a_hostile_name_stays_text() -> None:
    content = figures._saved(
        figure_curves.accuracy_figure(
            unread_report(make_run(("<script>[bold] -->", 0.5, 1))).groups[0]
        ),
        "svg",
    )
    root = ElementTree.fromstring(content)  # whole and well-formed
    assert not [element for element in root.iter() if "script" in str(element.tag).lower()]


@pytest.mark.long
def test_the_verdict_shows_every_paired_difference(tmp_path: Path) -> None:
    group = group_of(tmp_path, *GRIDS["some"])
    dense, step, reinit, random = figure_verdicts.verdict_figure(group).axes
    assert [text.get_text() for text in dense.get_yticklabels()] == [
        f"{verdict.key.ticket}: {verdict.dense.shown}" for verdict in ticket_verdicts(group)
    ]

    def drawn(panel: Any) -> list[tuple[float, float, float, float]]:
        """Height, mean and ends of every interval, from the top."""
        return sorted(
            (y, x, *bar[:, 0])
            for line, _, (bars,) in panel.containers
            for (x, y), bar in zip(line.get_xydata(), bars.get_segments(), strict=True)
        )

    def expected(values: list[Interval | None], factor: float) -> list[Any]:
        found = [(i, value) for i, value in enumerate(values) if value]
        return [
            pytest.approx((i, *(factor * x for x in (of.mean, of.low, of.high)))) for i, of in found
        ]

    verdicts = ticket_verdicts(group)
    assert drawn(dense) == expected([verdict.dense.difference for verdict in verdicts], 100)
    assert drawn(step) == expected([verdict.step_difference for verdict in verdicts], 1)
    assert drawn(reinit) == expected([verdict.reinit.difference for verdict in verdicts], 100)
    assert drawn(random) == expected(
        [one.random and one.random.difference for one in verdicts], 100
    )
    assert len(drawn(random)) == 2  # l1 alone: random pruning is not compared with itself


def test_parallel_coordinates_have_a_line_per_run(group: Group) -> None:
    (panel,) = figure_runs.parallel_figure(group).axes
    (lines,) = panel.collections
    assert len(lines.get_segments()) == group.num_runs
    heights = [line[6][1] for line in lines.get_segments()]
    accuracies = [
        run.metrics.best_accuracy
        for experiment in group.experiments
        for _, run in experiment.all_runs
    ]
    assert sorted(range(len(heights)), key=heights.__getitem__) == sorted(
        range(len(heights)), key=accuracies.__getitem__
    )


def test_pixels_share_a_scale_within_a_ratio() -> None:
    rows = [Pixels(ExperimentKey("rewind", method, 1, ratio), 2, np.full(9, kept, np.float64))
            for method, ratio, kept in (("l1", 0.5, 4), ("random", 0.5, 8), ("l1", 0.8, 2))]  # fmt: skip
    drawn = figure_runs.pixels_figure(Survivors((), tuple(rows), (), ()))
    images = {panel.get_title(): panel.images[0] for panel in drawn.axes if panel.images}
    assert {title: image.get_clim() for title, image in images.items()} == {
        "l1, 0.5, one-shot\n0 to 8 (n = 2)": (0, 8),
        "random, 0.5, one-shot\n0 to 8 (n = 2)": (0, 8),
        "l1, 0.8, one-shot\n0 to 2 (n = 2)": (0, 2),
    }
    assert all(image.get_array().shape == (3, 3) for image in images.values())


@pytest.mark.long
@pytest.mark.parametrize("method", ["$\\frac$", "_hidden"])
def test_a_name_that_means_something_to_matplotlib_stays_text(method: str) -> None:
    figure = figure_curves.accuracy_figure(
        unread_report(make_run(DENSE_TICKET), make_run((method, 0.5, 1))).groups[0]
    )
    assert labels_of(figure.axes[0]) == ["dense (n = 1)", f"{method}, rewind (n = 1)"]
    figure.draw_without_rendering()


def test_the_figure_of_the_answers_rings_the_smallest_size_and_marks_arrivals(
    tmp_path: Path,
) -> None:
    """Ticket and dense reach 97 %; of two sizes the first is as good as dense."""
    runs = replicates(("dense", 0.0, 0), [0.98, 0.981, 0.982])
    runs += replicates(("l1", 0.5, 5), [0.98, 0.981, 0.982])
    runs += replicates(("l1", 0.8, 5), [0.968, 0.969, 0.972])
    learning, sizes = answer_figure(group_of(tmp_path, *runs)).axes
    dots = [line for line in learning.lines if len(line.get_xdata()) == 1]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [(20, 97)]  # dense's
    (ring,) = [line for line in sizes.lines if line.get_markersize() == 13]
    assert list(ring.get_xdata()) == [50]
    assert learning.get_title(loc="left") == "Learning, at 20 % of the weights"


@pytest.mark.long
def test_arrivals_early_in_a_long_training_are_seen_apart(tmp_path: Path) -> None:
    """The last arrival is at step 50, so that the first 200 steps of 600 are shown."""

    def arriving(at: int) -> tuple[Row, ...]:
        return tuple(Row(n, 0.1, 0.1, 0.98 if n >= at else 0.5) for n in range(10, 601, 10))

    def learning(dense_at: int) -> Any:
        runs = [
            make_run(asked, seed, history=arriving(at), train=TRAIN | {"steps": 600})
            for asked, at in ((DENSE_TICKET, dense_at), (("l1", 0.8, 5), 20))
            for seed in (1, 2, 3)
        ]
        return answer_figure(group_of(tmp_path / str(dense_at), *runs)).axes[0]

    early, late, never = learning(50), learning(200), learning(1000)
    assert early.get_xlim() == (0, 200)
    title = "Learning, at 20 % of the weights: the first 200 of 600 steps"
    assert early.get_title(loc="left") == title
    assert late.get_xlim()[1] > 600 and never.get_xlim()[1] > 600


@pytest.mark.long
def test_many_sizes_have_labels_apart_and_what_is_far_below_is_cut_off(tmp_path: Path) -> None:
    ratios = [1 - 0.8**n for n in range(1, 21)]
    accuracies = [0.98, 0.981, 0.982]
    runs = replicates(("dense", 0.0, 0), accuracies)
    for ratio in ratios:
        runs += replicates(("l1", ratio, 5), accuracies)
        runs += replicates(("l1", ratio, 5), [0.5, 0.51, 0.52], control="reinit")
    figure = answer_figure(group_of(tmp_path, *runs))
    figure.draw_without_rendering()
    sizes = figure.axes[1]
    boxes = [label.get_window_extent() for label in sizes.get_xticklabels()]
    assert len(boxes) > 8
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    margin = 100 * ReportParams().margin
    assert -9 * margin < sizes.get_ylim()[0] < -8 * margin

"""The page in a real browser: Debian's Chromium, headless, opening a file.

A missing Chromium is a failure where CI is set, and skips these tests elsewhere.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lthctl.artifacts.run import Run
from lthctl.artifacts.ticket import save_ticket
from lthctl.reporting.claims import judge_claims
from lthctl.reporting.claims_file import load_claims
from lthctl.reporting.statistics import interval

from .test_page import page_of
from .test_report import (
    DENSE_TICKET,
    L1_TICKET,
    TRAIN,
    make_run,
    replicates,
    report_of,
    tiny_report,
    unread_report,
)
from .test_survivors import FIRST, make_ticket, run_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

pytestmark = pytest.mark.browser

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def launch(playwright: Playwright) -> Iterator[Callable[..., Browser]]:
    """Starts a browser, with more flags if need be; all are closed in the end."""
    chromium = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    assert chromium is not None, "CI needs Chromium: apt-get install chromium"
    started: list[Browser] = []

    def start(*more: str) -> Browser:
        started.append(playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *more]))
        return started[-1]

    yield start
    for browser in started:
        browser.close()


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Browser]) -> Browser:
    return launch()


@cache
def grid() -> list[Run]:
    """Three seeds of 41 experiments; the accuracy falls with ratio, chance and fresh weights, so
    all are different."""
    runs = [
        make_run(DENSE_TICKET, seed, 0.97 + 0.001 * seed, control=control)
        for seed in (1, 2, 3)
        for control in CONTROLS
    ]
    for rounds, ratio, method, control, seed in product(
        (1, 5), RATIOS, ("l1", "random"), CONTROLS, (1, 2, 3)
    ):
        best = (
            0.97
            + 0.001 * seed
            - 0.1 * ratio * ((method == "random") + 0.5 * (control == "reinit"))
            + 0.0001 * rounds
        )
        runs.append(make_run((method, ratio, rounds), seed, best, control=control))
    return runs


FIRST_ANSWER = (
    "How far down do tickets keep up?\n\n3 % of the weights keep up\n\nl1 tickets of 5 rounds"
)
CONTROLS, RATIOS = ("rewind", "reinit"), (0.25, 0.5, 0.8, 0.9, 0.97)


@pytest.fixture(scope="module")
def grid_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(page_of(report_of(folder, *grid())))
    return folder / "index.html"


@contextmanager
def opening(browser: Browser, path: Path, **options: object) -> Iterator[Page]:
    """Opens a page and holds it to its promises: no request but the file's, and nothing on the
    console."""
    # Reduced motion: what is measured must not be on its way through a smooth scroll.
    settings = {
        "viewport": {"width": 1280, "height": 900},
        "offline": True,
        "reduced_motion": "reduce",
        **options,
    }
    seen: list[str] = []
    address = path.as_uri() + str(settings.pop("hash", ""))
    page = browser.new_context(**settings).new_page()
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith("data:") else seen.append(request.url),
    )
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    yield page
    assert set(seen) == {path.as_uri()}
    page.context.close()


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page; see `opening`."""
    with ExitStack() as stack:
        yield lambda path, **options: stack.enter_context(opening(browser, path, **options))


@pytest.fixture(scope="module")
def opened(browser: Browser, grid_page: Path) -> Iterator[Page]:
    """The grid's page, opened once for those tests that leave it as it was."""
    with opening(browser, grid_page) as page:
        yield page


@pytest.fixture
def view(opened: Page) -> Page:
    opened.get_by_role("button", name="all runs").click()
    return opened


def drag(page: Page, axis: str, start: float, end: float) -> None:
    """Drag along an axis with the mouse, from one fraction of its height to another; 0 is the
    top."""
    overlay = page.locator(f'[data-key="{axis}"] .overlay')
    overlay.scroll_into_view_if_needed()
    box = overlay.bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + start * box["height"])
    page.mouse.down()
    page.mouse.move(x, box["y"] + (start + end) / 2 * box["height"])
    page.mouse.move(x, box["y"] + end * box["height"])
    page.mouse.up()


def count_and_mean(page: Page) -> tuple[int, float]:
    text = page.locator("#selection").inner_text()
    numbers = re.search(r"^([\d,]+)\s+of .*?mean best accuracy ([\d.]+) %", text, re.DOTALL)
    assert numbers, text
    return int(numbers[1].replace(",", "")), float(numbers[2])


def expected(runs: list[Run]) -> tuple[int, float]:
    return len(runs), pytest.approx(
        100 * sum(run.metrics.best_accuracy for run in runs) / len(runs), abs=0.0051
    )


def rows(page: Page) -> list[list[str]]:
    return page.evaluate(
        "[...document.querySelectorAll('#selected tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    )


def test_it_opens_from_disk_with_everything_drawn(view: Page) -> None:
    assert view.locator("#answers li").count() == 3
    assert view.locator("#answers").inner_text().startswith(FIRST_ANSWER)
    assert view.locator("#ladders tbody tr").count() == 4
    assert view.locator("#sizes-figures svg").count() == 2
    assert view.locator("#curves-figure .curve").count() == 11  # five ratios twice, and dense
    assert count_and_mean(view) == expected(grid())
    assert view.evaluate(
        "[...document.querySelectorAll('.standin')].every(picture => !picture.checkVisibility())"
    )
    assert view.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_hypothesis_is_seen_without_scrolling(
    show: Callable[..., Page], grid_page: Path
) -> None:
    page = show(grid_page, viewport={"width": 1280, "height": 800})
    bottoms = page.evaluate(
        "[...document.querySelectorAll('#answers li, #first-figures figure')]"
        ".map(part => part.getBoundingClientRect().bottom)"
    )
    assert len(bottoms) == 5 and max(bottoms) <= 800
    learning, sizes = page.locator("#first-figures svg").all()
    assert learning.locator(".curve").count() == learning.locator(".band").count() == 4
    assert learning.locator(".target").count() == 1
    assert sorted(learning.locator(".arrival").all_text_contents()) == [
        "20",
        "20",
    ]  # the others never
    words = [re.sub(r"\s+", " ", text) for text in learning.locator(".label").all_text_contents()]
    assert {"dense", "ticket", "random mask ↓", "same mask, fresh weights ↓"} <= set(words)
    assert sizes.locator(".line").count() == 3 and sizes.locator(".ring").count() == 1
    assert "3 %" in sizes.locator(".label").all_text_contents()


def test_bands_are_the_t_intervals_of_the_report(view: Page) -> None:
    shown = view.evaluate(
        "(() => { const { raw, ends } = curveOf(group.asked.ticket); return [raw[1], ...ends[1]]; })()"
    )
    runs = [run for run in grid() if run.ticket.name.startswith("l1-r0.80-n5")]
    of = interval(
        [run.history[1].validation_accuracy for run in runs if run.control == "rewind"], 0.95
    )
    assert shown == pytest.approx([of.mean, of.low, of.high], abs=1e-9)


def test_verdicts_have_one_vocabulary(view: Page) -> None:
    view.locator("#target-controls").get_by_label("tickets").select_option("all")
    words = {text.split(" ", 1)[1] for text in view.locator(".chip").all_inner_texts()}
    assert {"better", "worse", "unknown"} <= words
    assert words <= {"better", "as good", "worse", "unknown", "too short to tell"}


def test_bars_end_where_the_axes_do_and_no_text_is_cut(
    show: Callable[..., Page], tmp_path: Path
) -> None:
    runs = replicates(DENSE_TICKET, [0.980, 0.981, 0.979])
    for method, ratio, bests in [
        ("l1", 0.25, [0.981, 0.980, 0.981]),
        ("l1", 0.8, [0.979, 0.981, 0.980]),
        ("l1", 0.97, [0.970, 0.975, 0.979]),
        ("random", 0.25, [0.981, 0.977, 0.978]),
        ("random", 0.8, [0.99, 0.5, 0.7]),  # goes on below and above the axis
        ("random", 0.97, [0.3, 0.31, 0.35]),
    ]:
        runs += replicates((method, ratio, 5), bests)
    (tmp_path / "index.html").write_text(page_of(report_of(tmp_path, *runs)))
    page = show(tmp_path / "index.html")
    bars = page.evaluate(
        """[...document.querySelectorAll('svg .bar')].map(bar => {
             const frame = bar.ownerSVGElement.querySelector('clipPath rect');
             const [y, height] = ['y', 'height'].map(name => Number(frame.getAttribute(name)));
             const ends = ['y1', 'y2'].map(name => Number(bar.getAttribute(name)));
             return Math.min(...ends) >= y && Math.max(...ends) <= y + height;
           })"""
    )
    assert len(bars) == 11 and all(bars)  # one is below the first figure
    assert page.locator("#first-figures .goes-on").count() == 2
    cut = page.evaluate(
        """[...document.querySelectorAll('svg text')].filter(text => {
             const box = text.getBoundingClientRect();
             const frame = text.ownerSVGElement.getBoundingClientRect();
             return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
               || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
           }).map(text => text.textContent)"""
    )
    assert cut == []


def test_ticks_differ_and_log_axes_are_named(view: Page) -> None:
    axes = view.evaluate(
        """[...document.querySelectorAll('svg')].map(svg => [...svg.querySelectorAll('.tick')]
             .map(tick => [tick.getAttribute('text-anchor'), tick.textContent].join(' ')))"""
    ) + view.evaluate(
        """[...document.querySelectorAll('#parallel .axis')].map(axis =>
             [...axis.querySelectorAll('g text')].map(text => text.textContent))"""
    )
    assert sum(map(bool, axes)) >= 12
    assert all(len(set(ticks)) == len(ticks) for ticks in axes)
    assert all(
        "log axis" in figure for figure in view.locator("#sizes-figures figure").all_text_contents()
    )
    assert "log axis" in view.locator("#sooner thead").inner_text()


def test_rewind_and_reinit_are_in_one_plot(view: Page) -> None:
    for figure in ("#curves-figure", "#sizes-figures figure:first-child", "#first-figures"):
        dashes = view.evaluate(
            "figure => [...document.querySelectorAll(`${figure} :is(.curve, .line)`)]"
            ".map(line => line.getAttribute('stroke-dasharray'))",
            figure,
        )
        assert None in dashes and len(set(dashes)) == 2


def test_a_brush_dragged_with_the_mouse_changes_count_mean_and_table(view: Page) -> None:
    before = rows(view)
    drag(view, "method", 0.7, 0.99)  # the lowest value of that axis
    chosen = [run for run in grid() if run.ticket.method == "random"]
    assert count_and_mean(view) == expected(chosen)
    assert len(rows(view)) == len(chosen) < len(before)
    assert all(row[0].startswith("random-") for row in rows(view))
    drag(view, "control", 0.05, 0.45)
    both = [run for run in chosen if run.control == "rewind"]
    assert count_and_mean(view) == expected(both)
    view.mouse.click(*centre_above(view, "control"))  # beside the choice: cleared
    assert count_and_mean(view) == expected(chosen)


def centre_above(page: Page, axis: str) -> tuple[float, float]:
    box = page.locator(f'[data-key="{axis}"] .overlay').bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + 0.9 * box["height"]


def test_brushing_what_was_reached(view: Page) -> None:
    drag(view, "best", 0.0, 0.3)
    number, mean = count_and_mean(view)
    accuracies = sorted((100 * run.metrics.best_accuracy for run in grid()), reverse=True)
    assert 0 < number < len(grid())
    assert mean == pytest.approx(sum(accuracies[:number]) / number, abs=0.0051)  # the best so many


@pytest.mark.parametrize(
    ("preset", "keep"),
    [
        ("random pruning", lambda run: run.ticket.method == "random"),
        ("l1, reinit", lambda run: run.ticket.method == "l1" and run.control == "reinit"),
        ("l1, rewind", lambda run: run.ticket.method == "l1" and run.control == "rewind"),
        (
            "l1, rewind, ratio below 0.9",
            lambda run: (
                run.ticket.method == "l1" and run.control == "rewind" and run.ticket.ratio < 0.9
            ),
        ),
    ],
)
def test_a_preset_tells_its_story(view: Page, preset: str, keep: Callable[[Run], bool]) -> None:
    button = view.locator("#presets").get_by_role("button", name=preset, exact=True)
    button.click()
    assert count_and_mean(view) == expected([run for run in grid() if keep(run)])
    assert button.get_attribute("aria-pressed") == "true"
    view.get_by_role("button", name="all runs").click()
    assert count_and_mean(view) == expected(grid())


def test_the_table_is_sorted_by_any_column(view: Page) -> None:
    accuracies = [float(row[3].split()[0]) for row in rows(view)]
    assert accuracies == sorted(accuracies, reverse=True)
    view.get_by_role("button", name="ticket").click()
    names = [row[0] for row in rows(view)]
    assert names == sorted(names)
    assert view.locator("#selected th[aria-sort=ascending]").inner_text().startswith("ticket")
    view.get_by_role("button", name="ticket").press("Enter")  # the heading has the focus still
    assert [row[0] for row in rows(view)] == sorted(names, reverse=True)
    view.get_by_role("button", name="best accuracy").click()


def test_an_axis_is_brushed_by_keyboard(view: Page) -> None:
    axis = view.locator('[data-key="ratio"]')
    axis.press("ArrowDown")
    assert count_and_mean(view) == expected([run for run in grid() if run.ticket.ratio == 0.97])
    axis.press("Shift+ArrowDown")
    assert count_and_mean(view) == expected([run for run in grid() if run.ticket.ratio >= 0.9])
    axis.press("Escape")
    assert count_and_mean(view) == expected(grid())


def test_smoothing_looks_as_far_back_as_ahead(view: Page) -> None:
    middle = view.evaluate("smooth([0, 0, 0, 1, 0, 0, 0], 3)")
    assert middle == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0])
    straight = view.evaluate("smooth([0, 1, 2, 3, 4, 5, 6], 5)")
    assert straight == pytest.approx([0, 1, 2, 3, 4, 5, 6])  # not behind, not even at the ends


def test_the_slider_smooths(show: Callable[..., Page], tmp_path: Path) -> None:
    history = tuple(
        make_run().history[0]._replace(step=10 * (i + 1), validation_accuracy=0.9 + 0.01 * (i % 3))
        for i in range(12)
    )
    runs = [make_run(ticket, history=history) for ticket in (DENSE_TICKET, L1_TICKET)]
    (tmp_path / "index.html").write_text(page_of(unread_report(*runs)))
    page = show(tmp_path / "index.html")
    paths = "[...document.querySelectorAll('#curves-figure .curve')].map(path => path.getAttribute('d'))"
    rough = page.evaluate(paths)
    page.locator("#smoothing").press("ArrowRight")
    assert page.locator("#curve-controls output").inner_text() == "3 evaluations, 30 steps"
    smooth = page.evaluate(paths)
    assert len(smooth) == len(rough) and all(a != b for a, b in zip(rough, smooth, strict=True))
    page.locator("#smoothing").press("Home")
    assert page.evaluate(paths) == rough


def test_curves_of_one_seed(view: Page) -> None:
    paths = "[...document.querySelectorAll('#curves-figure .curve')].map(path => path.getAttribute('d'))"
    before = view.evaluate(paths)
    view.locator("#curve-controls").get_by_label("seed").select_option("2")
    assert view.evaluate(paths) != before
    assert "(n 1)" in view.locator("#curves-figure .legend").inner_text()
    view.locator("#curve-controls").get_by_label("seed").select_option("mean")
    assert view.evaluate(paths) == before


def test_a_point_gives_its_numbers_by_mouse_and_by_keyboard(view: Page) -> None:
    figure = view.locator("#sizes-figures svg").first
    figure.press("ArrowRight")
    shown = view.locator("#tip").inner_text()
    assert re.match(r"l1-r0\.25-n1, rewind\n75 % of the weights\n\+0\.01 ± 0\.00\s+\(n 3\)", shown)
    figure.press("Escape")
    assert not view.locator("#tip").is_visible()
    mark = figure.locator(".mark").last.bounding_box()
    assert mark is not None
    view.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    assert "random-r0.97-n1, reinit\n3 % of the weights" in view.locator("#tip").inner_text()


def test_a_line_can_be_switched_off(view: Page) -> None:
    marks = view.locator("#sizes-figures .mark")
    before = marks.count()
    view.get_by_role("button", name="random, reinit").click()
    assert marks.count() == before * 3 / 4
    view.get_by_role("button", name="random, reinit").click()
    assert marks.count() == before


def test_without_webgl_all_of_it_works(launch: Callable[..., Browser], grid_page: Path) -> None:
    """Nothing here needs WebGL, so nothing has to stand in for it."""
    with opening(launch("--disable-3d-apis"), grid_page) as page:
        assert page.evaluate("document.createElement('canvas').getContext('webgl')") is None
        drag(page, "method", 0.7, 0.99)
        assert count_and_mean(page) == expected(
            [run for run in grid() if run.ticket.method == "random"]
        )


@pytest.mark.parametrize("scripts", [False, True], ids=["no scripts", "no canvas"])
def test_where_it_cannot_draw_pictures_stand_in(
    browser: Browser, grid_page: Path, scripts: bool
) -> None:
    page = browser.new_context(java_script_enabled=scripts, offline=True).new_page()
    if scripts:
        page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(grid_page.as_uri())
    pictures = page.locator(".standin")
    assert pictures.count() == 7
    for i in range(7):
        pictures.nth(i).scroll_into_view_if_needed()
        assert pictures.nth(i).is_visible()
    box = page.get_by_alt_text("Parallel coordinates of all runs").bounding_box()
    assert (
        box is not None and box["width"] >= 300 and box["height"] >= 200
    )  # the picture's size, not a broken one's
    assert not page.locator("#parallel").is_visible()
    assert page.locator("#answers").inner_text().startswith("How far down do tickets keep up?")
    assert page.locator("#unknown").is_visible()
    page.context.close()


@pytest.mark.parametrize("scripts", [False, True])
def test_claims_stand_below_the_answers_with_scripts_and_without(
    browser: Browser, tmp_path: Path, scripts: bool
) -> None:
    hostile = "<img src=x onerror='window.hacked = 1'>"
    (tmp_path / "claims.yaml").write_text(
        f'paper: "{hostile}"\nclaims:\n- id: C1\n  sentence: "{hostile}"\n  source: Section 2\n'
        "  printed: a tenth\n  quantity: validation_gain\n  ladder: l1-n5\n  size: 20\n"
        "  than: reinit\n  bound: {above: 0}\n"
    )
    report = unread_report(*grid())
    judged = judge_claims(report.groups[0], load_claims(tmp_path / "claims.yaml"))
    (tmp_path / "index.html").write_text(page_of(replace(report, claims=judged)))
    page = browser.new_context(
        java_script_enabled=scripts, offline=True, viewport={"width": 390, "height": 800}
    ).new_page()
    page.goto((tmp_path / "index.html").as_uri())
    table = page.locator("#claims table")
    assert hostile in table.inner_text()
    assert "+4.00 points (+4.00 to +4.00, n 3)" in table.inner_text()
    assert table.locator(".chip.good").inner_text() == "✓ holds"
    link = page.locator("nav").get_by_role("link", name="Claims")
    assert link.get_attribute("href") == "#claims"
    boxes = [page.locator(name).bounding_box() for name in ("#answers", "#claims", "#how-far")]
    assert [box["y"] for box in boxes if box] == sorted(box["y"] for box in boxes if box)
    if scripts:
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()


HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><img src=x onerror='window.hacked = 1'>",
    "<b>bold</b>&amp;",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text(show: Callable[..., Page], tmp_path: Path, name: str) -> None:
    runs = [
        make_run(DENSE_TICKET),
        make_run(L1_TICKET),
        make_run((name, 0.5, 1)),
        make_run((name, 0.5, 1), control="reinit"),
    ]
    (tmp_path / "index.html").write_text(
        page_of(unread_report(*runs), left_out=((Path(name), f"{name}: odd"),))
    )
    page = show(tmp_path / "index.html")
    assert name in page.locator("#ladders").inner_text()
    assert f"{name}-r0.50-n1-s1" in [row[0] for row in rows(page)]
    assert name in page.locator("#lines").inner_text()
    assert f"{name}: odd" in page.locator("#left-out").inner_text()
    assert page.evaluate("window.hacked") is None
    assert (
        page.locator(
            "body img:not(.standin), body b:not(#selection b, .step b), body script:not(#data)"
        ).count()
        == 2
    )  # ours
    page.locator("#sizes-figures svg").first.press("ArrowLeft")
    assert name in page.locator("#tip").inner_text()


def test_groups_are_shown_one_at_a_time(show: Callable[..., Page], tmp_path: Path) -> None:
    other = replicates(DENSE_TICKET, [0.25, 0.5], train={**TRAIN, "steps": 60})
    (tmp_path / "index.html").write_text(
        page_of(report_of(tmp_path, *replicates(DENSE_TICKET, [0.9] * 3), *other))
    )
    page = show(tmp_path / "index.html")
    assert count_and_mean(page) == (3, 90.0)
    names = page.locator("#groups option").all_inner_texts()
    assert names == ["group 1 of 2: 30 steps (3 runs)", "group 2 of 2: 60 steps (2 runs)"]
    page.locator("#groups select").select_option("1")
    assert "60 steps" in page.locator("#group").inner_text()
    assert count_and_mean(page) == (2, 37.5)
    assert page.locator("#answers").inner_text().startswith("Nothing to judge")


def test_a_choice_offers_only_what_differs(show: Callable[..., Page], tmp_path: Path) -> None:
    runs = [make_run(DENSE_TICKET)] + [
        make_run(("l1", ratio, 5)) for ratio in (0.5, 0.95, 0.25, 0.9)
    ]
    (tmp_path / "index.html").write_text(page_of(unread_report(*runs)))
    page = show(tmp_path / "index.html")
    labels = page.locator("#curve-controls label, #groups label").all_inner_texts()
    assert [label.split("\n")[0] for label in labels] == ["of", "at"]
    sizes = (
        page.locator("#curve-controls")
        .get_by_label("at", exact=True)
        .locator("option")
        .all_inner_texts()
    )
    assert sizes == [
        *(f"{size} % of the weights" for size in (75, 50, 10, 5)), "all sizes",
    ]  # fmt: skip
    axes = page.locator("#parallel .axis-group").evaluate_all(
        "axes => axes.map(axis => axis.dataset.key)"
    )
    assert axes == ["method", "rounds", "ratio", "sparsity", "best", "stop"]


def test_one_seed_and_one_run_claim_nothing(show: Callable[..., Page], tmp_path: Path) -> None:
    one = [make_run(DENSE_TICKET, best=0.98), make_run(("l1", 0.8, 5), best=0.99)]
    for runs, number in ((one, 2), (one[1:], 1)):
        (tmp_path / "index.html").write_text(page_of(unread_report(*runs)))
        page = show(tmp_path / "index.html")
        figures = [text.strip() for text in page.locator("#answers .figure").all_inner_texts()]
        assert figures == ["unknown", "unknown", "unknown a control is missing"]
        assert page.locator("#first-figures .curve").count() == number
        assert page.locator("#first-figures :is(.band, .sooner, .ring)").count() == 0
        assert "null" not in page.locator("main").inner_text()
        assert page.locator("#against").is_hidden()


# --- the address


def chosen_state(page: Page) -> list[object]:
    return [
        page.locator(f"{place} select").evaluate_all("boxes => boxes.map(box => box.value)")
        for place in ("#lines", "#target-controls", "#curve-controls")
    ] + [
        count_and_mean(page),
        rows(page)[:3],
        page.locator("#lines [aria-pressed=false]").all_inner_texts(),
        page.evaluate("document.documentElement.dataset.theme"),
    ]


def test_what_is_chosen_stands_in_the_address(
    show: Callable[..., Page], grid_page: Path, browser: Browser
) -> None:
    page = show(grid_page)
    untouched = chosen_state(page)
    page.get_by_role("link", name="Runs", exact=True).click()
    page.locator("#lines").get_by_label("measured").select_option("stop")
    page.get_by_role("button", name="random, reinit").click()
    page.locator("#target-controls").get_by_label("tickets").select_option("random, one-shot")
    page.locator("#curve-controls").get_by_label("seed").select_option("2")
    page.locator("#curve-controls").get_by_label("at", exact=True).select_option("0.9")
    drag(page, "ratio", 0.0, 0.3)
    page.get_by_role("button", name="ticket").click()
    page.locator("#theme").click()
    page.wait_for_function("location.hash.includes('theme=light')")
    chosen, address = chosen_state(page), page.evaluate("location.hash")
    assert chosen != untouched and address.startswith("#runs?")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert chosen_state(page) == chosen
    with opening(browser, grid_page, hash=address) as other:
        assert chosen_state(other) == chosen
        top = other.locator("#runs").bounding_box()
        assert top is not None and abs(top["y"]) < 60
        other.evaluate("location.hash = ''")  # as if somebody had typed it
        other.wait_for_function("document.querySelector('#curve-controls select').value")
        other.wait_for_function("!document.querySelector('#lines [aria-pressed=false]')")
        assert chosen_state(other)[:6] == untouched[:6]


@pytest.mark.parametrize(
    "address",
    [
        "#runs?group=7&brushes=ratio:x:y&brushes=none:0.1:0.2&size=99&seed=77&window=4&target=9",
        "#nowhere?way=%3Cb%3E&theme=pink&measure=constructor&sort=__proto__&metric=toString",
        "#?%E0%A4%A",
    ],
)
def test_an_address_that_says_nonsense_is_harmless(
    show: Callable[..., Page], grid_page: Path, address: str
) -> None:
    page = show(grid_page, hash=address)
    assert count_and_mean(page) == expected(grid())
    assert page.locator("#curves-figure .curve").count() > 0


# --- saving


def saved(page: Page, name: str) -> bytes:
    with page.expect_download() as started:
        page.get_by_role("button", name=f"Save {name}", exact=True).click()
    assert started.value.suggested_filename == name
    return Path(started.value.path()).read_bytes()


def test_tables_are_saved_from_the_page(view: Page) -> None:
    view.locator("#presets").get_by_role("button", name="random pruning").click()
    table = list(csv.DictReader(io.StringIO(saved(view, "runs.csv").decode())))
    chosen = [run for run in grid() if run.ticket.method == "random"]
    assert len(table) == len(chosen)
    assert {row["ticket"] for row in table} == {run.ticket.name for run in chosen}
    assert max(float(row["best accuracy"]) for row in table) == max(
        run.metrics.best_accuracy for run in chosen
    )
    ladders = list(csv.DictReader(io.StringIO(saved(view, "ladders.csv").decode())))
    assert len(ladders) == 40 and {row["verdict"] for row in ladders} >= {"better", "worse"}
    for name in ("answer", "sizes", "sooner", "curves", "weights-or-mask"):
        assert len(saved(view, f"{name}.csv").splitlines()) > 4


def test_no_name_becomes_a_formula(show: Callable[..., Page], tmp_path: Path) -> None:
    runs = [make_run(DENSE_TICKET), *(make_run((name, 0.5, 1)) for name in FORMULAS)]
    (tmp_path / "index.html").write_text(page_of(unread_report(*runs)))
    page = show(tmp_path / "index.html")
    for name in ("runs.csv", "ladders.csv"):
        cells = [
            cell for row in csv.reader(io.StringIO(saved(page, name).decode())) for cell in row
        ]
        assert {f"'{formula}" for formula in FORMULAS} <= set(cells)
        assert not [cell for cell in cells if re.match(r"[=+@\t]|-[^\d]", cell)]


FORMULAS = ("=HYPERLINK(1)", "+1", "-1+2", "@SUM(1)", "\tx", "=a,b")


def test_pictures_are_saved_from_the_page(view: Page) -> None:
    for name in ("answer", "sizes", "curves", "runs"):
        picture = ElementTree.fromstring(saved(view, f"{name}.svg"))
        assert picture.tag == "{http://www.w3.org/2000/svg}svg"
        words = "".join(picture.itertext())
        assert "var(--" not in ElementTree.tostring(picture, "unicode") and len(words) > 40
        pixels = saved(view, f"{name}.png")
        assert pixels.startswith(b"\x89PNG") and len(pixels) > 20_000
    assert b"<image" in saved(view, "runs.svg")  # the lines, which are a canvas


def test_kernels_are_saved_from_the_page(show: Callable[..., Page], tmp_path: Path) -> None:
    weights = [None] * 10 + [0.5, -0.25, 1, 2, 3, 4, 5, 6]
    kernels = ["l1", 1, 0.5, "l1-r0.50-n1-s1", "conv.weight", [2, 1, 3, 3], weights]
    text = page_of(unread_report(make_run(DENSE_TICKET), make_run(("l1", 0.5, 1))))
    assert '"kernels":[]' in text
    text = text.replace('"kernels":[]', f'"kernels":{json.dumps([kernels])}', 1)
    (tmp_path / "index.html").write_text(text)
    page = show(tmp_path / "index.html")
    table = list(csv.DictReader(io.StringIO(saved(page, "kernels.csv").decode())))
    assert [row["weight"] for row in table] == ["" if one is None else str(one) for one in weights]
    assert table[10]["channel"] == "2" and (table[10]["row"], table[10]["column"]) == ("1", "2")
    picture = saved(page, "kernels.svg").decode()
    assert "var(--" not in picture and "conv.weight: 8 of 18 weights" in picture
    assert picture.count("<path") > 3
    assert saved(page, "kernels.png").startswith(b"\x89PNG")


# --- phones, paper, themes


def test_on_a_phone_rows_are_cards(show: Callable[..., Page], grid_page: Path) -> None:
    page = show(grid_page, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for table in ("ladders", "sooner", "against", "selected"):
        cell = page.locator(f"#{table} tbody td:not(.empty)").first
        heading = cell.evaluate("cell => getComputedStyle(cell, '::before').content").strip('"')
        assert heading in page.locator(f"#{table} thead").text_content()
        box = cell.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_print_has_every_row_or_says_that_it_has_not(
    show: Callable[..., Page], grid_page: Path, tmp_path: Path
) -> None:
    page = show(grid_page)
    printed = "[...document.querySelectorAll('#selected tbody tr')].filter(row => row.offsetHeight).length"
    page.emulate_media(media="print")
    assert page.evaluate(printed) == len(grid())
    assert page.evaluate("getComputedStyle(document.querySelector('.table-of-runs')).overflow") == (
        "visible"
    )
    assert page.locator("#selected-note").inner_text() == ""
    many = [make_run(DENSE_TICKET, seed) for seed in range(1, 602)]
    (tmp_path / "index.html").write_text(page_of(unread_report(*many)))
    page = show(tmp_path / "index.html")
    page.emulate_media(media="print")
    assert page.evaluate(printed) == 500
    assert page.locator("#selected-note").inner_text() == "500 of 601 rows are shown, and printed."
    page.emulate_media(media="screen")
    page.get_by_role("button", name="Show all").click()
    assert page.evaluate(printed) == 601 and page.locator("#selected-note").inner_text() == ""


def test_a_narrow_window_scrolls_one_way_only(view: Page) -> None:
    view.set_viewport_size({"width": 390, "height": 800})
    view.wait_for_selector("#curves-figure svg[width='362']")  # drawn anew
    assert view.evaluate("document.documentElement.scrollWidth") == 390
    view.set_viewport_size({"width": 1280, "height": 900})
    view.wait_for_selector("#curves-figure svg[width='1180']")


def test_themes_and_print(view: Page) -> None:
    view.emulate_media(color_scheme="dark")
    view.wait_for_selector("html[data-theme=dark]")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = view.evaluate(background)
    view.locator("#theme").press("Enter")
    assert view.evaluate("document.documentElement.dataset.theme") == "light"
    assert view.evaluate(background) != dark
    view.locator("#theme").press("Enter")
    assert view.evaluate(background) == dark
    drag(view, "method", 0.7, 0.99)
    chosen = count_and_mean(view)
    view.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert view.evaluate("document.documentElement.dataset.theme") == "light"  # paper is
    view.evaluate("dispatchEvent(new Event('afterprint'))")
    assert view.evaluate("document.documentElement.dataset.theme") == "dark"
    assert count_and_mean(view) == chosen  # and what was chosen still is
    view.locator("#theme").press("Enter")
    assert view.locator("#theme").inner_text() == "◐ auto"
    view.emulate_media(color_scheme="light")
    view.wait_for_selector("html[data-theme=light]")


def test_masks_are_pictures_with_numbers(show: Callable[..., Page], tmp_path: Path) -> None:
    tickets = [make_ticket(*key) for key in FIRST]
    for number, ticket in enumerate(tickets):
        save_ticket(ticket, tmp_path / "masks" / str(number))
    html = page_of(report_of(tmp_path, *(run_of(ticket) for ticket in tickets)), tmp_path / "masks")
    (tmp_path / "index.html").write_text(html)
    page = show(tmp_path / "index.html")
    pictures = page.locator("#pixels canvas")
    assert pictures.count() == 2
    box = pictures.first.bounding_box()
    assert box is not None
    pictures.first.scroll_into_view_if_needed()
    pictures.first.hover(position={"x": 10, "y": 10})
    assert (
        page.locator("#tip").inner_text()
        == "l1, pixel in row 1, column 1\n3.0 weights survive (n 2)"
    )
    assert page.locator("#kept tbody tr").count() == 2
    assert "1.07 × n 1" in page.locator("#common").inner_text()
    assert page.locator("#masks-note").inner_text() == ""


LADDERS = """\
pruned by | tickets / rewind | same masks, fresh weights / reinit
l1, one-shot | 56.3 % … too short to tell / +25.00 (+25.00 to +25.00), n 2 | \
56.3 % … too short to tell / −25.00 (−25.00 to −25.00), n 2
random, one-shot | 56.3 % … too short to tell / −12.50, n 1 |
"""


def test_the_ladders_as_text(show: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(page_of(tiny_report(tmp_path)))
    page = show(tmp_path / "index.html")
    text = page.evaluate(
        "[...document.querySelectorAll('#ladders tr')].map(row => [...row.cells].map(cell =>"
        " cell.innerText.trim().split(/\\s*\\n\\s*/).join(' / ').replace(/ +/g, ' ')).join(' | ').trim()).join('\\n') + '\\n'"
    )
    assert text == LADDERS
    assert "not in the folder of masks" in page.locator("#masks-note").inner_text()

"""The page in a real browser: Debian's Chromium, headless, opening a file.

A missing Chromium is a failure where CI is set, and skips these tests elsewhere.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from lthctl.artifacts.run import Run
from lthctl.artifacts.ticket import save_ticket

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

pytestmark = pytest.mark.browser

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
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
    "l1 tickets of 5 rounds are as good as dense down to 3 % of the weights (+0.05 points, "
)
CONTROLS, RATIOS = ("rewind", "reinit"), (0.25, 0.5, 0.8, 0.9, 0.97)
GRID = grid()


@pytest.fixture(scope="module")
def grid_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(page_of(report_of(folder, *GRID)))
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
    page = browser.new_context(**settings).new_page()
    seen: list[str] = []
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith("data:") else seen.append(request.url),
    )
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    yield page
    assert seen == [path.as_uri()]
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
    assert len(view.locator("h1 span").all()) == 3
    assert view.locator("h1").inner_text().startswith(FIRST_ANSWER)
    assert view.locator("#verdicts tbody tr").count() == 20
    assert view.locator("#sizes-figures svg").count() == 4
    assert view.locator("#curves-figure .curve").count() == 6  # five ratios and dense
    assert count_and_mean(view) == expected(GRID)
    assert view.evaluate(
        "[...document.querySelectorAll('.standin')].every(picture => !picture.checkVisibility())"
    )
    assert view.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_brush_dragged_with_the_mouse_changes_count_mean_and_table(view: Page) -> None:
    before = rows(view)
    drag(view, "method", 0.7, 0.99)  # the lowest value of that axis
    chosen = [run for run in GRID if run.ticket.method == "random"]
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
    accuracies = sorted((100 * run.metrics.best_accuracy for run in GRID), reverse=True)
    assert 0 < number < len(GRID)
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
    assert count_and_mean(view) == expected([run for run in GRID if keep(run)])
    assert button.get_attribute("aria-pressed") == "true"
    view.get_by_role("button", name="all runs").click()
    assert count_and_mean(view) == expected(GRID)


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
    assert count_and_mean(view) == expected([run for run in GRID if run.ticket.ratio == 0.97])
    axis.press("Shift+ArrowDown")
    assert count_and_mean(view) == expected([run for run in GRID if run.ticket.ratio >= 0.9])
    axis.press("Escape")
    assert count_and_mean(view) == expected(GRID)


def test_smoothing_changes_the_curves(view: Page) -> None:
    paths = "[...document.querySelectorAll('#curves-figure .curve')].map(path => path.getAttribute('d'))"
    rough = view.evaluate(paths)
    view.locator("#smoothing").press("End")
    smooth = view.evaluate(paths)
    assert len(smooth) == len(rough) and all(a != b for a, b in zip(rough, smooth, strict=True))
    assert view.locator("#curve-controls output").inner_text() == "0.95"
    view.locator("#smoothing").press("Home")
    assert view.evaluate(paths) == rough


def test_curves_of_one_seed(view: Page) -> None:
    before = view.locator("#curves-figure").inner_html()
    view.locator("#curve-controls").get_by_label("seed").select_option("2")
    assert view.locator("#curves-figure").inner_html() != before
    assert "(n 1)" in view.locator("#curves-figure .legend").inner_text()
    view.locator("#curve-controls").get_by_label("seed").select_option("mean")
    assert view.locator("#curves-figure").inner_html() == before


def test_a_point_gives_its_numbers_by_mouse_and_by_keyboard(view: Page) -> None:
    figure = view.locator("#sizes-figures svg").first
    figure.press("ArrowRight")
    assert re.match(r"dense\n97\.20 ± 0\.25\s+\(n 3\)", view.locator("#tip").inner_text())
    figure.press("Escape")
    assert not view.locator("#tip").is_visible()
    mark = figure.locator("path[transform]").last.bounding_box()
    assert mark is not None
    view.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    assert "random-r0.97-n1, reinit\n3 % of the weights" in view.locator("#tip").inner_text()


def test_a_line_can_be_switched_off(view: Page) -> None:
    marks = view.locator("#sizes-figures path[transform]")
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
            [run for run in GRID if run.ticket.method == "random"]
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
    assert pictures.count() == 6
    for i in range(6):
        pictures.nth(i).scroll_into_view_if_needed()
        assert pictures.nth(i).is_visible()
    box = page.get_by_alt_text("Parallel coordinates of all runs").bounding_box()
    assert (
        box is not None and box["width"] >= 300 and box["height"] >= 200
    )  # the picture's size, not a broken one's
    assert not page.locator("#parallel").is_visible()
    assert page.locator("h1").inner_text().startswith(FIRST_ANSWER)
    assert page.locator("#unknown").is_visible() and page.locator("#answer").is_visible()
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
    assert name in page.locator("#verdicts").inner_text()
    assert f"{name}-r0.50-n1-s1" in [row[0] for row in rows(page)]
    assert name in page.locator("#lines").inner_text()
    assert f"{name}: odd" in page.locator("#left-out").inner_text()
    assert page.evaluate("window.hacked") is None
    assert (
        page.locator(
            "body img:not(.standin, #answer), body b:not(#selection b), body script:not(#data)"
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
    assert page.locator("#answer").is_visible()
    page.get_by_role("button", name="Group 2").click()
    assert not page.locator("#answer").is_visible()
    assert "60 steps" in page.locator("#title").inner_text()
    assert count_and_mean(page) == (2, 37.5)
    assert page.locator("h1").inner_text().startswith("Nothing to judge")


def test_a_narrow_window_scrolls_one_way_only(view: Page) -> None:
    view.set_viewport_size({"width": 390, "height": 800})
    view.wait_for_selector("#curves-figure svg[width='362']")  # drawn anew
    assert view.evaluate("document.documentElement.scrollWidth") == 390
    view.set_viewport_size({"width": 1280, "height": 900})
    view.wait_for_selector("#curves-figure svg[width='1132']")


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


VERDICTS = """\
Weights left | Against dense / accuracy minus dense, points | Times sooner than dense / steps to the \
first target | Against its reinit / minus reinit, points | Against random pruning / minus random, points
56.3 % / l1, one-shot | +25.00 ± 0.00 n 2 / ? too short to tell | unknown | +50.00 ± 0.00 n 2 / \
? too short to tell | +37.50 n 1 / ? too short to tell
56.3 % / random, one-shot | −12.50 n 1 / ? too short to tell | unknown | no pair |
"""


def test_the_verdict_as_text(show: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(page_of(tiny_report(tmp_path)))
    page = show(tmp_path / "index.html")
    text = page.evaluate(
        "[...document.querySelectorAll('#verdicts tr')].map(row => [...row.cells].map(cell =>"
        " cell.innerText.trim().split(/\\s*\\n\\s*/).join(' / ').replace(/ +/g, ' ')).join(' | ').trim()).join('\\n') + '\\n'"
    )
    assert text == VERDICTS
    assert "not in the folder of masks" in page.locator("#masks-note").inner_text()

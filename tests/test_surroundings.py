"""What lies around a process changes nothing: the working folder, variables, what a notebook set."""

import os
import sys
from pathlib import Path

import matplotlib
import pytest

from lthctl.reporting.drawing import own_defaults
from lthctl.reporting.figures import figure_files
from lthctl.surroundings import imported_apart

from .test_figures import GRIDS, NONE
from .test_report import unread_report

READS_SETTINGS = """
import os
from pathlib import Path
found = [name for name in ("settings", "../settings") if Path(name).exists()]
variable = os.environ.get("SOMETHING")
"""


@pytest.fixture
def a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that looks at the folder where it is imported, which has settings for it."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "looks_around.py").write_text(READS_SETTINGS)
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    work = tmp_path / "work"
    work.mkdir()
    (work / "settings").write_text("")
    monkeypatch.chdir(work)
    monkeypatch.delitem(sys.modules, "looks_around", raising=False)
    return "looks_around"


def test_a_library_sees_no_settings_of_the_working_folder(a_library: str) -> None:
    assert imported_apart(a_library).found == []
    assert Path("settings").exists()  # and we stand where we stood


def test_a_folder_that_was_renamed_meanwhile_is_found_again(
    a_library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").rename(tmp_path / "moved")
    imported_apart(a_library)
    assert Path.cwd() == tmp_path / "moved"


def test_a_variable_is_hidden_and_comes_back(
    a_library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMETHING", "else")
    assert imported_apart(a_library, without=("SOMETHING",)).variable is None
    assert os.environ["SOMETHING"] == "else"


@pytest.mark.long
def test_figures_are_drawn_under_matplotlibs_own_defaults() -> None:
    group = unread_report(*GRIDS["one run"]).groups[0]
    plain = figure_files(group, NONE)
    set_by_a_notebook = {
        "lines.linewidth": 9,
        "font.size": 30,
        "figure.dpi": 10,
        "axes.grid": True,
        "path.simplify": False,
        "savefig.bbox": "tight",
        "savefig.transparent": True,
        "text.usetex": True,
        "svg.image_inline": False,
        "axes.unicode_minus": False,
    }
    with matplotlib.rc_context(set_by_a_notebook):
        assert figure_files(group, NONE) == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_no_backend_is_chosen_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "backend", "pdf")
    with own_defaults():
        assert matplotlib.rcParams["backend"] == "pdf"
    assert matplotlib.rcParams["backend"] == "pdf"

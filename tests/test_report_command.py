"""`lthctl report` as people type it."""

import re
from pathlib import Path

import pytest

from .command_line import lthctl, refusal


@pytest.mark.usefixtures("undrawn")
def test_report_lists_damaged_runs_and_is_strict_on_request(runs: Path) -> None:
    (runs / "rewind" / "l1-r0.50-n2-s1" / "history.csv").write_text("step\n")
    result = lthctl("report")
    assert (
        result.exit_code == 0
        and "left out: runs/rewind/l1-r0.50-n2-s1/history.csv: has SHA-256 " in result.stderr
    )
    assert lthctl("report", "--strict").exit_code == 3


@pytest.mark.usefixtures("undrawn")
def test_report_finds_masks_by_their_digests_and_says_what_it_lacks(runs: Path) -> None:
    assert "lacks" not in lthctl("report", "--title", "Mine & <b>yours</b>").stderr
    assert "<h1>Mine &amp; &lt;b&gt;yours&lt;/b&gt;</h1>" in Path("report/index.html").read_text()
    result = lthctl("report", "--masks", "elsewhere", "--quiet")
    assert result.exit_code == 0 and result.stdout == ""
    assert (
        "elsewhere: lacks 6 tickets of these runs, so the page is without their masks; see --masks"
        in result.stderr
    )


@pytest.mark.usefixtures("undrawn")
def test_a_damaged_ticket_is_left_out_too(runs: Path) -> None:
    (Path("masks") / "l1-r0.50-n2-s1" / "mask.safetensors").write_bytes(b"")
    assert "left out: masks/l1-r0.50-n2-s1/mask.safetensors: has SHA-256" in lthctl("report").stderr
    assert lthctl("report", "--strict").exit_code == 3


@pytest.mark.long
def test_two_reports_are_the_same_bytes(runs: Path) -> None:
    lthctl("report", "--out", "a")
    lthctl("report", "--out", "b")
    first, second = ({path.name: path.read_bytes() for path in Path(out).iterdir()} for out in "ab")
    assert first == second and len(first) == 20


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("works", [True, False])
def test_report_opens_its_page(runs: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or works)
    assert lthctl("report").exit_code == 0 and opened == []
    result = lthctl("report", "--open")
    assert result.exit_code == 0
    assert opened == [Path("report/index.html").absolute().as_uri()]
    assert (
        "no browser can be opened from here: open report/index.html by hand" in result.stderr
    ) is not works


@pytest.mark.long
def test_runs_of_an_older_clone_are_said_to_have_moved(runs: Path) -> None:
    """`tickets/` was where runs lived."""
    assert "tickets" not in lthctl("report", "--quiet").stderr
    runs.rename("tickets")
    note = (
        "Runs live in runs/ now, and tickets/ holds yours: `git mv tickets runs` moves them (`mv` "
        "where git does not track them), or name tickets as the path\n"
    )
    result = lthctl("report")
    assert result.exit_code == 3
    assert result.stderr.startswith(note) and "runs: does not exist" in result.stderr
    assert lthctl("report", "tickets", "--quiet").stderr == ""
    assert note in lthctl("retrain", "masks/dense-s1", "--rewind").stderr
    assert lthctl("report", "--quiet").stderr == ""  # now that there is a runs/


def test_report_without_runs(workspace: Path) -> None:
    assert (
        refusal(3, "report")
        == "runs: does not exist; retrain some tickets first: lthctl retrain masks/"
    )


@pytest.mark.usefixtures("undrawn")
def test_names_from_files_are_never_markup(runs: Path) -> None:
    target = runs / "rewind" / "[red]x"
    target.mkdir()
    (target / "run.json").write_text("{")
    assert "left out: runs/rewind/[red]x/run.json: is not JSON" in lthctl("report").stderr


@pytest.fixture
def pipeline_of_dvc(workspace: Path) -> None:
    Path("dvc.yaml").write_text(
        "stages:\n  report:\n    cmd: x\n    outs: [report/index.html, report/summary.csv]\n"
    )


@pytest.mark.dvc
@pytest.mark.usefixtures("undrawn", "pipeline_of_dvc")
def test_a_report_by_hand_leaves_that_of_dvc_alone(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = lthctl("report")
    assert result.exit_code == 0 and "\nPage: report/by-hand/index.html\n" in result.stdout
    assert [path.name for path in Path("report").iterdir()] == ["by-hand"]
    assert "report/index.html: belongs to DVC" in refusal(3, "report", "--out", "report")
    monkeypatch.setenv("DVC_STAGE", "report")
    assert lthctl("report", "--out", "report").exit_code == 0
    assert Path("report/index.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_report_in_the_terminal_is_short(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in 80, 40:
        monkeypatch.setenv("COLUMNS", str(width))
        lines = lthctl("report").stdout.splitlines()
        commands = [line for line in lines if "lthctl" in line]
        assert max(len(line) for line in lines if line not in commands) <= width
        assert commands[-1] == lines[-1] == "Next: lthctl report --open"
        assert "Page: report/index.html" in lines
        assert len(lines) < 60
    monkeypatch.setenv("COLUMNS", "80")
    short, full = (lthctl("report", *words).stdout for words in ([], ["--full"]))
    assert "Sparsity (%) asked for" in full and "Sparsity (%) asked for" not in short
    assert re.search(r"\n1\. .*\n(.*\n)*2\. .*\n(.*\n)*3\. ", short)

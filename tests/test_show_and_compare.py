"""`lthctl show` and `compare` as people type them; tickets and runs are made by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lthctl.artifacts.run import save_run
from lthctl.artifacts.ticket import save_ticket

from .command_line import lthctl, refusal
from .test_compare import make_ticket
from .test_report import make_run

ROOT = Path(__file__).parent.parent


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """masks/ with two tickets and runs/a, runs/b with the runs of three seeds each, in the working
    folder."""
    for name, ticket in {"x": make_ticket(), "y": make_ticket(first=3)}.items():
        save_ticket(ticket, tmp_path / "masks" / name)
    for folder, best in (("a", 0.7), ("b", 0.8)):
        for seed in (1, 2, 3):
            save_run(
                make_run(seed=seed, best=best + seed / 100), tmp_path / "runs" / folder / f"s{seed}"
            )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_show_a_ticket_a_run_and_a_list(place: Path) -> None:
    assert "masks/x: a ticket, l1-r0.50-n1-s1\n" in lthctl("show", "masks/x").stdout
    assert (
        "runs/a/s1: a run, l1-r0.50-n1-s1 from its own weights"
        in lthctl("show", "runs/a/s1").stdout
    )
    assert lthctl("show", "masks/x").stdout.endswith("Next: lthctl retrain masks/x\n")
    assert lthctl("show", "runs/a/s1").stdout.endswith("Next: lthctl report runs/a/s1\n")
    assert lthctl("show", "masks").stdout.endswith(
        "2 below masks; to see one: lthctl show masks/x\n"
    )
    one = json.loads(lthctl("show", "masks/x", "--json").stdout)
    assert (one["path"], one["kept"], one["units"]["dead_inputs"]) == ("masks/x", 12, 0)
    assert [of["path"] for of in json.loads(lthctl("show", "masks", "--json").stdout)] == [
        "masks/x",
        "masks/y",
    ]


def test_show_and_compare_refuse_what_is_not_there_or_damaged(place: Path) -> None:
    (place / "empty").mkdir()
    assert refusal(3, "show", "empty").startswith(
        "empty: holds no ticket and no run, nor does anything below it"
    )
    assert refusal(3, "show", "nowhere").startswith(
        "nowhere: does not exist; expected a ticket, a run"
    )
    assert refusal(2, "compare", "masks/x").startswith(
        "masks/x: is one alone; name what to compare it with"
    )
    assert refusal(2, "compare", "masks/x", "runs").startswith(
        "masks/x, runs: 1 ticket and 6 runs;"
    )
    (place / "masks/x/mask.safetensors").write_bytes(b"")
    (place / "masks/y/ticket.json").write_bytes(b"")
    refused = refusal(3, "compare", "masks/x", "masks/y")
    assert refused.startswith("masks/x/mask.safetensors: ")
    both = refusal(3, "show", "masks").splitlines()
    assert [line.split(":")[0] for line in both] == [
        "masks/x/mask.safetensors",
        "masks/y/ticket.json",
    ]


def test_compare_tickets_and_runs(place: Path) -> None:
    assert (
        "layers.0.weight    6    6    3    3.0  1.00 1.00"
        in lthctl("compare", "masks/x", "masks/y").stdout
    )
    assert "l1-r0.50-n1 rewind  3  +10.00 ± 0.00" in lthctl("compare", "runs/a", "runs/b").stdout
    told = json.loads(lthctl("compare", "runs/a", "runs/b", "--json").stdout)
    assert (told["matched_by_name"], told["experiments"][0]["verdict"], len(told["runs"])) == (
        True,
        "better",
        3,
    )
    assert len(json.loads(lthctl("compare", "runs", "--json").stdout)["runs"]) == 15


def test_compare_takes_margin_and_confidence_from_the_report_section(place: Path) -> None:
    Path("params.yaml").write_text("report:\n  margin: 0.5\n  confidence: 0.9\n")
    text = lthctl("compare", "runs/b", "runs/a").stdout
    assert "90 % t intervals" in text and "50 points" in text and "as good" in text


@pytest.mark.long
def test_what_did_this_commit_do_to_my_tickets(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(key, "a@b")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(place / "site"))

    def commit() -> None:
        for words in (["add", "masks"], ["commit", "-qm", "x"]):
            subprocess.run(["git", *words], cwd=place, check=True)

    subprocess.run(["git", "init", "-q"], cwd=place, check=True)
    commit()
    save_ticket(make_ticket(first=4), place / "masks/x", replace=True)
    save_ticket(make_ticket(seed=2), place / "masks/z")
    commit()
    text = lthctl("compare", "masks@HEAD~1", "masks").stdout
    assert "2 tickets in both: 1 same, 1 mask differs\n" in text
    assert "x       mask differs    12    12     8   0.89  0.57\n" in text
    assert "Only in masks: z\n" in text
    assert "mask  differs" in lthctl("compare", "masks/x@HEAD~1", "masks/x").stdout
    monkeypatch.chdir(place / "runs")  # of another folder's repository, and a screen of a revision
    assert lthctl("show", "../masks@HEAD~1").stdout.endswith(
        "to see one: lthctl show ../masks/x@HEAD~1\n"
    )
    assert refusal(3, "compare", "../masks@v9", "../masks").startswith(
        "../masks@v9: the repository "
    )


STRICTLY = """
import sys
from lthctl.cli.app import app
for words in {commands}:
    sys.stdout.reconfigure(errors="strict")
    app(words, standalone_mode=False)
"""


@pytest.mark.long
def test_a_terminal_without_the_characters_still_gets_the_result(place: Path) -> None:
    commands = ["compare", "runs/a", "runs/b"], ["show", "runs/a/s1"]
    done = subprocess.run(
        [sys.executable, "-c", STRICTLY.format(commands=commands)], capture_output=True, text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "l1-r0.50-n1 rewind" in done.stdout and "runs/a/s1: a run" in done.stdout

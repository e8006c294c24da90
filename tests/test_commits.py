"""Which commit runs are of: of the repository that holds them, which is asked and never obeyed."""

import os
import subprocess
from pathlib import Path

import pytest

from lthctl.reporting.commits import commit_of
from lthctl.reporting.provenance import revision
from lthctl.reporting.reading import make_report

from .test_report import PARAMS, make_run, save_run

WHO = ("-c", "user.name=a", "-c", "user.email=a@b")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git as on a fresh machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def git(place: Path, *words: str) -> str:
    command = ["git", *WHO, *words]
    return subprocess.run(
        command, cwd=place, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(place: Path, text: str = "1") -> str:
    """A repository with two files; its commit."""
    place.mkdir()
    git(place, "init", "-q")
    (place / "params.yaml").write_text(text)
    (place / "code.py").write_text(text)
    git(place, "add", "-A")
    git(place, "commit", "-qm", "start")
    return git(place, "rev-parse", "HEAD")


def test_of_the_repository_that_holds_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = repository(tmp_path / "project"), repository(tmp_path / "other", "2")
    assert ours != other
    save_run(make_run(), tmp_path / "project/runs/a")
    save_run(make_run(seed=2), tmp_path / "elsewhere/b")
    (tmp_path / "other/linked").symlink_to("../project/runs")
    monkeypatch.chdir(tmp_path / "other")
    for place in ("../project/runs", "linked", "../project/runs/a"):
        report = make_report([Path(place)], PARAMS)
        assert revision(report.folders) == {"commit": ours, "changed": []}
    assert revision(make_report([Path("../elsewhere")], PARAMS).folders) is None
    both = make_report([Path("../elsewhere"), Path("../project")], PARAMS)
    assert revision(both.folders) is None
    save_run(make_run(seed=3), tmp_path / "other/runs/c")
    two = make_report([Path("runs"), Path("../project/runs")], PARAMS)
    assert revision(two.folders) is None


def test_variables_of_git_count_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = repository(tmp_path / "project")
    repository(tmp_path / "other", "2")
    for name, value in {
        "GIT_DIR": str(tmp_path / "other/.git"),
        "GIT_WORK_TREE": str(tmp_path / "other"),
        "GIT_INDEX_FILE": str(tmp_path / "other/.git/index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "other/.git/objects"),
        "GIT_CEILING_DIRECTORIES": str(tmp_path / "project"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.worktree",
        "GIT_CONFIG_VALUE_0": "/",
        "GIT_TRACE": str(tmp_path / "trace"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "project/runs").mkdir()
    assert commit_of([tmp_path / "project/runs"]) == (ours, [])
    assert not (tmp_path / "trace").exists()


def test_changed_files_are_named_from_the_top(tmp_path: Path) -> None:
    commit = repository(tmp_path / "p")
    (tmp_path / "p/runs").mkdir()
    (tmp_path / "p/code.py").write_text("2")
    os.utime(tmp_path / "p/params.yaml", (1, 1))  # touched, and the same
    assert commit_of([tmp_path / "p/runs"]) == (commit, ["code.py"])


def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    commit = repository(tmp_path / "p")
    odd = os.fsencode(tmp_path) + b"/p/\xff"
    Path(os.fsdecode(odd)).write_text("1")
    git(tmp_path / "p", "add", "-A")
    assert commit_of([tmp_path / "p"]) == (commit, ["\\xff"])


EVIL = "touch {marker}; cat"


def hostile(place: Path, marker: Path, kind: str) -> None:
    """A repository that wants a program to be run."""
    repository(place)
    program = place / "program"
    program.write_text(f"#!/bin/sh\n{EVIL.format(marker=marker)}\n")
    program.chmod(0o755)
    (place / ".gitattributes").write_text("* filter=a=b\n")
    if kind == "core.fsmonitor":
        git(place, "config", kind, str(program))
    elif kind == "hooks":
        for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
            (place / ".git/hooks").mkdir(exist_ok=True)
            (place / ".git/hooks" / name).write_text(program.read_text())
            (place / ".git/hooks" / name).chmod(0o755)
    elif kind == "core.hooksPath":
        (place / "post-index-change").write_text(program.read_text())
        (place / "post-index-change").chmod(0o755)
        git(place, "config", kind, str(place))
    elif kind.startswith("filter."):
        git(place, "config", kind, str(program))
    elif kind == "included":
        (place / "more").write_text(f'[filter "a=b"]\n    clean = {program}\n')
        git(place, "config", "include.path", str(place / "more"))
    elif kind == "info/attributes":
        (place / ".gitattributes").unlink()
        (place / ".git/info").mkdir(exist_ok=True)
        (place / ".git/info/attributes").write_text("* filter=x\n")
        git(place, "config", "filter.x.clean", str(program))
    for name in ("code.py", "params.yaml"):
        (place / name).write_text("x" if name == "code.py" else "1")
    os.utime(place / ".git/index", (1, 1))  # so that git looks into the files


KINDS = ["core.fsmonitor", "hooks", "core.hooksPath", "filter.a=b.clean", "filter.a=b.process",
         "included", "info/attributes"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_program_of_a_repository_is_run(tmp_path: Path, kind: str) -> None:
    place, marker = tmp_path / "p", tmp_path / "marker"
    hostile(place, marker, kind)
    marker.unlink(missing_ok=True)
    index = (place / ".git/index").read_bytes()
    os.utime(place / ".git/index", (1, 1))
    found = commit_of([place])
    assert not marker.exists()
    assert found is not None and found[1] == ["code.py"]
    assert (place / ".git/index").read_bytes() == index


@pytest.mark.parametrize("kind", KINDS)
def test_the_programs_would_be_run(tmp_path: Path, kind: str) -> None:
    """Else the test before would prove nothing."""
    place, marker = tmp_path / "p", tmp_path / "marker"
    hostile(place, marker, kind)
    marker.unlink(missing_ok=True)
    os.utime(place / ".git/index", (1, 1))
    subprocess.run(["git", "status"], cwd=place, capture_output=True)
    assert marker.exists()


def test_a_folder_that_is_made_up_as_a_bare_repository_is_none(tmp_path: Path) -> None:
    """It could be shipped in any archive, settings and all."""
    (tmp_path / "p").mkdir()
    git(tmp_path / "p", "init", "-q", "--bare", ".")
    assert commit_of([tmp_path / "p"]) is None


def test_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path / "p")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of([tmp_path / "p"]) is None

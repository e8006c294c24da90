"""What DVC owns is not written to, whichever way DVC or a link says so."""

import re
from pathlib import Path

import pytest

from lthctl.errors import OutputError
from lthctl.grid.dvc import refuse_if_owned

pytestmark = [
    pytest.mark.dvc,
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:dvc\."),
]

STAGE = "stages:\n  a:\n    cmd: x\n    outs:\n    - {out}\n"
ADDED = "outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n  size: 0\n  hash: md5\n  path: {out}\n"
CONFLICT = "<<<<<<< HEAD\nstages: {}\n=======\nstages: {}\n>>>>>>> theirs\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that is a project of DVC's, with masks/."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    place = tmp_path / "project"
    (place / ".dvc").mkdir(parents=True)
    (place / "masks").mkdir()
    monkeypatch.chdir(place)
    return place


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def refusal(*places: str) -> str:
    with pytest.raises(OutputError) as refused:
        refuse_if_owned(*map(Path, places))
    assert refused.value.exit_code == 3
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dvc.yaml", STAGE.format(out="masks/x")),
        ("dvc.yaml", STAGE.format(out="./masks/../masks/x/")),
        ("dvc.yaml", "stages:\n  a:\n    cmd: x\n    wdir: masks\n    outs: [{x: {persist: true}}]\n"),
        ("dvc.yaml", "stages:\n  a:\n    foreach: [x, w]\n    do: {cmd: c, outs: ['masks/${item}']}\n"),
        ("dvc.yaml", "vars: [{place: masks/x}]\nstages:\n  a: {cmd: c, outs: ['${place}']}\n"),
        ("dvc.yaml", "stages:\n  a: {cmd: c, metrics: [masks/x]}\n"),
        ("dvc.yaml", "stages:\n  a: {cmd: c, plots: [masks/x]}\n"),
        ("sibling/dvc.yaml", STAGE.format(out="../masks/x")),
        ("masks/dvc.yaml", STAGE.format(out="x")),
        ("masks/x.dvc", ADDED.format(out="x")),
        ("masks/another-name.dvc", ADDED.format(out="x")),
        ("elsewhere.dvc", ADDED.format(out="masks/x")),
        ("deep/er/elsewhere.dvc", "wdir: ../..\n" + ADDED.format(out="masks/x")),
        ("masks/x.dvc", "deps:\n- path: ../a\n" + ADDED.format(out="x")),
    ],
)  # fmt: skip
def test_whatever_names_it_an_output(project: Path, name: str, text: str) -> None:
    write(name, text)
    owned = f"belongs to DVC, whose output is {project / 'masks/x'}, and DVC deletes what others"
    for place in ("masks/x", "masks/x/mine", str(project / "masks" / "x")):
        assert refusal(place).startswith(f"{place}: {owned}")
    refuse_if_owned(Path("masks/y/z"), Path("runs"))


def test_a_folder_that_holds_an_output(project: Path) -> None:
    """To replace it would delete the output."""
    write("masks/t/mask.dvc", ADDED.format(out="mask"))
    assert refusal("masks/t").startswith("masks/t: belongs to DVC")


def test_links_are_followed(project: Path, tmp_path: Path) -> None:
    write("dvc.yaml", STAGE.format(out="masks/x"))
    (project / "masks/x").mkdir()
    (project / "link").symlink_to("masks/x")
    (project / "over").symlink_to("masks")
    (tmp_path / "from_outside").symlink_to(project / "masks" / "x")
    for place in ("link", "link/mine", "over/x/mine", str(tmp_path / "from_outside")):
        assert "belongs to DVC" in refusal(place)


def test_an_output_may_itself_lie_behind_a_link(project: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch" / "x").mkdir(parents=True)
    (project / "masks").rmdir()
    (project / "masks").symlink_to(tmp_path / "scratch")
    write("dvc.yaml", STAGE.format(out="masks/x"))
    assert "belongs to DVC" in refusal(str(tmp_path / "scratch" / "x" / "mine"))


def test_from_another_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("dvc.yaml", STAGE.format(out="masks/x"))
    monkeypatch.chdir(tmp_path)
    assert "belongs to DVC" in refusal("project/masks/x")
    assert "belongs to DVC" in refusal("project/sub/../masks/x")


def test_a_project_within_a_project(project: Path) -> None:
    write("dvc.yaml", STAGE.format(out="masks/x"))
    (project / "inner/.dvc").mkdir(parents=True)
    write("inner/dvc.yaml", STAGE.format(out="masks/y"))
    assert "inner/masks/y" in refusal("inner/masks/y")
    assert "masks/x" in refusal("inner/../masks/x")
    write("dvc.yaml", STAGE.format(out="inner/masks"))
    assert "inner/masks" in refusal("inner/masks/z")


@pytest.mark.parametrize("name", ["dvc.yaml", "masks/x.dvc", "sibling/dvc.yaml", "dvc.lock"])
@pytest.mark.parametrize("text", [CONFLICT, "\x00", "a: [", "- 1", "stages: {a: {outs: 3}}"])
def test_what_cannot_be_read_may_own_anything(project: Path, name: str, text: str) -> None:
    write("dvc.yaml", STAGE.format(out="other"))
    write(name, text)
    said = refusal("masks/new")
    assert re.match(
        rf"masks/new: DVC may own it, but a pipeline in {project} cannot be read \(.+\); ", said
    )


def test_pipelines_that_wait_for_a_project(project: Path) -> None:
    (project / ".dvc").rmdir()
    write("dvc.yaml", STAGE.format(out="masks/x"))
    assert "belongs to DVC" in refusal("masks/x/mine")
    write("dvc.yaml", CONFLICT)
    assert "cannot be read" in refusal("masks/x/mine")


def test_nothing_of_the_project_is_obeyed_or_written(project: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    write(".dvc/config", f"[core]\n    site_cache_dir = {evil}\n    hardlink_lock = true\n"
          f"[cache]\n    dir = {evil}/cache\n    local = r\n['remote \"r\"']\n    url = ssh://nowhere.invalid/x\n")  # fmt: skip
    write("dvc.yaml", STAGE.format(out="masks/x"))
    before = sorted(tmp_path.rglob("*"))
    assert "belongs to DVC" in refusal("masks/x")
    assert sorted(tmp_path.rglob("*")) == before


def test_dvc_itself_may_write(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("dvc.yaml", STAGE.format(out="masks/x"))
    monkeypatch.setenv("DVC_STAGE", "a")
    refuse_if_owned(Path("masks/x"))

"""Nothing is written or deleted behind a link of the working folder that leads out of it."""

from pathlib import Path

import pytest

from lthctl.artifacts.store import Store
from lthctl.disk import check_writable, write_file, write_folder, write_set
from lthctl.errors import OutputError
from lthctl.links import refuse_links_outwards

WRITERS = {
    "file": lambda folder: write_file(folder / "f", b"theirs"),
    "folder": lambda folder: write_folder(folder / "t", {"a": b"theirs"}, replace=True),
    "set": lambda folder: write_set(folder, {"f": b"theirs"}, first={"x": b""}, last="f"),
    "probe": lambda folder: check_writable(folder),
}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own beside the working folder, in which links lead to it."""
    mine, here = tmp_path / "mine", tmp_path / "here"
    for folder in mine / "sub", here:
        folder.mkdir(parents=True)
    (mine / "f").write_bytes(b"mine")
    monkeypatch.chdir(here)
    Path("out").symlink_to(mine)
    Path("relative").symlink_to("../mine")
    Path("below").mkdir()
    Path("below/out").symlink_to("../out")
    return mine


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("place", ["out", "out/sub", "out/new", "relative", "below/out", "./out"])
def test_nothing_is_written_there(mine: Path, writer: str, place: str) -> None:
    with pytest.raises(OutputError, match=r"leads out of this folder, to .*mine"):
        WRITERS[writer](Path(place))
    assert sorted(path.name for path in mine.rglob("*")) == ["f", "sub"]
    assert (mine / "f").read_bytes() == b"mine"


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("place", ["inside", "../mine", "{mine}", "below/../inside"])
def test_elsewhere_all_is_as_it_was(mine: Path, writer: str, place: str) -> None:
    Path("real").mkdir()
    Path("inside").symlink_to("real")
    WRITERS[writer](Path(place.format(mine=mine)))


@pytest.mark.parametrize("linked", [".lthctl", ".lthctl/trainings", ".lthctl/trainings/aa"])
def test_nothing_is_deleted_there(mine: Path, linked: str) -> None:
    digest = "aa" * 32
    training = mine / "store" / "trainings" / "aa" / digest
    training.mkdir(parents=True)
    real = (mine / "store").joinpath(*Path(linked).parts[1:])
    Path(linked).parent.mkdir(parents=True, exist_ok=True)
    Path(linked).symlink_to(real)
    store = Store(Path(".lthctl"))
    assert list(store) == [digest]
    with pytest.raises(OutputError, match="leads out of this folder"):
        store.throw_out(digest)
    assert training.is_dir()


def test_a_checkpoint_is_not_deleted_there(mine: Path) -> None:
    (mine / f"{'aa' * 32}.safetensors").write_bytes(b"mine")
    Path(".lthctl").mkdir()
    Path(".lthctl/checkpoints").symlink_to(mine)
    with pytest.raises(OutputError, match="leads out of this folder"):
        Store(Path(".lthctl")).checkpoints(0).remove("aa" * 32)
    refuse_links_outwards(Path("out"))  # to take the link itself away harms nobody

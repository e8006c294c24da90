"""A store that somebody else made is told from one's own, and results from it come with a
warning."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lthctl.artifacts.store import Store
from lthctl.artifacts.store_maker import MARK_FILE
from lthctl.cli.app import app
from lthctl.training.spec import Training

from .faults import failing
from .test_store import a_result

WARNING = "was not made by you on this machine"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def store(tmp_path: Path, home: Path, make_training: Callable[..., Training]) -> Store:
    store = Store(tmp_path / ".lthctl")
    store.begin()
    training = make_training()
    store.put(training, a_result(training))
    return store


def test_a_store_that_one_made_is_one_s_own(store: Store, home: Path) -> None:
    assert not store.is_foreign
    key = home / "lthctl" / "store-key"
    assert len(key.read_bytes()) == 32 and key.stat().st_mode & 0o077 == 0


def test_a_store_of_another_home_is_foreign(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other home"))
    assert store.is_foreign
    store.begin()  # a store with trainings is not made one's own by using it
    assert store.is_foreign
    store.adopt()
    assert not store.is_foreign


@pytest.mark.parametrize("half", [b"", bytes(31)])
def test_a_key_that_was_cut_off_is_made_anew(tmp_path: Path, home: Path, half: bytes) -> None:
    (home / "lthctl").mkdir(parents=True)
    (home / "lthctl" / "store-key").write_bytes(half)
    Store(tmp_path / ".lthctl").begin()
    assert [path.name for path in (home / "lthctl").iterdir()] == ["store-key"]
    assert len((home / "lthctl" / "store-key").read_bytes()) == 32
    assert (tmp_path / ".lthctl" / MARK_FILE).exists()


def test_a_store_that_cannot_be_looked_into_is_not_taken_for_an_empty_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other home"))
    with failing(tmp_path / ".lthctl" / "trainings"):
        store.begin()
        assert store.is_foreign
    assert store.is_foreign


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"store": 1}', b"\xff", b"[" * 5000])
def test_a_mark_that_is_none(store: Store, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / ".lthctl" / MARK_FILE).write_bytes(damage)
    assert store.is_foreign


def test_a_mark_of_another_store_cannot_be_made_up(store: Store, tmp_path: Path) -> None:
    file = tmp_path / ".lthctl" / MARK_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"store": "0" * 32}))
    assert store.is_foreign


def test_without_a_place_for_a_key_nobody_can_tell(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a file"))
    assert not store.is_foreign
    Store(tmp_path / "new").begin()
    assert not (tmp_path / "new" / MARK_FILE).exists()


def test_results_from_a_foreign_store_come_with_a_warning(
    workspace: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prune() -> str:
        shutil.rmtree("masks", ignore_errors=True)
        result = CliRunner().invoke(app, ["prune", "--method", "l1", "--seed", "1"])
        assert result.exit_code == 0, result.output
        return result.stderr

    assert WARNING not in prune()
    assert WARNING not in prune()
    monkeypatch.setenv("XDG_STATE_HOME", str(home.parent / "other home"))
    assert WARNING in " ".join(prune().split())
    assert CliRunner().invoke(app, ["store", "adopt"]).exit_code == 0
    assert WARNING not in prune()

"""What cannot be read is never taken for something that is not there."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from lthctl.artifacts.names import TRAINING_JSON, WEIGHTS_FILE
from lthctl.cli.app import app
from lthctl.training.checkpoints import Checkpoint
from lthctl.training.spec import Training
from lthctl.verification.paths import Verification

from .faults import FAULTS, failing
from .pictures import PICTURES
from .test_store import SCHEMA_1, a_result, flip, place_of, reseal
from .test_store import Store as Trainings

MakeTraining = Callable[..., Training]


def lthctl(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert "Traceback" not in result.output and (
        result.exception is None or isinstance(result.exception, SystemExit)
    ), result.exception
    return result


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tickets and runs of the fixtures, and one of each in a folder of its own."""
    from lthctl.reporting import figures

    shutil.copytree(SCHEMA_1 / "masks", tmp_path / "masks")
    shutil.copytree(SCHEMA_1 / "tickets", tmp_path / "runs")
    for kind, name in (("masks", "l1-r0.50-n2-s1"), ("runs/rewind", "l1-r0.50-n2-s1")):
        (tmp_path / kind / "more").mkdir()
        (tmp_path / kind / name).rename(tmp_path / kind / "more" / name)
    monkeypatch.setattr(figures, "figure_files", lambda *_: PICTURES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "report": (["report", "runs", "--strict", "--quiet"], "runs/rewind/more"),
    "report, masks": (["report", "runs", "--strict", "--quiet"], "masks/more"),
    "verify": (["verify", "masks", "runs"], "runs/rewind/more"),
    "show": (["show", "runs"], "runs/rewind/more"),
    "compare": (["compare", "masks", "masks"], "masks/more"),
    "retrain": (["retrain", "masks", "--dry-run"], "masks/more"),
    "store prune": (["store", "prune", "masks", "runs"], "masks/more"),
    "a path below": (["store", "prune", "masks/more/l1-r0.50-n2-s1"], "masks/more"),
}


@pytest.mark.parametrize("number", FAULTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_cannot_be_read_is_named_and_refused(
    project: Path, command: str, number: int
) -> None:
    words, place = COMMANDS[command]
    for names in False, True:
        with failing(project / place, number, names=names):
            result = lthctl(*words)
        assert result.exit_code == 3, result.output
        said = "".join(result.output.split())
        assert place in said and "".join(os.strerror(number).split()) in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_link_that_leads_nowhere_is_named_and_refused(project: Path, command: str) -> None:
    words, place = COMMANDS[command]
    shutil.rmtree(project / place)
    (project / place).symlink_to("gone")
    result = lthctl(*words)
    assert result.exit_code == 3, result.output
    assert place in "".join(result.output.split())


def test_verify_fails_where_a_ticket_could_not_be_read_for_a_moment(project: Path) -> None:
    """Its runs would be unchecked, which is no failure; and once it is read, all else holds."""
    with failing(project / "masks" / "more" / "l1-r0.50-n2-s1" / "ticket.json"):
        verification = Verification(["masks", "runs"], replay=None)
    (unread,) = verification.unread
    assert unread.state == "failed" and "Input/output error" in unread.detail
    assert Verification(["masks", "runs"], replay=None).unread == []


def test_run_names_what_its_report_lacks(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lthctl.cli import experiment_view

    report = SimpleNamespace(left_out=[(Path("x"), "x: damaged")], num_missing_tickets=2)
    done = SimpleNamespace(report=report, folder=Path("report/mine"))
    experiment_view.show_finished(done, SimpleNamespace(json=False, quiet=True))  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines()[:2] == [
        "left out: x: damaged",
        "masks/mine: lacks 2 tickets of these runs, so the page is without their masks; see --masks",
    ]


def test_a_report_without_strict_names_what_it_left_out(project: Path) -> None:
    with failing(project / "runs" / "rewind" / "more"):
        result = lthctl("report", "runs", "--quiet")
    assert result.exit_code == 0
    assert "left out: runs/rewind/more: cannot be looked into (Input/output error)" in result.stderr


def test_linked_tickets_are_found(project: Path) -> None:
    (project / "elsewhere").mkdir()
    (project / "masks" / "more" / "l1-r0.50-n2-s1").rename(project / "elsewhere" / "one")
    (project / "masks" / "linked").symlink_to(project / "elsewhere")
    (project / "masks" / "again").symlink_to(project / "elsewhere" / "one")
    (project / "masks" / "circle").symlink_to(project / "masks")
    found = [one["path"] for one in json.loads(lthctl("show", "masks", "--json").stdout)]
    assert [path for path in found if "rewind" not in path] == found and "masks/again" in found
    assert len([path for path in found if path.startswith("masks/linked")]) == 0
    assert lthctl("verify", "masks").exit_code == 0


def test_a_link_upwards_is_named_and_not_followed(project: Path) -> None:
    (project / "masks" / "up").symlink_to("/")
    result = lthctl("show", "masks")
    assert result.exit_code == 3 and "masks/up: is a link to far too much" in result.stderr


def test_present_but_unread_is_not_missing(project: Path) -> None:
    """A grid does not train again, and does not replace, what it cannot read."""
    from lthctl.artifacts.folders import TicketFolder
    from lthctl.errors import LthctlError
    from lthctl.grid.tasks import State, state_of

    place = project / "masks" / "more" / "l1-r0.50-n2-s1"
    specification = TicketFolder(place).document.specification
    assert state_of(TicketFolder(place), specification) is State.PRESENT
    for number in FAULTS:
        for names in False, True:
            with failing(place, number, names=names), pytest.raises(LthctlError):
                state_of(TicketFolder(place), specification)
    shutil.rmtree(place)
    place.symlink_to("gone")
    with pytest.raises(LthctlError, match="leads nowhere"):
        state_of(TicketFolder(place), specification)


# ---- the store ----


@pytest.fixture
def trainings(
    tmp_path: Path, make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> list[Training]:
    """Four, in the store of the working folder."""
    monkeypatch.chdir(tmp_path)
    found = [make_training(seed=seed) for seed in range(4)]
    for training in found:
        Trainings(tmp_path / ".lthctl").put(training, a_result(training))
    return found


@pytest.mark.parametrize("number", FAULTS)
@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("below", ["", "trainings", "shard", "training", "file"])
def test_store_check_keeps_what_it_cannot_read(
    tmp_path: Path, trainings: list[Training], number: int, names: bool, below: str
) -> None:
    place = place_of(tmp_path, trainings[0])
    flip(place_of(tmp_path, trainings[1]) / WEIGHTS_FILE)
    where = {
        "": tmp_path / ".lthctl",
        "trainings": place.parent.parent,
        "shard": place.parent,
        "training": place,
        "file": place / WEIGHTS_FILE,
    }[below]
    with failing(where, number, names=names):
        result = lthctl("store", "check")
    assert result.exit_code == 3 and "kept, for nothing is proven" in result.stdout
    assert os.strerror(number) in result.stdout
    left = {training.digest for training in trainings} - {trainings[1].digest}
    assert left <= set(Trainings(tmp_path / ".lthctl"))
    result = lthctl("store", "check")
    assert "3 trainings whole" in result.stdout


@pytest.mark.parametrize("number", FAULTS)
def test_a_training_that_cannot_be_read_is_not_missing(
    tmp_path: Path, trainings: list[Training], number: int
) -> None:
    from lthctl.errors import RunError

    store = Trainings(tmp_path / ".lthctl")
    place = place_of(tmp_path, trainings[0])
    for where in place, place / WEIGHTS_FILE, place / TRAINING_JSON, place.parent:
        for names in False, True:
            with failing(where, number, names=names), pytest.raises(RunError) as refusal:
                store.get(trainings[0])
            assert refusal.value.unread
    assert store.get(trainings[0]) is not None


@pytest.mark.parametrize("number", FAULTS)
def test_store_check_keeps_a_checkpoint_that_it_cannot_read(
    tmp_path: Path, trainings: list[Training], number: int
) -> None:
    """Its own, and that of a training whose result it cannot read, or proves wrong."""
    store = Trainings(tmp_path / ".lthctl")
    kept = store.checkpoints(0.0)
    store.throw_out(trainings[2].digest)
    for training in trainings[:3]:
        kept.write(training, Checkpoint(10, (), {}))
    flip(place_of(tmp_path, trainings[1]) / WEIGHTS_FILE)
    with (
        failing(kept.path(trainings[2].digest), number),
        failing(place_of(tmp_path, trainings[0]) / WEIGHTS_FILE, number),
    ):
        result = lthctl("store", "check")
    assert result.exit_code == 3
    assert result.stdout.count("kept, for nothing is proven") == 2, result.stdout
    assert kept.digests() == sorted(training.digest for training in trainings[:3])
    assert lthctl("store", "check").exit_code == 0
    assert kept.digests() == sorted(training.digest for training in trainings[1:3])


def test_links_in_the_store_that_lead_nowhere_stay(
    tmp_path: Path, trainings: list[Training]
) -> None:
    """Such as to a disk that is not there now."""
    place = place_of(tmp_path, trainings[0])
    for linked in place, place / WEIGHTS_FILE, place.parent, tmp_path / ".lthctl":
        away = tmp_path / "away"
        linked.rename(away)
        linked.symlink_to(tmp_path / "not mounted")
        result = lthctl("store", "check")
        assert result.exit_code == 3 and "leads nowhere" in result.stdout
        assert linked.is_symlink()
        linked.unlink()
        away.rename(linked)
    assert lthctl("store", "check").exit_code == 0


def test_a_training_of_a_newer_version_stays(tmp_path: Path, trainings: list[Training]) -> None:
    place = place_of(tmp_path, trainings[0])
    reseal(place, schema=99)
    result = lthctl("store", "check")
    assert result.exit_code == 3 and "upgrade lthctl" in result.stdout
    assert place.is_dir()


@pytest.mark.parametrize("number", FAULTS)
def test_store_prune_does_nothing_where_a_training_cannot_be_read(
    tmp_path: Path, project: Path, trainings: list[Training], number: int
) -> None:
    place = place_of(tmp_path, trainings[0])
    for where in place, place / WEIGHTS_FILE, place.parent, tmp_path / ".lthctl" / "trainings":
        for names in False, True:
            with failing(where, number, names=names):
                result = lthctl("store", "prune", "masks", "runs")
            assert result.exit_code == 3, result.output
            assert os.strerror(number) in result.stderr
            assert len(list(Trainings(tmp_path / ".lthctl"))) == 4
    assert lthctl("store", "prune", "masks", "runs").exit_code == 0


def test_two_store_prunes_at_once(
    tmp_path: Path, project: Path, trainings: list[Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one throws the same out, whenever this one looks away."""
    rmtree, scandir = shutil.rmtree, os.scandir

    def first_the_other(path: object, *words: object, **more: object) -> None:
        rmtree(path)  # type: ignore[call-overload]
        rmtree(path, *words, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(shutil, "rmtree", first_the_other)
    result = lthctl("store", "prune", "masks", "runs")
    assert result.exit_code == 0 and "4 trainings thrown out" in result.stdout
    Trainings(tmp_path / ".lthctl").put(trainings[0], a_result(trainings[0]))
    place = place_of(tmp_path, trainings[0])

    def taken(path: object = ".") -> object:
        entries = scandir(path)  # type: ignore[call-overload]
        if str(path) == str(place.parent.relative_to(tmp_path)):
            rmtree(place, ignore_errors=True)
        return entries

    monkeypatch.setattr(os, "scandir", taken)
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    assert lthctl("store", "prune", "masks", "runs").exit_code == 0

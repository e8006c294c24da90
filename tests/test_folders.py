"""The one reader: every part is read when it is asked for, and no sooner; strictly, or as it is."""

import builtins
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lthctl.artifacts import folders
from lthctl.artifacts.folders import RunFolder, TicketFolder, TrainingFolder
from lthctl.artifacts.run import load_run
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import load_ticket
from lthctl.errors import LthctlError, MaskError, RunError, TicketError
from lthctl.training.history import Result, Row
from lthctl.training.spec import Training

SCHEMA_1 = Path(__file__).parent / "fixtures" / "schema-1"
MLP_TICKET, MODULE_TICKET = SCHEMA_1 / "masks" / "l1-r0.50-n2-s1", SCHEMA_1 / "masks" / "a-module"
RUN = SCHEMA_1 / "tickets" / "rewind" / "l1-r0.50-n2-s1"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read, in order."""
    names: list[str] = []
    original = builtins.open

    def note(path: object, *args: object, **options: object) -> object:
        if isinstance(path, Path):
            names.append(path.name)
        return original(path, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "open", note)
    return names


def test_parts_are_read_once_and_when_they_are_asked_for(read: list[str]) -> None:
    ticket = TicketFolder(MLP_TICKET)
    assert read == []
    assert ticket.document.seed == 1 and ticket.digest
    assert read == ["ticket.json"]
    assert ticket.mask.size == 43 and ticket.mask is ticket.mask
    assert read == ["ticket.json", "mask.safetensors"]  # the model says what shapes it has
    assert ticket.init is ticket.init
    assert read == ["ticket.json", "mask.safetensors", "init.safetensors"]
    del read[:]
    run = RunFolder(RUN)
    assert run.history[-1].step == 20
    assert read == ["history.csv", "run.json"]  # its bytes, then the digest that they must have
    assert run.weights is run.weights is not None
    assert read == ["history.csv", "run.json", "weights.safetensors"]


def test_loading_reads_every_file_once(read: list[str]) -> None:
    load_ticket(MLP_TICKET)
    load_ticket(MODULE_TICKET)
    load_run(RUN)
    load_run(RUN, with_weights=False)
    ticket = ["init.safetensors", "mask.safetensors", "ticket.json"]
    run = ["history.csv", "run.json"]
    assert sorted(read) == sorted([*ticket, *ticket, *run, *run, "weights.safetensors"])


def test_a_run_without_weights_has_none(tmp_path: Path) -> None:
    folder = RunFolder(SCHEMA_1 / "tickets" / "reinit" / "dense-s2")
    assert folder.weights is None
    assert folder.digests().keys() == {"history.csv"}


PARTS: list[tuple[str, str, Callable[[Path, bool], object]]] = [
    ("ticket.json", "json", lambda path, tolerant: TicketFolder(path, tolerant=tolerant).json),
    ("mask.safetensors", "mask", lambda path, tolerant: TicketFolder(path, tolerant=tolerant).mask),
    ("init.safetensors", "init", lambda path, tolerant: TicketFolder(path, tolerant=tolerant).init),
]


@pytest.mark.parametrize(("name", "part", "ask"), PARTS, ids=[part for _, part, _ in PARTS])
def test_a_part_of_another_digest_is_refused_but_given_to_those_who_tolerate_it(
    name: str, part: str, ask: Callable[[Path, bool], object], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(MLP_TICKET, tmp_path / "ticket"))
    content = (folder / name).read_bytes()
    if name == "ticket.json":
        changed = content.replace(b'"seed": 1', b'"seed": 2')
    else:
        changed = content[:-1] + bytes([content[-1] ^ 0b1000_0000])
    assert changed != content
    (folder / name).write_bytes(changed)
    with pytest.raises(TicketError, match=r"own digest|has SHA-256"):
        ask(folder, False)
    assert ask(folder, True)


def test_check_files_looks_at_digests_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "tensors_from", None)
    folder = Path(shutil.copytree(MLP_TICKET, tmp_path / "ticket"))
    TicketFolder(folder).check_files()
    (folder / "init.safetensors").write_bytes(b"x")
    with pytest.raises(TicketError, match=r"init\.safetensors: has SHA-256 "):
        TicketFolder(folder).check_files()


def test_the_store_is_read_by_the_same_reader(
    tmp_path: Path, make_training: Callable[..., Training]
) -> None:
    training = make_training()
    rows = (Row(10, 0.3, 2.3, 0.1), Row(20, 0.3, 1.2, 0.5), Row(30, 0.2, 0.1, 0.9))
    Store(tmp_path).put(training, Result(training.start, rows))
    place = next(tmp_path.rglob("training.json")).parent
    folder = TrainingFolder(place)
    assert (folder.document.training, folder.history) == (training.digest, rows)
    assert folder.weights.keys() == training.start.keys()
    (place / "history.csv").write_text("changed")
    with pytest.raises(RunError, match=r"history\.csv: has SHA-256 "):
        _ = TrainingFolder(place).history


def test_the_shapes_of_a_mask_are_the_models(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODULE_TICKET, tmp_path / "ticket"))
    assert TicketFolder(folder).mask == load_ticket(MODULE_TICKET).mask
    other = TicketFolder(MLP_TICKET)
    vars(other)["document"] = TicketFolder(MODULE_TICKET).document
    with pytest.raises((MaskError, LthctlError)):
        _ = other.mask

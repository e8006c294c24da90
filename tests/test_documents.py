"""Documents as typed models: the same bytes again, schemas, names, and what may be left out."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lthctl.artifacts.documents import parse, parse_what_is_whole
from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.names import RUN_JSON, TICKET_JSON
from lthctl.artifacts.run import load_run
from lthctl.artifacts.run_document import RunDocument, run_json
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.ticket import load_ticket, save_ticket
from lthctl.artifacts.ticket_document import TicketDocument, ticket_json
from lthctl.canonical import Json
from lthctl.errors import LthctlError, RunError, TicketError
from lthctl.models.base import MlpDescription, ModuleDescription, OtherDescription
from lthctl.params import RoundParams, TrainParams

from .by_hand import respecified

FIXTURES = Path(__file__).parent / "fixtures"
TICKETS = sorted(path.parent for path in FIXTURES.glob("schema-*/masks/*/ticket.json"))
RUNS = sorted(path.parent for path in FIXTURES.glob("schema-*/**/run.json"))
OWN = "mypackage.scores:taylor"


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def in_schema(number: int, folders: list[Path]) -> Path:
    return next(folder for folder in folders if f"schema-{number}" in folder.parts)


def altered(folder: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of a folder whose document says something else, sealed again."""
    copy = Path(shutil.copytree(folder, to))
    path = next(copy / name for name in (TICKET_JSON, RUN_JSON) if (copy / name).exists())
    document = json.loads(path.read_bytes())
    del document["digest"]
    change(document)
    path.write_bytes(seal(document))
    return copy


def refusal_of(folder: Path, load: Callable[[Path], object]) -> str:
    with pytest.raises(LthctlError) as refusal:
        load(folder)
    return str(refusal.value)


# ---- the same bytes again


@pytest.mark.parametrize("folder", TICKETS, ids=lambda folder: folder.name)
def test_a_ticket_is_written_again_in_the_same_bytes(folder: Path) -> None:
    read = TicketFolder(folder)
    document = read.document
    content = ticket_json(document.specification, document.rate, document.counts, read.digests())
    assert seal(content) == (folder / TICKET_JSON).read_bytes()
    assert load_ticket(folder).files() == contents_of(folder)


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_a_run_is_written_again_in_the_same_bytes(folder: Path) -> None:
    read = RunFolder(folder)
    document = read.document
    content = run_json(
        document.specification,
        document.training,
        document.proof,
        document.metrics,
        read.digests(),
    )
    assert seal(content) == (folder / RUN_JSON).read_bytes()
    assert load_run(folder).files() == contents_of(folder)


def test_the_fixtures_say_and_leave_out_everything_that_they_may() -> None:
    tickets, runs = [load_ticket(path) for path in TICKETS], [load_run(path) for path in RUNS]
    assert {type(ticket.model) for ticket in tickets} == {MlpDescription, ModuleDescription}
    assert {ticket.train is None for ticket in tickets} == {True, False}
    assert {run.metrics.early_stop_test_accuracy is None for run in runs} == {True, False}
    assert {run.weights is None for run in runs} == {True, False}
    assert {bool(part.specification.sources) for part in (*tickets, *runs)} == {True, False}


def test_a_module_and_a_model_of_ones_own_are_read_as_they_were(tmp_path: Path) -> None:
    mine = {"kind": "mine", "depth": [1, {"a": None}], "name": "x"}
    ticket = load_ticket(in_schema(1, TICKETS))
    own = replace(
        respecified(ticket, model=OtherDescription(**mine)), rate=ticket.rate, counts=ticket.counts
    )
    folder = save_ticket(own, tmp_path / "own")
    assert json.loads((folder / TICKET_JSON).read_bytes())["model"] == mine
    assert load_ticket(folder).model == OtherDescription(**mine)


def test_nothing_of_what_was_read_can_be_changed() -> None:
    specification = load_ticket(TICKETS[0]).specification
    with pytest.raises(ValueError, match="frozen"):
        specification.seed = 7  # type: ignore[misc]


# ---- schemas


def test_what_schema_1_can_say_is_written_as_schema_1(tmp_path: Path) -> None:
    ticket = load_ticket(in_schema(2, TICKETS))
    plain = respecified(ticket, method="l1", sources={})
    document = json.loads(plain.files()[TICKET_JSON])
    assert document["schema"] == 1 and "sources" not in document
    for changes in ({"method": OWN}, {"sources": {"added": "0" * 64}}):
        document = json.loads(respecified(plain, **changes).files()[TICKET_JSON])
        assert document["schema"] == 2
        assert ("sources" in document) == ("sources" in changes)


@pytest.mark.parametrize(
    ("number", "change", "said"),
    [
        (1, {"schema": 2}, "schema is 2, expected 1 for what it says"),
        (2, {"schema": 1}, "schema is 1, expected 2 for what it says"),
        (1, {"sources": {}}, "sources: is empty, expected at least one; without, it is left out"),
        (2, {"sources": {OWN: "no digest"}}, f"sources.{OWN} is 'no digest', expected"),
        (2, {"sources": None}, "sources is None, expected a valid dictionary"),
    ],
)
def test_a_document_has_the_schema_that_it_needs(
    number: int, change: dict[str, object], said: str, tmp_path: Path
) -> None:
    for folders, name, load in (
        (TICKETS, TICKET_JSON, load_ticket),
        (RUNS, RUN_JSON, load_run),
    ):
        source = in_schema(number, folders)
        folder = altered(source, tmp_path / name, lambda document: document.update(change))
        assert refusal_of(folder, load).startswith(f"{folder / name}: {said}")


@pytest.mark.parametrize(
    "change", [{"scope": "layer"}, {"output_factor": 0.5}, {"layer_ratio": None}]
)
def test_a_document_says_nothing_that_is_left_out(
    change: dict[str, object], tmp_path: Path
) -> None:
    """Else one ticket could have two files, and two digests."""
    folder = altered(TICKETS[0], tmp_path / "x", lambda document: document.update(change))
    assert f"says {next(iter(change))}, which are left out at their defaults" in refusal_of(
        folder, load_ticket
    )


# ---- names


@pytest.mark.parametrize(
    "name",
    [
        "", "L1", "../x", "a/b", "a\\b", "a b", "a\n", ".a", "a.b", "a:b:c", ":a", "a:", "a.:b",
        "a..b:c", "1a:b", "a:b/c", "a:b.c", "x" * 33, "\x1b[2J", "a:" + "b" * 127,
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["method", "start"])
def test_names_that_could_not_be_part_of_a_path_are_refused(
    key: str, name: str, tmp_path: Path
) -> None:
    folders, load = (TICKETS, load_ticket) if key == "method" else (RUNS, load_run)
    source = in_schema(2, folders)
    folder = altered(source, tmp_path / "x", lambda document: document.update({key: name}))
    assert f": {key} is " in refusal_of(folder, load)


def test_a_name_with_a_colon_is_a_path_with_a_dot(tmp_path: Path) -> None:
    ticket = respecified(
        load_ticket(in_schema(2, TICKETS)), method=OWN, ratio=0.8, rounds=5, seed=1
    )
    assert ticket.name == "mypackage.scores.taylor-r0.80-n5-s1"
    assert Path(ticket.name).parts == (ticket.name,)
    assert not set(ticket.name) & set('/\\:*?"<>|')


def test_a_control_that_is_not_known_here_is_readable(tmp_path: Path) -> None:
    folder = altered(
        in_schema(1, RUNS), tmp_path / "run", lambda document: document.update(start="zero")
    )
    run = load_run(folder)
    assert run.control == "zero"
    assert run.files() == contents_of(folder)


# ---- what may be left out, and what may not


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("data", "data: is null, expected {} or what there is to say"),
        ("train", "train: is null, expected {} or what there is to say"),
        ("rate", "rate is None, expected a valid dictionary"),
    ],
)
def test_nothing_is_written_as_null_in_a_ticket(key: str, said: str, tmp_path: Path) -> None:
    folder = altered(TICKETS[0], tmp_path / "x", lambda document: document.update({key: None}))
    assert refusal_of(folder, load_ticket).startswith(f"{folder / TICKET_JSON}: {said}")


@pytest.mark.parametrize(
    ("part", "key"), [("metrics", "early_stop_test_accuracy"), ("files", "weights.safetensors")]
)
def test_nothing_is_written_as_null_in_a_run(part: str, key: str, tmp_path: Path) -> None:
    folder = altered(RUNS[0], tmp_path / "x", lambda document: document[part].update({key: None}))
    said = f"{folder / RUN_JSON}: {part}.{key}: is null; it may be left out"
    assert refusal_of(folder, load_run).startswith(said)


def test_control_is_called_start_in_a_file_and_nothing_else(tmp_path: Path) -> None:
    def rename(document: Json) -> None:
        document["control"] = document.pop("start")

    folder = altered(RUNS[0], tmp_path / "run", rename)
    assert refusal_of(folder, load_run).startswith(
        f"{folder / RUN_JSON}: start is missing; control is not known here; "
    )


# ---- parameters


def test_a_ticket_depends_on_no_evaluation() -> None:
    train = TrainParams(steps=30, evaluate_every=7, lr=0.5)
    of_rounds = train.of_rounds()
    assert type(of_rounds) is RoundParams
    assert of_rounds.identity() == train.identity(without={"evaluate_every"})
    assert of_rounds == TrainParams(steps=30, evaluate_every=9, lr=0.5).of_rounds()


# ---- as far as it can be read


def test_a_part_that_cannot_be_read_is_missing_and_the_others_are_there() -> None:
    content = json.loads((RUNS[0] / RUN_JSON).read_bytes())
    whole = parse(content, RunDocument)
    content["metrics"]["best_step"] = "late"
    content["more"] = 1
    document = parse_what_is_whole(content, RunDocument)
    assert document.ticket == whole.ticket and document.proof == whole.proof
    with pytest.raises(AttributeError, match="metrics"):
        _ = document.metrics


def test_a_contradiction_leaves_every_part_readable() -> None:
    content = json.loads((TICKETS[0] / TICKET_JSON).read_bytes()) | {"name": "another"}
    with pytest.raises(ValueError, match="name is 'another', expected "):
        parse(content, TicketDocument)
    assert parse_what_is_whole(content, TicketDocument).stated_name == "another"


def test_errors_name_the_kind_of_folder() -> None:
    for kind, error in ((TicketFolder, TicketError), (RunFolder, RunError)):
        with pytest.raises(error, match="is missing"):
            _ = kind(Path("nowhere")).document

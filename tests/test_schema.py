"""The format lasts: it is described, its first tickets and runs are read for ever, and hostile ones
are refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from lthctl.artifacts.documents import DOCUMENTS
from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.names import INIT_FILE, MASK_FILE, RUN_JSON, TICKET_JSON
from lthctl.artifacts.run import load_run
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.ticket import find_tickets, load_ticket
from lthctl.cli.app import app
from lthctl.errors import LthctlError, RunError, TicketError
from lthctl.models.base import MlpDescription, ModuleDescription
from lthctl.params import Section, TrainParams
from lthctl.reporting.answer_files import answer_files
from lthctl.reporting.reading import make_report
from lthctl.reporting.tables import report_files
from lthctl.verification.paths import verify

from .test_report import PARAMS, make_run, report_of, tiny_report

SCHEMA_1 = Path(__file__).parent / "fixtures" / "schema-1"
TICKETS = sorted(path.parent for path in SCHEMA_1.glob("masks/*/ticket.json"))
RUNS = sorted(path.parent for path in SCHEMA_1.glob("tickets/*/*/run.json"))
SECOND_COPIES = sorted(
    path.parent for path in SCHEMA_1.parent.glob("schema-3/runs/*order*/*/run.json")
)
FORMAT = (Path(__file__).parent.parent / "docs" / "FORMAT.md").read_text()


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """The keys of a document and of all that is in it."""
    for name, found in model.model_fields.items():
        yield found.alias or name
        for part in [found.annotation, *getattr(found.annotation, "__args__", ())]:
            if isinstance(part, type) and issubclass(part, Section):
                yield from keys_of(part)


# ---- described ----


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_key_of_a_document_is_described(kind: str) -> None:
    for key in {"kind", "schema", "digest", *keys_of(DOCUMENTS[kind])}:
        assert f"`{key}`" in FORMAT, key
    assert f'`"{kind}"`' in FORMAT


def test_the_test_above_sees_nested_keys() -> None:
    keys = set(keys_of(DOCUMENTS["ticket"])) | set(keys_of(DOCUMENTS["run"]))
    assert {
        "files",
        "mask.safetensors",
        "kept",
        "actual",
        "validation",
        "kept_moved",
        "sparsity_by_round",
    } <= keys


@pytest.mark.parametrize("model", [MlpDescription, ModuleDescription, TrainParams])
def test_every_key_of_models_and_trainings_is_described(model: type[BaseModel]) -> None:
    for key in keys_of(model):
        assert f"`{key}`" in FORMAT, key


def test_every_column_of_a_report_is_described(tmp_path: Path) -> None:
    files = report_files(report_of(tmp_path, make_run()))
    columns = {
        column
        for name in ("summary.csv", "runs.csv")
        for column in files[name].decode().splitlines()[0].split(",")
    }
    columns |= {"runs", "winning"} & json.loads(files["metrics.json"]).keys()
    for column in columns:
        assert f"`{column.removesuffix('_low').removesuffix('_high')}`" in FORMAT, column


def test_every_key_and_column_of_the_answers_is_described(tmp_path: Path) -> None:
    files = answer_files(tiny_report(tmp_path))
    for name, prefixes in (
        ("ladders.csv", ("smallest_", "next_")),
        ("arrivals.csv", ("dense_", "reinit_")),
    ):
        for column in files[name].decode().splitlines()[0].split(","):
            for prefix in prefixes:
                column = column.removeprefix(prefix)
            assert f"`{column.removesuffix('_low').removesuffix('_high')}`" in FORMAT, column
    keys = set(re.findall(r'"(\w+)":', files["answers.json"].decode()))
    assert keys >= {"how_far", "than_reinit", "verdict"}
    for key in keys - {"groups", "low", "high", "mean"}:
        assert f"`{key}`" in FORMAT, key


def test_fixtures_hold_every_key_that_is_described() -> None:
    """Otherwise they would not show that it can be read."""
    text = b"".join(path.read_bytes() for path in SCHEMA_1.parent.rglob("*.json")).decode()
    for kind in "ticket", "run":
        assert all(f'"{key}"' in text for key in keys_of(DOCUMENTS[kind]))


# ---- lasting ----


@pytest.mark.parametrize("folder", TICKETS, ids=lambda folder: folder.name)
def test_tickets_of_schema_1_are_read_and_would_be_written_the_same(folder: Path) -> None:
    ticket = load_ticket(folder)
    assert ticket.files() == contents_of(folder)
    assert ticket.digest == json.loads((folder / TICKET_JSON).read_bytes())["digest"]


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_runs_of_schema_1_are_read_and_would_be_written_the_same(folder: Path) -> None:
    assert load_run(folder).files() == contents_of(folder)


def test_what_else_is_of_schema_3_is_read_and_would_be_written_the_same() -> None:
    folders = sorted(path.parent for path in (SCHEMA_1.parent / "schema-3").rglob("*.json"))
    for folder in folders:
        is_ticket = (folder / TICKET_JSON).exists()
        files = load_ticket(folder).files() if is_ticket else load_run(folder).files()
        assert files == contents_of(folder), folder


@pytest.mark.parametrize("folder", SECOND_COPIES, ids=lambda folder: folder.parent.name)
def test_runs_of_schema_3_are_read_and_would_be_written_the_same(folder: Path) -> None:
    run = load_run(folder)
    assert run.files() == contents_of(folder)
    assert (run.order_seed == 7) == ("order" in folder.parent.name)
    checks = verify(SCHEMA_1.parent / "schema-3")
    assert [check.claim for check in checks if check.state == "failed"] == []


def test_there_are_fixtures_of_every_kind() -> None:
    tickets, runs = (
        [load_ticket(folder) for folder in TICKETS],
        [load_run(folder) for folder in RUNS],
    )
    assert {ticket.method for ticket in tickets} == {"dense", "l1", "random"}
    assert {ticket.model.kind for ticket in tickets} == {"mlp", "module"}
    assert {ticket.biases for ticket in tickets} == {True, False}
    assert (
        {run.weights is None for run in runs}
        == {run.history[0].test_loss is None for run in runs}
        == {True, False}
    )
    assert make_report([SCHEMA_1], PARAMS).left_out == ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TICKETS[-1], tmp_path / "masks" / "ticket"))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (4, "has schema 4, this lthctl reads up to 3; upgrade lthctl"),
        (
            10**30,
            "has schema 1000000000000000000000000000000, this lthctl reads up to 3; upgrade lthctl",
        ),
        (0, "has schema 0, expected 1 to 3; lthctl did not write it"),
        (-1, "has schema -1, expected 1 to 3; lthctl did not write it"),
        (1.0, "has schema 1.0, expected 1 to 3; lthctl did not write it"),
        (True, "has schema True, expected 1 to 3; lthctl did not write it"),
        ("1", "has schema '1', expected 1 to 3; lthctl did not write it"),
    ],
)
def test_schemas_that_are_none_of_ours(folder: Path, schema: object, said: str) -> None:
    document = json.loads((folder / TICKET_JSON).read_bytes())
    del document["digest"]
    (folder / TICKET_JSON).write_bytes(seal(document | {"schema": schema}))
    with pytest.raises(TicketError) as refusal:
        load_ticket(folder)
    assert str(refusal.value) == f"{folder / TICKET_JSON}: {said}"


def test_a_long_list_of_faults_is_cut(tmp_path: Path) -> None:
    path = tmp_path / RUN_JSON
    path.write_bytes(
        seal({"kind": "run", "schema": 1, **{f"{'k' * 200}{number}": 1 for number in range(2000)}})
    )
    with pytest.raises(RunError) as refusal:
        _ = RunFolder(tmp_path).document
    assert len(str(refusal.value)) < 1000
    assert "; and 2004 more; " in str(refusal.value)


# ---- hostile ----


@pytest.mark.parametrize("name", [TICKET_JSON, MASK_FILE, INIT_FILE])
@pytest.mark.parametrize(
    "target", ["/etc/passwd", "/dev/zero", "/proc/self/mem", "..", "pipe", "itself", "nowhere"]
)
def test_a_ticket_file_that_leads_elsewhere_is_refused(
    folder: Path, name: str, target: str
) -> None:
    (folder / name).unlink()
    if target == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to(name if target == "itself" else target)
    with pytest.raises(LthctlError) as refusal:
        load_ticket(folder)
    assert str(refusal.value).startswith(f"{folder / name}: ")
    assert "root:" not in str(refusal.value)


def test_links_as_dvc_makes_them_are_read(folder: Path, tmp_path: Path) -> None:
    for path in list(folder.iterdir()):
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    assert load_ticket(folder).digest == load_ticket(TICKETS[-1]).digest


def test_a_folder_that_links_to_itself_is_searched_once(folder: Path) -> None:
    (folder.parent / "again").symlink_to(folder.parent)
    assert find_tickets(folder.parent) == [folder]


EXIT_CODES = """
from lthctl.cli.app import app
for words in {commands}:
    try:
        app(words)
    except SystemExit as end:
        print(end.code)
"""


@pytest.mark.long
def test_commands_do_not_wait_for_a_pipe(folder: Path, tmp_path: Path) -> None:
    (folder / TICKET_JSON).unlink()
    os.mkfifo(folder / TICKET_JSON)
    (tmp_path / "runs" / "x").mkdir(parents=True)
    os.mkfifo(tmp_path / "runs" / "x" / RUN_JSON)
    os.mkfifo(tmp_path / "params.yaml")
    commands = (
        ["retrain", str(folder)],
        ["report", str(tmp_path / "runs")],
        ["--params", str(tmp_path / "params.yaml"), "report"],
    )
    # In a process of its own, which can be told to end.
    program = [sys.executable, "-c", EXIT_CODES.format(commands=commands)]
    done = subprocess.run(
        program, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=60
    )
    assert len(codes := done.stdout.split()) == 3 and set(codes) <= {"2", "3"}, done.stderr
    assert "Traceback" not in done.stderr


HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e[red]"


@pytest.mark.usefixtures("here")  # and not in the repository, in which DVC looks for what it owns
def test_what_a_hostile_document_says_does_not_reach_the_terminal(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(RUNS[-1], tmp_path / "run"))
    for changes in (
        {"start": HOSTILE},
        {HOSTILE: 1},
        {"kind": HOSTILE},
        {"schema": HOSTILE},
        {"data": {HOSTILE: {}}},
    ):
        document = json.loads((RUNS[-1] / RUN_JSON).read_bytes())
        del document["digest"]
        (folder / RUN_JSON).write_bytes(seal(document | changes))
        result = CliRunner().invoke(
            app, ["report", str(tmp_path), "--out", str(tmp_path / "report")]
        )
        assert result.exit_code == 3
        assert result.output.replace("\n", "").isprintable()


def test_names_that_are_free_are_escaped_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lthctl.cli import console

    printed: list[str] = []
    monkeypatch.setattr(console.sys.stdout, "write", printed.append)
    console.print_json([{"name": HOSTILE, "lone": "\ud800"}])
    assert "".join(printed).replace("\n", "").isascii()
    assert "".join(printed).replace("\n", "").isprintable()
    assert json.loads("".join(printed)) == [{"name": HOSTILE, "lone": "\ud800"}]

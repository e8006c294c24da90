"""A new parameter at its default changes no digest and no file."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lthctl
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import load_ticket
from lthctl.params import Params as AllParams
from lthctl.params import Section, TrainParams
from lthctl.training.history import Result, Row
from lthctl.training.spec import Training

SCHEMA_1 = Path(__file__).parent / "fixtures" / "schema-1"
TICKETS = sorted(path.parent for path in SCHEMA_1.glob("masks/*/ticket.json"))
RUNS = sorted(path.parent for path in SCHEMA_1.glob("*/*/*/run.json"))

# Run against the package of today, and against a copy with a new field in every section.
PROGRAM = """
import json, sys
from pathlib import Path
from lthctl.artifacts.run import load_run
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import load_ticket
from lthctl.grid.tasks import state_of
from lthctl.artifacts.folders import TicketFolder
from lthctl.lottery.asked import specify_pruning
from lthctl.lottery.find import specify_ticket
from lthctl.lottery.runs import specify_run
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import Params, TrainParams
from lthctl.seeding import Stream
from lthctl.training.spec import Training
from lthctl.verification.paths import verify as verify_paths
from tests.conftest import synthetic_dataset

fixtures, store, given = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
model, dataset = MLP((784, 20, 12, 10)), synthetic_dataset()
mask = Mask.full(model.prunable(biases=True))
params = TrainParams(
    steps=30, evaluate_every=10, batch_size=60, engine="torch", device="cpu", **given
)
training = Training(model, mask.apply(model.draw(Stream(1, "init"))), mask, dataset, 1, params)
asked = specify_pruning(model, method="l1", ratio=0.5, rounds=2, seed=1)
tickets = [load_ticket(path.parent) for path in sorted(fixtures.glob("masks/*/ticket.json"))]
runs = [load_run(path.parent) for path in sorted(fixtures.glob("*/*/*/run.json"))]
print(json.dumps({
    "has the field": hasattr(params, "brand_new"),
    "tickets": [[ticket.digest, ticket.train and ticket.train.identity()] for ticket in tickets],
    "runs": [[run.training, run.train.identity()] for run in runs],
    "written": [sorted(map(str, part.files().values())) for part in (*tickets, *runs)],
    "training": training.digest,
    "found": Store(store).get(training) is not None,
    "ticket request": specify_ticket(model, dataset, asked, params).to_json(),
    "run request": specify_run(tickets[0], dataset, "rewind", params).to_json(),
    "present": [
        state_of(TicketFolder(path.parent), load_ticket(path.parent).specification).value
        for path in sorted(fixtures.glob("masks/*/ticket.json"))
    ],
    "identities": {name: value.identity() for name, value in Params()},
    "failed": [check.claim for check in verify_paths(fixtures) if check.state == "failed"],
    "named": [
        check.state for check in verify_paths(fixtures)
        if check.claim == "its training is named by its digest"
    ],
}))
"""


def said(package: Path, store: Path, **train: object) -> dict[str, Any]:
    """What the program says with this folder's `lthctl`."""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(SCHEMA_1), str(store), json.dumps(train)],
        env={**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{root}"},
        cwd=package,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def copy_with_a_field_in_every_section(folder: Path) -> Path:
    """A folder with a copy of lthctl whose every section has `brand_new: int = 0`."""
    package = Path(lthctl.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__")
    copied = shutil.copytree(package, folder / "lthctl", ignore=ignore)
    total = 0
    for source in copied.joinpath("params").glob("*.py"):
        text, count = re.subn(
            r"(class \w+Params\(Section\):\n)", r"\1    brand_new: int = 0\n", source.read_text()
        )
        source.write_text(text)
        total += count
    assert total == len(AllParams.model_fields)
    return folder


@pytest.mark.long
def test_a_new_field_at_its_default_costs_old_artifacts_nothing(
    tmp_path: Path, make_training: Callable[..., Training]
) -> None:
    training = make_training()
    rows = (Row(10, 0.3, 2.3, 0.1), Row(20, 0.3, 1.2, 0.5), Row(30, 0.2, 0.1, 0.9))
    store = Store(tmp_path / "store")
    store.put(training, Result(training.start, rows))

    now = said(Path(lthctl.__file__).parent.parent, tmp_path / "store")
    copy = copy_with_a_field_in_every_section(tmp_path / "copy")
    new = said(copy, tmp_path / "store")

    assert (now.pop("has the field"), new.pop("has the field")) == (False, True)
    assert new == now
    assert new["found"] is True
    assert new["training"] == training.digest
    assert new["present"] == ["there already"] * len(TICKETS)
    assert new["failed"] == []
    assert [digest for digest, _ in new["tickets"]] == [load_ticket(t).digest for t in TICKETS]
    assert len(new["runs"]) == len(RUNS) > 0

    set_ = said(copy, tmp_path / "store", brand_new=5)
    assert set_["training"] != training.digest
    assert set_["found"] is False
    assert set_["ticket request"]["train"]["brand_new"] == 5
    assert set_["run request"]["train"]["brand_new"] == 5


def test_the_first_schema_never_changes() -> None:
    sections = {name: field.annotation for name, field in AllParams.model_fields.items()}
    assert {name: sorted(section.schema_1) for name, section in sections.items()} == {  # type: ignore[union-attr]
        "data": ["holdout"],
        "model": ["init", "layers"],
        "train": [
            "batch_size",
            "device",
            "engine",
            "evaluate_every",
            "lr",
            "momentum",
            "optimizer",
            "steps",
            "threads",
            "weight_decay",
        ],
        "prune": ["biases", "method", "ratio", "rounds", "seed"],
        "retrain": ["keep_weights"],
        "report": ["confidence", "margin"],
    }


class Later(Section):
    """A section with fields of later schemas."""

    schema_1 = frozenset({"first"})
    first: int = 1
    second: tuple[int, ...] = (1, 2)
    third: int


@pytest.mark.parametrize(
    ("values", "identity"),
    [
        ({"third": 3}, {"first": 1, "third": 3}),
        ({"third": 3, "second": (1, 2)}, {"first": 1, "third": 3}),
        ({"third": 3, "second": ()}, {"first": 1, "second": [], "third": 3}),
        ({"first": 7, "third": 0}, {"first": 7, "third": 0}),
    ],
)
def test_identity(values: dict[str, object], identity: dict[str, object]) -> None:
    assert Later.model_validate(values).identity() == identity


def test_identity_without_a_field() -> None:
    assert "evaluate_every" not in TrainParams().identity(without={"evaluate_every"})

"""Runs in trackers: read back through each library, logged once, and whole or not at all.

A missing library is a failure where CI is set, and skips its tests elsewhere.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

import lthctl
from lthctl.artifacts.run import Run, save_run
from lthctl.cli.app import app
from lthctl.errors import ParamsError
from lthctl.tracking.base import TRACKERS, Record
from lthctl.tracking.records import record_of
from lthctl.tracking.track import open_tracker, track

from .test_report import DENSE_TICKET, make_run, replicates

RUNS = [make_run(DENSE_TICKET, best=0.9), *replicates(("l1", 0.8, 5), [0.91, 0.93])]
NEW = make_run(("l1", 0.8, 5), seed=3, best=0.95, control="reinit")


class Found(NamedTuple):
    """What a library reads of a run that was logged."""

    params: Mapping[str, object]
    curves: Mapping[str, Mapping[int, float]]  # with the summary, at the last step
    summary: Mapping[str, float]


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's settings of these libraries have a say, and nothing is written elsewhere."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "WANDB_")):
            monkeypatch.delenv(name)
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)


def needs(*libraries: str) -> None:
    for name in libraries:
        if not os.environ.get("CI"):
            pytest.importorskip(name)


# ---- what is logged ----


def test_a_record_is_all_that_a_run_holds_by_itself() -> None:
    run = make_run(("l1", 0.8, 5), seed=2, best=0.93, control="reinit")
    record = record_of(run)
    assert (record.name, record.group) == ("l1-r0.80-n5-s2, reinit", "l1-r0.80-n5, reinit")
    assert record.params["control"] == "reinit" and record.params["train.steps"] == 30
    assert record.curves["validation_accuracy"] == {10: 0.68, 20: 0.93, 30: pytest.approx(0.805)}
    assert "test_accuracy" not in record.curves  # there are no test images
    assert record.summary["best_accuracy"] == 0.93 and record.summary["best_step"] == 20


def test_the_identity_is_of_the_content_but_the_weights() -> None:
    run = make_run(best=0.93)
    kept = replace(run, weights={"w": np.ones(2, np.float32)})
    assert record_of(kept).identity == record_of(run).identity
    others = [
        make_run(best=0.94),
        make_run(best=0.93, control="reinit"),
        make_run(seed=2, best=0.93),
    ]
    assert len({record_of(one).identity for one in [run, *others]}) == 4


class Memory:
    """A tracker of one's own."""

    words = look = "nowhere"

    def __init__(self, folder: Path) -> None:
        self.records: list[Record] = []

    def known(self) -> frozenset[str]:
        return frozenset(record.identity for record in self.records)

    def log(self, record: Record) -> None:
        self.records.append(record)


def test_each_run_is_logged_once() -> None:
    memory = Memory(Path())
    assert track([*RUNS, RUNS[0]], memory).added == (
        "dense-s1, rewind", "l1-r0.80-n5-s1, rewind", "l1-r0.80-n5-s2, rewind",
    )  # fmt: skip
    again = track([*RUNS, NEW], memory)
    assert (again.added, again.num_known) == (("l1-r0.80-n5-s3, reinit",), 3)
    assert len(memory.records) == 4


def test_one_of_ones_own_has_a_name_with_a_colon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "owntracker.py").write_text(
        "class Mine:\n    words = look = 'mine'\n    def __init__(self, folder): pass\n"
        "    def known(self): return frozenset()\n    def log(self, record): pass\n"
    )
    assert len(track(RUNS, "owntracker:Mine").added) == 3
    with pytest.raises(ParamsError, match="expected 'mlflow', 'tensorboard' or 'wandb'"):
        track(RUNS, "comet")


@pytest.mark.parametrize("name", TRACKERS.names())
def test_a_missing_library_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    result = CliRunner().invoke(app, ["report", "nowhere", "--to", name])
    assert result.exit_code == 2
    assert " ".join(result.stderr.split()) == (
        f"Error: --to {name}: needs {name}, which is not installed; install it with pip install "
        f"'lthctl[{name}]'"
    )


# ---- read back ----


def read_tensorboard(place: Path) -> dict[str, Found]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    found = {}
    for folder in (place / "tensorboard").iterdir():
        events = EventAccumulator(str(folder)).Reload()
        curves = {
            tag: {point.step: point.value for point in events.Scalars(tag)}
            for tag in events.Tags()["scalars"]
        }
        content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        data = HParamsPluginData.FromString(content).session_start_info.hparams
        params = {name: getattr(value, value.WhichOneof("kind")) for name, value in data.items()}
        found[folder.name[-64:]] = Found(
            params, curves, {name: curve[30] for name, curve in curves.items()}
        )
    return found


def read_mlflow(place: Path) -> dict[str, Found]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{place / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lthctl")
    found = {}
    for run in client.search_runs([experiment.experiment_id]):
        curves = {
            name: {
                point.step: point.value
                for point in client.get_metric_history(run.info.run_id, name)
            }
            for name in run.data.metrics
        }
        assert run.info.status == "FINISHED"
        found[run.data.tags["lthctl.identity"]] = Found(run.data.params, curves, run.data.metrics)
    return found


def wandb_messages(path: Path) -> list[Any]:
    """The log of an offline run, which wandb itself reads only to send it: blocks of 32 KiB with
    pieces of records, each of which is a message of wandb's own protocol."""
    from wandb.proto.wandb_internal_pb2 import Record as Message

    content, at, record, messages = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # too little for another head
            at += 32768 - at % 32768
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or its last piece
            messages.append(Message.FromString(record))
            record = b""
    return messages


def read_wandb(place: Path) -> dict[str, Found]:
    found = {}
    for path in (place / "wandb").glob("offline-run-*/run-*.wandb"):
        messages = wandb_messages(path)
        params: dict[str, object] = {}
        curves: dict[str, dict[int, float]] = {}
        summary: dict[str, float] = {}
        for message in messages:
            for item in message.run.config.update:
                params[item.key] = json.loads(item.value_json)
            for item in message.history.item:
                name = item.key or item.nested_key[0]
                if not name.startswith("_"):
                    step = message.history.step.num
                    curves.setdefault(name, {})[step] = json.loads(item.value_json)
            for item in message.summary.update:
                summary[item.key or item.nested_key[0]] = json.loads(item.value_json)
        assert any(message.WhichOneof("record_type") == "exit" for message in messages)
        found[path.stem.removeprefix("run-")] = Found(params, curves, summary)
    return found


READERS: dict[str, tuple[tuple[str, ...], Callable[[Path], dict[str, Found]]]] = {
    "tensorboard": (("tensorboard",), read_tensorboard),
    "mlflow": (("mlflow", "sqlalchemy", "alembic"), read_mlflow),
    "wandb": (("wandb",), read_wandb),
}


def files_of(place: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in place.rglob("*") if path.is_file()}


@pytest.mark.long
@pytest.mark.parametrize("name", TRACKERS.names())
def test_runs_are_read_back_and_logged_once(name: str, tmp_path: Path) -> None:
    libraries, read = READERS[name]
    needs(*libraries)

    def log(runs: list[Run]) -> int:
        return len(track(runs, name, folder=tmp_path).added)

    assert log(RUNS) == 3
    before = files_of(tmp_path)
    assert log(RUNS) == 0 and log(RUNS[:1]) == 0
    if name != "mlflow":  # a database may write to itself when it is opened
        assert files_of(tmp_path) == before
    assert log([*RUNS, NEW]) == 1
    found = read(tmp_path)
    assert found.keys() == {record_of(run).identity for run in [*RUNS, NEW]}
    for run in [*RUNS, NEW]:
        record = record_of(run)
        params, curves, summary = found[record.identity]
        asked = record.params
        if name == "mlflow":  # which keeps parameters as text
            asked = {key: str(value) for key, value in asked.items()}
        assert params.items() >= asked.items()
        for key, curve in record.curves.items():
            assert curves[key] == pytest.approx(curve)
        assert {key: summary[key] for key in record.summary} == pytest.approx(record.summary)


@pytest.mark.long
@pytest.mark.parametrize("name", TRACKERS.names())
def test_a_run_that_was_not_logged_to_its_end_is_logged_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries, read = READERS[name]
    needs(*libraries)
    tracker = open_tracker(name, tmp_path)
    with monkeypatch.context() as during:
        during.setattr(*{
            "tensorboard": ("lthctl.tracking.tensorboard.write_folder", stop),
            "mlflow": ("mlflow.MlflowClient.set_terminated", stop),
            "wandb": ("lthctl.tracking.wandb.shutil.move", stop),
        }[name])  # fmt: skip
        with pytest.raises(KeyboardInterrupt):
            track(RUNS[:1], tracker)
    assert tracker.known() == frozenset()
    assert len(track(RUNS[:1], tracker).added) == 1
    assert read(tmp_path).keys() == {record_of(RUNS[0]).identity}


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.long
def test_the_command_logs_and_says_where_to_look(tmp_path: Path) -> None:
    needs("tensorboard")
    for number, run in enumerate(RUNS):
        save_run(run, tmp_path / "runs" / str(number))
    words = ["report", "--to", "tensorboard,tensorboard"]
    lines = []
    for _ in range(2):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        lines.append(" ".join(result.stderr.split()))
    look = "To look at them: tensorboard --logdir tensorboard"
    assert f"tensorboard: 3 runs logged. {look}" in lines[0]
    assert f"tensorboard: 0 runs logged, 3 were there already. {look}" in lines[1]
    assert len(read_tensorboard(tmp_path)) == 3


def test_tensorboard_gets_the_same_bytes_for_the_same_run(tmp_path: Path) -> None:
    needs("tensorboard")
    for name in "ab":
        track(RUNS, "tensorboard", folder=tmp_path / name)
    a, b = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*") if path.is_file()}
        for name in "ab"
    )  # fmt: skip
    assert a == b and len(a) == 3


@pytest.mark.long
def test_wandb_keeps_nothing_of_this_machine(tmp_path: Path) -> None:
    needs("wandb")
    track(RUNS[:1], "wandb", folder=tmp_path)
    (log,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    messages = wandb_messages(log)
    assert {message.run.host for message in messages} == {""}
    assert "environment" not in {message.WhichOneof("record_type") for message in messages}
    assert str(tmp_path).encode() not in log.read_bytes()


def test_it_is_public() -> None:
    assert lthctl.track is track


@pytest.mark.long
def test_wandb_obeys_no_settings_of_the_working_folder(tmp_path: Path) -> None:
    """They could have other files taken into a run, and others written."""
    needs("wandb")
    (tmp_path / "wandb").mkdir()
    stolen = tmp_path / "stolen"
    (tmp_path / "wandb" / "settings").write_text(f"[default]\nx_files_dir = {stolen}\n")
    code = (
        "from lthctl.tracking.track import track\n"
        "from tests.test_tracking import RUNS\n"
        "track(RUNS[:1], 'wandb', folder='.')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not stolen.exists()
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 1

"""Ticket and run folders: exact round trips, the same bytes again, anything damaged refused by
name."""

import csv
import io
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.history_csv import history_bytes, history_from
from lthctl.artifacts.names import (
    HISTORY_FILE,
    INIT_FILE,
    MASK_FILE,
    RUN_JSON,
    TICKET_JSON,
    WEIGHTS_FILE,
    ticket_name,
)
from lthctl.artifacts.run import Run, load_run, save_run
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.artifacts.ticket import Ticket, find_tickets, load_ticket, save_ticket
from lthctl.canonical import sha256
from lthctl.datasets.base import Dataset
from lthctl.errors import LthctlError, MaskError, OutputError, RunError, TicketError
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.training.history import Row, metrics_of


@pytest.fixture
def ticket(small_model: MLP, dataset: Dataset, train_params: TrainParams) -> Ticket:
    """A ticket of two rounds, which need no training."""
    return find_ticket(
        small_model, dataset, method="random", ratio=0.75, rounds=2, seed=3, train=train_params
    )


@pytest.fixture
def run(ticket: Ticket, dataset: Dataset, train_params: TrainParams) -> Run:
    return retrain(ticket, dataset, train=train_params)


@pytest.fixture
def folder(ticket: Ticket, tmp_path: Path) -> Path:
    """The ticket's folder."""
    return save_ticket(ticket, tmp_path / "ticket")


@pytest.fixture
def run_folder(run: Run, tmp_path: Path) -> Path:
    return save_run(run, tmp_path / "run")


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rewrite(
    folder: Path, json_name: str, *, put: dict[str, bytes] | None = None, **changes: object
) -> None:
    """Forge a folder: put other files and values into it, with all digests right. None takes a key
    out."""
    document = json.loads((folder / json_name).read_bytes())
    del document["digest"]
    for name, content in (put or {}).items():
        (folder / name).write_bytes(content)
        document["files"][name] = sha256(content)
    document |= changes
    (folder / json_name).write_bytes(
        seal({key: value for key, value in document.items() if value is not None})
    )


def refusal_of(folder: Path, load: Callable[[Path], object] = load_ticket) -> LthctlError:
    with pytest.raises(LthctlError) as refusal:
        load(folder)
    assert "\n" not in str(refusal.value)
    return refusal.value


# ---- names ----


@pytest.mark.parametrize(
    ("method", "ratio", "rounds", "seed", "name"),
    [
        ("l1", 0.8, 5, 1, "l1-r0.80-n5-s1"),
        ("random", 0.8, 1, 3, "random-r0.80-n1-s3"),
        ("l1", 0.97, 5, None, "l1-r0.97-n5"),
        ("l1", 0.965, 5, 1, "l1-r0.965-n5-s1"),
        ("l1", 0.999, 12, 20, "l1-r0.999-n12-s20"),
        ("l1", 0.5, 1, 0, "l1-r0.50-n1-s0"),
        ("dense", 0.0, 0, 1, "dense-s1"),
        ("l1", 0, 5, 1, "dense-s1"),
        ("l1", 0, 5, None, "dense"),
    ],
)
def test_ticket_name(method: str, ratio: float, rounds: int, seed: int | None, name: str) -> None:
    assert ticket_name(method, ratio, rounds, seed) == name


def test_different_ratios_have_different_names() -> None:
    ratios = [0.8, 0.80001, 0.799999, 0.805, 0.1 + 0.2, 0.3, 1e-5]
    assert len({ticket_name("l1", ratio, 1, 1) for ratio in ratios}) == len(ratios)


# ---- tickets ----


def test_folder_holds_three_files(ticket: Ticket, folder: Path) -> None:
    assert ticket.name == "random-r0.75-n2-s3"
    assert [path.name for path in sorted(folder.iterdir())] == [INIT_FILE, MASK_FILE, TICKET_JSON]
    assert list(ticket.files())[-1] == TICKET_JSON  # written last
    assert (folder / MASK_FILE).stat().st_size < ticket.mask.size / 8 + 1000  # a bit per weight


def test_json_says_what_the_ticket_is(ticket: Ticket, folder: Path) -> None:
    document = json.loads((folder / TICKET_JSON).read_bytes())
    assert {
        key: document[key]
        for key in ("kind", "schema", "name", "method", "ratio", "rounds", "seed", "biases")
    } == {
        "kind": "ticket",
        "schema": 1,
        "name": "random-r0.75-n2-s3",
        "method": "random",
        "ratio": 0.75,
        "rounds": 2,
        "seed": 3,
        "biases": True,
    }
    assert document["files"] == {
        name: sha256((folder / name).read_bytes()) for name in (MASK_FILE, INIT_FILE)
    }
    assert document["rate"]["layers.0.weight"] == 0.5
    assert document["rate"]["layers.2.weight"] == 0.25
    assert [after["round"] for after in document["sparsity"]] == [1, 2]


def test_round_trip_is_exact(ticket: Ticket, folder: Path) -> None:
    loaded = load_ticket(str(folder))
    assert loaded.mask == ticket.mask
    assert list(loaded.mask) == list(ticket.mask)
    assert loaded.init.keys() == ticket.init.keys()
    for name, array in ticket.init.items():
        assert loaded.init[name].dtype == array.dtype
        assert loaded.init[name].shape == array.shape
        assert loaded.init[name].tobytes() == array.tobytes()
    assert loaded.specification == ticket.specification
    assert loaded.counts == ticket.counts
    assert loaded.rate == ticket.rate
    assert loaded.digest == ticket.digest == TicketFolder(folder).digest


def test_same_bytes_twice_and_after_loading(ticket: Ticket, folder: Path, tmp_path: Path) -> None:
    first = contents_of(folder)
    assert contents_of(save_ticket(ticket, tmp_path / "twice")) == first
    assert contents_of(save_ticket(load_ticket(folder), tmp_path / "again")) == first


def test_same_ticket_found_twice_has_the_same_bytes(
    ticket: Ticket, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    again = find_ticket(
        small_model, dataset, method="random", ratio=0.75, rounds=2, seed=3, train=train_params
    )
    assert again.files() == ticket.files()
    other = find_ticket(
        small_model, dataset, method="random", ratio=0.75, rounds=2, seed=4, train=train_params
    )
    assert other.digest != ticket.digest


def test_dense_ticket_and_ticket_without_biases(
    small_model: MLP, dataset: Dataset, train_params: TrainParams, tmp_path: Path
) -> None:
    for changes in {"ratio": 0.0}, {"biases": False, "ratio": 0.5}:
        made = find_ticket(small_model, dataset, method="random", train=train_params, **changes)
        loaded = load_ticket(save_ticket(made, tmp_path / made.name))
        assert loaded.mask == made.mask
        assert loaded.digest == made.digest
    assert len(made.mask) == 3
    assert len(made.init) == 6


def test_save_does_not_replace_unless_told(ticket: Ticket, folder: Path, tmp_path: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError):
        save_ticket(ticket, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    save_ticket(ticket, folder, replace=True)
    assert contents_of(folder).keys() == {TICKET_JSON, MASK_FILE, INIT_FILE}


@pytest.mark.parametrize("name", [TICKET_JSON, MASK_FILE, INIT_FILE])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refusal = refusal_of(folder)
    assert isinstance(refusal, TicketError)
    assert (
        str(refusal)
        == f"{folder / name}: is missing; make it again or restore it, for example with dvc checkout"
    )


@pytest.mark.parametrize("name", [TICKET_JSON, MASK_FILE, INIT_FILE])
@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, -2])
def test_truncated_file(folder: Path, name: str, keep: int) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:keep])
    refusal = refusal_of(folder)
    assert isinstance(refusal, TicketError)
    assert str(refusal).startswith(f"{folder / name}: ")
    assert "it is truncated or " in str(refusal)


@pytest.mark.parametrize("name", [MASK_FILE, INIT_FILE])
@pytest.mark.parametrize("position", [0, 8, 20, -1])
def test_altered_tensors(folder: Path, name: str, position: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[position] ^= 1
    (folder / name).write_bytes(content)
    refusal = refusal_of(folder)
    assert isinstance(refusal, TicketError)
    assert str(refusal).startswith(
        f"{folder / name}: has SHA-256 {sha256(bytes(content))[:12]}..., expected "
    )


def test_altered_json(folder: Path) -> None:
    """Every 29th byte: all would take seconds."""
    path = folder / TICKET_JSON
    content = path.read_bytes()
    document = TicketFolder(folder).document
    for position in range(0, len(content), 29):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        )
        try:
            found = TicketFolder(folder).document
        except TicketError as refusal:
            assert str(refusal).startswith(f"{path}: ")
        else:
            assert found == document  # the last digit of a float, beyond what a float holds


def test_files_of_another_ticket(
    folder: Path, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    other = find_ticket(
        small_model, dataset, method="random", ratio=0.75, rounds=2, seed=4, train=train_params
    )
    for name in MASK_FILE, INIT_FILE:
        (folder / name).write_bytes(other.files()[name])
    assert str(refusal_of(folder)).startswith(f"{folder / INIT_FILE}: has SHA-256 ")


def test_newer_schema(folder: Path) -> None:
    rewrite(folder, TICKET_JSON, schema=4)
    assert (
        str(refusal_of(folder))
        == f"{folder / TICKET_JSON}: has schema 4, this lthctl reads up to 3; upgrade lthctl"
    )


def test_run_is_no_ticket_and_ticket_no_run(folder: Path, run_folder: Path) -> None:
    run_folder.joinpath(RUN_JSON).rename(run_folder / TICKET_JSON)
    assert (
        str(refusal_of(run_folder))
        == f"{run_folder / TICKET_JSON}: is of kind 'run', expected 'ticket'"
    )
    folder.joinpath(TICKET_JSON).rename(folder / RUN_JSON)
    assert (
        str(refusal_of(folder, load_run))
        == f"{folder / RUN_JSON}: is of kind 'ticket', expected 'run'"
    )


def packed(arrays: dict[str, np.ndarray], shapes: dict[str, list[int]] | None = None) -> bytes:
    """A mask file of these bools, which says that they have these shapes."""
    shapes = shapes or {name: list(array.shape) for name, array in arrays.items()}
    return tensors_bytes(
        {name: np.packbits(a.ravel()) for name, a in arrays.items()}, note=json.dumps(shapes)
    )


def test_forged_mask_file_is_as_ours(ticket: Ticket) -> None:
    """Otherwise the tests below would show nothing."""
    assert packed(dict(ticket.mask)) == ticket.files()[MASK_FILE]


def test_missing_extra_and_misshapen_layers_are_all_named(ticket: Ticket, folder: Path) -> None:
    arrays = {**ticket.mask, "extra.weight": np.ones((2, 2), np.bool_)}
    del arrays["layers.0.bias"]
    arrays["layers.1.weight"] = arrays["layers.1.weight"].T
    rewrite(folder, TICKET_JSON, put={MASK_FILE: packed(arrays)})
    refusal = refusal_of(folder)
    assert isinstance(refusal, MaskError)
    assert str(refusal) == (
        f"{folder / MASK_FILE}: 'layers.0.bias' is missing, the model has it with shape (20,); "
        "'extra.weight' is extra, the model has no such prunable parameter; "
        "'layers.1.weight' has shape (20, 12), the model has (12, 20)"
    )


def test_weights_of_other_shapes_than_the_mask(ticket: Ticket, folder: Path) -> None:
    init = {**ticket.init, "layers.0.bias": np.zeros(21, np.float32)}
    rewrite(folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    assert str(refusal_of(folder)) == (
        f"{folder / INIT_FILE}: 'layers.0.bias' has shape (21,), the model has (20,); it is damaged or of another model"
    )


def test_weights_that_lack_a_layer(ticket: Ticket, folder: Path) -> None:
    init = {name: array for name, array in ticket.init.items() if name != "layers.1.bias"}
    rewrite(folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    refusal = refusal_of(folder)
    assert isinstance(refusal, TicketError)
    assert (
        str(refusal)
        == f"{folder / INIT_FILE}: 'layers.1.bias' is missing; it is damaged or of another model"
    )


def test_too_few_bits(ticket: Ticket, folder: Path) -> None:
    arrays = {**ticket.mask, "layers.0.bias": np.ones(16, np.bool_)}
    shapes = {name: list(array.shape) for name, array in ticket.mask.items()}
    rewrite(folder, TICKET_JSON, put={MASK_FILE: packed(arrays, shapes)})
    assert str(refusal_of(folder)) == (
        f"{folder / MASK_FILE}: 'layers.0.bias' has 2 bytes, expected 3 for shape (20,)"
    )


def test_bits_without_a_shape(ticket: Ticket, folder: Path) -> None:
    rewrite(folder, TICKET_JSON, put={MASK_FILE: packed({"a": np.ones(8, np.bool_)}, {"b": [8]})})
    assert (
        str(refusal_of(folder)) == f"{folder / MASK_FILE}: has bits for ['a'], but shapes for ['b']"
    )


@pytest.mark.parametrize(
    "note", [None, "not JSON", "[]", '{"a": 1}', '{"a": ["x"]}', '{"a": [-8]}', '{"a": null}']
)
def test_shapes_that_are_none(folder: Path, note: str | None) -> None:
    content = tensors_bytes({"a": np.array([255], np.uint8)}, note=note)
    rewrite(folder, TICKET_JSON, put={MASK_FILE: content})
    assert str(refusal_of(folder)).startswith(f"{folder}/")


def test_mask_that_prunes_another_count_than_said(ticket: Ticket, folder: Path) -> None:
    whole = Mask.full({name: array.shape for name, array in ticket.mask.items()})
    rewrite(folder, TICKET_JSON, put={MASK_FILE: packed(dict(whole))})
    assert str(refusal_of(folder)) == (
        f"{folder}: mask.safetensors prunes 0.0000, ticket.json says {ticket.mask.sparsity:.4f}"
    )


@pytest.mark.parametrize(
    "key", ["files", "method", "seed", "rate", "sparsity", "model", "data", "train", "biases"]
)
def test_json_that_lacks_something(folder: Path, key: str) -> None:
    rewrite(folder, TICKET_JSON, **{key: None})
    refusal = refusal_of(folder)
    assert isinstance(refusal, TicketError)
    assert str(refusal) == (
        f"{folder / TICKET_JSON}: {key} is missing; it is damaged or not written by lthctl: make it again"
    )


LAYER = {"size": 4, "kept": 5, "desired": 0.5, "actual": 0.5}
ROUND = {"round": 1, "steps": 0, "trained": None, "desired": 0.5, "actual": 0.5, "layers": {}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"files": []}, "files is [], expected a valid dictionary or instance of TicketFiles"),
        ({"files": {"../x": "0" * 64}}, "files.mask.safetensors is missing; files.init.safetensors is missing; files.../x is not known here"),
        ({"sparsity": 3}, "sparsity is 3, expected a valid list"),
        ({"rate": 1}, "rate is 1, expected a valid dictionary"),
        ({"rate": {str(number): [] for number in range(10_001)}}, "rate: has 10001 parameters, expected at most 10000; it is damaged"),
        ({"sparsity": [{}] * 3}, "sparsity.0.round is missing; sparsity.0.steps is missing; sparsity.0.trained is missing; sparsity.0.desired is missing; sparsity.0.actual is missing; and 1 more; "),
        ({"sparsity": [{**ROUND, "layers": {"a": LAYER}}]}, "sparsity.0.layers.a: keeps 5 of 4"),
        ({"sparsity": [ROUND]}, "it: sparsity has 1 entries for 2 rounds"),
        ({"sparsity": [ROUND, ROUND]}, "it: sparsity does not count the rounds from 1"),
        ({"sparsity": [ROUND, {**ROUND, "round": 2}]}, "it: sparsity and rate are of different parameters"),
        ({"method": "../../../evil"}, "method is '../../../evil', expected a lower-case name such as l1, or a module, a colon and a name"),
        ({"name": "\x1b[2Jevil"}, "it: name is '\\x1b[2Jevil', expected random-r0.75-n2-s3"),
        ({"ratio": 0.0}, "it: is random of ratio 0.0 and 2 rounds; dense is both 0"),
        ({"ratio": 1.0}, "ratio is 1.0, expected less than 1"),
        ({"rounds": 10**400}, "rounds is 1000000000000000000"),
        ({"seed": -1}, "seed is -1, expected greater than or equal to 0"),
        ({"seed": True}, "seed is True, expected a valid integer"),
        ({"biases": "yes"}, "biases is 'yes', expected a valid boolean"),
        ({"more": 1}, "more is not known here"),
        ({"train": {"steps": 3}}, "train: has keys ['steps'], expected ['batch_size', "),
        ({"model": {}}, "model.kind is missing"),
        ({"model": {"kind": []}}, "model.kind is [], expected a valid string"),
        ({"model": {"kind": "mlp", "layers": [784, 20, 12, 10]}}, "model.init is missing"),
        ({"model": {"kind": "mlp", "init": "uniform"}}, "model.layers is missing"),
        ({"model": {"kind": "module", "name": "x", "output": "y", "shapes": {"a": [-1]}}}, "model.shapes.a.0 is -1, expected greater than or equal to 0"),
        ({"model": {"kind": "mlp", "layers": [10**18] * 2, "init": "zero"}}, "model.init is 'zero', expected 'uniform', 'glorot', 'glorot-uniform', "),
        ({"data": {}}, "it: data says nothing, which only an imported ticket may"),
    ],
)  # fmt: skip
def test_json_that_misstates_something(folder: Path, changes: dict[str, object], said: str) -> None:
    rewrite(folder, TICKET_JSON, **changes)
    assert str(refusal_of(folder, lambda path: TicketFolder(path).document)).startswith(
        f"{folder / TICKET_JSON}: {said}"
    )
    assert str(refusal_of(folder)).startswith(f"{folder / TICKET_JSON}: {said}")


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", [MASK_FILE, INIT_FILE])
@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_nothing_is_executed(folder: Path, tmp_path: Path, name: str, kind: str) -> None:
    marker, forged = tmp_path / "executed", tmp_path / "forged"
    if kind == "pickle":
        forged.write_bytes(pickle.dumps(Touch(marker)))
    else:
        torch.save(Touch(marker), forged)
    rewrite(folder, TICKET_JSON, put={name: forged.read_bytes()})
    refusal = refusal_of(folder)
    assert isinstance(refusal, TicketError)
    assert str(refusal).startswith(f"{folder / name}: is no safetensors file (")
    assert not marker.exists()
    torch.load(forged, weights_only=False) if kind == "torch" else pickle.loads(forged.read_bytes())
    assert marker.exists()  # it would have done something


def test_json_that_is_a_pickle(folder: Path, tmp_path: Path) -> None:
    (folder / TICKET_JSON).write_bytes(pickle.dumps(Touch(tmp_path / "executed")))
    assert str(refusal_of(folder)).startswith(f"{folder / TICKET_JSON}: is not JSON (")
    assert not (tmp_path / "executed").exists()


# ---- finding ----


def test_find_tickets(ticket: Ticket, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    for place in "b", "a", "pipeline/c", ".a.1.new":
        save_ticket(ticket, masks / place)
    assert find_tickets(masks) == [masks / "a", masks / "b", masks / "pipeline" / "c"]
    assert find_tickets(masks / "b", masks / "a", str(masks / "b")) == [masks / "a", masks / "b"]
    assert find_tickets(masks, masks / "pipeline") == find_tickets(masks)


def test_find_tickets_where_there_are_none(folder: Path, tmp_path: Path) -> None:
    expected = "expected a folder with a ticket.json. Make tickets with `lthctl prune --out"
    (tmp_path / "empty").mkdir()
    with pytest.raises(TicketError) as refusal:
        find_tickets(folder, tmp_path / "empty")
    assert str(refusal.value) == (
        f"{tmp_path / 'empty'}: holds no ticket, nor does anything below it; {expected} {tmp_path / 'empty'}`"
    )
    with pytest.raises(TicketError) as refusal:
        find_tickets(tmp_path / "nowhere")
    assert (
        str(refusal.value)
        == f"{tmp_path / 'nowhere'}: does not exist; {expected} {tmp_path / 'nowhere'}`"
    )


# ---- histories ----

ROWS = (Row(0, 2.5, 2.302585092994046, 0.1), Row(10, 0.1 + 0.2, 1e-20, 1.0))
HISTORY = b"step,train_loss,validation_loss,validation_accuracy\n0,2.5,2.302585092994046,0.1\n10,0.30000000000000004,1e-20,1.0\n"


def test_history_bytes() -> None:
    assert history_bytes(ROWS) == HISTORY
    assert history_from(HISTORY) == ROWS


def test_history_bytes_with_a_test_split() -> None:
    rows = (Row(0, 1.0, 2.0, 0.5, 3.0, 0.25), Row(10, 0.5, 1.0, 0.75, 1.5, 0.125))
    content = (
        b"step,train_loss,validation_loss,validation_accuracy,test_loss,test_accuracy\n"
        b"0,1.0,2.0,0.5,3.0,0.25\n"
        b"10,0.5,1.0,0.75,1.5,0.125\n"
    )
    assert history_bytes(rows) == content
    assert history_from(content) == rows


def history_of_the_standard_library(content: bytes) -> list[list[float]] | None:
    """The numbers of a history where they can be and the csv module would write the same; None
    otherwise."""
    try:
        header, *lines = csv.reader(io.StringIO(content.decode()))
        rows = [[int(line[0]), *map(float, line[1:])] for line in lines]
    except (ValueError, IndexError, csv.Error):
        return None
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    names = list(Row._fields)
    is_ours = header in (names, names[:4]) and rows and {len(row) for row in rows} == {len(header)}
    if not is_ours or text.getvalue().encode() != content:
        return None
    losses_can_be = all(math.isfinite(loss) for row in rows for loss in (*row[1:3], *row[4:5]))
    return (
        rows
        if losses_can_be and all(0 <= accuracy <= 1 for row in rows for accuracy in row[3::2])
        else None
    )


LOSSES = st.floats() | st.floats(0, 3)
ACCURACIES = st.floats(0, 1) | st.sampled_from([0.0, -0.0, 1.0, 0.9812, 1.5, math.nan])
ROWS_OF_4 = st.builds(Row, st.integers(), LOSSES, LOSSES, ACCURACIES)
ROWS_OF_6 = st.builds(Row, st.integers(), LOSSES, LOSSES, ACCURACIES, LOSSES, ACCURACIES)
HISTORIES = st.lists(ROWS_OF_4, min_size=1, max_size=4) | st.lists(
    ROWS_OF_6, min_size=1, max_size=4
)
PIECES = ["0", "-", "+", ".", "e0", " ", ",", "\n", "\r", "\r\n", "\x0b", "\u2028", '"', "_", "٣"]


@settings(deadline=None)
@given(st.data(), HISTORIES)
def test_a_history_is_read_only_as_the_csv_module_would_write_it(
    data: st.DataObject, rows: list[Row]
) -> None:
    text = history_bytes(tuple(rows)).decode()
    place = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.just("") | st.sampled_from(PIECES))
    content = (text[:place] + piece + text[place + data.draw(st.integers(0, 1)) :]).encode()
    expected = history_of_the_standard_library(content)
    if expected is None:
        with pytest.raises(ValueError):
            history_from(content)
    else:
        assert [list(row[: len(expected[0])]) for row in history_from(content)] == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        HISTORY[:-20],
        HISTORY.replace(b"train_loss", b"loss"),
        HISTORY.replace(b"step,train_loss", b"train_loss,step"),
        HISTORY.replace(b"2.5", b"x"),
        HISTORY.replace(b"\n0,", b"\n0.5,"),
        HISTORY + b"1,2,3\n",
        HISTORY + b"\n",
        HISTORY.replace(
            b",validation_accuracy\n", b",validation_accuracy,test_loss,test_accuracy,more\n"
        ),
    ],
)
def test_history_that_is_none(content: bytes) -> None:
    with pytest.raises(ValueError):  # many are Python's own
        history_from(content)


# ---- runs ----


def test_run_round_trip(run: Run, run_folder: Path) -> None:
    loaded = load_run(str(run_folder))
    assert loaded.specification == run.specification
    assert (loaded.training, loaded.proof, loaded.metrics) == (run.training, run.proof, run.metrics)
    assert loaded.history == run.history
    assert [row.step for row in loaded.history] == [10, 20, 30]
    assert loaded.weights is not None
    assert run.weights is not None
    assert loaded.weights.keys() == run.weights.keys()
    assert all(
        loaded.weights[name].tobytes() == array.tobytes() for name, array in run.weights.items()
    )
    assert loaded.files() == run.files() == contents_of(run_folder)


def test_run_names_its_ticket(run: Run, ticket: Ticket) -> None:
    assert (run.ticket.name, run.ticket.digest) == (ticket.name, ticket.digest)


def test_run_read_without_its_weights(run: Run, run_folder: Path) -> None:
    (run_folder / WEIGHTS_FILE).unlink()  # such as one that is not checked out
    loaded = load_run(run_folder, with_weights=False)
    assert loaded.weights is None
    assert loaded.history == run.history
    assert str(refusal_of(run_folder, load_run)).startswith(
        f"{run_folder / WEIGHTS_FILE}: is missing;"
    )


def test_run_whose_weights_were_not_kept(run: Run, tmp_path: Path) -> None:
    slim = replace(run, weights=None)
    folder = save_run(slim, tmp_path / "slim")
    assert contents_of(folder).keys() == {RUN_JSON, HISTORY_FILE}
    loaded = load_run(folder)
    assert loaded.weights is None
    assert loaded.files() == slim.files()


def test_run_with_a_test_split(
    dataset: Dataset, ticket: Ticket, train_params: TrainParams, tmp_path: Path
) -> None:
    tested = Dataset("digits", dataset.train, dataset.validation, dataset.validation)
    own = replace(
        ticket,
        specification=ticket.specification.model_copy(update={"data": tested.describe()}),
    )
    run = retrain(own, tested, train=train_params)
    loaded = load_run(save_run(run, tmp_path / "tested"))
    assert loaded.history == run.history
    assert all(row.test_accuracy == row.validation_accuracy for row in loaded.history)
    assert loaded.metrics.early_stop_test_accuracy is not None


@pytest.mark.parametrize("name", [RUN_JSON, HISTORY_FILE, WEIGHTS_FILE])
def test_damaged_runs(run_folder: Path, name: str) -> None:
    whole = (run_folder / name).read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in b"", whole[:middle], whole[:-2], flipped:
        (run_folder / name).write_bytes(damaged)
        refusal = refusal_of(run_folder, load_run)
        assert isinstance(refusal, RunError)
        assert str(refusal).startswith(f"{run_folder / name}: ")
    (run_folder / name).unlink()
    assert str(refusal_of(run_folder, load_run)).startswith(f"{run_folder / name}: is missing;")


def test_altered_history(run_folder: Path) -> None:
    path = run_folder / HISTORY_FILE
    path.write_bytes(path.read_bytes() + b"40,0,0,1\n")
    assert str(refusal_of(run_folder, load_run)).startswith(f"{path}: has SHA-256 ")
    assert str(refusal_of(run_folder, load_run)).endswith(
        "; it is truncated or altered: restore it"
    )


def test_newer_run(run_folder: Path) -> None:
    rewrite(run_folder, RUN_JSON, schema=4)
    for load in load_run, lambda path: RunFolder(path).document:
        assert str(refusal_of(run_folder, load)) == (
            f"{run_folder / RUN_JSON}: has schema 4, this lthctl reads up to 3; upgrade lthctl"
        )


@pytest.mark.parametrize("key", ["files", "ticket", "start", "metrics", "proof", "training"])
def test_run_that_lacks_something(run_folder: Path, key: str) -> None:
    rewrite(run_folder, RUN_JSON, **{key: None})
    assert str(refusal_of(run_folder, load_run)) == (
        f"{run_folder / RUN_JSON}: {key} is missing; it is damaged or not written by lthctl: make it again"
    )


def test_history_of_the_right_digest_that_is_none(run_folder: Path) -> None:
    rewrite(run_folder, RUN_JSON, put={HISTORY_FILE: HISTORY.replace(b"2.5", b"x")})
    assert str(refusal_of(run_folder, load_run)).startswith(
        f"{run_folder / HISTORY_FILE}: could not convert"
    )


@pytest.mark.parametrize(
    "content", [HISTORY.replace(b"2.5", b"2\r5"), HISTORY.replace(b"2.5", b"2" * 200_000)]
)
def test_history_of_the_right_digest_that_is_no_csv(run_folder: Path, content: bytes) -> None:
    rewrite(run_folder, RUN_JSON, put={HISTORY_FILE: content})
    assert isinstance(refusal_of(run_folder, load_run), RunError)


def test_weights_of_a_run_that_are_a_pickle(run_folder: Path, tmp_path: Path) -> None:
    rewrite(run_folder, RUN_JSON, put={WEIGHTS_FILE: pickle.dumps(Touch(tmp_path / "executed"))})
    assert str(refusal_of(run_folder, load_run)).startswith(
        f"{run_folder / WEIGHTS_FILE}: is no safetensors file ("
    )
    assert not (tmp_path / "executed").exists()


# ---- forged with right digests ----


def forge_tensors(arrays: dict[str, object], note: str | None = None) -> bytes:
    """A safetensors file with any header: name -> (dtype, shape, bytes)."""
    header: dict[str, object] = {} if note is None else {"__metadata__": {"lthctl": note}}
    content = b""
    for name, (dtype, shape, data) in arrays.items():  # type: ignore[misc]
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(content), len(content) + len(data)],
        }
        content += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


@pytest.mark.parametrize("length", [100 * 10**9, 2**63, 2**64 - 1])
@pytest.mark.parametrize("name", [MASK_FILE, INIT_FILE])
def test_a_header_that_claims_more_than_there_is(folder: Path, name: str, length: int) -> None:
    rewrite(folder, TICKET_JSON, put={name: length.to_bytes(8, "little") + b"{}"})
    assert str(refusal_of(folder)).startswith(f"{folder / name}: is no safetensors file (")


@pytest.mark.parametrize(
    "shape", [[2**33], [2**32, 2**32], [2**62, 4], [2**64, 0], [-1], [2**31, 2**31, 0]]
)
def test_a_shape_that_claims_more_than_there_is(
    ticket: Ticket, folder: Path, shape: list[int]
) -> None:
    content = forge_tensors({"layers.0.weight": ("F32", shape, b"\0" * 4)})
    rewrite(folder, TICKET_JSON, put={INIT_FILE: content})
    assert isinstance(refusal_of(folder), TicketError)


@pytest.mark.parametrize("shape", [[2**35], [2**32, 2**32], [-1], [20.5], ["20"], None, [[20]]])
def test_a_mask_that_claims_more_than_the_weights_have_is_not_unpacked(
    ticket: Ticket, folder: Path, shape: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "unpackbits", lambda *_, **__: pytest.fail("was unpacked"))
    shapes = {name: list(array.shape) for name, array in ticket.mask.items()} | {
        "layers.0.bias": shape
    }
    rewrite(folder, TICKET_JSON, put={MASK_FILE: packed(dict(ticket.mask), shapes)})  # type: ignore[arg-type]
    assert isinstance(refusal_of(folder), MaskError)


@pytest.mark.parametrize("note", ["[" * 100_000, '{"a": ' * 10_000, "null", "1", '"x"'])
def test_shapes_that_are_deep_or_none(ticket: Ticket, folder: Path, note: str) -> None:
    bits = {name: np.packbits(array.ravel()) for name, array in ticket.mask.items()}
    rewrite(folder, TICKET_JSON, put={MASK_FILE: tensors_bytes(bits, note=note)})
    assert str(refusal_of(folder)).startswith(f"{folder / MASK_FILE}: ")


def test_metadata_of_null(folder: Path) -> None:
    text = b'{"__metadata__":null}'
    rewrite(folder, TICKET_JSON, put={MASK_FILE: len(text).to_bytes(8, "little") + text})
    assert isinstance(refusal_of(folder), LthctlError)


def test_padding_that_is_not_0(ticket: Ticket, folder: Path) -> None:
    bits = {name: np.packbits(array.ravel()) for name, array in ticket.mask.items()}
    bits["layers.0.bias"][-1] |= 1  # 20 bits in 24
    shapes = {name: list(array.shape) for name, array in ticket.mask.items()}
    rewrite(folder, TICKET_JSON, put={MASK_FILE: tensors_bytes(bits, note=json.dumps(shapes))})
    assert str(refusal_of(folder)) == (
        f"{folder / MASK_FILE}: 'layers.0.bias' is padded with bits other than 0; make the ticket again"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(ticket: Ticket, folder: Path, value: float) -> None:
    init = {**ticket.init, "layers.1.bias": np.full(12, value, np.float32)}
    rewrite(folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    assert str(refusal_of(folder)) == (
        f"{folder / INIT_FILE}: 'layers.1.bias' has weights that are not finite; it is damaged or of another model"
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, np.bool_])
def test_weights_of_another_dtype(ticket: Ticket, folder: Path, dtype: type) -> None:
    init = {**ticket.init, "layers.1.bias": np.ones(12, dtype)}
    rewrite(folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    assert str(refusal_of(folder)).startswith(f"{folder / INIT_FILE}: 'layers.1.bias' has dtype ")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "O"])
def test_weights_of_a_dtype_that_numpy_does_not_have(folder: Path, dtype: str) -> None:
    rewrite(folder, TICKET_JSON, put={INIT_FILE: forge_tensors({"a": (dtype, [1], b"\0\0")})})
    assert str(refusal_of(folder)).startswith(f"{folder / INIT_FILE}: is no safetensors file (")


def test_weights_beyond_those_of_the_model(ticket: Ticket, folder: Path) -> None:
    init = {**ticket.init, "extra": np.ones(1, np.float32)}
    rewrite(folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    assert str(refusal_of(folder)).startswith(f"{folder / INIT_FILE}: 'extra' is extra; ")


def test_a_ticket_that_prunes_other_parameters_than_the_model_has(
    ticket: Ticket, folder: Path
) -> None:
    rewrite(folder, TICKET_JSON, biases=False)
    assert str(refusal_of(folder)).startswith(f"{folder / TICKET_JSON}: prunes ['layers.0.bias', ")


def test_a_dense_ticket_that_prunes(
    small_model: MLP, dataset: Dataset, train_params: TrainParams, tmp_path: Path
) -> None:
    dense = find_ticket(small_model, dataset, ratio=0, train=train_params)
    folder = save_ticket(dense, tmp_path / "dense")
    arrays = {**dense.mask, "layers.0.bias": np.zeros(20, np.bool_)}
    rewrite(folder, TICKET_JSON, put={MASK_FILE: packed(arrays)})
    assert (
        str(refusal_of(folder))
        == f"{folder}: mask.safetensors prunes 0.0012, ticket.json says 0.0000"
    )


def test_the_digest_of_a_ticket_is_that_of_its_folder(
    ticket: Ticket, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a newer safetensors should write the same arrays otherwise."""
    digest = ticket.digest
    monkeypatch.setattr("lthctl.artifacts.ticket.tensors_bytes", lambda *_, **__: b"otherwise")
    assert load_ticket(folder).digest == digest


LINES = HISTORY.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LINES[0], "is empty or not written as lthctl writes it"),
        (HISTORY.replace(b"\n", b"\r\n"), "is empty or not written as lthctl writes it"),
        (HISTORY.replace(b"2.5", b"2.50"), "is empty or not written as lthctl writes it"),
        (HISTORY.replace(b"2.5", b"nan"), "has a loss that is not finite or an accuracy outside [0, 1]"),
        (HISTORY.replace(b"2.5", b"inf"), "has a loss that is not finite or an accuracy outside [0, 1]"),
        (b"step,train_loss,validation_loss,validation_accuracy\n1,1.0,1.0,1.5\n", "has a loss that is not finite or an accuracy outside [0, 1]"),
        (history_bytes((Row(1, 1.0, 1.0, 1.0, 1.0, 1.5),)), "has a loss that is not finite or an accuracy outside [0, 1]"),
        (history_bytes((Row(1, 1.0, 1.0, 1.0, 1.0, -0.5),)), "has a loss that is not finite or an accuracy outside [0, 1]"),
        (b"step,train_loss,validation_loss,validation_accuracy\n" + b"\n" * 10, "line 2 has 0 values, expected 4"),
        (b"step,train_loss\n1,1.0\n", "has columns 'step, train_loss', expected "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_history(content: bytes, said: str) -> None:
    with pytest.raises(ValueError) as refusal:
        history_from(content)
    assert str(refusal.value).startswith(said)


def with_history(run: Run, rows: tuple[Row, ...]) -> Run:
    return replace(run, history=rows, metrics=metrics_of(rows))


def test_a_history_that_is_not_of_its_training(run: Run, tmp_path: Path) -> None:
    """Its metrics are right, and so are all digests."""
    late = (*run.history[:2], run.history[2]._replace(step=31))
    for number, rows in enumerate([run.history[:2], (*run.history, run.history[2]), late]):
        folder = save_run(with_history(run, rows), tmp_path / str(number))
        said = (
            f"{folder / HISTORY_FILE}: is not of 30 steps, evaluated every 10; make the run again"
        )
        assert str(refusal_of(folder, load_run)) == said


def test_columns_for_test_images_where_there_are_none(run: Run, tmp_path: Path) -> None:
    rows = tuple(row._replace(test_loss=1.0, test_accuracy=0.5) for row in run.history)
    folder = save_run(with_history(run, rows), tmp_path / "tested")
    assert str(refusal_of(folder, load_run)) == (
        f"{folder / HISTORY_FILE}: has columns for test images, of which there are none; make the run again"
    )


def test_weights_of_a_run_that_are_not_of_its_model(run: Run, run_folder: Path) -> None:
    assert run.weights is not None
    weights = {**run.weights, "layers.0.bias": np.zeros(3, np.float32)}
    rewrite(run_folder, RUN_JSON, put={WEIGHTS_FILE: tensors_bytes(weights)})
    assert str(refusal_of(run_folder, load_run)).startswith(
        f"{run_folder / WEIGHTS_FILE}: 'layers.0.bias' has shape (3,), the model has (20,); "
    )

"""Ticket and run folders: exact round trips, the same bytes again, anything damaged refused by
name."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts.folders import TicketFolder
from lthctl.artifacts.names import (
    INIT_FILE,
    MASK_FILE,
    RUN_JSON,
    TICKET_JSON,
    ticket_name,
)
from lthctl.artifacts.run import load_run
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.artifacts.ticket import Ticket, find_tickets, load_ticket, save_ticket
from lthctl.canonical import sha256
from lthctl.datasets.base import Dataset
from lthctl.errors import LthctlError, MaskError, OutputError, TicketError
from lthctl.lottery.find import find_ticket
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams


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


def test_folder_holds_three_files(ticket: Ticket, ticket_folder: Path) -> None:
    assert ticket.name == "random-r0.75-n2-s3"
    assert [path.name for path in sorted(ticket_folder.iterdir())] == [
        INIT_FILE,
        MASK_FILE,
        TICKET_JSON,
    ]
    assert list(ticket.files())[-1] == TICKET_JSON  # written last
    assert (
        ticket_folder / MASK_FILE
    ).stat().st_size < ticket.mask.size / 8 + 1000  # a bit per weight


def test_json_says_what_the_ticket_is(ticket: Ticket, ticket_folder: Path) -> None:
    document = json.loads((ticket_folder / TICKET_JSON).read_bytes())
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
        name: sha256((ticket_folder / name).read_bytes()) for name in (MASK_FILE, INIT_FILE)
    }
    assert document["rate"]["layers.0.weight"] == 0.5
    assert document["rate"]["layers.2.weight"] == 0.25
    assert [after["round"] for after in document["sparsity"]] == [1, 2]


def test_round_trip_is_exact(ticket: Ticket, ticket_folder: Path) -> None:
    loaded = load_ticket(str(ticket_folder))
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
    assert loaded.digest == ticket.digest == TicketFolder(ticket_folder).digest


def test_same_bytes_twice_and_after_loading(
    ticket: Ticket, ticket_folder: Path, tmp_path: Path
) -> None:
    first = contents_of(ticket_folder)
    assert contents_of(save_ticket(ticket, tmp_path / "twice")) == first
    assert contents_of(save_ticket(load_ticket(ticket_folder), tmp_path / "again")) == first


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


def test_save_does_not_replace_unless_told(
    ticket: Ticket, ticket_folder: Path, tmp_path: Path
) -> None:
    (ticket_folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError):
        save_ticket(ticket, ticket_folder)
    assert (ticket_folder / "notes.txt").read_text() == "mine"
    save_ticket(ticket, ticket_folder, replace=True)
    assert contents_of(ticket_folder).keys() == {TICKET_JSON, MASK_FILE, INIT_FILE}


def test_to_save_a_ticket_that_is_there_already_is_nothing(
    ticket: Ticket, ticket_folder: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (ticket_folder, *ticket_folder.iterdir())}
    assert save_ticket(ticket, ticket_folder) == ticket_folder
    after = {path: path.stat().st_mtime_ns for path in (ticket_folder, *ticket_folder.iterdir())}
    assert after == before
    (ticket_folder / MASK_FILE).write_bytes(b"other")
    with pytest.raises(OutputError):
        save_ticket(ticket, ticket_folder)


@pytest.mark.parametrize("name", [TICKET_JSON, MASK_FILE, INIT_FILE])
def test_missing_file(ticket_folder: Path, name: str) -> None:
    (ticket_folder / name).unlink()
    refusal = refusal_of(ticket_folder)
    assert isinstance(refusal, TicketError)
    assert (
        str(refusal)
        == f"{ticket_folder / name}: is missing; make it again or restore it, for example with dvc checkout"
    )


@pytest.mark.parametrize("name", [TICKET_JSON, MASK_FILE, INIT_FILE])
@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, -2])
def test_truncated_file(ticket_folder: Path, name: str, keep: int) -> None:
    (ticket_folder / name).write_bytes((ticket_folder / name).read_bytes()[:keep])
    refusal = refusal_of(ticket_folder)
    assert isinstance(refusal, TicketError)
    assert str(refusal).startswith(f"{ticket_folder / name}: ")
    assert "it is truncated or " in str(refusal)


@pytest.mark.parametrize("name", [MASK_FILE, INIT_FILE])
@pytest.mark.parametrize("position", [0, 8, 20, -1])
def test_altered_tensors(ticket_folder: Path, name: str, position: int) -> None:
    content = bytearray((ticket_folder / name).read_bytes())
    content[position] ^= 1
    (ticket_folder / name).write_bytes(content)
    refusal = refusal_of(ticket_folder)
    assert isinstance(refusal, TicketError)
    assert str(refusal).startswith(
        f"{ticket_folder / name}: has SHA-256 {sha256(bytes(content))[:12]}..., expected "
    )


def test_altered_json(ticket_folder: Path) -> None:
    """Every 29th byte: all would take seconds."""
    path = ticket_folder / TICKET_JSON
    content = path.read_bytes()
    document = TicketFolder(ticket_folder).document
    for position in range(0, len(content), 29):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        )
        try:
            found = TicketFolder(ticket_folder).document
        except TicketError as refusal:
            assert str(refusal).startswith(f"{path}: ")
        else:
            assert found == document  # the last digit of a float, beyond what a float holds


def test_files_of_another_ticket(
    ticket_folder: Path, small_model: MLP, dataset: Dataset, train_params: TrainParams
) -> None:
    other = find_ticket(
        small_model, dataset, method="random", ratio=0.75, rounds=2, seed=4, train=train_params
    )
    for name in MASK_FILE, INIT_FILE:
        (ticket_folder / name).write_bytes(other.files()[name])
    assert str(refusal_of(ticket_folder)).startswith(f"{ticket_folder / INIT_FILE}: has SHA-256 ")


def test_newer_schema(ticket_folder: Path) -> None:
    rewrite(ticket_folder, TICKET_JSON, schema=4)
    assert (
        str(refusal_of(ticket_folder))
        == f"{ticket_folder / TICKET_JSON}: has schema 4, this lthctl reads up to 3; upgrade lthctl"
    )


def test_run_is_no_ticket_and_ticket_no_run(ticket_folder: Path, run_folder: Path) -> None:
    run_folder.joinpath(RUN_JSON).rename(run_folder / TICKET_JSON)
    assert (
        str(refusal_of(run_folder))
        == f"{run_folder / TICKET_JSON}: is of kind 'run', expected 'ticket'"
    )
    ticket_folder.joinpath(TICKET_JSON).rename(ticket_folder / RUN_JSON)
    assert (
        str(refusal_of(ticket_folder, load_run))
        == f"{ticket_folder / RUN_JSON}: is of kind 'ticket', expected 'run'"
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


def test_missing_extra_and_misshapen_layers_are_all_named(
    ticket: Ticket, ticket_folder: Path
) -> None:
    arrays = {**ticket.mask, "extra.weight": np.ones((2, 2), np.bool_)}
    del arrays["layers.0.bias"]
    arrays["layers.1.weight"] = arrays["layers.1.weight"].T
    rewrite(ticket_folder, TICKET_JSON, put={MASK_FILE: packed(arrays)})
    refusal = refusal_of(ticket_folder)
    assert isinstance(refusal, MaskError)
    assert str(refusal) == (
        f"{ticket_folder / MASK_FILE}: 'layers.0.bias' is missing, the model has it with shape (20,); "
        "'extra.weight' is extra, the model has no such prunable parameter; "
        "'layers.1.weight' has shape (20, 12), the model has (12, 20)"
    )


def test_weights_of_other_shapes_than_the_mask(ticket: Ticket, ticket_folder: Path) -> None:
    init = {**ticket.init, "layers.0.bias": np.zeros(21, np.float32)}
    rewrite(ticket_folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    assert str(refusal_of(ticket_folder)) == (
        f"{ticket_folder / INIT_FILE}: 'layers.0.bias' has shape (21,), the model has (20,); it is damaged or of another model"
    )


def test_weights_that_lack_a_layer(ticket: Ticket, ticket_folder: Path) -> None:
    init = {name: array for name, array in ticket.init.items() if name != "layers.1.bias"}
    rewrite(ticket_folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    refusal = refusal_of(ticket_folder)
    assert isinstance(refusal, TicketError)
    assert (
        str(refusal)
        == f"{ticket_folder / INIT_FILE}: 'layers.1.bias' is missing; it is damaged or of another model"
    )


def test_too_few_bits(ticket: Ticket, ticket_folder: Path) -> None:
    arrays = {**ticket.mask, "layers.0.bias": np.ones(16, np.bool_)}
    shapes = {name: list(array.shape) for name, array in ticket.mask.items()}
    rewrite(ticket_folder, TICKET_JSON, put={MASK_FILE: packed(arrays, shapes)})
    assert str(refusal_of(ticket_folder)) == (
        f"{ticket_folder / MASK_FILE}: 'layers.0.bias' has 2 bytes, expected 3 for shape (20,)"
    )


def test_bits_without_a_shape(ticket: Ticket, ticket_folder: Path) -> None:
    rewrite(
        ticket_folder, TICKET_JSON, put={MASK_FILE: packed({"a": np.ones(8, np.bool_)}, {"b": [8]})}
    )
    assert (
        str(refusal_of(ticket_folder))
        == f"{ticket_folder / MASK_FILE}: has bits for ['a'], but shapes for ['b']"
    )


@pytest.mark.parametrize(
    "note", [None, "not JSON", "[]", '{"a": 1}', '{"a": ["x"]}', '{"a": [-8]}', '{"a": null}']
)
def test_shapes_that_are_none(ticket_folder: Path, note: str | None) -> None:
    content = tensors_bytes({"a": np.array([255], np.uint8)}, note=note)
    rewrite(ticket_folder, TICKET_JSON, put={MASK_FILE: content})
    assert str(refusal_of(ticket_folder)).startswith(f"{ticket_folder}/")


def test_mask_that_prunes_another_count_than_said(ticket: Ticket, ticket_folder: Path) -> None:
    whole = Mask.full({name: array.shape for name, array in ticket.mask.items()})
    rewrite(ticket_folder, TICKET_JSON, put={MASK_FILE: packed(dict(whole))})
    assert str(refusal_of(ticket_folder)) == (
        f"{ticket_folder}: mask.safetensors prunes 0.0000, ticket.json says {ticket.mask.sparsity:.4f}"
    )


@pytest.mark.parametrize(
    "key", ["files", "method", "seed", "rate", "sparsity", "model", "data", "train", "biases"]
)
def test_json_that_lacks_something(ticket_folder: Path, key: str) -> None:
    rewrite(ticket_folder, TICKET_JSON, **{key: None})
    refusal = refusal_of(ticket_folder)
    assert isinstance(refusal, TicketError)
    assert str(refusal) == (
        f"{ticket_folder / TICKET_JSON}: {key} is missing; it is damaged or not written by lthctl: make it again"
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
def test_json_that_misstates_something(
    ticket_folder: Path, changes: dict[str, object], said: str
) -> None:
    rewrite(ticket_folder, TICKET_JSON, **changes)
    assert str(refusal_of(ticket_folder, lambda path: TicketFolder(path).document)).startswith(
        f"{ticket_folder / TICKET_JSON}: {said}"
    )
    assert str(refusal_of(ticket_folder)).startswith(f"{ticket_folder / TICKET_JSON}: {said}")


# ---- finding ----


def test_find_tickets(ticket: Ticket, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    for place in "b", "a", "pipeline/c", ".a.1.new":
        save_ticket(ticket, masks / place)
    assert find_tickets(masks) == [masks / "a", masks / "b", masks / "pipeline" / "c"]
    assert find_tickets(masks / "b", masks / "a", str(masks / "b")) == [masks / "a", masks / "b"]
    assert find_tickets(masks, masks / "pipeline") == find_tickets(masks)


def test_find_tickets_where_there_are_none(ticket_folder: Path, tmp_path: Path) -> None:
    expected = "expected a folder with a ticket.json. Make tickets with `lthctl prune --out"
    (tmp_path / "empty").mkdir()
    with pytest.raises(TicketError) as refusal:
        find_tickets(ticket_folder, tmp_path / "empty")
    assert str(refusal.value) == (
        f"{tmp_path / 'empty'}: holds no ticket, nor does anything below it; {expected} {tmp_path / 'empty'}`"
    )
    with pytest.raises(TicketError) as refusal:
        find_tickets(tmp_path / "nowhere")
    assert (
        str(refusal.value)
        == f"{tmp_path / 'nowhere'}: does not exist; {expected} {tmp_path / 'nowhere'}`"
    )

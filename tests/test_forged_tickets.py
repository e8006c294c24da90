"""Files with right digests that no honest program writes: none is taken, and nothing is executed."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from lthctl.artifacts.names import (
    INIT_FILE,
    MASK_FILE,
    TICKET_JSON,
)
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.artifacts.ticket import Ticket, load_ticket, save_ticket
from lthctl.datasets.base import Dataset
from lthctl.errors import LthctlError, MaskError, TicketError
from lthctl.lottery.find import find_ticket
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams

from .test_ticket import packed, refusal_of, rewrite

# ---- tickets ----


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", [MASK_FILE, INIT_FILE])
@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_nothing_is_executed(ticket_folder: Path, tmp_path: Path, name: str, kind: str) -> None:
    marker, forged = tmp_path / "executed", tmp_path / "forged"
    if kind == "pickle":
        forged.write_bytes(pickle.dumps(Touch(marker)))
    else:
        torch.save(Touch(marker), forged)
    rewrite(ticket_folder, TICKET_JSON, put={name: forged.read_bytes()})
    refusal = refusal_of(ticket_folder)
    assert isinstance(refusal, TicketError)
    assert str(refusal).startswith(f"{ticket_folder / name}: is no safetensors file (")
    assert not marker.exists()
    torch.load(forged, weights_only=False) if kind == "torch" else pickle.loads(forged.read_bytes())
    assert marker.exists()  # it would have done something


def test_json_that_is_a_pickle(ticket_folder: Path, tmp_path: Path) -> None:
    (ticket_folder / TICKET_JSON).write_bytes(pickle.dumps(Touch(tmp_path / "executed")))
    assert str(refusal_of(ticket_folder)).startswith(
        f"{ticket_folder / TICKET_JSON}: is not JSON ("
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
def test_a_header_that_claims_more_than_there_is(
    ticket_folder: Path, name: str, length: int
) -> None:
    rewrite(ticket_folder, TICKET_JSON, put={name: length.to_bytes(8, "little") + b"{}"})
    assert str(refusal_of(ticket_folder)).startswith(
        f"{ticket_folder / name}: is no safetensors file ("
    )


@pytest.mark.parametrize(
    "shape", [[2**33], [2**32, 2**32], [2**62, 4], [2**64, 0], [-1], [2**31, 2**31, 0]]
)
def test_a_shape_that_claims_more_than_there_is(
    ticket: Ticket, ticket_folder: Path, shape: list[int]
) -> None:
    content = forge_tensors({"layers.0.weight": ("F32", shape, b"\0" * 4)})
    rewrite(ticket_folder, TICKET_JSON, put={INIT_FILE: content})
    assert isinstance(refusal_of(ticket_folder), TicketError)


@pytest.mark.parametrize("shape", [[2**35], [2**32, 2**32], [-1], [20.5], ["20"], None, [[20]]])
def test_a_mask_that_claims_more_than_the_weights_have_is_not_unpacked(
    ticket: Ticket, ticket_folder: Path, shape: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "unpackbits", lambda *_, **__: pytest.fail("was unpacked"))
    shapes = {name: list(array.shape) for name, array in ticket.mask.items()} | {
        "layers.0.bias": shape
    }
    rewrite(ticket_folder, TICKET_JSON, put={MASK_FILE: packed(dict(ticket.mask), shapes)})  # type: ignore[arg-type]
    assert isinstance(refusal_of(ticket_folder), MaskError)


@pytest.mark.parametrize("note", ["[" * 100_000, '{"a": ' * 10_000, "null", "1", '"x"'])
def test_shapes_that_are_deep_or_none(ticket: Ticket, ticket_folder: Path, note: str) -> None:
    bits = {name: np.packbits(array.ravel()) for name, array in ticket.mask.items()}
    rewrite(ticket_folder, TICKET_JSON, put={MASK_FILE: tensors_bytes(bits, note=note)})
    assert str(refusal_of(ticket_folder)).startswith(f"{ticket_folder / MASK_FILE}: ")


def test_metadata_of_null(ticket_folder: Path) -> None:
    text = b'{"__metadata__":null}'
    rewrite(ticket_folder, TICKET_JSON, put={MASK_FILE: len(text).to_bytes(8, "little") + text})
    assert isinstance(refusal_of(ticket_folder), LthctlError)


def test_padding_that_is_not_0(ticket: Ticket, ticket_folder: Path) -> None:
    bits = {name: np.packbits(array.ravel()) for name, array in ticket.mask.items()}
    bits["layers.0.bias"][-1] |= 1  # 20 bits in 24
    shapes = {name: list(array.shape) for name, array in ticket.mask.items()}
    rewrite(
        ticket_folder, TICKET_JSON, put={MASK_FILE: tensors_bytes(bits, note=json.dumps(shapes))}
    )
    assert str(refusal_of(ticket_folder)) == (
        f"{ticket_folder / MASK_FILE}: 'layers.0.bias' is padded with bits other than 0; make the ticket again"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(ticket: Ticket, ticket_folder: Path, value: float) -> None:
    init = {**ticket.init, "layers.1.bias": np.full(12, value, np.float32)}
    rewrite(ticket_folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    assert str(refusal_of(ticket_folder)) == (
        f"{ticket_folder / INIT_FILE}: 'layers.1.bias' has weights that are not finite; it is damaged or of another model"
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, np.bool_])
def test_weights_of_another_dtype(ticket: Ticket, ticket_folder: Path, dtype: type) -> None:
    init = {**ticket.init, "layers.1.bias": np.ones(12, dtype)}
    rewrite(ticket_folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    assert str(refusal_of(ticket_folder)).startswith(
        f"{ticket_folder / INIT_FILE}: 'layers.1.bias' has dtype "
    )


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "O"])
def test_weights_of_a_dtype_that_numpy_does_not_have(ticket_folder: Path, dtype: str) -> None:
    rewrite(
        ticket_folder, TICKET_JSON, put={INIT_FILE: forge_tensors({"a": (dtype, [1], b"\0\0")})}
    )
    assert str(refusal_of(ticket_folder)).startswith(
        f"{ticket_folder / INIT_FILE}: is no safetensors file ("
    )


def test_weights_beyond_those_of_the_model(ticket: Ticket, ticket_folder: Path) -> None:
    init = {**ticket.init, "extra": np.ones(1, np.float32)}
    rewrite(ticket_folder, TICKET_JSON, put={INIT_FILE: tensors_bytes(init)})
    assert str(refusal_of(ticket_folder)).startswith(
        f"{ticket_folder / INIT_FILE}: 'extra' is extra; "
    )


def test_a_ticket_that_prunes_other_parameters_than_the_model_has(
    ticket: Ticket, ticket_folder: Path
) -> None:
    rewrite(ticket_folder, TICKET_JSON, biases=False)
    assert str(refusal_of(ticket_folder)).startswith(
        f"{ticket_folder / TICKET_JSON}: prunes ['layers.0.bias', "
    )


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
    ticket: Ticket, ticket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a newer safetensors should write the same arrays otherwise."""
    digest = ticket.digest
    monkeypatch.setattr("lthctl.artifacts.ticket.tensors_bytes", lambda *_, **__: b"otherwise")
    assert load_ticket(ticket_folder).digest == digest

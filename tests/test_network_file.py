"""Weights and masks in whatever a file holds; nothing in it is run."""

import codecs
import importlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

from lthctl.errors import CheckpointError
from lthctl.interop import nested_tensors, object_file
from lthctl.interop.importing import import_ticket
from lthctl.interop.network_file import read_network
from lthctl.interop.torch_tensors import TorchTensors
from lthctl.models.mlp import MLP
from lthctl.pickles import Name, PickleError


def net() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))


def masked() -> nn.Sequential:
    module = net()
    for layer in (module[0], module[2]):
        prune.l1_unstructured(layer, "weight", 0.5)
    return module


def masks() -> dict[str, torch.Tensor]:
    return {name.removesuffix("_mask"): mask.bool() for name, mask in masked().named_buffers()}


class Checked(nn.Module):
    """With names as torch.nn.utils.parametrize and torch.ao.pruning give them."""

    def state(self) -> dict[str, torch.Tensor]:
        state = net().state_dict()
        for number in "02":
            state[f"{number}.parametrizations.weight.original"] = state.pop(f"{number}.weight")
            state[f"{number}.parametrizations.weight.0.mask"] = masks()[f"{number}.weight"]
        return state


def dumped(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def archived(state: dict[str, torch.Tensor], path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **{name: tensor.numpy() for name, tensor in state.items()})


SAVE: dict[str, Callable[[Path], object]] = {
    "state_dict": lambda p: torch.save(masked().state_dict(), p),
    "whole module": lambda p: torch.save(masked(), p),
    "before 1.6": lambda p: torch.save(
        masked().state_dict(), p, _use_new_zipfile_serialization=False
    ),
    "whole module, before 1.6": lambda p: torch.save(
        masked(), p, _use_new_zipfile_serialization=False
    ),
    "protocol 4": lambda p: torch.save(masked().state_dict(), p, pickle_protocol=4),
    "beside an optimizer": lambda p: torch.save(
        {
            "epoch": 3, "state_dict": masked().state_dict(), "tags": {1, 2},
            "optimizer": torch.optim.Adam(net().parameters()).state_dict(),
        },
        p,
    ),
    "ShrinkBench": lambda p: torch.save(
        {"model_state_dict": {**net().state_dict(), **{f"{n}_mask": m for n, m in masks().items()}}},
        p,
    ),
    "masks apart": lambda p: torch.save({"model": net().state_dict(), "masks": masks()}, p),
    "masks among the weights": lambda p: torch.save({**net().state_dict(), "masks": masks()}, p),
    "masks as lists": lambda p: torch.save(
        {"model": net().state_dict(), "masks": {n: m.tolist() for n, m in masks().items()}}, p
    ),
    "all as lists": lambda p: dumped(
        {
            **{n: t.tolist() for n, t in net().state_dict().items()},
            **{f"{n}_mask": m.int().tolist() for n, m in masks().items()},
            "history": [[0.5, 0.1], [0.4]], "betas": [0.9, 0.99],
        },
        p,
    ),
    "module and masks": lambda p: torch.save({"net": net(), "mask": masks()}, p),
    "parametrized": lambda p: torch.save(Checked().state(), p),
    "safetensors": lambda p: save_file(masked().state_dict(), p),
    "pickle of tensors": lambda p: dumped(dict(masked().state_dict()), p),
    "pickle of arrays": lambda p: dumped(
        {name: tensor.numpy() for name, tensor in masked().state_dict().items()}, p
    ),
    "npz": lambda p: archived(masked().state_dict(), p),
}  # fmt: skip


@pytest.mark.parametrize("how", SAVE)
def test_weights_and_masks_are_found_however_they_are_saved(how: str, tmp_path: Path) -> None:
    SAVE[how](tmp_path / "x")
    network = read_network(tmp_path / "x")
    assert network.weights.keys() == net().state_dict().keys()
    for name, tensor in net().state_dict().items():
        np.testing.assert_array_equal(network.weights[name], tensor.numpy())
    assert network.masks.keys() == masks().keys()
    for name, mask in masks().items():
        np.testing.assert_array_equal(network.masks[name], mask.numpy())
        assert (network.effective[name][~mask.numpy()] == 0).all()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_list_of_masks_is_read_at_every_protocol(protocol: int, tmp_path: Path) -> None:
    arrays = [mask.numpy().astype(np.float32) for mask in masks().values()]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(arrays, protocol=protocol))
    network = read_network(tmp_path / "x.pkl")
    assert network.weights == {}
    np.testing.assert_array_equal(network.masks["0"], arrays[0] != 0)
    np.testing.assert_array_equal(network.masks["1"], arrays[1] != 0)


@pytest.mark.parametrize("kind", [torch.int32, torch.int64, torch.bool, torch.uint8, torch.float32])
def test_masks_may_be_of_any_type(kind: torch.dtype, tmp_path: Path) -> None:
    torch.save({name: mask.to(kind) for name, mask in masks().items()}, tmp_path / "x")
    assert read_network(tmp_path / "x").masks.keys() == masks().keys()


def test_a_folder_of_arrays_is_read(tmp_path: Path) -> None:
    for name, mask in masks().items():
        np.save(tmp_path / f"{name}.npy", mask.numpy().astype(np.float64))
    assert read_network(tmp_path).masks.keys() == masks().keys()


def test_weights_of_float16_and_big_endian_arrays_are_exact(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.25, 0.1]])
    dumped([values.astype(">f4"), values.astype("f2"), np.asfortranarray(values.T)], tmp_path / "x")
    network = read_network(tmp_path / "x")
    np.testing.assert_array_equal(network.weights["0"], values.astype("f4"))
    np.testing.assert_array_equal(network.weights["1"], values.astype("f2"))
    np.testing.assert_array_equal(network.weights["2"], values.T)


def shared(depth: int) -> object:
    """A list of 2 ** depth numbers that takes a few bytes."""
    numbers: object = [1]
    for _ in range(depth):
        numbers = [numbers, numbers]
    return numbers


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([[1, 0], [1]], "'0.weight' is a list whose rows differ in length"),
        ([[1, 0], [1, "a"]], "'0.weight' is a list of more than numbers; save it as a tensor"),
        ("scipy", "'0.weight' is a tensor of another layout or kind (sc"),
        (np.ma.masked_array(np.eye(4)), "'0.weight' is a tensor of another layout or kind (numpy.ma"),
        (shared(30), "holds more than 4,096 parts, which no network has"),
        ({"a": shared(26)}, "holds more than 4,096 parts, which no network has"),
        ({"a": [[0.5] * 2000] * 5}, "holds more than 4,096 parts, which no network has"),
    ],
    ids=["ragged", "text", "scipy", "masked array", "long", "wide", "again and again"],
)  # fmt: skip
def test_what_is_no_array_under_a_layers_name_is_not_left_out(
    value: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.pkl"
    monkeypatch.setattr(nested_tensors, "MOST", 4096)
    if isinstance(value, str):
        value = importlib.import_module("scipy.sparse").csr_matrix(np.eye(4))
    dumped({"0.weight": value, "2.weight": np.eye(3, 4)}, path)
    with pytest.raises(CheckpointError) as refusal:
        read_network(path)
    assert str(refusal.value).startswith(f"{path}: {said}")
    with pytest.raises(CheckpointError, match=r"x\.pkl: is a pickle, which is never run"):
        import_ticket(path, model=MLP((6, 4, 3)))


class Encoded:
    def __reduce__(self) -> tuple[object, ...]:
        return codecs.encode, ("\u00e9", "utf-8")


def test_no_argument_of_a_known_call_is_passed_over(tmp_path: Path) -> None:
    dumped({"0.weight": Encoded()}, tmp_path / "x")
    with pytest.raises(CheckpointError, match="bytes as text in the encoding 'utf-8', expected l"):
        read_network(tmp_path / "x")
    whole = object_file._meanings(TorchTensors({"0": bytes(8)}, 99))
    reference = ("storage", Name("torch.FloatStorage"), "0", "cpu", 2)
    assert whole.look_up((*reference, None)) == whole.look_up(reference)
    with pytest.raises(PickleError, match="refers to a part of a storage, as PyTorch"):
        whole.look_up((*reference, ("1", 0, 2)))


@pytest.mark.parametrize("number", [0, 1])
def test_a_mask_of_another_layout_is_not_left_out(tmp_path: Path, number: int) -> None:
    """Its layer would be taken for one that nothing was pruned of."""
    path = tmp_path / "x.pt"
    masks = {"layers.0.weight_mask": torch.eye(4, 6), "layers.1.weight_mask": torch.eye(3, 4)}
    name = sorted(masks)[number]
    torch.save({**masks, name: masks[name].to_sparse()}, path)
    with pytest.raises(CheckpointError, match=rf"x\.pt: '{name}' is a tensor of another layout"):
        read_network(path)
    with pytest.raises(CheckpointError, match="_rebuild_sparse_tensor"):
        import_ticket(path, model=MLP((6, 4, 3)))


def test_a_layer_without_a_mask_is_named(tmp_path: Path) -> None:
    torch.save({"layers.0.weight_mask": torch.eye(4, 6)}, tmp_path / "x.pt")
    said: list[str] = []
    import_ticket(tmp_path / "x.pt", model=MLP((6, 4, 3)), announce=said.append)
    assert any(
        text.endswith("has no mask for layers.1.weight, so all of it is kept") for text in said
    )


def test_a_modules_own_mask_of_attention_is_of_no_weight(tmp_path: Path) -> None:
    torch.save({"attn.weight": torch.ones(2, 3) / 2, "attn_mask": torch.ones(3, 3)}, tmp_path / "x")
    network = read_network(tmp_path / "x")
    assert network.masks == {}


def test_a_key_says_where_weights_are(tmp_path: Path) -> None:
    torch.save({"best": {"a": net().state_dict()}, "last": {"w": torch.ones(2)}}, tmp_path / "x")
    assert "0.weight" in read_network(tmp_path / "x", key="best.a").weights
    with pytest.raises(CheckpointError, match="has no 'none' where 'best"):
        read_network(tmp_path / "x", key="best.none")


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch ran",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_in_a_file_is_run(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_bytes(pickle.dumps({"a": Evil(), "w": np.ones((2, 2)) / 2}, protocol=protocol))
    assert read_network(Path("x")).weights.keys() == {"w"}
    torch.save({"a": Evil(), "w": torch.ones(2, 2) / 2}, "y")
    assert read_network(Path("y")).weights.keys() == {"w"}
    assert not Path("ran").exists()


@pytest.mark.parametrize("how", ["whole module", "before 1.6", "pickle of arrays", "npz"])
def test_a_truncated_file_is_refused(how: str, tmp_path: Path) -> None:
    SAVE[how](tmp_path / "x")
    content = (tmp_path / "x").read_bytes()
    for length in range(1, len(content) - 60, max(1, len(content) // 40)):
        (tmp_path / "y").write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=f"^{tmp_path / 'y'}: "):
            read_network(tmp_path / "y")


def test_what_holds_no_tensors_is_refused(tmp_path: Path) -> None:
    for name, value in (("a", {"x": 1}), ("b", [])):
        dumped(value, tmp_path / name)
        with pytest.raises(CheckpointError, match="holds no tensors"):
            read_network(tmp_path / name)
    (tmp_path / "c").write_text("hello")
    with pytest.raises(CheckpointError, match="is no file of tensors that is known here"):
        read_network(tmp_path / "c")
    with pytest.raises(CheckpointError, match="is missing"):
        read_network(tmp_path / "none")

"""What other programs read from exported files: the same weights and the same mask, to the bit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn
from torch.nn.utils import prune

from lthctl.artifacts.run import Run
from lthctl.artifacts.ticket import Ticket
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import OutputError, ParamsError, RunError, TicketError
from lthctl.interop.export import export_to, num_kept_zeros
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.models.entry import model_from
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import ModelParams, TrainParams

TRAIN = TrainParams(steps=3, evaluate_every=3, engine="torch", device="cpu")


@pytest.fixture(scope="module")
def ticket(dataset: Dataset) -> Ticket:
    return find_ticket(MLP((784, 20, 12, 10)), dataset, method="random", ratio=0.8, seed=3)


@pytest.fixture(scope="module")
def run(ticket: Ticket, dataset: Dataset) -> Run:
    return retrain(ticket, dataset, train=TRAIN)


def masked(source: Ticket | Run) -> dict[str, np.ndarray]:
    return source.mask.apply(source.init) if isinstance(source, Ticket) else dict(source.weights)


@pytest.fixture(params=["ticket", "run"])
def source(request: pytest.FixtureRequest) -> Ticket | Run:
    return request.getfixturevalue(request.param)


def pruned_network() -> nn.Module:
    network = MLP((784, 20, 12, 10)).build()
    for layer in network.layers:
        for name in ("weight", "bias"):
            prune.identity(layer, name)
    return network


def test_a_state_dict_loads_into_a_plain_module(source: Ticket | Run, tmp_path: Path) -> None:
    assert export_to(source, tmp_path / "x.pt") == tmp_path / "x.pt"
    state = torch.load(tmp_path / "x.pt", weights_only=True)
    assert list(state) == list(MLP((784, 20, 12, 10)).shapes())
    MLP((784, 20, 12, 10)).build().load_state_dict(state)
    for name, array in masked(source).items():
        np.testing.assert_array_equal(state[name].numpy(), array)


def test_prune_form_loads_into_a_pruned_module(source: Ticket | Run, tmp_path: Path) -> None:
    export_to(source, tmp_path / "x.pt", to="prune")
    network = pruned_network()
    network.load_state_dict(torch.load(tmp_path / "x.pt", weights_only=True), strict=True)
    network(torch.zeros(1, 784))  # the forward pre-hook multiplies by the mask
    for index, layer in enumerate(network.layers):
        np.testing.assert_array_equal(
            layer.weight.detach().numpy(), masked(source)[f"layers.{index}.weight"]
        )
        np.testing.assert_array_equal(
            layer.bias.detach().numpy(), masked(source)[f"layers.{index}.bias"]
        )


def test_prune_form_of_a_ticket_keeps_the_pruned_initial_weights(
    ticket: Ticket, tmp_path: Path
) -> None:
    export_to(ticket, tmp_path / "x.pt", to="prune")
    state = torch.load(tmp_path / "x.pt", weights_only=True)
    np.testing.assert_array_equal(
        state["layers.0.weight_orig"].numpy(), ticket.init["layers.0.weight"]
    )
    np.testing.assert_array_equal(
        state["layers.0.weight_mask"].numpy() == 1, ticket.mask["layers.0.weight"]
    )


def test_csr_opens_in_scipy_layer_by_layer(source: Ticket | Run, tmp_path: Path) -> None:
    export_to(source, tmp_path / "x", to="csr")
    for name, array in masked(source).items():
        if array.ndim == 1:
            np.testing.assert_array_equal(np.load(tmp_path / "x" / f"{name}.npy"), array)
            continue
        matrix = sparse.load_npz(tmp_path / "x" / f"{name}.npz")
        assert matrix.format == "csr" and matrix.has_canonical_format
        assert matrix.nnz == np.count_nonzero(array)
        np.testing.assert_array_equal(matrix.toarray(), array)


def test_csr_has_an_entry_for_a_kept_weight_that_is_0(ticket: Ticket, tmp_path: Path) -> None:
    init = {name: np.array(array) for name, array in ticket.init.items()}
    init["layers.2.weight"][:] = 0
    kept = ticket.mask["layers.2.weight"]
    export_to(with_init(ticket, init), tmp_path / "x", to="csr")
    assert sparse.load_npz(tmp_path / "x" / "layers.2.weight.npz").nnz == np.count_nonzero(kept)
    assert num_kept_zeros(with_init(ticket, init)) == np.count_nonzero(kept)
    assert num_kept_zeros(ticket) == 0


def with_init(ticket: Ticket, init: dict[str, np.ndarray]) -> Ticket:
    from dataclasses import replace

    return replace(ticket, init=init)


def test_onnx_computes_what_torch_computes(
    source: Ticket | Run, dataset: Dataset, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    export_to(source, tmp_path / "x.onnx", to="onnx")
    network = MLP((784, 20, 12, 10)).build()
    network.load_state_dict(
        {name: torch.from_numpy(array) for name, array in masked(source).items()}
    )
    images = dataset.validation.images[:7].astype(np.float32) / 255
    session = runtime.InferenceSession(tmp_path / "x.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images})
    np.testing.assert_allclose(
        logits, network(torch.from_numpy(images)).detach().numpy(), atol=1e-5
    )


@pytest.mark.parametrize("to", ["state_dict", "prune", "onnx", "csr"])
def test_the_same_bytes_wherever_they_are_written(to: str, ticket: Ticket, tmp_path: Path) -> None:
    first, second = (
        export_to(ticket, tmp_path / "a.pt", to=to),
        export_to(ticket, tmp_path / "sub" / "other.bin", to=to),
    )

    def contents(place: Path) -> dict[str, bytes]:
        return (
            {file.name: file.read_bytes() for file in place.iterdir()}
            if to == "csr"
            else {"": place.read_bytes()}
        )

    assert contents(first) == contents(second)
    assert not any(str(tmp_path).encode() in content for content in contents(second).values())


def test_what_is_there_stays_unless_it_may_go(ticket: Ticket, tmp_path: Path) -> None:
    place = tmp_path / "x.pt"
    place.write_text("mine")
    for to in ("prune", "csr"):
        with pytest.raises(OutputError):
            export_to(ticket, place, to=to)
    assert place.read_text() == "mine"
    export_to(ticket, place, replace=True)
    assert torch.load(place, weights_only=True)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError):
        export_to(ticket, tmp_path / "folder", replace=True)


def test_what_cannot_be_exported_says_why(
    ticket: Ticket, run: Run, dataset: Dataset, tmp_path: Path
) -> None:
    from dataclasses import replace

    with pytest.raises(
        ParamsError, match="to: is 'keras', expected one of state_dict, prune, csr, onnx"
    ):
        export_to(ticket, tmp_path / "x", to="keras")
    with pytest.raises(RunError, match="its final weights were not kept"):
        export_to(replace(run, weights=None), tmp_path / "x")
    weights = {name: np.array(array) for name, array in run.weights.items()}
    weights["layers.2.weight"][:] = 0
    with pytest.raises(
        RunError, match="of its kept weights are 0, so a run does not tell its mask"
    ):
        export_to(replace(run, weights=weights), tmp_path / "x", to="prune")
    model = ModuleModel(
        "flat", lambda: nn.Sequential(nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10)), output="2"
    )
    module = find_ticket(model, dataset, method="random", ratio=0.5, seed=1)
    with pytest.raises(TicketError, match="'flat' is a module that only you can build"):
        export_to(module, tmp_path / "x", to="onnx")
    export_to(retrain(module, dataset, train=TRAIN, model=model), tmp_path / "x", to="prune")
    state = torch.load(tmp_path / "x", weights_only=True)
    assert json.dumps(sorted(state)) == json.dumps(
        sorted(
            f"{i}.{part}_{kind}"
            for i in (0, 2)
            for part in ("weight", "bias")
            for kind in ("orig", "mask")
        )
    )


@pytest.mark.long
@pytest.mark.parametrize(("name", "shape"), [("lenet5", (1, 28, 28)), ("resnet20", (3, 32, 32))])
def test_onnx_of_a_built_in_network_computes_what_torch_computes(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    """Masked, with batch norm, for any number of images, and with no path of this machine."""
    runtime = pytest.importorskip("onnxruntime")
    model = model_from(ModelParams(name=name))
    images, labels = np.zeros((10, *shape), np.uint8), np.arange(10)
    data = Dataset("pictures", Split(images, labels), Split(images, labels))
    found = find_ticket(model, data, method="random", ratio=0.8, seed=3)
    export_to(found, tmp_path / "a.onnx", to="onnx")
    export_to(found, tmp_path / "b.onnx", to="onnx")
    content = (tmp_path / "a.onnx").read_bytes()
    assert content == (tmp_path / "b.onnx").read_bytes()
    assert b".py" not in content and str(Path(__file__).parents[1]).encode() not in content
    pictures = torch.rand(5, *shape)
    session = runtime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": pictures.numpy()})
    module = model.build().eval()
    module.load_state_dict(
        {key: torch.from_numpy(np.array(one)) for key, one in masked(found).items()}
    )
    with torch.no_grad():
        expected = module(pictures).numpy()
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)

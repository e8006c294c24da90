"""`SparseLinear` against a dense float64 product, and tickets in modules of others."""

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lthctl import SparseLinear, Ticket, apply_ticket_, find_ticket, sparsify_
from lthctl.datasets.base import Dataset
from lthctl.errors import MaskError, ParamsError, TicketError
from lthctl.models.mlp import MLP
from lthctl.training.sparse import linear, matrices
from lthctl.training.sparse.kernels.processor import LANES

from .test_apply import Own, ticket  # noqa: F401 - a fixture
from .test_protection import FIRST, Tied, ticket_of_tied


@pytest.fixture(autouse=True)
def seeded() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def mask_of(outputs: int, inputs: int, density: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((outputs, inputs)) < density


def close(value: torch.Tensor | None, exact: torch.Tensor, terms: int) -> None:
    """Equal up to rounding sums of so many float32 products."""
    assert value is not None and value.shape == exact.shape
    scale = float(exact.abs().max()) if exact.numel() else 0.0
    torch.testing.assert_close(
        value.detach().double(), exact, rtol=0, atol=1e-6 * terms**0.5 * max(scale, 1.0)
    )


def check_against_float64(
    inputs: int, outputs: int, batch: tuple[int, ...], density: float, bias: bool = True
) -> None:
    mask = mask_of(outputs, inputs, density, inputs + outputs)
    dense = nn.Linear(inputs, outputs, bias)
    layer = SparseLinear.from_linear(dense, mask)
    x, gy = torch.randn(*batch, inputs, requires_grad=True), torch.randn(*batch, outputs)
    y = layer(x)
    y.backward(gy)
    kept = torch.from_numpy(mask)
    weight = (dense.weight.detach().double() * kept).requires_grad_()
    exact = x.detach().double().requires_grad_()
    wanted = exact @ weight.T
    if bias:
        wanted = wanted + dense.bias.detach().double()
    wanted.backward(gy.double())
    close(y, wanted.detach(), inputs)
    close(x.grad, exact.grad, outputs)
    close(layer.values.grad, weight.grad[kept], int(np.prod(batch)))
    if bias:
        close(layer.bias.grad, gy.double().reshape(-1, outputs).sum(0), int(np.prod(batch)))


@pytest.mark.parametrize("batch", [1, 15, 16, 17, 63, 64, 65, 100, 130])
def test_values_and_gradients_are_those_of_the_masked_product(batch: int) -> None:
    check_against_float64(70, 33, (batch,), 0.2)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (15, 17), (16, 16), (300, 10)])
@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 0.7, 1.0])
def test_any_size_and_density(size: tuple[int, int], density: float) -> None:
    check_against_float64(*size, (20,), density)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3, 4), (0,), (2, 0)])
def test_any_dimensions_before_the_last(batch: tuple[int, ...]) -> None:
    check_against_float64(20, 30, batch, 0.1, bias=False)


@pytest.mark.long
def test_sixty_random_layers() -> None:
    random = np.random.default_rng(21)
    for _ in range(60):
        inputs, outputs = (int(2 ** random.uniform(0, 12.0004)) for _ in range(2))
        batch, density = int(2 ** random.uniform(0, 9)), 10 ** random.uniform(-3, -0.4)
        check_against_float64(inputs, outputs, (batch,), density, bool(random.integers(2)))
    check_against_float64(4097, 300, (512,), 0.02)
    check_against_float64(300, 4097, (1,), 0.02)


def test_inputs_may_lie_in_any_order() -> None:
    layer = SparseLinear(20, 30, mask=mask_of(30, 20, 0.2))
    x = torch.randn(20, 50).T
    assert torch.equal(layer(x), layer(x.contiguous()))
    layer(x).sum().backward()  # whose gradient is one number, seen 1,500 times
    close(layer.bias.grad, torch.full((30,), 50.0).double(), 50)


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_bits_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(linear, "SMALLEST_SHARE", 1)
    monkeypatch.setattr(linear, "SMALLEST_COPY", 1)
    shares: list[int] = []

    def counted(work: Any, parts: Any) -> None:
        shares.append(len(parts))
        matrices.in_threads(work, parts)

    monkeypatch.setattr(linear, "in_threads", counted)
    layer, x = SparseLinear(200, 150, mask=mask_of(150, 200, 0.2)), torch.randn(90, 200)

    def results(count: int) -> list[torch.Tensor]:
        monkeypatch.setattr(torch, "get_num_threads", lambda: count)
        layer.zero_grad()
        inputs = x.clone().requires_grad_()
        y = layer(inputs)
        y.square().sum().backward()
        return [y.detach(), inputs.grad, layer.values.grad, layer.bias.grad]

    one = results(1)
    assert set(shares) == {1}
    for value, same in zip(results(threads), one, strict=True):
        assert torch.equal(value, same)
    assert max(shares) == threads


@pytest.mark.parametrize("rows", [1, 15, 16, 100, 4097])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_shares_cover_every_row_once(rows: int, threads: int) -> None:
    positions = matrices.positions_of(mask_of(rows, 50, 0.1))
    for shares, end in (
        (positions.shares(False, threads), rows),
        (positions.shares(True, threads), 50),
        (matrices.equal_shares(rows, threads), rows),
    ):
        assert [row for share in shares for row in range(*share)] == list(range(end))
        assert all(begin % LANES == 0 for begin, _ in shares) and len(shares) <= threads


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
        lambda p: torch.optim.Adam(p, fused=True),
        lambda p: torch.optim.RMSprop(p, momentum=0.5),
    ],
)
def test_it_trains_as_a_masked_layer_does(optimizer: Any) -> None:
    mask, dense = mask_of(30, 20, 0.2), nn.Linear(20, 30)
    kept = torch.from_numpy(mask)
    with torch.no_grad():
        dense.weight.mul_(kept)
    layer = SparseLinear.from_linear(dense, mask)
    updates = [optimizer(module.parameters()) for module in (dense, layer)]
    for _ in range(10):
        x = torch.randn(25, 20)
        for module, update in zip((dense, layer), updates, strict=True):
            update.zero_grad()
            module(x).square().sum().backward()
        dense.weight.grad.mul_(kept)
        for update in updates:
            update.step()
    torch.testing.assert_close(layer.weight, dense.weight, rtol=1e-4, atol=1e-5)
    assert torch.equal(layer.weight != 0, kept)


def test_files_are_those_of_a_dense_layer() -> None:
    mask = mask_of(30, 20, 0.2)
    layer = SparseLinear(20, 30, mask=mask)
    assert torch.equal(layer.mask, torch.from_numpy(mask))
    assert torch.equal(layer.values, layer.weight[layer.mask])
    dense = layer.to_linear()
    assert list(layer.state_dict()) == list(dense.state_dict()) == ["weight", "bias"]
    assert torch.equal(dense.weight, layer.weight)
    other = SparseLinear(20, 30, mask=mask)
    file = io.BytesIO()
    torch.save(nn.Sequential(dense).state_dict(), file)
    file.seek(0)
    nn.Sequential(other).load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.weight, layer.weight) and torch.equal(other.bias, layer.bias)


def test_files_that_do_not_fit_are_refused() -> None:
    layer = nn.Sequential(SparseLinear(20, 30, mask=mask_of(30, 20, 0.2)))
    before = layer[0].values.detach().clone()
    full = nn.Sequential(nn.Linear(20, 30)).state_dict()
    with pytest.raises(RuntimeError, match=r"0\.weight: \d+ pruned weights are not 0; multiply by"):
        layer.load_state_dict(full)
    with pytest.raises(RuntimeError, match=r"has shape \(30, 21\), expected \(30, 20\)"):
        layer.load_state_dict({**full, "0.weight": torch.zeros(30, 21)})
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0\.weight"'):
        layer.load_state_dict({"0.bias": torch.zeros(30)})
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "0\.other"'):
        layer.load_state_dict({**layer.state_dict(), "0.other": torch.zeros(1)})
    assert torch.equal(layer[0].values, before)


def test_it_begins_as_a_dense_layer_of_the_same_seed() -> None:
    mask = mask_of(30, 20, 0.2)
    torch.manual_seed(3)
    dense = nn.Linear(20, 30)
    torch.manual_seed(3)
    layer = SparseLinear(20, 30, mask=torch.from_numpy(mask))
    assert torch.equal(layer.weight, dense.weight * torch.from_numpy(mask))
    assert torch.equal(layer.bias, dense.bias)
    state = torch.get_rng_state()
    SparseLinear.from_linear(dense, mask).to_linear()
    assert torch.equal(torch.get_rng_state(), state)


def test_copies_and_pickles() -> None:
    layer, x = SparseLinear(20, 30, mask=mask_of(30, 20, 0.2)), torch.randn(5, 20)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x), layer(x))
        with torch.no_grad():
            other.values.zero_()
        assert torch.equal(other(x), layer.bias.expand(5, 30))
    assert torch.count_nonzero(layer.values) > 0


def test_gradients_that_nobody_asked_for_are_not_made() -> None:
    dense = nn.Linear(20, 30)
    dense.weight.requires_grad_(False)
    layer = SparseLinear.from_linear(dense.eval(), mask_of(30, 20, 0.2))
    assert not layer.training and not layer.values.requires_grad
    x = torch.randn(5, 20, requires_grad=True)
    layer(x).sum().backward()
    assert layer.values.grad is None and layer.bias.grad is not None and x.grad is not None


def test_weights_that_were_changed_in_between_are_noticed() -> None:
    layer = SparseLinear(20, 30, mask=mask_of(30, 20, 0.2))
    y = layer(torch.randn(5, 20, requires_grad=True))
    with torch.no_grad():
        layer.values.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_faults_say_what_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = SparseLinear(20, 30, mask=mask_of(30, 20, 0.2)), torch.randn(5, 20)
    with pytest.raises(ParamsError, match="the input is float64 on cpu, expected float32 on a CPU"):
        layer(x.double())
    with pytest.raises(ParamsError, match="the input is float32 on meta"):
        layer(x.to("meta"))
    with pytest.raises(ParamsError, match="the layer's weight is float16 on cpu"):
        copy.deepcopy(layer).half()(x)
    with pytest.raises(ParamsError, match=r"shape \(5, 19\), expected 20 features"):
        layer(x[:, 1:])
    with pytest.raises(ParamsError, match="in_features: is 0"):
        SparseLinear(0, 30)
    with pytest.raises(MaskError, match=r"shape \(20, 30\) and dtype bool, expected \(30, 20\)"):
        SparseLinear(20, 30, mask=mask_of(20, 30, 0.2))
    with pytest.raises(MaskError, match="dtype int64"):
        SparseLinear(20, 30, mask=np.ones((30, 20), np.int64))
    with pytest.raises(ParamsError, match="weight is float64"):
        SparseLinear.from_linear(nn.Linear(2, 2).double(), np.ones((2, 2), np.bool_))
    wide = np.broadcast_to(np.zeros(1, np.bool_), (1, 2**26))
    with pytest.raises(MaskError, match="expected at most 33,554,431 rows and columns"):
        matrices.positions_of(wide)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(ParamsError, match="numba's compiler is switched off"):
        SparseLinear(20, 30)


def test_a_ticket_takes_the_place_of_linear_layers(ticket: Ticket) -> None:  # noqa: F811
    net, masked = Own(), Own()
    made = sparsify_(net, ticket)
    assert sorted(made) == ["layers.0", "layers.1", "layers.2"]
    assert all(net.get_submodule(name) is layer for name, layer in made.items())
    apply_ticket_(masked, ticket)
    updates = [torch.optim.Adam(module.parameters()) for module in (net, masked)]
    for _ in range(5):
        x = torch.rand(8, 784)
        for module, update in zip((net, masked), updates, strict=True):
            update.zero_grad()
            module(x).square().sum().backward()
            update.step()
    for name, value in masked.state_dict().items():
        torch.testing.assert_close(net.state_dict()[name], value, rtol=1e-3, atol=1e-5)
        assert torch.count_nonzero(net.state_dict()[name][~torch.tensor(ticket.mask[name])]) == 0
    masked.load_state_dict(net.state_dict())
    with pytest.raises(TicketError, match="computed from others, as in a SparseLinear"):
        apply_ticket_(net, ticket)


def test_what_is_no_plain_linear_layer_stays_and_is_masked(
    small_model: MLP, dataset: Dataset
) -> None:
    class Special(nn.Linear):
        pass

    found = find_ticket(small_model, dataset, method="random", ratio=0.8, seed=3)
    net = Own()
    net.layers[0] = Special(784, 20)
    net.layers[1].register_forward_hook(lambda *_: None)
    apply_ticket_(net, found)  # its hooks are no obstacle
    assert list(sparsify_(net, found)) == ["layers.2"]
    net(torch.rand(8, 784)).square().sum().backward()
    for i in (0, 1):
        pruned = ~torch.tensor(found.mask[f"layers.{i}.weight"])
        assert torch.count_nonzero(net.layers[i].weight.grad[pruned]) == 0
        assert torch.count_nonzero(net.layers[i].weight.grad) > 0


def test_a_module_that_cannot_be_sparsified_is_left_as_it_was(ticket: Ticket) -> None:  # noqa: F811
    net = Own().double()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ParamsError, match=r"'layers\.0\.weight' is float64 on cpu"):
        sparsify_(net, ticket)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    with pytest.raises(TicketError, match=r"use SparseLinear\.from_linear"):
        sparsify_(nn.Linear(784, 10), ticket)


def test_a_layer_with_two_names_is_replaced_and_a_shared_weight_stays(ticket: Ticket) -> None:  # noqa: F811
    net, tied = Tied(), ticket_of_tied(ticket, FIRST)
    made = sparsify_(net, tied)
    assert sorted(made) == ["again", "out"]
    assert made["again"] is made["out"] is net.out and net.again is net.out
    assert net.a.weight is net.b.weight
    assert torch.equal(net.out.mask, torch.tensor(tied.mask["out.weight"]))

"""Pruned weights stay 0 wherever a module goes: copies, files, devices, new parameters."""

import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from lthctl.artifacts.ticket import Ticket
from lthctl.errors import ParamsError, TicketError
from lthctl.interop.apply import apply_ticket_, keep_pruned_
from lthctl.lottery.find import find_ticket
from lthctl.models.mlp import MLP
from tests.conftest import synthetic_dataset

SIZES = (784, 20, 12, 10)


@pytest.fixture(scope="module")
def ticket() -> Ticket:
    return find_ticket(MLP(SIZES), synthetic_dataset(), method="random", ratio=0.8, seed=3)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(SIZES)])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers[2](self.layers[1](self.layers[0](images).relu()).relu())


def adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=0.01, weight_decay=0.1)


def lbfgs(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(network.parameters(), lr=0.1, max_iter=4)


class Noise(torch.optim.SGD):
    """Moves every weight, whatever its gradient is."""

    def step(self, closure: object = None) -> None:
        super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.add_(torch.randn_like(parameter), alpha=0.01)


def train(network: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    optimizer = optimizer or adam(network)
    parameter = next(network.parameters())
    for _ in range(3):

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            images = torch.rand(8, 784, device=parameter.device, dtype=parameter.dtype)
            value = network(images).square().mean()
            value.backward()
            return value

        optimizer.step(loss)


def revived(network: nn.Module, ticket: Ticket) -> int:
    """Pruned weights that are not 0, under the names that plain modules have."""
    state = network.state_dict()
    names = {name.removeprefix("module.").removeprefix("_orig_mod."): name for name in state}
    return sum(
        int(torch.count_nonzero(state[names[name]].cpu()[~torch.tensor(kept)]))
        for name, kept in ticket.mask.items()
    )


def applied(ticket: Ticket) -> Net:
    network = Net()
    apply_ticket_(network, ticket)
    return network


def by_pickle(network: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(network))


def by_torch_save(network: nn.Module) -> nn.Module:
    stream = io.BytesIO()
    torch.save(network, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=False)


def assigned(network: nn.Module) -> nn.Module:
    network.load_state_dict({n: t.clone() for n, t in network.state_dict().items()}, assign=True)
    return network


def dense_loaded(network: nn.Module) -> nn.Module:
    network.load_state_dict(Net().state_dict())
    assert network.layers[2].weight.count_nonzero() < 120
    return network


def dense_assigned(network: nn.Module) -> nn.Module:
    network.load_state_dict(Net().state_dict(), assign=True)
    return network


def averaged(network: nn.Module) -> nn.Module:
    average = torch.optim.swa_utils.AveragedModel(network, use_buffers=True)
    average.update_parameters(network)
    return average.module


def overwritten(network: nn.Module) -> nn.Module:
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        return network.double().float()
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


def swapped(network: nn.Module) -> nn.Module:
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return network.double().float()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def by_meta(network: nn.Module) -> nn.Module:
    network.to("meta").to_empty(device="cpu")
    network.load_state_dict(Net().state_dict())
    return network


def replaced(network: nn.Module) -> nn.Module:
    network.layers[1].weight = nn.Parameter(torch.randn(12, 20))
    network.layers[0] = nn.Linear(784, 20)
    return network


def reset(network: nn.Module) -> nn.Module:
    for layer in network.layers:
        layer.reset_parameters()
    return network


def from_vector(network: nn.Module) -> nn.Module:
    vector = nn.utils.parameters_to_vector(Net().parameters())
    nn.utils.vector_to_parameters(vector, network.parameters())
    return network


def unfrozen(network: nn.Module) -> nn.Module:
    return network.requires_grad_(False).requires_grad_(True)


WAYS: list[Callable[[nn.Module], nn.Module]] = [
    copy.deepcopy, copy.copy, by_pickle, by_torch_save, lambda n: by_pickle(copy.deepcopy(n)), assigned, dense_loaded,
    dense_assigned, averaged, nn.Module.double, overwritten, swapped, by_meta, replaced, reset, from_vector, unfrozen,
    lambda n: n.share_memory(), nn.DataParallel, lambda n: copy.deepcopy(nn.DataParallel(n)), lambda n: copy.deepcopy(assigned(n)),
    lambda n: nn.ModuleDict({"module": copy.deepcopy(n)})["module"],
]  # fmt: skip


@pytest.mark.parametrize("optimizer", [adam, lbfgs])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__qualname__)
def test_protection_follows_the_network(
    way: Callable[[nn.Module], nn.Module],
    optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    ticket: Ticket,
) -> None:
    network = way(applied(ticket))
    before = copy.deepcopy(network.state_dict())
    train(network, optimizer(network))
    assert revived(network, ticket) == 0
    moved = [not torch.equal(before[name], value) for name, value in network.state_dict().items()]
    assert any(moved)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__qualname__)
def test_names_stay_so_that_plain_modules_load_the_state(
    way: Callable[[nn.Module], nn.Module], ticket: Ticket, tmp_path: Path
) -> None:
    network = way(applied(ticket))
    torch.save(network.state_dict(), tmp_path / "x.pt")
    loaded = torch.load(tmp_path / "x.pt", weights_only=True)
    Net().load_state_dict({name.removeprefix("module."): value for name, value in loaded.items()})


def test_a_frozen_layer_is_protected_once_it_is_unfrozen(ticket: Ticket) -> None:
    network = Net()
    network.layers[1].requires_grad_(False)
    apply_ticket_(network, ticket)
    train(network)
    assert revived(network, ticket) == 0
    network.layers[1].requires_grad_(True)
    train(network)
    assert revived(network, ticket) == 0


def test_copies_of_network_and_optimizer_keep_noise_off(ticket: Ticket) -> None:
    network = applied(ticket)
    optimizer = Noise(network.parameters(), lr=0.1)
    keep_pruned_(optimizer, network, ticket)
    for both in (
        copy.deepcopy((network, optimizer)),
        copy.deepcopy((optimizer, network))[::-1],
        pickle.loads(pickle.dumps((network, optimizer))),
    ):
        train(*both)
        assert revived(both[0], ticket) == 0
        another = Noise(both[0].parameters(), lr=0.1)
        train(both[0], another)
        assert revived(both[0], ticket) == 0
    alone = copy.deepcopy(network)
    train(alone, Noise(alone.parameters(), lr=0.1))
    assert revived(alone, ticket) == 0


def test_handles_free_the_module_and_not_its_copies(ticket: Ticket) -> None:
    network = Net()
    handles = apply_ticket_(network, ticket)
    another = copy.deepcopy(network)
    for handle in handles:
        handle.remove()
    train(network)
    assert revived(network, ticket) > 0
    train(another)
    assert revived(another, ticket) == 0
    for module in network.modules():
        assert not module._forward_pre_hooks and not module._forward_hooks
        assert not module._load_state_dict_post_hooks and not module._forward_hooks_always_called


def test_lbfgs_from_before_never_sees_a_pruned_weight(ticket: Ticket) -> None:
    """It remembers directions of all weights in one row, and tries them within a step."""
    network = Net()
    optimizer = lbfgs(network)
    train(network, optimizer)
    apply_ticket_(network, ticket)
    keep_pruned_(optimizer, network, ticket)
    seen = []
    for _ in range(3):

        def loss() -> torch.Tensor:
            seen.append(revived(network, ticket))
            optimizer.zero_grad()
            value = network(torch.rand(8, 784)).square().mean()
            value.backward()
            return value

        optimizer.step(loss)
    assert len(seen) > 3 and not any(seen)


def test_functions_of_parameters_are_masked(ticket: Ticket) -> None:
    network, dense = applied(ticket), dict(Net().named_parameters())
    lent = {name: value.detach() for name, value in dense.items()}
    images = torch.rand(8, 784)
    masked = Net()
    masked.load_state_dict(lent)
    apply_ticket_(masked, ticket)
    masked.load_state_dict(lent)
    torch.testing.assert_close(torch.func.functional_call(network, lent, (images,)), masked(images))
    assert all(torch.equal(lent[name], value) for name, value in dense.items())
    gradients = torch.func.grad(
        lambda values: torch.func.functional_call(network, values, (images,)).square().sum()
    )(lent)
    for name, kept in ticket.mask.items():
        assert torch.count_nonzero(gradients[name][~torch.tensor(kept)]) == 0
    assert torch.count_nonzero(gradients["layers.2.weight"]) > 0
    stacked = {name: torch.stack([value, value]) for name, value in lent.items()}
    several = torch.vmap(
        lambda values: torch.func.functional_call(copy.deepcopy(network).to("meta"), values, images)
    )(stacked)
    torch.testing.assert_close(several[1], masked(images))
    assert revived(network, ticket) == 0


def test_gradients_that_are_asked_for_are_masked_too(ticket: Ticket) -> None:
    network = applied(ticket)
    weight = network.layers[2].weight
    loss = network(torch.rand(8, 784)).square().sum()
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    assert torch.count_nonzero(gradient[~torch.tensor(ticket.mask["layers.2.weight"])]) == 0
    gradient.square().sum().backward()
    train(network)
    assert revived(network, ticket) == 0


def test_gradients_from_before_are_masked(ticket: Ticket) -> None:
    network = Net()
    network(torch.rand(8, 784)).sum().backward()
    apply_ticket_(network, ticket)
    torch.optim.SGD(network.parameters(), lr=1).step()
    assert revived(network, ticket) == 0


def test_scaled_accumulated_and_fused_steps(ticket: Ticket) -> None:
    network = applied(ticket)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for _ in range(3):
        optimizer.zero_grad()
        for _ in range(2):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = network(torch.rand(8, 784)).square().mean()
            scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert revived(network, ticket) == 0


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.long
def test_a_compiled_network(backend: str, ticket: Ticket) -> None:
    network = applied(ticket)
    compiled = torch.compile(network, backend=backend)
    train(compiled)
    assert revived(network, ticket) == 0
    after = torch.compile(Net(), backend=backend)
    apply_ticket_(after, ticket)
    train(after)
    assert revived(after, ticket) == 0


def test_embeddings_with_sparse_gradients(ticket: Ticket) -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(12, 20, sparse=True)

        def forward(self, words: torch.Tensor) -> torch.Tensor:
            return self.table(words)

    only = Ticket(
        ticket.specification, ticket.rate, ticket.counts,
        type(ticket.mask)({"table.weight": ticket.mask["layers.1.weight"]}),
        {"table.weight": ticket.init["layers.1.weight"]},
    )  # fmt: skip
    network = Words()
    apply_ticket_(network, only)
    optimizer = torch.optim.SparseAdam(network.parameters(), lr=0.1)
    before = network.table.weight.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.tensor([1, 3, 3])).square().sum().backward()
        optimizer.step()
    assert revived(network, only) == 0
    assert not torch.equal(network.table.weight, before)


def test_a_second_ticket_takes_the_place_of_the_first(ticket: Ticket) -> None:
    other = find_ticket(MLP(SIZES), synthetic_dataset(), method="random", ratio=0.5, seed=4)
    network = applied(ticket)
    apply_ticket_(network, other)
    train(network)
    assert revived(network, other) == 0
    assert revived(network, ticket) > 0
    assert len(network._forward_pre_hooks) == len(other.mask)


@pytest.mark.long
def test_a_new_process_reads_the_module_and_keeps_it(ticket: Ticket, tmp_path: Path) -> None:
    """Hooks are numbered from 0 in every process; a new one must not take the place of ours."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 10))  # fmt: skip
    apply_ticket_(network, ticket, match="shape")
    torch.save(network, tmp_path / "net.pt")
    code = """
import sys, torch
net = torch.load(sys.argv[1], weights_only=False)
for module in net.modules():
    module.register_forward_pre_hook(lambda *_: None)
    module.register_load_state_dict_post_hook(lambda *_: None)
before = sum(int(p.count_nonzero()) for p in net.parameters() if p.ndim == 2)
optimizer = torch.optim.Adam(net.parameters())
for module in net:
    for name, value in list(module._parameters.items()):
        module._parameters[name] = torch.nn.Parameter(torch.randn_like(value))
optimizer = torch.optim.Adam(net.parameters())
net(torch.rand(4, 784)).square().sum().backward()
optimizer.step()
print(before, sum(int(p.count_nonzero()) for p in net.parameters() if p.ndim == 2))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "net.pt")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    before, after = map(int, done.stdout.split())
    kept = sum(int(mask.sum()) for name, mask in ticket.mask.items() if mask.ndim == 2)
    assert after == kept and before == kept


# ---- torch's own pruning, and weights that are computed ----


def test_torchs_own_pruning_afterwards(ticket: Ticket) -> None:
    """It keeps the parameter under another name."""
    network = applied(ticket)
    prune.custom_from_mask(network.layers[1], "weight", torch.ones(12, 20))
    dense = {name: torch.randn_like(value) for name, value in network.state_dict().items()}
    network.load_state_dict(dense | {"layers.1.weight_mask": torch.ones(12, 20)}, assign=True)
    train(network)
    kept = torch.tensor(ticket.mask["layers.1.weight"])
    assert torch.count_nonzero(network.layers[1].weight_orig[~kept]) == 0
    assert torch.count_nonzero(network.layers[1].weight_orig[kept]) > 0


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("compute", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
def test_a_weight_that_is_computed_from_others_is_refused(
    compute: Callable[[nn.Module], nn.Module], ticket: Ticket
) -> None:
    network = Net()
    handles = apply_ticket_(network, ticket)
    compute(network.layers[1])
    with pytest.raises(TicketError, match=r"'layers\.1\.weight' was a parameter when the ticket"):
        network(torch.rand(8, 784))
    next(h for h in handles if h.names == (("layers.1.weight",),)).remove()
    train(network)
    assert torch.count_nonzero(network.layers[0].weight[~torch.tensor(ticket.mask["layers.0.weight"])]) == 0  # fmt: skip


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(20, 784))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images @ self.weight.t()


def test_a_traced_module_keeps_a_ticket_that_is_applied_to_it(ticket: Ticket) -> None:
    """torch.fx leaves the hooks of the module itself behind, so copies of what it made of a
    protected one have none."""
    only = Ticket(
        ticket.specification, ticket.rate, ticket.counts,
        type(ticket.mask)({"weight": ticket.mask["layers.0.weight"]}),
        {"weight": ticket.init["layers.0.weight"]},
    )  # fmt: skip
    network = Product()
    apply_ticket_(network, only)
    traced = torch.fx.symbolic_trace(network)
    train(traced)
    assert revived(traced, only) == 0
    apply_ticket_(traced, only)
    for copied in (copy.deepcopy(traced), traced):
        train(copied)
        assert revived(copied, only) == 0


# ---- everything is checked before the first change ----


def refused(network: nn.Module, ticket: Ticket, **options: object) -> str:
    with pytest.raises((TicketError, ParamsError)) as refusal:
        apply_ticket_(network, ticket, **options)
    assert not network._forward_pre_hooks
    return str(refusal.value)


def test_what_cannot_be_set_is_refused_and_left_alone(ticket: Ticket) -> None:
    lazy = nn.ModuleDict({"layers": nn.ModuleList([nn.LazyLinear(20), nn.Linear(20, 12)])})
    assert "'layers.0.weight' has no shape yet: call the module once" in refused(lazy, ticket)
    assert "'layers.0.weight' is on the device meta" in refused(Net().to("meta"), ticket)
    wave = Net()
    wave.layers[0].weight = nn.Parameter(wave.layers[0].weight.to(torch.complex64))
    assert "'layers.0.weight' is of type torch.complex64" in refused(wave, ticket)
    with torch.inference_mode():
        made = Net()
    assert "'layers.0.weight' was made in inference mode" in refused(made, ticket)
    twice = Net()
    twice.layers[2].weight = nn.Parameter(twice.layers[1].weight.data[:10, :12])
    told = refused(twice, ticket)
    assert "cannot be set in the module: 'layers.1.weight' and 'layers.2.weight' share" in told
    assert refused(Net(), ticket, match="order") == (
        "match: is 'order', expected 'name', 'shape' or a mapping"
    )


def test_an_optimizer_that_is_none_of_torchs_is_refused(ticket: Ticket) -> None:
    class Mine:
        def __init__(self, parameters: list[nn.Parameter]) -> None:
            self.param_groups, self.state = [{"params": parameters}], {}

    network = Net()
    with pytest.raises(TicketError, match=r"of type Mine, expected a torch\.optim\.Optimizer"):
        keep_pruned_(Mine(list(network.parameters())), network, ticket)


# ---- other names ----


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(12, 10)
        self.fc1, self.fc2 = nn.Linear(784, 20), nn.Linear(20, 12)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(self.fc2(self.fc1(images).relu()).relu())


OWN = {"fc1": "layers.0", "fc2": "layers.1", "out": "layers.2"}


@pytest.mark.parametrize(
    "match",
    [
        "shape",
        OWN,
        {value: key for key, value in OWN.items()},
        {f"{a}.{part}": f"{b}.{part}" for a, b in OWN.items() for part in ("weight", "bias")},
    ],
    ids=["shape", "layers", "the other way round", "parameters"],
)
def test_layers_of_other_names(match: object, ticket: Ticket) -> None:
    network = Named()
    handles = apply_ticket_(network, ticket, match=match)
    assert {handle.names[0] for handle in handles} == {(name,) for name in network.state_dict()}
    for ours, theirs in OWN.items():
        kept = ticket.mask[f"{theirs}.weight"]
        weight = getattr(network, ours).weight
        np.testing.assert_array_equal(
            weight.detach().numpy(), ticket.init[f"{theirs}.weight"] * kept
        )
    optimizer = Noise(network.parameters(), lr=0.1)
    keep_pruned_(optimizer, network, ticket)  # matched as before
    train(network, optimizer)
    for ours, theirs in OWN.items():
        kept = torch.tensor(ticket.mask[f"{theirs}.weight"])
        assert torch.count_nonzero(getattr(network, ours).weight[~kept]) == 0
    assert torch.count_nonzero(network.fc1.weight) > 0


def test_the_refusal_shows_the_way(ticket: Ticket) -> None:
    assert refused(Named(), ticket).endswith(". The shapes fit: pass match='shape'")
    equal = find_ticket(MLP((784, 12, 12, 10)), synthetic_dataset(), method="random", ratio=0.5)
    network = nn.Sequential(nn.Linear(784, 12), nn.Linear(12, 12), nn.Linear(12, 10))
    apply_ticket_(network, equal, match="shape")
    same = find_ticket(MLP((784, 12, 12, 12, 10)), synthetic_dataset(), method="random", ratio=0.5)
    network = nn.Sequential(*(nn.Linear(a, b) for a, b in ((784, 12), (12, 12), (12, 12), (12, 10))))  # fmt: skip
    assert refused(network, same).endswith(
        ". If only the names differ, pass match={'0': 'layers.0', ...}"
    )
    assert refused(network, same, match="shape").endswith(
        "Say which belong together: match={'0': 'layers.0', ...}"
    )
    apply_ticket_(network, same, match={str(i): f"layers.{i}" for i in range(4)})
    assert "match has 'fc9': 'layers.0', and the module has no 'fc9'" in refused(
        Named(), ticket, match={"fc9": "layers.0"}
    )
    twice = {"fc1.weight": "layers.0.weight", "fc2.weight": "layers.0.weight"}
    assert "'fc1.weight' is not in the ticket" in refused(Named(), ticket, match=twice)
    other = {"fc1": "layers.0", "fc1.weight": "layers.1.weight"}
    assert "match gives 'fc1.weight' of the module twice; give it once" in refused(
        Named(), ticket, match=other
    )


class Tied(nn.Module):
    """One matrix under two names, also in a submodule that is there twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(20, 20), nn.Linear(20, 20)
        self.out = nn.Linear(20, 10)
        self.b.weight = self.a.weight
        self.again = self.out

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.again(self.b(self.a(images[:, :20]).relu()).relu())


def ticket_of_tied(ticket: Ticket, names: list[str], density: float = 0.2) -> Ticket:
    random = np.random.default_rng(0)
    shapes = {name: tuple(value.shape) for name, value in Tied().state_dict().items()}
    once = {"b.weight": "a.weight", "again.weight": "out.weight", "again.bias": "out.bias"}
    drawn = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    bits = {name: random.random(shape) < density for name, shape in shapes.items()}
    mask = {n: bits[once.get(n, n)] for n in names if n.endswith("weight")}
    init = {name: drawn[once.get(name, name)] for name in names}
    return Ticket(ticket.specification, ticket.rate, ticket.counts, type(ticket.mask)(mask), init)


FIRST = ["a.weight", "a.bias", "b.bias", "out.weight", "out.bias"]


@pytest.mark.parametrize(
    "names",
    [
        FIRST,
        [*FIRST, "b.weight", "again.weight", "again.bias"],
        ["b.weight", "a.bias", "b.bias", "again.weight", "again.bias"],
    ],
    ids=["first names", "all names", "last names"],
)
def test_a_parameter_under_several_names_is_set_once(names: list[str], ticket: Ticket) -> None:
    network, tied = Tied(), ticket_of_tied(ticket, names)
    handles = apply_ticket_(network, tied)
    assert {handle.names[0] for handle in handles} == {
        ("a.weight", "b.weight"),
        ("out.weight", "again.weight"),
    }
    for one in (network, copy.deepcopy(network), by_pickle(network)):
        train(one)
        assert one.b.weight is one.a.weight
        assert revived(one, tied) == 0
        assert torch.count_nonzero(one.a.weight) > 0


def test_several_names_that_differ_in_the_ticket_are_both_named(ticket: Ticket) -> None:
    tied = ticket_of_tied(ticket, [*FIRST, "b.weight", "again.weight", "again.bias"])
    other = {**tied.init, "b.weight": tied.init["a.weight"] + 1}
    two = Ticket(tied.specification, tied.rate, tied.counts, tied.mask, other)
    assert (
        "'a.weight' and 'b.weight' are one parameter in the module, and differ in the ticket"
    ) in refused(Tied(), two)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda n: nn.Sequential(n)])
def test_wrapped_modules_are_known_by_name(
    wrap: Callable[[nn.Module], nn.Module], ticket: Ticket
) -> None:
    network = Net()
    apply_ticket_(wrap(network), ticket)
    train(wrap(network))
    assert revived(network, ticket) == 0

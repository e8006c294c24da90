"""A ticket in one's own module and loop."""

import numpy as np
import pytest
import torch
from torch import nn

from lthctl.artifacts.ticket import Ticket
from lthctl.datasets.base import Dataset
from lthctl.errors import TicketError
from lthctl.interop.apply import apply_ticket_, keep_pruned_
from lthctl.lottery.find import find_ticket
from lthctl.models.mlp import MLP


@pytest.fixture
def ticket(small_model: MLP, dataset: Dataset) -> Ticket:
    return find_ticket(small_model, dataset, method="random", ratio=0.8, seed=3)


class Own(nn.Module):
    def __init__(self, hidden: int = 20) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(784, hidden), nn.Linear(hidden, 12), nn.Linear(12, 10)]
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers[2](self.layers[1](self.layers[0](images).relu()).relu())


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
        lambda p: torch.optim.AdamW(p, weight_decay=0.1),
        lambda p: torch.optim.RMSprop(p, momentum=0.5),
    ],
)
def test_pruned_weights_stay_zero_under_any_optimizer(optimizer: object, ticket: Ticket) -> None:
    network = Own()
    apply_ticket_(network, ticket)
    start = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    update = optimizer(network.parameters())
    for _ in range(5):
        update.zero_grad()
        network(torch.rand(8, 784)).square().sum().backward()
        update.step()
    for name, parameter in network.named_parameters():
        kept = torch.tensor(ticket.mask[name])
        np.testing.assert_array_equal(start[name].numpy(), ticket.init[name] * ticket.mask[name])
        assert torch.count_nonzero(parameter.detach()[~kept]) == 0
    assert torch.count_nonzero(network.layers[2].weight.detach() - start["layers.2.weight"]) > 0


def test_handles_set_the_pruned_weights_free(ticket: Ticket) -> None:
    network = Own()
    for handle in apply_ticket_(network, ticket):
        handle.remove()
    network(torch.rand(8, 784)).sum().backward()
    assert (
        torch.count_nonzero(
            network.layers[2].weight.grad[~torch.tensor(ticket.mask["layers.2.weight"])]
        )
        > 0
    )


def test_a_module_that_does_not_fit_is_refused_and_left_alone(ticket: Ticket) -> None:
    network = Own(hidden=19)
    network.register_parameter("extra", nn.Parameter(torch.zeros(1)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(TicketError) as refusal:
        apply_ticket_(network, ticket)
    assert str(refusal.value) == (
        "random-r0.80-n1-s3: does not fit the module: 'extra' is not in the ticket; "
        "'layers.0.bias' has shape (19,) in the module, (20,) in the ticket; "
        "'layers.0.weight' has shape (19, 784) in the module, (20, 784) in the ticket; "
        "'layers.1.weight' has shape (12, 19) in the module, (12, 20) in the ticket"
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


OPTIMIZERS = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type)
    and issubclass(kind, torch.optim.Optimizer)
    and name not in ("Optimizer", "SparseAdam")
)


def make(name: str, network: nn.Module, **options: object) -> torch.optim.Optimizer:
    parameters = [
        p for p in network.parameters() if p.ndim == 2 or name != "Muon"
    ]  # which takes matrices only
    return getattr(torch.optim, name)(parameters, **options)


def train(network: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> None:
    for _ in range(steps):

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            value = network(torch.rand(8, 784)).square().mean()
            value.backward()
            return value

        optimizer.step(loss)


def nonzero_pruned(network: nn.Module, ticket: Ticket) -> int:
    return sum(
        int(torch.count_nonzero(parameter.detach()[~torch.tensor(ticket.mask[name])]))
        for name, parameter in network.named_parameters()
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_call_is_enough_for_all_but_muon(name: str, ticket: Ticket) -> None:
    network = Own()
    apply_ticket_(network, ticket)
    train(network, make(name, network))
    assert (nonzero_pruned(network, ticket) > 0) == (name == "Muon")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_calls_keep_pruned_weights_at_0_under_any_optimizer_also_one_from_before(
    name: str, ticket: Ticket
) -> None:
    network = Own()
    optimizer = make(name, network)
    train(network, optimizer)
    apply_ticket_(network, ticket)
    keep_pruned_(optimizer, network, ticket)
    before = network.layers[2].weight.detach().clone()
    train(network, optimizer)
    assert nonzero_pruned(network, ticket) == 0
    assert torch.count_nonzero(network.layers[2].weight.detach() - before) > 0
    for (
        parameter_name,
        parameter,
    ) in network.named_parameters():  # and no momentum is remembered of them
        for key in optimizer.state[parameter].keys() & {"exp_avg", "momentum_buffer"}:
            remembered = optimizer.state[parameter][key]
            assert torch.count_nonzero(remembered[~torch.tensor(ticket.mask[parameter_name])]) == 0


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "NAdam"])
def test_one_call_is_not_enough_for_an_optimizer_from_before(name: str, ticket: Ticket) -> None:
    network = Own()
    optimizer = make(name, network, lr=0.01, **({"momentum": 0.9} if name == "SGD" else {}))
    train(network, optimizer)
    apply_ticket_(network, ticket)
    train(network, optimizer)
    assert nonzero_pruned(network, ticket) > 0


def test_the_second_call_sets_pruned_weights_to_0_at_once(ticket: Ticket) -> None:
    network = Own()
    keep_pruned_(make("Adam", network), network, ticket)
    assert nonzero_pruned(network, ticket) == 0


class Noise(torch.optim.SGD):
    """Moves every weight, whatever its gradient is."""

    def step(self, closure: object = None) -> None:
        super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.add_(torch.randn_like(parameter), alpha=0.01)


def test_noise_is_held_off_until_the_handle_is_removed(ticket: Ticket) -> None:
    network = Own()
    apply_ticket_(network, ticket)
    optimizer = Noise(network.parameters(), lr=0.1)
    handle = keep_pruned_(optimizer, network, ticket)
    train(network, optimizer)
    assert nonzero_pruned(network, ticket) == 0
    handle.remove()
    train(network, optimizer)
    assert nonzero_pruned(network, ticket) > 0


def test_infinite_gradients_do_not_reach_pruned_weights(ticket: Ticket) -> None:
    network = Own()
    apply_ticket_(network, ticket)
    (network.layers[2].weight.sum() * torch.inf).backward()
    pruned = ~torch.tensor(ticket.mask["layers.2.weight"])
    assert torch.count_nonzero(network.layers[2].weight.grad[pruned]) == 0


def test_an_optimizer_of_another_module_is_refused(ticket: Ticket) -> None:
    network = Own()
    with pytest.raises(
        TicketError, match="the optimizer has none of the module's pruned parameters"
    ):
        keep_pruned_(torch.optim.SGD(Own().parameters()), network, ticket)
    with pytest.raises(TicketError, match="does not fit the module"):
        keep_pruned_(torch.optim.SGD(network.parameters()), nn.Linear(2, 2), ticket)

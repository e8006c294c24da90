"""A ticket in one's own module and loop."""

import numpy as np
import pytest
import torch
from torch import nn

from lthctl.apply import apply_ticket_
from lthctl.data import Dataset
from lthctl.errors import TicketError
from lthctl.lottery import find_ticket
from lthctl.model import MLP
from lthctl.ticket import Ticket


@pytest.fixture
def ticket(small_model: MLP, dataset: Dataset) -> Ticket:
    return find_ticket(small_model, dataset, method="random", ratio=0.8, seed=3)


class Own(nn.Module):
    def __init__(self, hidden: int = 20) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(784, hidden), nn.Linear(hidden, 12), nn.Linear(12, 10)])

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
    assert torch.count_nonzero(network.layers[2].weight.grad[~torch.tensor(ticket.mask["layers.2.weight"])]) > 0


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

"""A ticket put to use in one's own module and training loop."""

from typing import TYPE_CHECKING

from lthctl.errors import TicketError
from lthctl.ticket import Ticket

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle


def apply_ticket_(module: "nn.Module", ticket: Ticket) -> list["RemovableHandle"]:
    """Set a module's weights to a ticket's, pruned ones to 0, and keep those at 0 while it is trained.

    Gradients of pruned weights are set to 0 as soon as they are accumulated. With an optimizer made after this call, a
    pruned weight therefore stays exactly 0, and so do its momentum and moments, under any optimizer that leaves a
    weight of 0 with a gradient of 0 where it is.

    Args:
      module: changed in place. Its state_dict must have the ticket's names and shapes.
      ticket: the ticket. Not modified.

    Returns:
      Handles of the hooks; `handle.remove()` sets its parameter's pruned weights free.

    Raises:
      TicketError: names or shapes differ; all of them are named.

    Example:
      >>> handles = apply_ticket_(net, load_ticket("masks/l1-r0.80-n5-s1"))
      >>> optimizer = torch.optim.Adam(net.parameters())  # a new one, after the call
    """
    import torch

    state = module.state_dict()
    faults = [f"{name!r} is missing in the module" for name in sorted(ticket.init.keys() - state.keys())]
    faults += [f"{name!r} is not in the ticket" for name in sorted(state.keys() - ticket.init.keys())]
    faults += [
        f"{name!r} has shape {tuple(state[name].shape)} in the module, {ticket.init[name].shape} in the ticket"
        for name in sorted(ticket.init.keys() & state.keys())
        if tuple(state[name].shape) != ticket.init[name].shape
    ]
    if faults:
        raise TicketError(f"{ticket.name}: does not fit the module: {'; '.join(faults)}")
    module.load_state_dict({name: torch.from_numpy(array) for name, array in ticket.mask.apply(ticket.init).items()})
    handles = []
    for name, parameter in module.named_parameters():
        if name in ticket.mask:
            kept = torch.tensor(ticket.mask[name], device=parameter.device)

            def hold(parameter: "Tensor", kept: "Tensor" = kept) -> None:
                assert parameter.grad is not None
                parameter.grad.mul_(kept)

            handles.append(parameter.register_post_accumulate_grad_hook(hold))
    return handles

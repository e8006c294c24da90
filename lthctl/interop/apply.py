"""A ticket put to use in one's own module and training loop."""

from typing import TYPE_CHECKING

from lthctl.artifacts.ticket import Ticket
from lthctl.errors import TicketError, TrainingError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle


def apply_ticket_(module: "nn.Module", ticket: Ticket) -> list["RemovableHandle"]:
    """Set a module's weights to a ticket's, pruned ones to 0, and their gradients to 0 whenever
    they are accumulated.

    With an optimizer made after this call, a pruned weight, its momentum and its moments then stay
    exactly 0, as long
    as the optimizer leaves a weight of 0 with a gradient of 0 where it is: SGD, Adam and their kin
    do, with momentum and weight decay. For those that do not, and for optimizers that were there
    before, call `keep_pruned_` too.

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

    _check_fits(module, ticket)
    module.load_state_dict(
        {name: torch.from_numpy(array) for name, array in ticket.mask.apply(ticket.init).items()}
    )
    handles = []
    for parameter, pruned in _pruned(module, ticket):

        def hold(parameter: "Tensor", pruned: "Tensor" = pruned) -> None:
            if parameter.grad is None:
                raise TrainingError(
                    "a pruned weight was given no gradient that could be set to 0; train without "
                    "other hooks that take gradients away"
                )
            parameter.grad.masked_fill_(
                pruned, 0
            )  # not multiplied by the mask: infinity times 0 is not 0

        handles.append(parameter.register_post_accumulate_grad_hook(hold))
    return handles


def keep_pruned_(optimizer: "Optimizer", module: "nn.Module", ticket: Ticket) -> "RemovableHandle":
    """Keep pruned weights at exactly 0 under any optimizer: now, and after every step that it
    makes.

    It is needed where `apply_ticket_` is not enough: for an optimizer that has made steps before
    and remembers momentum of pruned weights, which is set to 0 here; and for one that moves weights
    whose gradient is 0, by noise, or by mixing the gradients of several weights, as Muon does.

    Args:
      optimizer: of the module's parameters; given a hook, and its state changed in place.
      module: the module; its pruned weights are changed in place.
      ticket: the ticket. Not modified.

    Returns:
      Handle of the hook; `handle.remove()` takes it off.

    Raises:
      TicketError: module and ticket differ in names or shapes, or the optimizer has none of the
        module's parameters.

    Example:
      >>> handles = apply_ticket_(net, ticket)
      >>> optimizer = torch.optim.Muon([p for p in net.parameters() if p.ndim == 2])
      >>> handle = keep_pruned_(optimizer, net, ticket)
    """
    import torch

    _check_fits(module, ticket)
    theirs = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    held = [
        (parameter, pruned)
        for parameter, pruned in _pruned(module, ticket)
        if id(parameter) in theirs
    ]
    if not held:
        raise TicketError(
            f"{ticket.name}: the optimizer has none of the module's pruned parameters; make it of "
            "this one"
        )

    def hold(*_: object) -> None:
        with torch.no_grad():
            for parameter, pruned in held:
                parameter.masked_fill_(pruned, 0)

    hold()
    for parameter, pruned in held:
        for value in optimizer.state[parameter].values():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                value.masked_fill_(pruned, 0)
    return optimizer.register_step_post_hook(hold)


def _check_fits(module: "nn.Module", ticket: Ticket) -> None:
    state = module.state_dict()
    faults = [
        f"{name!r} is missing in the module" for name in sorted(ticket.init.keys() - state.keys())
    ]
    faults += [
        f"{name!r} is not in the ticket" for name in sorted(state.keys() - ticket.init.keys())
    ]
    faults += [
        f"{name!r} has shape {tuple(state[name].shape)} in the module, {ticket.init[name].shape} "
        "in the ticket"
        for name in sorted(ticket.init.keys() & state.keys())
        if tuple(state[name].shape) != ticket.init[name].shape
    ]
    if faults:
        raise TicketError(f"{ticket.name}: does not fit the module: {'; '.join(faults)}")


def _pruned(module: "nn.Module", ticket: Ticket) -> list[tuple["nn.Parameter", "Tensor"]]:
    """Each prunable parameter with bools, on its device, that are True where it is pruned."""
    import torch

    return [
        (parameter, torch.tensor(~ticket.mask[name], device=parameter.device))
        for name, parameter in module.named_parameters()
        if name in ticket.mask
    ]

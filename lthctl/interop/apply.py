"""A ticket put to use in one's own module and training loop."""

from typing import TYPE_CHECKING

from lthctl.artifacts.ticket import Ticket
from lthctl.errors import TicketError
from lthctl.interop.fitting import Fit, Match, fit

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from lthctl.interop.protection import Handle, Protection


def apply_ticket_(module: "nn.Module", ticket: Ticket, *, match: Match = "name") -> list["Handle"]:
    """Set a module's weights to a ticket's, pruned ones to 0, and their gradients to 0 whenever
    they come.

    With an optimizer made after this call, a pruned weight, its momentum and its moments then stay
    exactly 0, as long as the optimizer leaves a weight of 0 with a gradient of 0 where it is: SGD,
    Adam and their kin do, with momentum and weight decay. For those that do not, and for optimizers
    that were there before, call `keep_pruned_` too.

    The mask lies in hooks of the module, and its names stay as they are. So copies, pickles,
    `load_state_dict`, other devices and types, new parameters in the place of old ones, and layers
    that are unfrozen later are all protected. Whenever the module is called, pruned weights are set
    to 0 first. See docs/decisions/023 for what is promised.

    Args:
      module: changed in place, once everything is checked. A parameter under several names is set
        once, and all its names are in the handle's `names`.
      ticket: the ticket. Not modified. It takes the place of one that was applied before.
      match: what belongs together: parameters of the same "name", also behind a wrapper's prefix;
        layers of the same "shape", where they fit in one way only; or a mapping of the module's
        names to the ticket's, of layers or parameters.

    Returns:
      A handle of each pruned parameter; `handle.remove()` sets its pruned weights free.

    Raises:
      TicketError: names or shapes differ, or the module cannot be set; all faults are named.
      ParamsError: there is no such `match`.

    Example:
      >>> handles = apply_ticket_(net, load_ticket("masks/l1-r0.80-n5-s1"), match="shape")
      >>> optimizer = torch.optim.Adam(net.parameters())  # a new one, after the call
    """
    return put_on(module, fit(module, ticket, match), match)


def put_on(module: "nn.Module", fitting: Fit, match: Match) -> list["Handle"]:
    """The work of `apply_ticket_`, once the ticket is known to fit."""
    import torch

    from lthctl.interop.protection import Handle, protect, protected, unprotect

    steps = any(protection.steps for protection in protected(module).values())
    unprotect(module)
    state = module.state_dict()  # with what is no tensor, as it is
    state.update({name: torch.from_numpy(array) for name, array in fitting.weights.items()})
    module.load_state_dict(state)
    handles = []
    for name, pruned in fitting.pruned.items():
        parameter = module.get_parameter(name)
        protection = protect(
            module, parameter, fitting.names[name], torch.from_numpy(pruned), match
        )
        protection.gradients, protection.steps = True, steps
        protection.arm(parameter)
        if parameter.grad is not None:
            protection.clear(parameter.grad)
        handles.append(Handle(module, [protection], "gradients"))
    return handles


def keep_pruned_(
    optimizer: "Optimizer", module: "nn.Module", ticket: Ticket, *, match: Match | None = None
) -> "Handle":
    """Keep pruned weights at exactly 0 under any optimizer of torch's kind: now, and after every
    step that it makes.

    It is needed where `apply_ticket_` is not enough: for an optimizer that has made steps before
    and remembers momentum of pruned weights, which is set to 0 here; and for one that moves weights
    whose gradient is 0, by noise, or by mixing the gradients of several weights, as Muon does. What
    an optimizer remembers of all weights in one row, as LBFGS does, is forgotten.

    It holds for every optimizer of these parameters, and for copies of module and optimizer.

    Args:
      optimizer: of the module's parameters; its state is changed in place.
      module: the module; its pruned weights are changed in place.
      ticket: the ticket. Not modified.
      match: as in `apply_ticket_`; as it was there, where that was called.

    Returns:
      Handle; `handle.remove()` ends it.

    Raises:
      TicketError: module and ticket differ in names or shapes, the optimizer has none of the
        module's parameters, or is no `torch.optim.Optimizer`, whose steps could be followed.

    Example:
      >>> handles = apply_ticket_(net, ticket)
      >>> optimizer = torch.optim.Muon([p for p in net.parameters() if p.ndim == 2])
      >>> handle = keep_pruned_(optimizer, net, ticket)
    """
    import torch

    from lthctl.interop.protection import Handle, protect, protected

    before = protected(module)
    if match is None:
        match = next((protection.match for protection in before.values()), "name")
    fitting = fit(module, ticket, match)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TicketError(
            f"{ticket.name}: the optimizer is of type {type(optimizer).__name__}, expected a "
            "torch.optim.Optimizer; give the one that makes the steps"
        )
    theirs = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    parameters = {name: module.get_parameter(name) for name in fitting.pruned}
    chosen = {name: parameter for name, parameter in parameters.items() if id(parameter) in theirs}
    if not chosen:
        raise TicketError(
            f"{ticket.name}: the optimizer has none of the module's pruned parameters; make it of "
            "this one"
        )
    kept = []
    for name, parameter in chosen.items():
        pruned = torch.from_numpy(fitting.pruned[name])
        protection = before.get(id(parameter))
        if protection is None or not torch.equal(protection.pruned, pruned):
            protection = protect(module, parameter, fitting.names[name], pruned, match)
        protection.steps = True
        protection.arm(parameter)
        protection.clear(parameter)
        kept.append(protection)
    _forget(optimizer, kept)
    return Handle(module, kept, "steps")


def _forget(optimizer: "Optimizer", kept: list["Protection"]) -> None:
    """Take out of an optimizer's memory what it holds of pruned weights."""
    import torch

    by_parameter = {id(protection.parameter): protection for protection in kept}
    for parameter, memory in optimizer.state.items():
        if any(isinstance(value, list) for value in memory.values()):
            memory.clear()  # vectors over all weights, such as LBFGS's: it begins anew
        protection = by_parameter.get(id(parameter))
        for value in memory.values():
            if protection and torch.is_tensor(value) and value.shape == parameter.shape:
                protection.clear(value)

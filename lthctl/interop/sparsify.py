"""The linear layers of one's own module replaced by those of a ticket, which train faster."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lthctl.artifacts.ticket import Ticket
from lthctl.errors import TicketError
from lthctl.interop.apply import put_on
from lthctl.interop.fitting import Match, fit

if TYPE_CHECKING:
    from torch import nn

    from lthctl.training.sparse.linear import SparseLinear


def sparsify_(
    module: "nn.Module", ticket: Ticket, *, match: Match = "name"
) -> dict[str, "SparseLinear"]:
    """Set a module's weights to a ticket's, and replace its pruned linear layers by `SparseLinear`.

    Make the optimizer after this call: parameters are replaced. What is pruned elsewhere is kept at
    0 as by `apply_ticket_`: biases, convolutions, and linear layers that must stay what they are.
    Those are subclasses of `nn.Linear`, layers with hooks, and weights that another kind of layer
    has too, such as an embedding.

    Args:
      module: on a CPU, float32; changed in place, once everything is checked.
      ticket: the ticket. Not modified.
      match: what belongs together, as in `apply_ticket_`.

    Returns:
      name in the module -> the layer that is there now, in the module's order.

    Raises:
      TicketError: names or shapes differ, or the module cannot be set; all faults are named.
      ParamsError: there is no such `match`, or a layer to be replaced is not float32 on a CPU.

    Example:
      >>> sparsify_(net, load_ticket("masks/l1-r0.97-n12-s1"), match="shape")
      >>> optimizer = torch.optim.Adam(net.parameters())
    """
    from torch import nn

    from lthctl.training.sparse.linear import SparseLinear, check_float32_on_cpu

    if type(module) is nn.Linear:
        raise TicketError(
            f"{ticket.name}: the module is a linear layer itself, which cannot be replaced within "
            "it; use SparseLinear.from_linear"
        )
    fitting = fit(module, ticket, match)
    chosen = {name: _plain_linear(module, fitting.names[name]) for name in fitting.pruned}
    for name, layer in chosen.items():
        if layer is not None:
            check_float32_on_cpu(layer.weight, f"{name!r}")
    made = {}
    for name, layer in chosen.items():
        if layer is not None:
            sparse = SparseLinear.from_linear(layer, ~fitting.pruned[name])
            for path in (full.removesuffix(".weight") for full in fitting.names[name]):
                module.set_submodule(path, sparse)
                made[path] = sparse
    others = {name: pruned for name, pruned in fitting.pruned.items() if chosen[name] is None}
    put_on(module, replace(fitting, pruned=others), match)
    names = (name for name, _ in module.named_modules(remove_duplicate=False))
    return {name: made[name] for name in names if name in made}


def _plain_linear(module: "nn.Module", names: tuple[str, ...]) -> "nn.Linear | None":
    """The layer that has a parameter under all of its names, if it can be replaced."""
    from torch import nn

    from lthctl.interop.protection import Place

    if not all(name.endswith(".weight") for name in names):
        return None
    owners = {id(owner): owner for owner in map(partial(_owner, module), names)}
    layer = next(iter(owners.values()))
    if len(owners) > 1 or type(layer) is not nn.Linear:
        return None
    hooks = [
        hook
        for kind in (
            "_forward_hooks",
            "_forward_pre_hooks",
            "_backward_hooks",
            "_backward_pre_hooks",
        )
        for hook in getattr(layer, kind).values()
    ]
    if not all(isinstance(getattr(hook, "__self__", None), Place) for hook in hooks):
        return None
    return layer


def _owner(module: "nn.Module", name: str) -> "nn.Module":
    return module.get_submodule(name.rpartition(".")[0])

"""Pruned weights of a module kept at 0, by something that lives in the module itself.

Hooks of a tensor are lost when it is copied, pickled or replaced. Hooks of a module are not. So the
mask lies in hooks of the module: they go with every copy, and put the tensor's hook back.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle, unserializable_hook

from lthctl.errors import TicketError
from lthctl.interop.fitting import Match


class Protection:
    """Keeps the pruned weights of one parameter at 0, and those of its copies.

    Attributes:
      names: all that the module calls the parameter; the first counts.
      pruned: bools on the CPU, True where it is pruned.
      match: how the ticket's parameters were matched with the module's.
      gradients: whether gradients of pruned weights are set to 0.
      steps: whether pruned weights are set to 0 after every step of an optimizer.
    """

    def __init__(
        self, parameter: nn.Parameter, names: tuple[str, ...], pruned: Tensor, match: Match
    ) -> None:
        self.parameter, self.names, self.pruned, self.match = parameter, names, pruned, match
        self.gradients = self.steps = False
        self._by_device: dict[torch.device, Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_by_device": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The copy's parameter is another tensor, which has no hook yet."""
        vars(self).update(state)
        self.arm(self.parameter)

    @property
    def is_on(self) -> bool:
        return self.gradients or self.steps

    def arm(self, parameter: Tensor) -> None:
        """Give a parameter the hook that masks its gradients, unless it has it or needs no
        gradients."""
        if self.steps:
            _follow_steps()
        if not (self.is_on and parameter.requires_grad):
            return
        if self not in protections_of(parameter):
            parameter.register_hook(self.mask_gradient)
        else:
            # What the hooks are of may have been swapped for another tensor, which has none: this
            # puts them back.
            parameter._backward_hooks = parameter._backward_hooks

    @unserializable_hook  # type: ignore[untyped-decorator]
    def mask_gradient(self, gradient: Tensor) -> Tensor | None:
        if not self.is_on:
            return None
        pruned = self.pruned_on(gradient.device)
        if gradient.layout == torch.sparse_coo:  # of rows of an embedding
            rows = gradient.coalesce()
            values = rows.values().masked_fill(pruned[tuple(rows.indices())], 0)
            return torch.sparse_coo_tensor(
                rows.indices(), values, rows.shape, is_coalesced=True, check_invariants=False
            )
        return gradient.masked_fill(pruned, 0)  # not multiplied: infinity times 0 is not 0

    def pruned_on(self, device: torch.device) -> Tensor:
        """The mask of pruned weights on a device, wherever that is by now."""
        if device not in self._by_device:
            self._by_device = {device: self.pruned.to(device)}
        return self._by_device[device]

    def clear(self, tensor: Tensor) -> None:
        """Set what is pruned to 0 in a tensor of the parameter's shape."""
        if not (tensor.is_meta or tensor.is_inference()):
            # Through `data`, as it may happen between a forward and its backward pass: what is
            # pruned was 0 there already.
            tensor.data.masked_fill_(self.pruned_on(tensor.device), 0)

    def hold(self, parameter: nn.Parameter) -> None:
        """Protect what a module has for the parameter by now."""
        self.parameter = parameter
        self.arm(parameter)
        self.clear(parameter)


class Place:
    """Hooks of a module: before and after it is called, and after it has loaded a state_dict.

    Args:
      protection: of a parameter.
      path: of the module that has the parameter, seen from the one with the hook; may be "".
      attribute: the parameter's name there.
    """

    def __init__(self, protection: Protection, path: str, attribute: str) -> None:
        self.protection, self._path, self._attribute = protection, path, attribute
        self._lent: list[tuple[nn.Module, str, Any]] = []
        self._last = -1  # number of its last hook

    def __setstate__(self, state: dict[str, Any]) -> None:
        """torch numbers hooks from 0 in every process; a new one must not take an unpickled one's
        place."""
        vars(self).update(state)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self._last + 1)

    def attach(self, module: nn.Module) -> None:
        module.register_forward_pre_hook(self.before)
        module.register_forward_hook(self.after, always_call=True)
        self._last = module.register_load_state_dict_post_hook(self.before).id

    def before(self, module: nn.Module, _: object) -> None:
        if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
            return  # hooks of tensors work there too
        try:
            owner = module.get_submodule(self._path)
        except AttributeError:
            return  # replaced by something else
        if not self.protection.is_on:
            return
        # torch.nn.utils.prune and spectral_norm keep a parameter under the second name.
        names = self._attribute, f"{self._attribute}_orig"
        name = next((name for name in names if owner._parameters.get(name) is not None), None)
        if name is None:
            self._refuse_what_is_computed(owner)
            return
        current: Any = owner._parameters[name]
        if current.shape != self.protection.pruned.shape:
            return
        if isinstance(current, nn.Parameter):
            self.protection.hold(current)
        else:  # lent for one call, as torch.func.functional_call does
            self._lent.append((owner, name, current))
            masked: Any = current.masked_fill(self.protection.pruned_on(current.device), 0)
            owner._parameters[name] = masked

    def _refuse_what_is_computed(self, owner: nn.Module) -> None:
        """Zeros in what a weight is computed from need not be zeros of the weight."""
        parts = [name for name in owner._parameters if name.startswith(f"{self._attribute}_")]
        if parts or parametrize.is_parametrized(owner, self._attribute):
            raise TicketError(
                f"{self.protection.names[0]!r} was a parameter when the ticket was applied, and is "
                "computed from others now, as weight_norm does; so its pruned weights may not stay "
                "0. Find a ticket of the module as it is now, or call remove() of its handle"
            )

    def after(self, *_: object) -> None:
        """Give back what was lent."""
        while self._lent:
            owner, name, current = self._lent.pop()
            owner._parameters[name] = current


class Handle:
    """Of protected parameters; `remove` sets their pruned weights free.

    Attributes:
      names: of each parameter, all that the module calls it.
    """

    def __init__(self, root: nn.Module, protections: Iterable[Protection], flag: str) -> None:
        self._root, self._protections, self._flag = root, tuple(protections), flag

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        return tuple(protection.names for protection in self._protections)

    def remove(self) -> None:
        """Set the pruned weights free; in this module, and not in its copies."""
        for protection in self._protections:
            setattr(protection, self._flag, False)
            if not protection.is_on:
                _detach(self._root, protection)


def protect(
    root: nn.Module,
    parameter: nn.Parameter,
    names: tuple[str, ...],
    pruned: Tensor,
    match: Match,
) -> Protection:
    """A protection that is yet to be switched on, in a module and the submodules with the
    parameter."""
    protection = Protection(parameter, names, pruned, match)
    for name in names:
        path, _, attribute = name.rpartition(".")
        Place(protection, path, attribute).attach(root)
        if path:  # for whoever calls it without the root
            Place(protection, "", attribute).attach(root.get_submodule(path))
    return protection


def protected(root: nn.Module) -> dict[int, Protection]:
    """id of a parameter -> its protection, for all in a module."""
    return {
        id(place.protection.parameter): place.protection
        for module in root.modules()
        for hook in module._forward_pre_hooks.values()
        if isinstance(place := getattr(hook, "__self__", None), Place)
    }


def unprotect(root: nn.Module) -> None:
    """Take the protections of all parameters in a module off."""
    for protection in protected(root).values():
        protection.gradients = protection.steps = False
        _detach(root, protection)


def protections_of(parameter: Tensor) -> list[Protection]:
    """Those whose hooks a tensor has."""
    hooks = (parameter._backward_hooks or {}).values()
    owners = [getattr(hook, "__self__", None) for hook in hooks]
    return [owner for owner in owners if isinstance(owner, Protection)]


def _detach(root: nn.Module, protection: Protection) -> None:
    for module in root.modules():
        for hooks, extra in (
            (module._forward_pre_hooks, None),
            (module._forward_hooks, module._forward_hooks_always_called),
            (module._load_state_dict_post_hooks, None),
        ):
            for number, hook in list(hooks.items()):
                place = getattr(hook, "__self__", None)
                if isinstance(place, Place) and place.protection is protection:
                    del hooks[number]
                    if extra is not None:
                        extra.pop(number, None)


_followed: list[RemovableHandle] = []


def _follow_steps() -> None:
    """Look at the parameters of every optimizer of this process after its steps, copies of
    optimizers among them: those lose hooks of their own."""
    if not _followed:
        _followed.append(register_optimizer_step_post_hook(_after_step))


def _after_step(optimizer: Optimizer, *_: object) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for protection in protections_of(parameter):
                if protection.steps:
                    protection.clear(parameter)

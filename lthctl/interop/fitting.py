"""Whether a ticket fits a module of somebody's own, and which of their parameters belong together.

Everything is checked here, before anything in a module is changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lthctl.artifacts.ticket import Ticket
from lthctl.errors import ParamsError, TicketError
from lthctl.interop.matching import by_shapes, listed, renamed_by, without_wrappers
from lthctl.mask import Array, Bools
from lthctl.models.sharing import other_names, sharing_memory

if TYPE_CHECKING:
    from torch import Tensor, nn

Match = str | Mapping[str, str]


@dataclass(frozen=True)
class Fit:
    """A ticket in a module's names.

    Attributes:
      weights: name -> masked weights, under every name that the module has.
      pruned: first name -> True where it is pruned, for the parameters that have a mask.
      names: first name -> all names of the parameter.
    """

    weights: dict[str, Array]
    pruned: dict[str, Bools]
    names: dict[str, tuple[str, ...]]


def fit(module: "nn.Module", ticket: Ticket, match: Match) -> Fit:
    """Match a ticket's parameters with a module's.

    Args:
      module: not modified.
      ticket: not modified.
      match: "name", "shape", or module's name -> ticket's name, of layers or parameters.

    Raises:
      TicketError: they do not fit, or the module holds what cannot be set; all faults are named.
      ParamsError: there is no such way to match.
    """
    state: dict[str, Tensor] = {
        name: value
        for name, value in module.state_dict(keep_vars=True).items()
        if not name.endswith("_extra_state")
    }
    _refuse_what_cannot_be_set(module, ticket, state)
    others = other_names(module)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    ours = _ours(ticket, shapes, others, match)  # ticket's name -> module's name
    faults = [
        f"{name!r} is missing in the module" for name in sorted(ours) if ours[name] not in state
    ]
    first = {name: others.get(name, name) for name in state}
    present = {first[name] for name in ours.values() if name in state}
    faults += [f"{name!r} is not in the ticket" for name in sorted(set(first.values()) - present)]
    faults += [
        f"{ours[name]!r} has shape {shapes[ours[name]]} in the module, {array.shape} in the ticket"
        for name, array in sorted(ticket.weights.items())
        if ours[name] in state and shapes[ours[name]] != array.shape
    ]
    if faults:
        raise TicketError(
            f"{ticket.name}: does not fit the module: {'; '.join(faults)}"
            f"{_way(ticket, shapes, first, ours, match)}"
        )
    return _merged(ticket, ours, first, state)


def _ours(
    ticket: Ticket, shapes: Mapping[str, tuple[int, ...]], others: Mapping[str, str], match: Match
) -> dict[str, str]:
    """Ticket's name -> module's name."""
    theirs = {name: array.shape for name, array in ticket.weights.items()}
    if match == "shape":
        once = {name: shape for name, shape in shapes.items() if name not in others}
        partners = by_shapes(theirs, once)
        if partners is None:
            raise TicketError(
                f"{ticket.name}: does not fit the module by shapes, or fits in several ways: it "
                f"has {listed(theirs)}; the module {listed(once)}. Say which belong together: "
                f"{_example(once, theirs)}"
            )
        return renamed_by(theirs, partners)
    if isinstance(match, str):
        if match != "name":
            raise ParamsError(f"match: is {match!r}, expected 'name', 'shape' or a mapping")
        plain = without_wrappers(shapes, theirs.__contains__, others)
        back = {new: name for name, new in plain.items()}
        return {name: back.get(name, name) for name in theirs}
    return _by_mapping(ticket, match, shapes, theirs)


def _by_mapping(
    ticket: Ticket,
    match: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    theirs: Mapping[str, tuple[int, ...]],
) -> dict[str, str]:
    here, there = _with_layers(shapes), _with_layers(theirs)
    pairs: dict[str, str] = {}
    for key, value in match.items():
        if key in here and value in there:
            pairs[value] = key
        elif value in here and key in there:  # given the other way round, and no doubt about it
            pairs[key] = value
        else:
            raise TicketError(
                f"{ticket.name}: match has {key!r}: {value!r}, and the module has no {key!r} or "
                f"the ticket no {value!r}; expected such as {_example(shapes, theirs)}"
            )
    ours = renamed_by(theirs, pairs)
    if len(set(ours.values())) < len(ours):
        twice = next(n for n in ours.values() if list(ours.values()).count(n) > 1)
        raise TicketError(f"{ticket.name}: match gives {twice!r} of the module twice; give it once")
    return ours


def _with_layers(names: Mapping[str, object]) -> set[str]:
    return {*names, *(name.rpartition(".")[0] for name in names)}


def _example(here: Mapping[str, object], there: Mapping[str, object]) -> str:
    """What a mapping looks like, with names of theirs."""
    layer_here, layer_there = (min(names).rpartition(".")[0] for names in (here, there))
    return f"match={{{layer_here!r}: {layer_there!r}, ...}}"


def _way(
    ticket: Ticket,
    shapes: Mapping[str, tuple[int, ...]],
    first: Mapping[str, str],
    ours: Mapping[str, str],
    match: Match,
) -> str:
    """How to go on where the names are others."""
    if match != "name" or not any(name not in shapes for name in ours.values()):
        return ""
    theirs = {name: array.shape for name, array in ticket.weights.items()}
    once = {name: shape for name, shape in shapes.items() if first[name] == name}
    partners = by_shapes(theirs, once)
    if partners is not None and len(renamed_by(theirs, partners)) == len(once):
        return ". The shapes fit: pass match='shape'"
    return f". If only the names differ, pass {_example(once, theirs)}"


def _merged(
    ticket: Ticket,
    ours: Mapping[str, str],
    first: Mapping[str, str],
    state: Mapping[str, "Tensor"],
) -> Fit:
    """Each parameter once, under all of its names."""
    init: dict[str, tuple[str, Array]] = {}
    masks: dict[str, tuple[str, Bools]] = {}
    for name, array in ticket.weights.items():
        parts: list[tuple[dict[str, tuple[str, Array]], Array]] = [(init, array)]
        if name in ticket.mask:
            parts.append((masks, ticket.mask[name]))  # type: ignore[arg-type]
        for into, value in parts:
            before, known = into.setdefault(first[ours[name]], (name, value))
            if not np.array_equal(known, value):
                raise TicketError(
                    f"{ticket.name}: {before!r} and {name!r} are one parameter in the module, and "
                    "differ in the ticket; find a ticket of this module"
                )
    weights = {}
    for name, one in first.items():
        array = init[one][1]
        weights[name] = (
            np.where(masks[one][1], array, array.dtype.type(0)) if one in masks else array
        )
    names = {one: tuple(n for n in state if first[n] == one) for one in masks}
    return Fit(weights, {one: ~mask for one, (_, mask) in masks.items()}, names)


def _refuse_what_cannot_be_set(
    module: "nn.Module", ticket: Ticket, state: Mapping[str, "Tensor"]
) -> None:
    from torch.nn.parameter import is_lazy

    faults = []
    own = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    for name, tensor in state.items():
        if id(tensor) not in own:
            faults.append(
                f"{name!r} is computed from others, as in a SparseLinear: make a new module"
            )
        elif is_lazy(tensor):
            faults.append(f"{name!r} has no shape yet: call the module once with a batch")
        elif tensor.is_meta:
            faults.append(f"{name!r} is on the device meta: call module.to_empty(device=...)")
        elif tensor.is_inference():
            faults.append(f"{name!r} was made in inference mode: make the module outside of it")
        elif tensor.is_complex():
            faults.append(f"{name!r} is of type {tensor.dtype}, expected one of real numbers")
    if not faults:
        faults = [f"{a!r} and {b!r} share memory" for a, b in sharing_memory(state)]
    if faults:
        raise TicketError(f"{ticket.name}: cannot be set in the module: {'; '.join(faults)}")

"""Parameters that a module has under several names."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lthctl.mask import Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def other_names(module: "nn.Module") -> dict[str, str]:
    """Further name -> first name, for what a module's state_dict holds more than once.

    The first name is that of `named_parameters`, which leaves the others out.
    """
    first: dict[int, str] = {}
    others: dict[str, str] = {}
    for name, value in module.state_dict(keep_vars=True).items():
        if first.setdefault(id(value), name) != name:
            others[name] = first[id(value)]
    return others


def load_weights(module: "nn.Module", weights: Weights) -> None:
    """Set a module's state_dict; weights under one name of a parameter are those of all its
    names."""
    import torch

    others = other_names(module)
    state = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    for other, first in others.items():
        if first in state:
            state[other] = state[first]
    module.load_state_dict(state)


def sharing_memory(tensors: Mapping[str, "Tensor"]) -> list[tuple[str, str]]:
    """Pairs of names whose tensors are several and overlap in memory, such as a matrix and its
    transpose: to set one changes the other."""
    places = []
    seen: set[int] = set()
    for name, tensor in tensors.items():
        if id(tensor) in seen or tensor.is_meta or tensor.is_sparse or not tensor.numel():
            continue
        seen.add(id(tensor))
        length = 1 + sum(
            (size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
        )
        begin = tensor.data_ptr()
        places.append((str(tensor.device), begin, begin + length * tensor.element_size(), name))
    places.sort()
    pairs = []
    furthest = ("", 0, -math.inf, "")
    order = list(tensors)
    for place in places:
        if place[0] == furthest[0] and place[1] < furthest[2]:
            one, other = sorted((furthest[3], place[3]), key=order.index)
            pairs.append((one, other))
        if place[0] != furthest[0] or place[2] > furthest[2]:
            furthest = place
    return pairs

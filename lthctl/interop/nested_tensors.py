"""All arrays in a tree of dicts, lists and objects, by the names that lead to them."""

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from lthctl.errors import CheckpointError
from lthctl.interop.entries import Entry
from lthctl.interop.pickled_arrays import PickledArray
from lthctl.interop.pickled_objects import Thing

MAX_DEPTH = 64
"""How deep modules and dicts may be nested."""

MOST = 2**22
"""Numbers in lists, where a dict, list or object counts as a few. A file that is read has no more,
unless it holds the same part again and again."""

A_FEW = 4

OTHER_TENSORS = re.compile(r"torch\._utils\._rebuild_|torch\._tensor\.|numpy\.ma\.|scipy\.sparse\.")
"""What pickles call for tensors that are sparse, nested, quantized or without numbers, and for
arrays that are more than numbers."""

NAMES_OF_PARTS = re.compile(r"(^|[._])(weight|bias|mask)$")
"""What lists of numbers must be called to be weights or a mask, and no history or setting."""

ANY_NAME = re.compile("")


def items_of(tree: object) -> dict[Any, Any]:
    """What is in a dict, an object or a list, by key, attribute or number."""
    if isinstance(tree, Thing):
        if tree.items or not isinstance(tree.state, dict):
            return tree.items or dict(enumerate(tree.elements))
        return tree.state
    if isinstance(tree, list | tuple):
        return dict(enumerate(tree))
    return tree if isinstance(tree, dict) else {}


def is_tensor(value: object) -> bool:
    return isinstance(value, Entry | PickledArray)


def tensors_in(
    tree: object, *, lists: re.Pattern[str] = NAMES_OF_PARTS
) -> Iterator[tuple[str, Entry]]:
    """Arrays by their names, joined by dots.

    Args:
      tree: what a file holds.
      lists: the names under which lists of numbers are arrays.

    Raises:
      CheckpointError: it is no network that can be read whole.
    """
    return _Walk(lists).tensors(tree, "", 0)


class _Walk:
    """Through a tree, in a bounded number of steps."""

    def __init__(self, lists: re.Pattern[str]) -> None:
        self._lists, self._left = lists, MOST

    def _count(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise CheckpointError(f"holds more than {MOST:,} parts, which no network has")

    def tensors(self, tree: object, prefix: str, depth: int) -> Iterator[tuple[str, Entry]]:
        self._count(A_FEW)
        name = prefix.removesuffix(".")
        if depth > MAX_DEPTH:
            raise CheckpointError("is nested too deeply to be a network")
        if isinstance(tree, Entry):
            yield name or "tensor", tree
        elif isinstance(tree, Thing) and OTHER_TENSORS.match(tree.name):
            # To leave it out would leave its layer without a mask, or without weights.
            raise CheckpointError(
                f"{name!r} is a tensor of another layout or kind ({tree.name}); save a plain one, "
                "as tensor.to_dense() gives"
            )
        elif isinstance(tree, PickledArray):
            yield name or "array", tree.entry()
        elif (listed := self._listed(name, tree)) is not None:
            yield name or "list", listed
        else:
            items = items_of(tree)
            self._count(len(items))
            if "_modules" in items and "_parameters" in items:
                parts = [items["_parameters"], items.get("_buffers", {}), items["_modules"]]
                parts.append({k: v for k, v in items.items() if str(k).endswith("mask")})
            else:
                parts = [items]
            for part in parts:
                for key, value in items_of(part).items():
                    if isinstance(value, Entry | PickledArray | Thing | dict | list | tuple):
                        yield from self.tensors(value, f"{prefix}{key}.", depth + 1)

    def _listed(self, name: str, tree: object) -> Entry | None:
        """The array in lists of numbers, as `tensor.tolist()` gives them; None where it is no list,
        or holds other things."""
        if not isinstance(tree, list) or not self._lists.search(name):
            return None
        shape: list[int] = []
        first: object = tree
        while isinstance(first, list) and first and len(shape) < MAX_DEPTH:
            shape.append(len(first))
            first = first[0]
        if type(first) not in (bool, int, float):
            return None
        self._count(math.prod(shape))
        flat: list[Any] = [tree]
        for size in shape:
            if not all(isinstance(row, list) and len(row) == size for row in flat):
                if len(shape) > 2:
                    return None  # rather a list of layers
                raise CheckpointError(f"{name!r} is a list whose rows differ in length")
            flat = [number for row in flat for number in row]
        kinds = {type(number) for number in flat}
        if kinds == {bool}:
            array = np.array(flat, np.bool_)
        elif kinds <= {bool, int}:
            array = np.array(flat, np.int64)
        elif kinds <= {bool, int, float}:
            array = np.array(flat, np.float64)
        else:
            raise CheckpointError(f"{name!r} is a list of more than numbers; save it as a tensor")
        array = array.reshape(shape)
        return Entry(array.dtype.str.lstrip("|<"), array.shape, array.copy)

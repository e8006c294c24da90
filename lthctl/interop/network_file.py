"""The weights and masks of one network, out of whatever a file holds.

Knows how programs wrap and name them: dicts in dicts, whole modules, lists, and the names that
pruning libraries give to masks. Knows nothing of a model.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lthctl.errors import CheckpointError
from lthctl.interop.entries import Checkpoint, Entry
from lthctl.interop.nested_tensors import ANY_NAME, is_tensor, items_of, tensors_in
from lthctl.interop.object_file import read_object_file
from lthctl.interop.pickled_objects import Thing
from lthctl.mask import Array, Bools, unpack_mask
from lthctl.pickles import PickleError

WEIGHT_KEYS = (
    "state_dict", "model_state_dict", "model_state", "net_state_dict", "model", "net", "network",
    "weights", "params", "module",
)  # fmt: skip
"""Under which programs keep weights in a dict with other things: the first that is there counts."""

MASK_KEYS = ("masks", "mask", "mask_dict", "pruning_masks", "pruning_mask")

SIBLINGS = re.compile("optim|sched|callback|scaler|loops|hparams|hyper|rng")
"""Keys beside weights whose tensors are none of the network's."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NetworkFile:
    """What a file says of a network.

    Attributes:
      path: the file.
      weights: name -> numbers, as stored: what a mask hides is there. float64, which is exact.
      masks: name -> bools; empty where the file has none.
    """

    path: Path
    weights: Mapping[str, Floats]
    masks: Mapping[str, Bools]

    @property
    def effective(self) -> dict[str, Floats]:
        """The weights as the network uses them: 0 where its own mask prunes."""
        return {
            name: np.where(self.masks[name], array, 0) if name in self.masks else array
            for name, array in self.weights.items()
        }

    def renamed(self, names: Mapping[str, str]) -> "NetworkFile":
        """With other names; what has none is left out."""
        return replace(
            self,
            weights={names[n]: a for n, a in self.weights.items() if n in names},
            masks={names[n]: a for n, a in self.masks.items() if n in names},
        )


def read_network(path: Path, *, key: str | None = None) -> NetworkFile:
    """The weights and masks in a file.

    Args:
      path: anything `read_object_file` reads.
      key: where in it to look, as keys joined by dots; without, where programs usually put them.

    Raises:
      CheckpointError: it cannot be read, or holds no tensors.
    """
    tree = read_object_file(path)
    if isinstance(tree, Checkpoint):
        return NetworkFile(path, {}, _packed(path, tree))
    if key is not None:
        tree = _below(path, tree, key)
    found, apart = _parts_of(path, tree)
    arrays = {name: entry.read() for name, entry in found.items()}
    separate = {name: entry.read() for name, entry in apart.items()}
    if not arrays and not separate:
        raise CheckpointError(f"{path}: holds no tensors, expected masks or weights by name")
    if not separate and all(_is_mask(array) for array in arrays.values()):
        return NetworkFile(
            path, {}, {re.sub("[._]mask$", "", n): a != 0 for n, a in arrays.items()}
        )
    weights, masks = _sorted_out(arrays)
    for name, array in separate.items():
        if not _is_mask(array):
            raise CheckpointError(
                f"{path}: its mask of {name!r} holds other values, expected 0 and 1"
            )
        masks[re.sub("[._]mask$", "", name)] = array != 0
    return NetworkFile(path, weights, masks)


def read_entries(path: Path, *, limit: int) -> dict[str, Entry]:
    """The tensors of one network in a file, by the names that they have there. Masks that the file
    keeps apart end in "_mask".

    Args:
      path: anything `read_object_file` reads.
      limit: bytes that the file may have, and may unpack to.

    Raises:
      CheckpointError: it cannot be read, or holds no tensors.
    """
    tree = read_object_file(path, limit=limit)
    if isinstance(tree, Checkpoint):
        return tree.entries
    entries, masks = _parts_of(path, tree)
    for name, entry in masks.items():
        entries[re.sub("[._]mask$", "", name) + "_mask"] = entry
    return entries


def _parts_of(path: Path, tree: object) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """The tensors of a network, and masks that the file keeps apart from them."""
    try:
        return dict(tensors_in(_weights_part(tree))), dict(_separate_masks(tree))
    except (CheckpointError, PickleError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def _is_mask(array: Array) -> bool:
    return array.ndim > 0 and bool(np.isin(array, (0, 1)).all())


def _packed(path: Path, checkpoint: Checkpoint) -> dict[str, Bools]:
    """The mask of one of lthctl's tickets, a bit per weight."""
    note = checkpoint.note or "{}"
    try:
        shapes = {name: tuple(shape) for name, shape in json.loads(note).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: its note on shapes cannot be read ({error})") from error
    packed = {name: entry.read() for name, entry in checkpoint.entries.items()}
    return dict(unpack_mask(path, packed, note, shapes))


def _below(path: Path, tree: object, key: str) -> object:
    for word in key.split("."):
        inner = items_of(tree)
        if word not in inner:
            known = ", ".join(str(name)[:40] for name in list(inner)[:8]) or "no keys"
            raise CheckpointError(f"{path}: has no {word!r} where {key!r} is looked for: {known}")
        tree = inner[word]
    return tree


def _weights_part(tree: object) -> object:
    """Of a dict with weights among other things, the weights."""
    if is_tensor(tree):
        return tree
    items = items_of(tree)
    if "_modules" in items:
        return tree
    if any(map(is_tensor, items.values())):
        apart = [key for key in MASK_KEYS if isinstance(items.get(key), dict | list)]
        return {key: value for key, value in items.items() if key not in apart}
    for key in WEIGHT_KEYS:
        if isinstance(items.get(key), dict | Thing) and any(tensors_in(items[key])):
            return _weights_part(items[key])
    return {
        key: value
        for key, value in items.items()
        if key not in MASK_KEYS and not SIBLINGS.search(str(key).lower())
    }


def _separate_masks(tree: object) -> Iterator[tuple[str, Entry]]:
    """Masks that a dict keeps apart from the weights."""
    items = items_of(tree)
    if "_modules" in items:
        return
    for key in MASK_KEYS:
        if isinstance(items.get(key), dict | list | Thing):
            yield from tensors_in(items[key], lists=ANY_NAME)
            return


PARAMETRIZED = re.compile(r"^(.*?)parametrizations\.(\w+)\.(original|\d+\.mask)$")
"""What torch.nn.utils.parametrize makes of a weight, and torch.ao.pruning of its mask."""


def _sorted_out(arrays: Mapping[str, Array]) -> tuple[dict[str, Floats], dict[str, Bools]]:
    """Weights and their masks, by the names that pruning libraries give them."""
    weights: dict[str, Floats] = {}
    candidates: dict[str, Array] = {}
    for name, array in arrays.items():
        parametrized = PARAMETRIZED.match(name)
        if parametrized:
            plain = parametrized[1] + parametrized[2]
            if parametrized[3] == "original":
                weights[plain] = array.astype(np.float64)
            else:
                candidates[plain] = array
        elif name.endswith("_orig") and f"{name[:-5]}_mask" in arrays:
            weights[name[:-5]] = array.astype(np.float64)
        elif name.endswith("mask") and _is_mask(array):
            candidates[re.sub("[._]mask$", "", name)] = array
        else:
            weights[name] = array.astype(np.float64)
    masks: dict[str, Bools] = {}
    for name, array in candidates.items():
        # A module's own mask, such as one of attention, is of no weight.
        for owner in (name, f"{name}.weight", re.sub(r"_([^._]+)$", r".\1", name)):
            if owner in weights and weights[owner].shape == array.shape:
                masks[owner] = array != 0
                break
    return weights, masks

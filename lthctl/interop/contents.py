"""What the tensors of a file are: masks or weights, and of which parameter.

How a file is read is `checkpoints`' business, and what becomes of its tensors is `importing`'s.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from lthctl.errors import CheckpointError
from lthctl.interop.checkpoints import read_checkpoint
from lthctl.interop.entries import BFLOAT16, Checkpoint, Entry, OtherContentError
from lthctl.interop.matching import by_shapes, listed, renamed_by, without_wrappers
from lthctl.interop.network_file import read_entries
from lthctl.mask import Array, Shapes, Weights, unpack_mask
from lthctl.parameter_types import shown

ORIG, MASK = "_orig", "_mask"
"""What torch.nn.utils.prune appends to the names of a pruned parameter's two parts."""

Entries = dict[str, Entry]


class Contents:
    """The masks and weights of a file under the model's names.

    Attributes:
      path: the file.
      masks: parameter name -> what holds 0 and 1.
      weights: parameter name -> what holds its values.
    """

    def __init__(
        self,
        path: Path,
        own: Weights,
        announce: Callable[[str], None],
        other_names: Mapping[str, str] | None = None,
        entries: Entries | None = None,
    ) -> None:
        """Look at a file, and read as little of it as it takes to know what is in it.

        Args:
          path: the file.
          own: all weights of the model, of which names, shapes and types count.
          announce: called with a sentence on what was assumed.
          other_names: further name -> name in `own`, for parameters with several names.
          entries: what the file holds, if that is known already.

        Raises:
          CheckpointError: it cannot be read, does not fit the model, or leaves open what it holds.
        """
        self.path, self._own, self._announce = path, own, announce
        self._other_names = other_names or {}
        self._shapes = {name: array.shape for name, array in own.items()}
        self._named = {
            **self._shapes,
            **{name: own[first].shape for name, first in self._other_names.items()},
        }
        # The model's weights, their masks, both as 8-byte numbers, and as much again for names and
        # other formats.
        checkpoint = Checkpoint(entries or {})
        if entries is None:
            checkpoint = self._read()
        if not checkpoint.entries:
            raise CheckpointError(f"{path}: holds no tensors, expected masks or weights by name")
        if checkpoint.note is not None:
            parts = self._packed(checkpoint.entries, checkpoint.note), Entries()
        else:
            parts = self._sorted_out(self._renamed(checkpoint.entries))
        masks, weights = parts
        names = self._matched(
            {**{n: e.shape for n, e in weights.items()}, **{n: e.shape for n, e in masks.items()}}
        )
        self.masks = self._once({names[name]: entry for name, entry in masks.items()})
        self.weights = self._once({names[name]: entry for name, entry in weights.items()})

    def _read(self) -> Checkpoint:
        """The tensors of the file; where it holds other things beside them, those of its network,
        such as what is under "state_dict"."""
        limit = 2**24 + 64 * sum(math.prod(shape) for shape in self._named.values())
        try:
            return read_checkpoint(self.path, limit=limit)
        except OtherContentError as plain:
            try:
                entries = read_entries(self.path, limit=limit)
            except CheckpointError as error:
                reason = str(error).removeprefix(f"{self.path}: ")
                raise CheckpointError(f"{plain}; and read as any object: {reason}") from None
            if not entries:
                raise
            self._announce(
                f"{self.path}: holds other things too; {len(entries)} tensors of its network are "
                "taken"
            )
            return Checkpoint(entries)

    # ---- what is what ----

    def _renamed(self, entries: Entries) -> Entries:
        """Without the prefix that all have in common, and without scalars that are not ours."""
        scalars = {name for name, entry in entries.items() if entry.shape == ()}
        names = without_wrappers(entries, lambda name: self._base(name) in self._named, scalars)
        if any(name != new for name, new in names.items()):
            one = min(name for name, new in names.items() if name != new)
            self._announce(f"{self.path}: {one!r} is read as {names[one]!r}, and all others so")
        tails = {_tail(name) for name in self._named}
        ignored = [name for name in scalars if _tail(names[name]) not in tails]
        if ignored:
            self._announce(
                f"{self.path}: ignored {', '.join(map(repr, sorted(ignored)))}: the model has no "
                "such number"
            )
        return {names[name]: entry for name, entry in entries.items() if name not in ignored}

    def _base(self, name: str) -> str:
        """The name of the parameter that a tensor is of; a name of the model's own has no suffix. A
        mask may have the name of its layer."""
        base = name.removesuffix(MASK) if name.endswith(MASK) else name.removesuffix(ORIG)
        if name in self._named:
            return name
        if base not in self._named and any(_tail(name) == _tail(ours) for ours in self._named):
            return name
        of_layer = f"{base}.weight"
        return of_layer if base not in self._named and of_layer in self._named else base

    def _sorted_out(self, entries: Entries) -> tuple[Entries, Entries]:
        """Masks and weights, by the parameter that they are of."""
        masks, weights = Entries(), Entries()
        for name, entry in entries.items():
            base = self._base(name)
            into = masks if base != name and name.endswith(MASK) else weights
            if base in into:
                raise CheckpointError(
                    f"{self.path}: holds {base + ORIG!r} both with and without {ORIG!r}; "
                    "leave one of them out"
                )
            into[base] = entry
        for name, entry in masks.items():
            if name in weights and weights[name].shape != entry.shape:
                raise CheckpointError(
                    f"{self.path}: {name + MASK!r} has shape {entry.shape}, its weights "
                    f"{weights[name].shape}; save both from one module"
                )
        # What the model has in whole numbers is no mask of it, such as a mask of attention.
        numbers = {name: entry for name, entry in weights.items() if not self._is_ours(name, entry)}
        if masks.keys() & numbers.keys() or self._are_weights(numbers):
            return masks, weights
        return {**masks, **numbers}, {}

    def _are_weights(self, numbers: Entries) -> bool:
        """Whether what is not called a mask holds weights, rather than a mask.

        Bools and integers are a mask. So are matrices of 0 and 1 in any other type, since no
        trained layer has those; beside other numbers they may be either.
        """
        floats = {name: entry for name, entry in numbers.items() if not entry.is_whole}
        if not floats:
            return False
        matrices = [name for name, entry in floats.items() if len(entry.shape) >= 2]
        if not matrices or not all(_is_binary(floats[name]) for name in matrices):
            return True
        others = [name for name in numbers.keys() - set(matrices) if not _is_binary(numbers[name])]
        if others and all(np.count_nonzero(floats[name].read()) <= 1 for name in matrices):
            return True  # pruned down to one weight, which is 1
        if others:
            raise CheckpointError(
                f"{self.path}: {matrices[0]!r} holds only 0 and 1, as a mask does, and "
                f"{min(others)!r} holds other numbers; save masks as bools, or under names that "
                f"end in {MASK}"
            )
        self._announce(f"{self.path}: holds only 0 and 1, so it is taken as a mask")
        return False

    def _is_ours(self, name: str, entry: Entry) -> bool:
        """Whether it is a tensor of whole numbers that the model has too, and no weights of it."""
        ours = self._own.get(self._other_names.get(name, name))
        return ours is not None and ours.dtype.kind != "f" and entry.is_whole

    def _packed(self, entries: Mapping[str, Entry], note: str) -> Entries:
        """The mask of another ticket, a bit per weight."""
        try:
            shapes = {
                str(name): tuple(whole_number(size) for size in shape)
                for name, shape in json.loads(note).items()
            }
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                f"{self.path}: its note on shapes cannot be read ({error})"
            ) from error
        self._matched(shapes)
        packed = {name: entry.read() for name, entry in entries.items()}
        bits = unpack_mask(self.path, packed, note, shapes)
        return {name: Entry("?", array.shape, array.copy) for name, array in bits.items()}

    # ---- whose it is ----

    def _matched(self, shapes: Shapes) -> dict[str, str]:
        """Name in the file -> name in the model; the same, or by shapes where only one way fits."""
        if shapes.keys() <= self._named.keys():
            if any(shape != self._named[name] for name, shape in shapes.items()):
                raise self._misfit(shapes)
            return {name: name for name in shapes}
        partners = by_shapes(shapes, self._shapes)
        if partners is None:
            raise self._misfit(shapes)
        self._announce(
            f"{self.path}: matched by shapes: "
            f"{', '.join(f'{a} is {b}' for a, b in partners.items())}"
        )
        return renamed_by(shapes, partners)

    def _misfit(self, shapes: Shapes) -> CheckpointError:
        return CheckpointError(
            f"{self.path}: does not fit the model, or fits in several ways: found "
            f"{listed(shapes)}; expected {listed(self._shapes)}. Rename its tensors so, or "
            "choose the model's layers in params.yaml"
        )

    def _once(self, entries: Entries) -> Entries:
        """Each parameter under one name, whatever other names it has."""
        once: Entries = {}
        for name, entry in entries.items():
            first = self._other_names.get(name, name)
            if first in once and not np.array_equal(once[first].read(), entry.read()):
                names = sorted(n for n in entries if self._other_names.get(n, n) == first)
                raise CheckpointError(
                    f"{self.path}: {' and '.join(map(repr, names))} are one parameter of the "
                    "model, and differ in the file; leave one of them out"
                )
            once.setdefault(first, entry)
        return once

    # ---- all weights ----

    def complete_weights(self) -> dict[str, Array]:
        """All weights, as float32 where the model has that.

        Raises:
          CheckpointError: some are missing, not finite, or of a type that would lose digits.
        """
        missing = sorted(self._shapes.keys() - self.weights.keys())
        if missing:
            what = "holds a mask, and" if self.masks and not self.weights else "has"
            raise CheckpointError(
                f"{self.path}: {what} no weights for {', '.join(map(repr, missing))}; expected "
                f"{listed(self._shapes)}"
            )
        return {name: self._weights(name, self.weights[name]) for name in sorted(self._shapes)}

    def _weights(self, name: str, entry: Entry) -> Array:
        array, ours = entry.read(), self._own[name].dtype
        if array.dtype.kind != "f":
            if entry.dtype != BFLOAT16 and array.ndim == 0:
                return array  # a module's counter, such as that of batch normalization
            if ours.kind == array.dtype.kind and np.array_equal(array.astype(ours), array):
                return array.astype(ours)
            raise CheckpointError(
                f"{self.path}: {name!r} is of type {entry.dtype}, expected {ours}"
            )
        single = array.astype(np.float32)
        if not np.isfinite(single).all():
            raise CheckpointError(
                f"{self.path}: {name!r} holds values that are not finite; save it before training "
                "diverges"
            )
        if not np.array_equal(single.astype(array.dtype), array):
            raise CheckpointError(
                f"{self.path}: {name!r} is of type {entry.dtype} and would lose digits; save it as "
                "float32"
            )
        return single


def _is_binary(entry: Entry) -> bool:
    return bool(np.isin(entry.read(), (0, 1)).all())


def _tail(name: str) -> str:
    return name.rpartition(".")[2]


def whole_number(size: object) -> int:
    """A size in a note on shapes.

    Raises:
      ValueError: it is no whole number, as JSON's Infinity and NaN are none, or a negative one.
    """
    if type(size) is not int or size < 0:
        raise ValueError(f"a size is {shown(size)}, expected a whole number")
    return size

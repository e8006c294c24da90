"""A mask or a pruned checkpoint made elsewhere, made into a ticket.

Knows which tensors of a file are masks and which are weights, and what they are called here; how a
file is read is `lthctl.foreign`'s.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from lthctl.artifacts.names import IMPORTED
from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import TicketSpecification
from lthctl.errors import CheckpointError, ParamsError
from lthctl.interop.checkpoints import read_checkpoint
from lthctl.interop.entries import BFLOAT16, Checkpoint, Entry
from lthctl.lottery.find import counts_after
from lthctl.mask import Array, Bools, Mask, Shapes, Weights, unpack_mask
from lthctl.models.base import Model
from lthctl.models.mlp import MLP
from lthctl.seeding import Stream

ORIG, MASK = (
    "_orig",
    "_mask",
)  # what torch.nn.utils.prune appends to the names of a pruned parameter's two parts


def import_ticket(
    file: Path | str,
    *,
    model: Model | None = None,
    seed: int = 1,
    init: Path | str | None = None,
    ratio: float | None = None,
    label: str | None = None,
    biases: bool | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> Ticket:
    """A ticket from a mask or a pruned checkpoint that another program made.

    The file is safetensors, or a dict of tensors that `torch.save` wrote. What is in it decides the
    mask:

    - `<name>_orig` and `<name>_mask`, as `torch.nn.utils.prune` leaves them: weights and mask;
    - bools, or integers of any size, all 0 or 1: a mask and no weights; also the
      `mask.safetensors` of another ticket;
    - else weights: those that are exactly 0 are pruned.

    Args:
      file: the checkpoint.
      model: what it is of; LeNet-300-100 by default. Names that differ from its own are matched by
        shapes, where every module of the file fits one and only one of the model's.
      seed: of batches and of reinitialized weights, and of the initial weights where the file has
        none.
      init: another file, with the weights to rewind to. Without, they are the file's own, else
        drawn from the seed.
      ratio: the sparsity that was asked for; what the mask has, to four decimals, if that is not
        known.
      label: tells apart tickets that were pruned in different ways; the method is then
        `imported-<label>`.
      biases: whether biases are prunable; if not given, the file tells. A plain checkpoint in
        which whole biases are 0 does not tell.
      announce: called with a sentence on what the file holds, and on what was assumed.

    Raises:
      CheckpointError: a file cannot be read, does not fit the model, or leaves a layer with no
        weight.
      ParamsError: ratio or label is out of range.

    Example:
      >>> ticket = import_ticket("pruned.pt", seed=1)
      >>> save_ticket(ticket, f"masks/{ticket.name}")
    """
    model = model or MLP()
    if ratio is not None and not 0 <= ratio < 1:
        raise ParamsError(
            f"ratio: is {ratio}, expected in [0, 1): the fraction of weights that was to be pruned"
        )
    if label is not None and not (label.isascii() and label.isalnum() and label == label.lower()):
        raise ParamsError(f"label: is {label!r}, expected lower-case letters and digits")
    drawn = model.draw(Stream(seed, "init"))
    shapes = {name: array.shape for name, array in drawn.items()}
    file = Path(file)
    parts = _Parts(file, shapes, announce)
    mask = parts.mask(model, biases)
    weights: Weights
    if init is not None:
        weights, origin = (
            _Parts(Path(init), shapes, announce).complete_weights(),
            f"those in {init}",
        )
    elif parts.weights:
        weights, origin = parts.complete_weights(), f"those in {file}"
    else:
        weights, origin = drawn, f"drawn from seed {seed}"
    announce(f"weights to rewind to: {origin}")
    asked = ratio if ratio is not None else round(mask.sparsity, 4)
    asked = asked if asked < 1 else mask.sparsity
    rate = {name: float(1 - np.count_nonzero(array) / array.size) for name, array in mask.items()}
    specification = TicketSpecification(
        method=IMPORTED if label is None else f"{IMPORTED}-{label}",
        ratio=float(asked),
        rounds=1,
        seed=seed,
        biases=any(name.endswith(".bias") for name in mask),
        model=model.describe(),
        data=None,
        train=None,
    )
    counts = counts_after(1, 0, None, mask, rate, desired=float(asked))
    return Ticket(specification, rate, (counts,), mask, weights)


class _Parts:
    """A file's masks and weights under the model's names, none read yet."""

    def __init__(self, path: Path, shapes: Shapes, announce: Callable[[str], None]) -> None:
        self.path, self._shapes, self._announce = path, shapes, announce
        # The model's weights, their masks, both as 8-byte numbers, and as much again for names and
        # other formats.
        checkpoint = read_checkpoint(
            path, limit=2**24 + 64 * sum(math.prod(shape) for shape in shapes.values())
        )
        if not checkpoint.entries:
            raise CheckpointError(f"{path}: holds no tensors, expected masks or weights by name")
        masks, weights = self._sorted_out(checkpoint)
        names = self._matched(
            {**{n: e.shape for n, e in weights.items()}, **{n: e.shape for n, e in masks.items()}}
        )
        self.masks = {names[name]: entry for name, entry in masks.items()}
        self.weights = {names[name]: entry for name, entry in weights.items()}

    def _sorted_out(self, checkpoint: Checkpoint) -> tuple[dict[str, Entry], dict[str, Entry]]:
        entries = checkpoint.entries
        if checkpoint.note is not None:
            return self._packed(checkpoint, checkpoint.note), {}
        if all(entry.is_whole for entry in entries.values()):
            return {name.removesuffix(MASK): entry for name, entry in entries.items()}, {}
        masks = {
            name.removesuffix(MASK): entry for name, entry in entries.items() if name.endswith(MASK)
        }
        weights = {
            name.removesuffix(ORIG): entry
            for name, entry in entries.items()
            if not name.endswith(MASK)
        }
        clashing = [
            name for name in entries if name.endswith(ORIG) and name.removesuffix(ORIG) in entries
        ]
        if clashing:
            raise CheckpointError(
                f"{self.path}: holds {clashing[0]!r} both with and without {ORIG!r}; "
                "leave one of them out"
            )
        for name, entry in masks.items():
            if name in weights and weights[name].shape != entry.shape:
                raise CheckpointError(
                    f"{self.path}: {name + MASK!r} has shape {entry.shape}, its weights "
                    f"{weights[name].shape}; save both from one module"
                )
        return masks, weights

    def _packed(self, checkpoint: Checkpoint, note: str) -> dict[str, Entry]:
        """The mask of another ticket, a bit per weight."""
        try:
            shapes = {
                str(name): tuple(int(size) for size in shape)
                for name, shape in json.loads(note).items()
            }
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                f"{self.path}: its note on shapes cannot be read ({error})"
            ) from error
        self._matched(shapes)
        packed = {name: entry.read() for name, entry in checkpoint.entries.items()}
        bits = unpack_mask(self.path, packed, note, shapes)
        return {name: Entry("?", array.shape, array.copy) for name, array in bits.items()}

    def _matched(self, shapes: Shapes) -> dict[str, str]:
        """Name in the file -> name in the model; the same, or by shapes where only one way fits."""
        if shapes.keys() <= self._shapes.keys():
            wrong = [name for name, shape in shapes.items() if shape != self._shapes[name]]
            if wrong:
                raise self._misfit(shapes)
            return {name: name for name in shapes}
        ours, theirs = _modules(self._shapes), _modules(shapes)
        partners: dict[str, str] = {}
        for module, parts in theirs.items():
            fitting = [
                name for name, shapes_here in ours.items() if parts.items() <= shapes_here.items()
            ]
            if len(fitting) != 1 or fitting[0] in partners.values():
                raise self._misfit(shapes)
            partners[module] = fitting[0]
        self._announce(
            f"{self.path}: matched by shapes: "
            f"{', '.join(f'{a} is {b}' for a, b in partners.items())}"
        )
        return {
            _join(module, part): _join(partners[module], part)
            for module, parts in theirs.items()
            for part in parts
        }

    def _misfit(self, shapes: Shapes) -> CheckpointError:
        return CheckpointError(
            f"{self.path}: does not fit the model, or fits in several ways: found "
            f"{_listed(shapes)}; expected {_listed(self._shapes)}. Rename its tensors so, or "
            "choose the model's layers in params.yaml"
        )

    def mask(self, model: Model, biases: bool | None) -> Mask:
        """The mask over what is prunable; full where a file of masks says nothing."""
        everything, weights_only = model.prunable(biases=True), model.prunable(biases=False)
        arrays = self._given(everything) if self.masks else self._nonzero(everything)
        pruned = {name for name, array in arrays.items() if not array.all()}
        if biases is None:
            biases = self._has_biases(arrays, pruned - weights_only.keys(), weights_only)
        prunable = everything if biases else weights_only
        if self.masks and (extra := sorted(pruned - prunable.keys())):
            raise CheckpointError(
                f"{self.path}: prunes {', '.join(map(repr, extra))}, which is not prunable; "
                "give --biases if these are biases, and else leave these masks out"
            )
        mask = Mask(
            {name: arrays.get(name, np.ones(shape, np.bool_)) for name, shape in prunable.items()}
        )
        empty = [name for name, array in mask.items() if array.ndim >= 2 and not array.any()]
        if empty:
            raise CheckpointError(
                f"{self.path}: leaves none of the weights of {', '.join(map(repr, empty))}; "
                "a layer without weights passes nothing on, so keep at least one"
            )
        return mask

    def _given(self, prunable: Shapes) -> dict[str, Bools]:
        arrays = {}
        for name, entry in self.masks.items():
            array = entry.read()
            if not np.isin(array, (0, 1)).all():
                raise CheckpointError(
                    f"{self.path}: the mask of {name!r} holds other values, expected 0 and 1"
                )
            if name not in prunable and not array.all():
                raise CheckpointError(
                    f"{self.path}: prunes {name!r}, which is not prunable; leave its mask out"
                )
            arrays[name] = array.astype(np.bool_)
        return arrays

    def _nonzero(self, prunable: Shapes) -> dict[str, Bools]:
        return {
            name: array != 0 for name, array in self.complete_weights().items() if name in prunable
        }

    def _has_biases(
        self, arrays: Mapping[str, Bools], pruned_biases: set[str], weights_only: Shapes
    ) -> bool:
        if self.masks:
            return bool(arrays.keys() - weights_only.keys())
        if pruned_biases and not any(arrays[name].any() for name in pruned_biases):
            raise CheckpointError(
                f"{self.path}: {', '.join(map(repr, sorted(pruned_biases)))} is all 0: pruned, or "
                "never trained; say which with --biases or --no-biases"
            )
        return bool(pruned_biases)

    def complete_weights(self) -> dict[str, Array]:
        """All weights, as float32 where the model has that."""
        missing = sorted(self._shapes.keys() - self.weights.keys())
        if missing:
            raise CheckpointError(
                f"{self.path}: has no weights for {', '.join(map(repr, missing))}; expected "
                f"{_listed(self._shapes)}"
            )
        return {name: self._weights(name, self.weights[name]) for name in sorted(self._shapes)}

    def _weights(self, name: str, entry: Entry) -> Array:
        array = entry.read()
        if array.dtype.kind not in "f":
            if entry.dtype != BFLOAT16 and array.ndim == 0:
                return array  # a module's counter, such as that of batch normalization
            raise CheckpointError(
                f"{self.path}: {name!r} is of type {entry.dtype}, expected float32"
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


def _modules(shapes: Shapes) -> dict[str, dict[str, tuple[int, ...]]]:
    modules: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        module, _, part = name.rpartition(".")
        modules.setdefault(module, {})[part] = tuple(shape)
    return modules


def _join(module: str, part: str) -> str:
    return f"{module}.{part}" if module else part


def _listed(shapes: Shapes) -> str:
    words = [f"{name[:60]} {tuple(shape)}" for name, shape in shapes.items()]
    return ", ".join(words[:12]) + (f" and {len(words) - 12} more" if len(words) > 12 else "")

"""A mask or a pruned checkpoint made elsewhere, made into a ticket.

Which tensors of a file are masks and which are weights, and what they are called here, is known to
`contents`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from lthctl.artifacts.names import IMPORTED
from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import TicketSpecification
from lthctl.errors import CheckpointError, ParamsError
from lthctl.interop.contents import Contents
from lthctl.interop.folder_ticket import find_ticket_in
from lthctl.lottery.find import counts_after
from lthctl.mask import Bools, Mask, Shapes, Weights
from lthctl.models.base import Model
from lthctl.models.mlp import MLP
from lthctl.seeding import Stream


def import_ticket(
    file: Path | str,
    *,
    layout: str | None = None,
    model: Model | None = None,
    seed: int = 1,
    init: Path | str | None = None,
    ratio: float | None = None,
    label: str | None = None,
    biases: bool | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> Ticket:
    """A ticket from a mask or a pruned checkpoint that another program made.

    The file is safetensors, what `torch.save` wrote, `.npz`, or a pickle of arrays. What is in it
    decides the mask:

    - `<name>_orig` and `<name>_mask`, as `torch.nn.utils.prune` leaves them: weights and mask;
    - bools, or integers of any size, all 0 or 1: a mask and no weights; also the
      `mask.safetensors` of another ticket;
    - else weights: those that are exactly 0 are pruned.

    Args:
      file: the checkpoint; or a folder of another program, of which the last round's mask and
        the weights that it is rewound to are taken (docs/AUDIT.md).
      layout: how that folder is laid out: a known name, or a file with a mapping; without, the
        known one that fits.
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
    file = Path(file)
    others = getattr(model, "other_names", {})
    if layout is not None and not file.is_dir():
        raise ParamsError(f"--from: is for a folder, and {file} is none; leave --from out")
    found = find_ticket_in(file, layout, announce) if file.is_dir() else None
    if found is None:
        parts = Contents(file, drawn, announce, others)
    else:
        parts = Contents(found.mask_path, drawn, announce, others, entries=found.masks)
    mask = _mask_of(parts, model, biases)
    whole = [name for name, kept in mask.items() if kept.ndim >= 2 and name not in parts.masks]
    if parts.masks and whole:
        announce(f"{parts.path}: has no mask for {', '.join(whole)}, so all of it is kept")
    weights: Weights
    if init is not None:
        weights, origin = (
            Contents(Path(init), drawn, announce, others).complete_weights(),
            f"those in {init}",
        )
    elif found is not None and found.init_path is not None:
        taken = Contents(found.init_path, drawn, announce, others, entries=found.weights)
        weights, origin = taken.complete_weights(), f"those in {found.init_path}"
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
    layers = {name: 1 - (1 - removed) for name, removed in rate.items()}
    counts = counts_after(1, 0, None, mask, layers, desired=float(asked))
    return Ticket(specification, rate, (counts,), mask, weights)


def _mask_of(contents: Contents, model: Model, biases: bool | None) -> Mask:
    """The mask over what is prunable; full where a file of masks says nothing."""
    everything, weights_only = model.prunable(biases=True), model.prunable(biases=False)
    arrays = _given(contents, everything) if contents.masks else _nonzero(contents, everything)
    pruned = {name for name, array in arrays.items() if not array.all()}
    if biases is None:
        biases = _has_biases(contents, arrays, pruned - weights_only.keys(), weights_only)
    prunable = everything if biases else weights_only
    if contents.masks and (extra := sorted(pruned - prunable.keys())):
        raise CheckpointError(
            f"{contents.path}: prunes {', '.join(map(repr, extra))}, which is not prunable; "
            "give --biases if these are biases, and else leave these masks out"
        )
    mask = Mask(
        {name: arrays.get(name, np.ones(shape, np.bool_)) for name, shape in prunable.items()}
    )
    empty = [name for name, array in mask.items() if array.ndim >= 2 and not array.any()]
    if empty:
        raise CheckpointError(
            f"{contents.path}: leaves none of the weights of {', '.join(map(repr, empty))}; "
            "a layer without weights passes nothing on, so keep at least one"
        )
    return mask


def _given(contents: Contents, prunable: Shapes) -> dict[str, Bools]:
    arrays = {}
    for name, entry in contents.masks.items():
        array = entry.read()
        if not np.isin(array, (0, 1)).all():
            raise CheckpointError(
                f"{contents.path}: the mask of {name!r} holds other values, expected 0 and 1"
            )
        if name not in prunable and not array.all():
            raise CheckpointError(
                f"{contents.path}: prunes {name!r}, which is not prunable; leave its mask out"
            )
        arrays[name] = array.astype(np.bool_)
    return arrays


def _nonzero(contents: Contents, prunable: Shapes) -> dict[str, Bools]:
    return {
        name: array != 0 for name, array in contents.complete_weights().items() if name in prunable
    }


def _has_biases(
    contents: Contents, arrays: Mapping[str, Bools], pruned_biases: set[str], weights_only: Shapes
) -> bool:
    if contents.masks:
        return bool(arrays.keys() - weights_only.keys())
    if pruned_biases and not any(arrays[name].any() for name in pruned_biases):
        raise CheckpointError(
            f"{contents.path}: {', '.join(map(repr, sorted(pruned_biases)))} is all 0: pruned, or "
            "never trained; say which with --biases or --no-biases"
        )
    return bool(pruned_biases)

"""Ticket folders: saved, loaded, refused when damaged.

A ticket is a mask, the weights to rewind to, and where they came from. Its folder can be copied,
versioned and handed on by itself. docs/FORMAT.md describes the format.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lthctl.artifacts.documents import SCHEMA, read_document
from lthctl.artifacts.names import INIT_FILE, MASK_FILE, TICKET_JSON, ticket_name
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.tensors import TENSORS_LIMIT, read_tensors, tensors_bytes
from lthctl.canonical import Json, sha256
from lthctl.disk import write_folder
from lthctl.errors import LthctlError, TicketError
from lthctl.mask import Array, Mask, Shapes, Weights, unpack_mask
from lthctl.models.described import from_description
from lthctl.reading import find_folders


@dataclass(frozen=True, eq=False)
class Ticket:
    """A mask, the weights to rewind to, and where they came from.

    Attributes:
      method: "l1" or "random"; "dense" at ratio 0; "imported" or "imported-<label>" where the mask
        was made elsewhere.
      ratio: the sparsity asked for, in [0, 1).
      rounds: train-prune-rewind rounds; 0 for the dense ticket.
      seed: of weights, batch order and pruning.
      biases: whether biases are prunable.
      model: what `Model.describe` said.
      data: what `Dataset.describe` said.
      train: parameters of the trainings between the rounds.
      rate: parameter name -> fraction of the remaining weights removed per round.
      sparsity: for every round its number, steps, and desired and actual sparsity, total and per
        parameter.
      mask: over the prunable parameters.
      init: all weights, unmasked, as they were before the first training.
    """

    method: str
    ratio: float
    rounds: int
    seed: int
    biases: bool
    model: Json
    data: Json
    train: Json
    rate: Mapping[str, float]
    sparsity: tuple[Json, ...]
    mask: Mask
    init: Weights

    @property
    def name(self) -> str:
        return ticket_name(self.method, self.ratio, self.rounds, self.seed)

    @cached_property
    def digest(self) -> str:
        """Identity of the ticket: SHA-256 over everything in its folder."""
        document: Json = json.loads(self.files()[TICKET_JSON])
        return str(document["digest"])

    def request(self) -> Json:
        """What was asked for to get this ticket; equal requests give equal tickets."""
        return {
            "method": self.method,
            "ratio": self.ratio,
            "rounds": self.rounds,
            "seed": self.seed,
            "biases": self.biases,
            "model": self.model,
            "data": self.data,
            "train": self.train,
        }

    def files(self) -> dict[str, bytes]:
        """File name -> bytes of the folder; the JSON is last."""
        shapes = {name: list(array.shape) for name, array in self.mask.items()}
        packed = {name: np.packbits(array.ravel()) for name, array in self.mask.items()}
        files = {
            MASK_FILE: tensors_bytes(packed, note=json.dumps(shapes)),
            INIT_FILE: tensors_bytes(self.init),
        }
        document = self.request() | {
            "kind": "ticket",
            "schema": SCHEMA,
            "name": self.name,
            "rate": dict(self.rate),
            "sparsity": list(self.sparsity),
            "files": {name: sha256(content) for name, content in files.items()},
        }
        return files | {TICKET_JSON: seal(document)}


def save_ticket(ticket: Ticket, folder: Path | str, *, replace: bool = False) -> Path:
    """Write a ticket into a folder of its own, whole or not at all.

    Args:
      ticket: the ticket.
      folder: where to; it becomes the ticket's folder.
      replace: whether what is there may be replaced.

    Returns:
      The folder.

    Raises:
      OutputError: the place is taken or cannot be written.
    """
    write_folder(Path(folder), ticket.files(), replace=replace)
    return Path(folder)


def load_ticket(folder: Path | str) -> Ticket:
    """Read a ticket's folder; nothing in it is executed.

    Raises:
      TicketError: something is missing, truncated, altered, foreign or of a newer schema.
      MaskError: the mask's shapes do not fit the weights'; all differences are named.
    """
    folder = Path(folder)
    document = read_ticket_json(folder)
    digest = document["files"][INIT_FILE]
    init, _ = read_tensors(folder / INIT_FILE, TicketError, digest=digest, limit=TENSORS_LIMIT)
    check_weights(folder / INIT_FILE, TicketError, init, document["model"])
    # The weights are there, so their shapes bound what a mask may claim.
    mask = _read_mask(folder, document, {name: array.shape for name, array in init.items()})
    keys = ("method", "ratio", "rounds", "seed", "biases", "model", "data", "train", "rate")
    ticket = Ticket(
        **{key: document[key] for key in keys},
        sparsity=tuple(document["sparsity"]),
        mask=mask,
        init=init,
    )
    vars(ticket)["digest"] = document[
        "digest"
    ]  # that of its files, even should a newer safetensors write others
    return ticket


def read_ticket_json(folder: Path) -> Json:
    """The document of a ticket without its arrays, its digest checked.

    Raises:
      TicketError: see `load_ticket`.
    """
    return read_document(folder / TICKET_JSON, TicketError, "ticket")


def load_mask(folder: Path | str) -> tuple[Json, Mask]:
    """The document and the mask of a ticket, without the weights to rewind to where the model says
    their shapes.

    Raises:
      TicketError, MaskError: see `load_ticket`.
    """
    folder = Path(folder)
    document = read_ticket_json(folder)
    shapes = _shapes_of(document["model"])
    if shapes is None:
        return document, load_ticket(folder).mask
    return document, _read_mask(folder, document, shapes)


def find_tickets(*paths: Path | str) -> list[Path]:
    """The folders of all tickets at or below some paths, sorted.

    Raises:
      TicketError: there is none at or below a path.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        below = find_folders([path], TICKET_JSON)
        if not below:
            what = (
                "holds no ticket, nor does anything below it" if path.exists() else "does not exist"
            )
            raise TicketError(
                f"{path}: {what}; expected a folder with a {TICKET_JSON}. Make tickets with "
                f"`lthctl prune --out {path}`"
            )
        found.update(below)
    return sorted(found)


def _read_mask(folder: Path, document: Json, shapes: Shapes) -> Mask:
    """The mask of a ticket whose weights have these shapes; it prunes what the document says."""
    digest = document["files"][MASK_FILE]
    packed, note = read_tensors(folder / MASK_FILE, TicketError, digest=digest, limit=TENSORS_LIMIT)
    described = from_description(document["model"])
    prunable = described.prunable(biases=document["biases"]) if described else shapes
    rate, rounds = document["rate"], document["sparsity"]
    if (described and rate.keys() != prunable.keys()) or not rate.keys() <= prunable.keys():
        raise TicketError(
            f"{folder / TICKET_JSON}: prunes {sorted(rate)}, the model has {sorted(prunable)}"
        )
    mask = unpack_mask(folder / MASK_FILE, packed, note, {name: shapes[name] for name in rate})
    said = rounds[-1]["actual"] if rounds else 0.0
    if round(said * mask.size) != mask.size - mask.num_kept:
        raise TicketError(
            f"{folder}: {MASK_FILE} prunes {mask.sparsity:.4f}, {TICKET_JSON} says {said:.4f}"
        )
    return mask


def _shapes_of(model: Json) -> Shapes | None:
    """The shapes of a described model's parameters; None where the description does not say."""
    if described := from_description(model):
        return described.shapes()
    return (
        {name: tuple(shape) for name, shape in model["shapes"].items()}
        if model["kind"] == "module"
        else None
    )


def check_weights(path: Path, refuse: type[LthctlError], weights: Weights, model: Json) -> None:
    """Refuse weights that are not those of a model."""
    described = from_description(model)
    shapes = _shapes_of(model) or {}
    faults = [f"{name!r} is missing" for name in sorted(shapes.keys() - weights.keys())]
    faults += [f"{name!r} is extra" for name in sorted(weights.keys() - shapes.keys()) if described]
    faults += [
        f"{name!r} has shape {weights[name].shape}, the model has {shapes[name]}"
        for name in sorted(shapes.keys() & weights.keys())
        if weights[name].shape != shapes[name]
    ]
    faults += [
        f"{name!r} has dtype {array.dtype}, expected float32"
        for name, array in sorted(weights.items())
        if described and array.dtype != np.float32
    ]
    faults += [
        f"{name!r} has weights that are not finite"
        for name, array in sorted(weights.items())
        if not _is_finite(array)
    ]
    if faults:
        raise refuse(f"{path}: {'; '.join(faults)}; it is damaged or of another model")


def _is_finite(array: Array) -> bool:
    return not np.issubdtype(array.dtype, np.inexact) or bool(np.isfinite(array).all())

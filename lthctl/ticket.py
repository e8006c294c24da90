"""Ticket and run folders: saved, loaded, refused when damaged.

A ticket is a mask, the weights to rewind to, and where they came from. A run is what retraining a ticket gave. Each is
a folder that can be copied, versioned and handed on by itself; the formats are described in docs/FORMAT.md.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from lthctl.errors import LthctlError, MaskError, RunError, TicketError
from lthctl.files import (
    Json,
    find_folders,
    read_file,
    read_tensors,
    seal,
    sha256,
    tensors_bytes,
    write_folder,
)
from lthctl.mask import Array, Bools, Mask, Shapes, Weights, check_shapes
from lthctl.model import from_description
from lthctl.schema import SCHEMA, Start, read_document, ticket_name
from lthctl.training import Row, metrics_of

TICKET_JSON, MASK_FILE, INIT_FILE = "ticket.json", "mask.safetensors", "init.safetensors"
RUN_JSON, HISTORY_FILE, WEIGHTS_FILE = "run.json", "history.csv", "weights.safetensors"
TENSORS_LIMIT = 4 * 2**30  # bytes
HISTORY_LIMIT = 16 * 2**20  # bytes; an evaluation takes about 80


def layer_order(name: str) -> tuple[object, ...]:
    """Sorts parameters by the numbers of their layers, weights before biases."""
    parts = [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in name.split(".")[:-1]]
    return parts, not name.endswith("weight"), name


@dataclass(frozen=True, eq=False)
class Ticket:
    """A mask, the weights to rewind to, and where they came from.

    Attributes:
      method: "l1" or "random"; "dense" at ratio 0; "imported" or "imported-<label>" where the mask was made elsewhere.
      ratio: the sparsity asked for, in [0, 1).
      rounds: train-prune-rewind rounds; 0 for the dense ticket.
      seed: of weights, batch order and pruning.
      biases: whether biases are prunable.
      model: what `Model.describe` said.
      data: what `Dataset.describe` said.
      train: parameters of the trainings between the rounds.
      rate: parameter name -> fraction of the remaining weights removed per round.
      sparsity: for every round its number, steps, and desired and actual sparsity, total and per parameter.
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
        files = {MASK_FILE: tensors_bytes(packed, note=json.dumps(shapes)), INIT_FILE: tensors_bytes(self.init)}
        document = self.request() | {
            "kind": "ticket",
            "schema": SCHEMA,
            "name": self.name,
            "rate": dict(self.rate),
            "sparsity": list(self.sparsity),
            "files": {name: sha256(content) for name, content in files.items()},
        }
        return files | {TICKET_JSON: seal(document)}


@dataclass(frozen=True, eq=False)
class Run:
    """What retraining a ticket gave.

    Attributes:
      ticket: name, digest, actual sparsity and request of the ticket.
      start: "rewind", "reinit" or "shuffle".
      train: parameters of the training.
      model, data: as in the ticket.
      training: digest of the training's specification.
      proof: counts that show what the training kept to; see `lthctl.lottery.proof_of`.
      metrics: see `lthctl.training.metrics_of`.
      history: the evaluations.
      weights: final weights, pruned ones exactly 0; None where they were not kept.
    """

    ticket: Json
    start: Start
    train: Json
    model: Json
    data: Json
    training: str
    proof: Json
    metrics: Json
    history: tuple[Row, ...]
    weights: Weights | None

    def request(self) -> Json:
        """What was asked for to get this run."""
        return {"ticket": self.ticket, "start": self.start, "train": self.train, "model": self.model, "data": self.data}

    def files(self) -> dict[str, bytes]:
        """File name -> bytes of the folder; the JSON is last."""
        files = {HISTORY_FILE: history_bytes(self.history)}
        if self.weights is not None:
            files[WEIGHTS_FILE] = tensors_bytes(self.weights)
        document = self.request() | {
            "kind": "run",
            "schema": SCHEMA,
            "training": self.training,
            "proof": self.proof,
            "metrics": self.metrics,
            "files": {name: sha256(content) for name, content in files.items()},
        }
        return files | {RUN_JSON: seal(document)}


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
    _check_weights(folder / INIT_FILE, TicketError, init, document["model"])
    # The weights are there, so their shapes bound what a mask may claim.
    mask = _read_mask(folder, document, {name: array.shape for name, array in init.items()})
    keys = ("method", "ratio", "rounds", "seed", "biases", "model", "data", "train", "rate")
    ticket = Ticket(**{key: document[key] for key in keys}, sparsity=tuple(document["sparsity"]), mask=mask, init=init)
    vars(ticket)["digest"] = document["digest"]  # that of its files, even should a newer safetensors write others
    return ticket


def read_ticket_json(folder: Path) -> Json:
    """The document of a ticket without its arrays, its digest checked.

    Raises:
      TicketError: see `load_ticket`.
    """
    return read_document(folder / TICKET_JSON, TicketError, "ticket")


def load_mask(folder: Path | str) -> tuple[Json, Mask]:
    """The document and the mask of a ticket, without the weights to rewind to where the model says their shapes.

    Raises:
      TicketError, MaskError: see `load_ticket`.
    """
    folder = Path(folder)
    document = read_ticket_json(folder)
    shapes = _shapes_of(document["model"])
    if shapes is None:
        return document, load_ticket(folder).mask
    return document, _read_mask(folder, document, shapes)


def save_run(run: Run, folder: Path | str, *, replace: bool = False) -> Path:
    """Write a run into a folder of its own, as `save_ticket` does."""
    write_folder(Path(folder), run.files(), replace=replace)
    return Path(folder)


def load_run(folder: Path | str, *, with_weights: bool = True) -> Run:
    """Read a run's folder.

    Args:
      folder: the folder.
      with_weights: read the final weights too, where they were kept; a report has no need of them.

    Raises:
      RunError: something is missing, truncated, altered, foreign or of a newer schema.
    """
    folder = Path(folder)
    document = read_run_json(folder)
    digests, weights = document["files"], None
    if with_weights and WEIGHTS_FILE in digests:
        weights, _ = read_tensors(folder / WEIGHTS_FILE, RunError, digest=digests[WEIGHTS_FILE], limit=TENSORS_LIMIT)
        _check_weights(folder / WEIGHTS_FILE, RunError, weights, document["model"])
    content = read_file(folder / HISTORY_FILE, RunError, limit=HISTORY_LIMIT)
    if sha256(content) != digests[HISTORY_FILE]:
        raise RunError(f"{folder / HISTORY_FILE}: does not match the digest in {RUN_JSON}; it is altered: retrain it")
    try:
        history = history_from(content)
    except ValueError as error:
        raise RunError(f"{folder / HISTORY_FILE}: {error}; it is not ours: make the run again") from error
    if fault := history_fault(history, document["train"], with_test=document["data"]["test"] > 0):
        raise RunError(f"{folder / HISTORY_FILE}: {fault}; make the run again")
    if document["metrics"] != metrics_of(history):
        raise RunError(f"{folder / RUN_JSON}: its metrics are not those of {HISTORY_FILE}; make the run again")
    keys = ("ticket", "start", "train", "model", "data", "training", "proof", "metrics")
    return Run(**{key: document[key] for key in keys}, history=history, weights=weights)


def read_run_json(folder: Path) -> Json:
    """The document of a run without its history and weights, its digest checked.

    Raises:
      RunError: see `load_run`.
    """
    return read_document(folder / RUN_JSON, RunError, "run")


def find_tickets(*paths: Path | str) -> list[Path]:
    """The folders of all tickets at or below some paths, sorted.

    Raises:
      TicketError: there is none at or below a path.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        below = find_folders([path], TICKET_JSON)
        if not below:
            what = "holds no ticket, nor does anything below it" if path.exists() else "does not exist"
            raise TicketError(
                f"{path}: {what}; expected a folder with a {TICKET_JSON}. Make tickets with `lthctl prune --out {path}`"
            )
        found.update(below)
    return sorted(found)


def history_bytes(history: tuple[Row, ...]) -> bytes:
    """A history as CSV; the columns for test images are there only where there are such."""
    columns = Row._fields if history[-1].test_loss is not None else Row._fields[:4]
    rows = [columns, *(row[: len(columns)] for row in history)]
    return "".join([",".join(map(str, row)) + "\n" for row in rows]).encode()


def history_from(content: bytes) -> tuple[Row, ...]:
    """What `history_bytes` wrote.

    Raises:
      ValueError: these are not the bytes that it would write, or there is no evaluation or a number that cannot be.
    """
    header, *lines = content.decode().splitlines() or [""]
    names = header.split(",")
    if names not in (list(Row._fields), list(Row._fields[:4])):
        raise ValueError(f"has columns {', '.join(names)[:100]!r}, expected {', '.join(Row._fields)} or the first 4")
    for number, line in enumerate(lines, start=2):
        if line.count(",") != len(names) - 1:
            num_values = len(line.split(",")) if line else 0
            raise ValueError(f"line {number} has {num_values} values, expected {len(names)}")
    values = ",".join(lines).split(",") if lines else []
    steps, *others = (values[column :: len(names)] for column in range(len(names)))
    history = tuple(map(Row, map(int, steps), *(map(float, column) for column in others)))
    if not history or history_bytes(history) != content:  # whatever was passed over until here is found here
        raise ValueError("is empty or not written as lthctl writes it")
    columns = list(zip(*history, strict=True))[1 : len(names)]
    accuracies = columns[2::2]
    if not all(map(math.isfinite, chain(*columns))) or min(map(min, accuracies)) < 0 or max(map(max, accuracies)) > 1:
        raise ValueError("has a loss that is not finite or an accuracy outside [0, 1]")
    return history


def history_fault(history: tuple[Row, ...], train: Json, *, with_test: bool) -> str | None:
    """What shows that a history is not that of a training with these parameters, if anything does.

    Args:
      history: the evaluations.
      train: parameters of the training.
      with_test: whether it had test images.
    """
    steps, every = train["steps"], train["evaluate_every"]
    if len(history) != -(-steps // every) or [row.step for row in history] != [*range(every, steps, every), steps]:
        return f"is not of {steps} steps, evaluated every {every}"
    if (history[0].test_loss is not None) != with_test:
        return f"has {'no ' * with_test}columns for test images, of which there are {'some' if with_test else 'none'}"
    return None


def _read_mask(folder: Path, document: Json, shapes: Shapes) -> Mask:
    """The mask of a ticket whose weights have these shapes; it prunes what the document says."""
    digest = document["files"][MASK_FILE]
    packed, note = read_tensors(folder / MASK_FILE, TicketError, digest=digest, limit=TENSORS_LIMIT)
    described = from_description(document["model"])
    prunable = described.prunable(biases=document["biases"]) if described else shapes
    rate, rounds = document["rate"], document["sparsity"]
    if (described and rate.keys() != prunable.keys()) or not rate.keys() <= prunable.keys():
        raise TicketError(f"{folder / TICKET_JSON}: prunes {sorted(rate)}, the model has {sorted(prunable)}")
    mask = unpack_mask(folder / MASK_FILE, packed, note, {name: shapes[name] for name in rate})
    said = rounds[-1]["actual"] if rounds else 0.0
    if round(said * mask.size) != mask.size - mask.num_kept:
        raise TicketError(f"{folder}: {MASK_FILE} prunes {mask.sparsity:.4f}, {TICKET_JSON} says {said:.4f}")
    return mask


def _shapes_of(model: Json) -> Shapes | None:
    """The shapes of a described model's parameters; None where the description does not say."""
    if described := from_description(model):
        return described.shapes()
    return {name: tuple(shape) for name, shape in model["shapes"].items()} if model["kind"] == "module" else None


def _check_weights(path: Path, refuse: type[LthctlError], weights: Weights, model: Json) -> None:
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
        f"{name!r} has weights that are not finite" for name, array in sorted(weights.items()) if not _is_finite(array)
    ]
    if faults:
        raise refuse(f"{path}: {'; '.join(faults)}; it is damaged or of another model")


def _is_finite(array: Array) -> bool:
    return not np.issubdtype(array.dtype, np.inexact) or bool(np.isfinite(array).all())


def unpack_mask(path: Path, packed: Mapping[str, Array], note: str | None, expected: Shapes) -> Mask:
    """The mask over some parameters from the packed bits of its file.

    Args:
      path: the file, for messages.
      packed: parameter name -> bytes, uint8, flat.
      note: JSON: parameter name -> shape.
      expected: the shapes that there must be.

    Raises:
      MaskError: names, shapes or sizes do not agree.
    """
    try:
        shapes = {name: tuple(shape) for name, shape in json.loads(note or "{}").items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MaskError(f"{path}: says no shapes ({error}); it is damaged or not ours: make the ticket again") from None
    if shapes.keys() != packed.keys():
        raise MaskError(f"{path}: has bits for {sorted(packed)}, but shapes for {sorted(shapes)}")
    check_shapes(shapes, expected, where=str(path))
    arrays: dict[str, Bools] = {}
    for name, shape in expected.items():
        bits, size = packed[name], math.prod(shape)
        if bits.dtype != np.uint8 or bits.shape != ((size + 7) // 8,):
            raise MaskError(f"{path}: {name!r} has {bits.size} bytes, expected {(size + 7) // 8} for shape {shape}")
        arrays[name] = np.unpackbits(np.asarray(bits, np.uint8), count=size).astype(np.bool_).reshape(shape)
        if not np.array_equal(np.packbits(arrays[name]), bits):
            raise MaskError(f"{path}: {name!r} is padded with bits other than 0; make the ticket again")
    return Mask(arrays)

"""Ticket and run folders: saved, loaded, refused when damaged.

A ticket is a mask, the weights to rewind to, and where they came from. A run is what retraining a ticket gave. Each is
a folder that can be copied, versioned and handed on by itself; the formats are described in docs/FORMAT.md.
"""

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lthctl.errors import LthctlError, MaskError, RunError, TicketError
from lthctl.files import (
    Json,
    csv_bytes,
    find_folders,
    read_file,
    read_sealed,
    read_tensors,
    seal,
    sha256,
    tensors_bytes,
    write_folder,
)
from lthctl.mask import Array, Bools, Mask, Weights
from lthctl.params import TrainParams
from lthctl.training import Row, metrics_of

SCHEMA = 1
TICKET_JSON, MASK_FILE, INIT_FILE = "ticket.json", "mask.safetensors", "init.safetensors"
RUN_JSON, HISTORY_FILE, WEIGHTS_FILE = "run.json", "history.csv", "weights.safetensors"
TENSORS_LIMIT = 4 * 2**30  # bytes
HISTORY_LIMIT = 64 * 2**20  # bytes

IMPORTED = "imported"
"""Method of tickets whose masks were made elsewhere; `imported-<label>` where there are several kinds."""

Start = Literal["rewind", "reinit", "shuffle"]


def ticket_name(method: str, ratio: float, rounds: int, seed: int | None = None) -> str:
    """The name of a ticket for people: `l1-r0.80-n5-s1`, `dense-s1`. Two decimals of the ratio, more where it has more.

    Without a seed: of all replicates.
    """
    shown = f"{ratio:.2f}" if float(f"{ratio:.2f}") == ratio else repr(ratio)
    name = "dense" if ratio == 0 and not is_imported(method) else f"{method}-r{shown}-n{rounds}"
    return name if seed is None else f"{name}-s{seed}"


def is_imported(method: str) -> bool:
    """Whether a ticket of this method holds a mask that lthctl did not make."""
    return method.partition("-")[0] == IMPORTED


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
      data: what `Dataset.describe` said; empty where the mask was made elsewhere, on data that are not known.
      train: parameters of the trainings between the rounds; empty where there were none.
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
    try:
        return _ticket_from(folder, document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(TicketError, folder / TICKET_JSON, error) from error


def read_ticket_json(folder: Path) -> Json:
    """The document of a ticket without its arrays, its digest checked.

    Raises:
      TicketError: see `load_ticket`.
    """
    return read_sealed(folder / TICKET_JSON, TicketError, kind="ticket", schema=SCHEMA)


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
    try:
        weights = None
        if with_weights and WEIGHTS_FILE in document["files"]:
            weights, _ = read_tensors(
                folder / WEIGHTS_FILE, RunError, digest=document["files"][WEIGHTS_FILE], limit=TENSORS_LIMIT
            )
        check_run(document)
        content = read_file(folder / HISTORY_FILE, RunError, limit=HISTORY_LIMIT)
        if sha256(content) != document["files"][HISTORY_FILE]:
            raise RunError(
                f"{folder / HISTORY_FILE}: does not match the digest in {RUN_JSON}; it is altered: retrain it"
            )
        history = history_from(content)
        if document["metrics"] != metrics_of(history):
            raise RunError(f"{folder / RUN_JSON}: its metrics are not those of {HISTORY_FILE}; make the run again")
        return Run(
            **{
                key: document[key]
                for key in ("ticket", "start", "train", "model", "data", "training", "proof", "metrics")
            },
            history=history,
            weights=weights,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(RunError, folder / RUN_JSON, error) from error


def read_run_json(folder: Path) -> Json:
    """The document of a run without its history and weights, its digest checked.

    Raises:
      RunError: see `load_run`.
    """
    return read_sealed(folder / RUN_JSON, RunError, kind="run", schema=SCHEMA)


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
    return csv_bytes(columns, [row[: len(columns)] for row in history])


def history_from(content: bytes) -> tuple[Row, ...]:
    """What `history_bytes` wrote."""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode()))
    except csv.Error as error:
        raise ValueError(f"a history is no CSV: {error}") from error
    if tuple(header) != Row._fields[: len(header)] or any(len(row) != len(header) for row in rows):
        raise ValueError(f"a history has columns {header}, expected the first of {Row._fields}")
    return tuple(Row(int(row[0]), *map(float, row[1:])) for row in rows)


def _ticket_from(folder: Path, document: Json) -> Ticket:
    _check_ticket(document)
    digests = document["files"]
    packed, note = read_tensors(folder / MASK_FILE, TicketError, digest=digests[MASK_FILE], limit=TENSORS_LIMIT)
    init, _ = read_tensors(folder / INIT_FILE, TicketError, digest=digests[INIT_FILE], limit=TENSORS_LIMIT)
    mask = Mask(unpack_mask(folder / MASK_FILE, packed, json.loads(note or "{}")))
    mask.check_fits({name: init[name].shape for name in document["rate"]}, where=str(folder / MASK_FILE))
    ticket = Ticket(
        **{
            key: document[key]
            for key in ("method", "ratio", "rounds", "seed", "biases", "model", "data", "train", "rate")
        },
        sparsity=tuple(document["sparsity"]),
        mask=mask,
        init=init,
    )
    if ticket.sparsity and round(ticket.sparsity[-1]["actual"] * mask.size) != mask.size - mask.num_kept:
        raise TicketError(
            f"{folder}: {MASK_FILE} prunes {mask.sparsity:.4f}, {TICKET_JSON} says {ticket.sparsity[-1]['actual']:.4f}"
        )
    return ticket


def _check_ticket(document: Json) -> None:
    """Raise ValueError, TypeError or KeyError where a document does not hold what a ticket's name is made of: runs are
    written to a folder of that name, so nothing in it may be a path."""
    for key, kind in {"rounds": int, "seed": int, "biases": bool}.items():
        if type(document[key]) is not kind:
            raise TypeError(f"{key} is {document[key]!r}, expected {kind.__name__}")
    if type(document["ratio"]) not in (int, float) or not 0 <= document["ratio"] < 1:
        raise ValueError(f"ratio is {document['ratio']!r}, expected in [0, 1)")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)?", document["method"]):
        raise ValueError(f"method is {document['method']!r}, expected lower-case letters and digits")


def check_run(document: Json) -> None:
    """Raise ValueError, TypeError or KeyError where a run's document does not hold what others compute with."""
    ticket, data, train = document["ticket"], document["data"], document["train"]
    if document["start"] not in get_args(Start):
        raise ValueError(f"start is {document['start']!r}, expected one of {', '.join(get_args(Start))}")
    of_ticket = {"name": str, "digest": str, "method": str, "rounds": int, "seed": int, "biases": bool, "train": dict}
    of_data = {"name": str, "source": str, "train": int, "validation": int, "test": int}
    for part, wanted in ((ticket, of_ticket), (data, of_data)):
        for key, kind in wanted.items():
            if type(part[key]) is not kind:
                raise TypeError(f"{key} is {part[key]!r}, expected {kind.__name__}")
    reached = ticket["sparsity_by_round"]
    if not all(0 <= value < 1 for value in (ticket["ratio"], ticket["sparsity"], *reached)):
        raise ValueError("a ratio or sparsity is not in [0, 1)")
    if ticket["rounds"] != len(reached):
        raise ValueError(f"sparsity_by_round has {len(reached)} values for {ticket['rounds']} rounds")
    TrainParams.model_validate(ticket["train"])
    if TrainParams.model_validate(train).model_dump(mode="json") != train:
        raise ValueError(f"train has keys {sorted(train)}, expected {sorted(TrainParams.model_fields)}")


def unpack_mask(path: Path, packed: Mapping[str, Array], shapes: dict[str, Any]) -> dict[str, Bools]:
    """Bools from the packed bits of a mask's file.

    Args:
      path: the file, for messages.
      packed: parameter name -> bytes, uint8, flat.
      shapes: parameter name -> shape.

    Raises:
      MaskError: names or sizes of the two do not agree.
    """
    if shapes.keys() != packed.keys():
        raise MaskError(f"{path}: has bits for {sorted(packed)}, but shapes for {sorted(shapes)}")
    arrays = {}
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        if packed[name].dtype != np.uint8 or packed[name].size != (size + 7) // 8:
            raise MaskError(
                f"{path}: {name!r} has {packed[name].size} bytes, expected {(size + 7) // 8} for shape {tuple(shape)}"
            )
        arrays[name] = np.unpackbits(packed[name].astype(np.uint8), count=size).astype(np.bool_).reshape(shape)
    return arrays


def _malformed(refuse: type[LthctlError], path: Path, error: Exception) -> LthctlError:
    return refuse(
        f"{path}: lacks or misstates something ({type(error).__name__}: {error}); it is not ours: make it again"
    )

"""Tickets: saved and loaded.

A ticket is a mask, the weights to rewind to, and where they came from. Its folder can be copied,
versioned and handed on by itself. docs/FORMAT.md describes the format.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lthctl.artifacts.cards import ticket_card, ticket_line
from lthctl.artifacts.folders import TicketFolder
from lthctl.artifacts.names import INIT_FILE, MASK_FILE, REWIND_FILE, TICKET_JSON
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.artifacts.ticket_document import RoundCounts, TicketSpecification, ticket_json
from lthctl.canonical import Json, sha256
from lthctl.datasets.base import DataDescription
from lthctl.disk import write_folder
from lthctl.errors import TicketError
from lthctl.mask import Mask, Weights
from lthctl.models.base import ModelDescription
from lthctl.params import RoundParams
from lthctl.reading import find_folders, holds_exactly, is_there


@dataclass(frozen=True, eq=False)
class Ticket:
    """A mask, the weights to rewind to, and where they came from.

    It prints as a line, and a notebook shows it as a small card.

    Attributes:
      specification: what was asked for. Its parts are attributes of the ticket too.
      rate: parameter name -> fraction of the remaining weights removed per round.
      counts: of every round: its steps, and sparsity asked for and reached, total and per
        parameter.
      mask: over the prunable parameters.
      init: all weights, unmasked, as they were before the first training.
      rewound: all weights, unmasked, as the dense network has them after `rewind_step` steps; None
        where that is 0.
      tied: of every round: parameter -> how many of its weights went only because they come later
        than others of the same score. Known of a ticket that was just found; no file holds it.

    Example:
      >>> ticket = load_ticket("masks/l1-r0.80-n5-s1")
      >>> ticket.specification.method, ticket.counts[-1].actual
      ('l1', 0.7944...)
    """

    specification: TicketSpecification
    rate: Mapping[str, float]
    counts: tuple[RoundCounts, ...]
    mask: Mask
    init: Weights
    rewound: Weights | None = None
    tied: tuple[Mapping[str, int], ...] = ()

    @property
    def weights(self) -> Weights:
        """All weights to rewind to, unmasked: those of `rewind_step`, which usually are `init`."""
        return self.init if self.rewound is None else self.rewound

    @property
    def name(self) -> str:
        """For people, and of its folder: `l1-r0.80-n5-s1`."""
        return self.specification.name

    @property
    def method(self) -> str:
        return self.specification.method

    @property
    def ratio(self) -> float:
        return self.specification.ratio

    @property
    def rounds(self) -> int:
        return self.specification.rounds

    @property
    def seed(self) -> int:
        return self.specification.seed

    @property
    def biases(self) -> bool:
        return self.specification.biases

    @property
    def model(self) -> ModelDescription:
        return self.specification.model

    @property
    def data(self) -> DataDescription | None:
        return self.specification.data

    @property
    def train(self) -> RoundParams | None:
        return self.specification.train

    @cached_property
    def digest(self) -> str:
        """Identity of the ticket: SHA-256 over everything in its folder."""
        document: Json = json.loads(self.files()[TICKET_JSON])
        return str(document["digest"])

    def files(self) -> dict[str, bytes]:
        """File name -> bytes of the folder; the JSON is last."""
        shapes = {name: list(array.shape) for name, array in self.mask.items()}
        packed = {name: np.packbits(array.ravel()) for name, array in self.mask.items()}
        files = {
            MASK_FILE: tensors_bytes(packed, note=json.dumps(shapes)),
            INIT_FILE: tensors_bytes(self.init),
        }
        if self.rewound is not None:
            files[REWIND_FILE] = tensors_bytes(self.rewound)
        digests = {name: sha256(content) for name, content in files.items()}
        document = ticket_json(self.specification, self.rate, self.counts, digests)
        return files | {TICKET_JSON: seal(document)}

    def __repr__(self) -> str:
        return ticket_line(self)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return ticket_card(self)


def save_ticket(ticket: Ticket, folder: Path | str, *, replace: bool = False) -> Path:
    """Write a ticket into a folder of its own, whole or not at all.

    Nothing is written where the same ticket is already.

    Args:
      ticket: the ticket.
      folder: where to; it becomes the ticket's folder.
      replace: whether what is there may be replaced.

    Returns:
      The folder.

    Raises:
      OutputError: something else is in the place, or it cannot be written.
    """
    files = ticket.files()
    if not holds_exactly(Path(folder), files):
        write_folder(Path(folder), files, replace=replace)
    return Path(folder)


def load_ticket(folder: Path | str) -> Ticket:
    """Read a ticket's folder; nothing in it is executed.

    Args:
      folder: the one with ticket.json.

    Raises:
      TicketError: something is missing, truncated, altered, foreign or of a newer schema.
      MaskError: the mask's shapes do not fit the weights'; all differences are named.
    """
    return ticket_of(TicketFolder(Path(folder)))


def ticket_of(folder: TicketFolder) -> Ticket:
    """The ticket that a folder holds.

    Raises:
      TicketError, MaskError: see `load_ticket`.
    """
    document = folder.document
    init = folder.init  # first, so that it is known before a mask of its shapes is unpacked
    ticket = Ticket(
        document.specification, document.rate, document.counts, folder.mask, init, folder.rewound
    )
    # That of its files, even should a newer safetensors write others.
    vars(ticket)["digest"] = folder.digest
    return ticket


def find_tickets(*paths: Path | str) -> list[Path]:
    """The folders of all tickets at or below some paths, sorted.

    Raises:
      TicketError: there is none at or below a path, or something cannot be looked into.
    """
    folders: set[Path] = set()
    for path in map(Path, paths):
        below = find_folders([path], TICKET_JSON).all_of_them(TicketError)
        if not below:
            what = (
                "holds no ticket, nor does anything below it"
                if is_there(path, TicketError)
                else "does not exist"
            )
            raise TicketError(
                f"{path}: {what}; expected a folder with a {TICKET_JSON}. Make tickets with "
                f"`lthctl prune --out {path}`"
            )
        folders.update(below)
    return sorted(folders)

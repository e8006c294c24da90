"""The one reader of the folders of tickets, runs and finished trainings.

A folder's parts are its document, its mask, its weights and its history. Each is read when it is
first asked for, so that nobody pays for what he does not need.

Reading is strict: a part is refused unless its digest is right and it fits the document. With
`tolerant=True` nothing but the form of a part is asked for. That is for `lthctl verify`, which says
itself what is wrong with which part.
"""

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic

from lthctl.artifacts.csv_table import CSV_LIMIT
from lthctl.artifacts.documents import (
    NEWEST_SCHEMA,
    D,
    TrainingDocument,
    parse,
    parse_what_is_whole,
)
from lthctl.artifacts.history_csv import history_from
from lthctl.artifacts.names import (
    HISTORY_FILE,
    INIT_FILE,
    MASK_FILE,
    REWIND_FILE,
    RUN_JSON,
    TICKET_JSON,
    TRAINING_JSON,
    WEIGHTS_FILE,
)
from lthctl.artifacts.run_document import RunDocument
from lthctl.artifacts.sealed import read_json, read_sealed
from lthctl.artifacts.tensors import TENSORS_LIMIT, tensors_from
from lthctl.artifacts.ticket_document import TicketDocument
from lthctl.artifacts.weights import check_weights, shapes_of
from lthctl.canonical import Json, sha256
from lthctl.errors import LthctlError, RunError, TicketError
from lthctl.mask import Array, Mask, Weights, listed, unpack_mask
from lthctl.models.described import from_description
from lthctl.reading import read_file
from lthctl.training.history import Row, history_fault, metrics_of


class Folder(Generic[D]):
    """A folder with a sealed document and the files that it names by their digests.

    Args:
      path: the folder.
      tolerant: whether parts are given whatever their digests are and whether or not they fit.
    """

    json_name: ClassVar[str]
    kind: ClassVar[str]
    error: ClassVar[type[LthctlError]]
    document_type: type[D]

    def __init__(self, path: Path, *, tolerant: bool = False) -> None:
        self.path = path
        self._tolerant = tolerant

    @cached_property
    def json(self) -> Json:
        """The document as JSON, with its digest.

        Raises:
          self.error: it is missing, no JSON, of another kind, of a newer schema, or altered, be it
            by no more than a space: what is read would be written with the same bytes.
        """
        read = read_json if self._tolerant else read_sealed
        place = self.path / self.json_name
        return read(place, self.error, kind=self.kind, schema=NEWEST_SCHEMA)

    @property
    def digest(self) -> str:
        """The document's own digest, which stands for the whole folder."""
        return str(self.json["digest"])

    @cached_property
    def document(self) -> D:
        """What the document says.

        Raises:
          self.error: see `json`; or keys are missing, unknown, or of another type or range.
        """
        if self._tolerant:
            return parse_what_is_whole(self.json, self.document_type)
        try:
            return parse(self.json, self.document_type)
        except ValueError as error:
            raise self.error(
                f"{self.path / self.json_name}: {error}; it is damaged or not written by lthctl: "
                "make it again"
            ) from None

    def digests(self) -> dict[str, str]:
        """File name -> digest, of all files but the document."""
        return self.document.files.to_json()

    def content(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
          self.error: it is missing, too large, truncated or altered.
        """
        limit = CSV_LIMIT if name.endswith(".csv") else TENSORS_LIMIT
        content = read_file(self.path / name, self.error, limit=limit)
        if not self._tolerant and (actual := sha256(content)) != (expected := self.digests()[name]):
            raise self.error(
                f"{self.path / name}: has SHA-256 {actual[:12]}..., expected {expected[:12]}...; "
                "it is truncated or altered: restore it"
            )
        return content

    def check_files(self) -> None:
        """Check every digest, without looking into the files.

        Raises:
          self.error: something is missing, truncated or altered.
        """
        for name in self.digests():
            self.content(name)

    def tensors(self, name: str) -> tuple[dict[str, Array], str | None]:
        """The arrays of a file, and its note.

        Raises:
          self.error: see `content`; or it is no safetensors.
        """
        return tensors_from(self.content(name), self.error, self.path / name)


class TicketFolder(Folder[TicketDocument]):
    """A ticket's folder."""

    json_name, kind, error = TICKET_JSON, "ticket", TicketError
    document_type = TicketDocument

    @cached_property
    def init(self) -> Weights:
        """The initial weights.

        Raises:
          TicketError: they cannot be read, or are not those of the model.
        """
        return self.weights_of(INIT_FILE)

    @cached_property
    def rewound(self) -> Weights | None:
        """The weights to rewind to; None where they are the initial ones.

        Raises:
          TicketError: they cannot be read, or are not those of the model and of `init`.
        """
        if self.document.files.rewind is None:
            return None
        arrays = self.weights_of(REWIND_FILE)
        if not self._tolerant and _shapes(arrays) != _shapes(self.init):
            raise TicketError(
                f"{self.path / REWIND_FILE}: does not have the names and shapes of {INIT_FILE}; it "
                "is of another model: make the ticket again"
            )
        return arrays

    def weights_of(self, name: str) -> Weights:
        """The weights in one of the files.

        Raises:
          TicketError: they cannot be read, or are not those of the model.
        """
        arrays, _ = self.tensors(name)
        if not self._tolerant:
            check_weights(self.path / name, TicketError, arrays, self.document.model)
        return arrays

    @cached_property
    def mask(self) -> Mask:
        """The mask. The weights to rewind to are read for it only where the model does not say what
        shapes it has.

        Raises:
          TicketError: it cannot be read, or prunes something else than the document says.
          MaskError: its shapes are not the model's; all differences are named.
        """
        document, path = self.document, self.path / MASK_FILE
        packed, note = self.tensors(MASK_FILE)
        shapes = None if self._tolerant else shapes_of(document.model)
        if shapes is None:
            shapes = {name: array.shape for name, array in self.init.items()}
        if not self._tolerant:
            model = from_description(document.model)
            prunable = shapes if model is None else model.prunable(biases=document.biases)
            names = document.rate.keys()
            if (model and names != prunable.keys()) or not names <= prunable.keys():
                raise TicketError(
                    f"{self.path / TICKET_JSON}: prunes {listed(names)}, the model has "
                    f"{listed(prunable)}"
                )
        mask = unpack_mask(path, packed, note, {name: shapes[name] for name in document.rate})
        if not self._tolerant:
            self._check_count(mask)
        return mask

    def _check_count(self, mask: Mask) -> None:
        counts = self.document.counts
        stated = counts[-1].actual if counts else 0.0
        if round(stated * mask.size) != mask.size - mask.num_kept:
            raise TicketError(
                f"{self.path}: {MASK_FILE} prunes {mask.sparsity:.4f}, {TICKET_JSON} says "
                f"{stated:.4f}"
            )


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in weights.items()}


class HistoryFolder(Folder[D]):
    """A folder with the history of a training."""

    @cached_property
    def history(self) -> tuple[Row, ...]:
        """The evaluations.

        Raises:
          self.error: they cannot be read.
        """
        content = self.content(HISTORY_FILE)
        try:
            return history_from(content)
        except ValueError as error:
            raise self.error(
                f"{self.path / HISTORY_FILE}: {error}; it is damaged or not written by lthctl: "
                "make it again"
            ) from error


class RunFolder(HistoryFolder[RunDocument]):
    """A run's folder."""

    json_name, kind, error = RUN_JSON, "run", RunError
    document_type = RunDocument

    @cached_property
    def weights(self) -> Weights | None:
        """The final weights; None where they were not kept.

        Raises:
          RunError: they cannot be read, or are not those of the model.
        """
        if self.document.files.weights is None:
            return None
        arrays, _ = self.tensors(WEIGHTS_FILE)
        if not self._tolerant:
            check_weights(self.path / WEIGHTS_FILE, RunError, arrays, self.document.model)
        return arrays

    def check_history(self) -> None:
        """Check that the history is of the training that the document describes.

        Raises:
          RunError: it is of other steps or images, or its metrics are not those of the document.
        """
        document = self.document
        with_test = document.data.test > 0
        if fault := history_fault(
            self.history, document.train, with_test=with_test, first_step=document.first_step
        ):
            raise RunError(f"{self.path / HISTORY_FILE}: {fault}; make the run again")
        if document.metrics != metrics_of(self.history):
            raise RunError(
                f"{self.path / RUN_JSON}: its metrics are not those of {HISTORY_FILE}; make the "
                "run again"
            )


class TrainingFolder(HistoryFolder[TrainingDocument]):
    """The folder of a finished training in the store."""

    json_name, kind, error = TRAINING_JSON, "training", RunError
    document_type = TrainingDocument

    @cached_property
    def weights(self) -> Weights:
        """The final weights.

        Raises:
          RunError: they cannot be read.
        """
        return self.tensors(WEIGHTS_FILE)[0]

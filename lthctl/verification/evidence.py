"""A claim about a folder, what becomes of it, and the folders that claims are about.

Knows how tickets and runs are read part by part, whatever is wrong with the rest; not what is
claimed of them, which is `lthctl.verify`'s.
"""

import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from lthctl.artifacts.documents import SCHEMA
from lthctl.artifacts.history_csv import HISTORY_LIMIT, history_from
from lthctl.artifacts.names import (
    HISTORY_FILE,
    INIT_FILE,
    MASK_FILE,
    RUN_JSON,
    TICKET_JSON,
    WEIGHTS_FILE,
)
from lthctl.artifacts.sealed import JSON_LIMIT, seal
from lthctl.artifacts.tensors import TENSORS_LIMIT, tensors_from
from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import Json, digest_of, sha256
from lthctl.datasets.base import Dataset
from lthctl.errors import LthctlError, ParamsError, RunError, TicketError
from lthctl.mask import Mask, Weights, unpack_mask
from lthctl.models.base import Model
from lthctl.models.described import known_model
from lthctl.params import TrainParams
from lthctl.reading import read_file
from lthctl.training import engines as engine
from lthctl.training.history import Result, Row
from lthctl.training.spec import Training

State = Literal["held", "failed", "unchecked"]


Datasets = Callable[[Json, int], Dataset]


T = TypeVar("T")


NOT_KEPT = "its final weights were not kept (retrain.keep_weights)"


@dataclass(frozen=True)
class Check:
    """A claim about a folder, and what became of it.

    Attributes:
      path: the folder.
      claim: what is claimed, the same words for every folder.
      state: whether it held, failed, or could not be checked.
      detail: by what it held, what was found instead, or why it could not be checked.
    """

    path: Path
    claim: str
    state: State
    detail: str = ""


class Failed(Exception):  # noqa: N818 - a verdict
    """A claim does not hold; says what was found and expected."""


class Unchecked(Exception):  # noqa: N818 - a verdict
    """A claim cannot be checked; says why."""


@dataclass
class Replay:
    """Training again: with which data, who is told, and what stops it."""

    datasets: Datasets
    announce: Callable[[str], None]
    cancel: threading.Event

    def dataset(self, document: Json, seed: int) -> Dataset:
        """The dataset that a document describes, the very same."""
        try:
            dataset = self.datasets(document["data"], seed)
        except LthctlError as error:
            raise Unchecked(f"no dataset to train with: {error}") from error
        if dataset.describe() != document["data"]:
            raise Unchecked(
                f"other data here: digest {dataset.digest[:12]}..., trained on "
                f"{document['data']['digest'][:12]}..."
            )
        return dataset

    def params(self, document: Json, model: Model) -> TrainParams:
        """How a document says that was trained, if that can be done here."""
        params = TrainParams.model_validate(document["train"])
        try:
            return engine.resolve(params, model)
        except ParamsError as error:
            raise Unchecked(f"cannot be trained here: {error}") from error

    def train(self, training: Training, what: str) -> Result:
        """Run a training, whatever is known of it already."""

        def on_step(step: int) -> None:
            if self.cancel.is_set():
                raise KeyboardInterrupt

        self.announce(f"training {what} again, {training.params.steps:,} steps")
        return engine.run(training, on_step)


class Folder:
    """A folder's files, each read when first asked for and whatever its digest says.

    A part that cannot be read raises what `claim` makes of it: a failure in the claim about its
    digest, "could not be checked" in all others.
    """

    json_name: str
    kind: str
    refuse: type[LthctlError]

    def __init__(self, path: Path, model: Model | None, *, may_import: bool = False) -> None:
        """`may_import`: whether code of somebody's own may be imported, if the user trusts it."""
        self.path, self._may_import = path, may_import
        self._own_model = model
        self.checks: list[Check] = []

    def claim(self, claim: str, check: Callable[[], str]) -> bool:
        """Check one claim; `check` returns by what it holds."""
        state: State = "held"
        try:
            detail = check()
        except Unchecked as why:
            state, detail = "unchecked", str(why)
        except (Failed, LthctlError) as fault:
            state, detail = "failed", str(fault)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            IndexError,
            ArithmeticError,
            RuntimeError,
        ) as fault:
            reason = f"{type(fault).__name__}: {fault}"
            state, detail = (
                "failed",
                f"{self.json_name} lacks or misstates something ({reason[:200]})",
            )
        self.checks.append(Check(self.path, claim, state, detail))
        return state == "held"

    @cached_property
    def document(self) -> Json:
        """The JSON, its own digest not checked."""
        content = read_file(self.path / self.json_name, self.refuse, limit=JSON_LIMIT)
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self.refuse(
                f"{self.path / self.json_name}: is not JSON ({error}); it is truncated or damaged"
            ) from error
        if not isinstance(document, dict) or document.get("kind") != self.kind:
            raise self.refuse(f"{self.path / self.json_name}: is not of kind {self.kind!r}")
        if document.get("schema") != SCHEMA:
            raise self.refuse(
                f"{self.path / self.json_name}: is not of schema {SCHEMA}, which this lthctl reads"
            )
        return document

    def seal(self) -> str:
        """Check the document's own digest."""
        unsealed = {key: value for key, value in self.document.items() if key != "digest"}
        try:
            found = digest_of(unsealed)
        except (ValueError, RecursionError) as error:
            raise Failed(f"{self.json_name} holds what lthctl never writes ({error})") from error
        expect_digest(self.json_name, found, self.document.get("digest"))
        if read_file(self.path / self.json_name, self.refuse, limit=JSON_LIMIT) != seal(unsealed):
            raise Failed(
                f"{self.json_name} says the same, but is not written as lthctl writes it: readers "
                "refuse it"
            )
        return found

    def intact(self, name: str) -> Callable[[], str]:
        """A check of the digest of a file."""

        def check() -> str:
            digests = self.needed(lambda: self.document)["files"]
            if name == WEIGHTS_FILE and name not in digests:
                raise Unchecked(NOT_KEPT)
            found = sha256(self.content(name))
            expect_digest(name, found, digests[name])
            return found

        return check

    def content(self, name: str) -> bytes:
        """The bytes of a file, whatever its digest is."""
        limit = HISTORY_LIMIT if name == HISTORY_FILE else TENSORS_LIMIT
        return read_file(self.path / name, self.refuse, limit=limit)

    def tensors(self, name: str) -> tuple[dict[str, Any], str | None]:
        """The arrays of a file and its note, whatever its digest is."""
        return tensors_from(self.content(name), self.refuse, self.path / name)

    def needed(self, part: Callable[[], T]) -> T:
        """A part that a claim builds on, but is not about."""
        try:
            return part()
        except (LthctlError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unchecked(f"needs what cannot be read ({error})") from error

    def model_of(self, document: Json) -> Model:
        """The model that a document describes, if it can be built here."""
        description = document["model"]
        found = self._own_model or self._known_model(description)
        if found is None or found.describe() != description:
            raise Unchecked(
                f"the module {description.get('name')!r} can only be built by its maker"
            )
        return found

    def _known_model(self, description: Json) -> Model | None:
        try:
            return known_model(description, may_import=self._may_import)
        except ParamsError as error:
            raise Unchecked(str(error)) from error


class TicketFolder(Folder):
    """A ticket's folder."""

    json_name, kind, refuse = TICKET_JSON, "ticket", TicketError

    @cached_property
    def is_whole(self) -> bool:
        """Whether the document can be built upon: it is sealed."""
        try:
            self.seal()
        except (Failed, LthctlError):
            return False
        return True

    def again(self) -> "TicketFolder":
        """The same folder, nothing of it read."""
        return TicketFolder(self.path, self._own_model, may_import=self._may_import)

    @cached_property
    def mask(self) -> Mask:
        packed, note = self.tensors(MASK_FILE)
        init = self.needed(lambda: self.init)
        shapes = self.needed(lambda: {name: init[name].shape for name in self.document["rate"]})
        return unpack_mask(self.path / MASK_FILE, packed, note, shapes)

    @cached_property
    def init(self) -> Weights:
        return self.tensors(INIT_FILE)[0]

    @cached_property
    def ticket(self) -> Ticket:
        keys = ("method", "ratio", "rounds", "seed", "biases", "model", "data", "train", "rate")
        parts = {key: self.document[key] for key in keys}
        return Ticket(
            **parts, sparsity=tuple(self.document["sparsity"]), mask=self.mask, init=self.init
        )

    def model(self) -> Model:
        """The model, which may be built or drawn from: it has the shapes of the weights in the
        file, so no more of them than that file holds."""
        found = self.needed(lambda: self.model_of(self.document))
        shapes = {name: tuple(shape) for name, shape in found.shapes().items()}
        here = {name: array.shape for name, array in self.needed(lambda: self.init).items()}
        if any(here.get(name) != shape for name, shape in shapes.items()):
            raise Failed(
                f"{INIT_FILE} does not have the names and shapes of the model in {self.json_name}"
            )
        return found


class RunFolder(Folder):
    """A run's folder."""

    json_name, kind, refuse = RUN_JSON, "run", RunError

    @cached_property
    def history(self) -> tuple[Row, ...]:
        return history_from(self.content(HISTORY_FILE))

    @cached_property
    def weights(self) -> Weights:
        if WEIGHTS_FILE not in self.document["files"]:
            raise Unchecked(NOT_KEPT)
        return self.tensors(WEIGHTS_FILE)[0]


def is_readable(folder: Folder) -> bool:
    """Whether a folder has a document at all; without one there is nothing more to claim."""
    try:
        return bool(folder.document)
    except LthctlError:
        return False


def expect(what: str, found: object, expected: object) -> None:
    """Raise Failed unless found is expected."""
    if found != expected:
        raise Failed(f"{what}: found {short(found)}, expected {short(expected)}")


def expect_digest(what: str, found: str, claimed: object) -> None:
    """Raise Failed unless a digest is the one claimed."""
    if found != claimed:
        raise Failed(
            f"{what} has SHA-256 {found[:12]}..., expected {str(claimed)[:12]}...; it is truncated "
            "or altered"
        )


def expect_numbers(what: str, found: Mapping[str, Any], expected: Mapping[str, float]) -> None:
    """Equal but for the last bits, in which powers may differ between machines."""
    expect(f"the names in {what}", sorted(found), sorted(expected))
    for name, value in expected.items():
        if not math.isclose(found[name], value, rel_tol=1e-12, abs_tol=1e-15):
            raise Failed(f"{what}: {name} is {found[name]!r}, expected {value!r}")


def short(value: object) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."

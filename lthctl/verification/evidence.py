"""The folders that claims are about, each part of them read whatever is wrong with the rest.

Knows how claims are checked; not what is claimed of which folder.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from lthctl.artifacts.documents import D, parse
from lthctl.artifacts.folders import Folder, RunFolder, TicketFolder
from lthctl.artifacts.names import INIT_FILE, WEIGHTS_FILE
from lthctl.artifacts.run_document import RunDocument
from lthctl.artifacts.sealed import JSON_LIMIT, seal, unsealed
from lthctl.artifacts.ticket import Ticket
from lthctl.artifacts.ticket_document import TicketDocument
from lthctl.canonical import digest_of, sha256
from lthctl.errors import LthctlError, ParamsError
from lthctl.mask import Weights
from lthctl.models.base import Model, ModelDescription
from lthctl.models.described import known_model
from lthctl.reading import read_file
from lthctl.verification.checks import Check, Failed, State, Unchecked, expect_digest

T = TypeVar("T")


NOT_KEPT = "its final weights were not kept (retrain.keep_weights)"


MISREAD = (KeyError, TypeError, ValueError, AttributeError)
"""What asking for a part of a document raises where that part is missing or of another type."""


def unread_or_unchecked(error: Exception) -> Failed | Unchecked:
    """What becomes of a claim that needs something which cannot be had. What is damaged failed in
    the claim about its own digest; what the system did not let us read may have passed there."""
    kind = Failed if getattr(error, "unread", False) else Unchecked
    return kind(f"needs what cannot be read ({error})")


class Evidence(Folder[D]):
    """A folder and the claims that were checked of it.

    A part that cannot be read raises what `claim` makes of it: a failure in the claim about its
    digest, "could not be checked" in all others.

    Args:
      path: the folder.
      model: its model, where that is not one that a document describes in full.
      may_import: whether code of somebody's own may be imported, if the user trusts it.
    """

    def __init__(self, path: Path, model: Model | None, *, may_import: bool = False) -> None:
        super().__init__(path, tolerant=True)
        self._may_import = may_import
        self._own_model = model
        self.checks: list[Check] = []
        self.unread = ""  # why the system did not let us read the document, if so

    def claim(self, claim: str, check: Callable[[], str]) -> bool:
        """Check one claim; `check` returns by what it holds."""
        state: State = "held"
        try:
            detail = check()
        except Unchecked as why:
            state, detail = "unchecked", str(why)
        except (Failed, LthctlError) as fault:
            state, detail = "failed", str(fault)
        except (*MISREAD, IndexError, ArithmeticError, RuntimeError) as fault:
            reason = f"{type(fault).__name__}: {fault}"
            state, detail = (
                "failed",
                f"{self.json_name} lacks or misstates something ({reason[:200]})",
            )
        self.checks.append(Check(self.path, claim, state, detail))
        return state == "held"

    @property
    def is_readable(self) -> bool:
        """Whether there is a document at all; without one there is nothing more to claim."""
        try:
            return bool(self.json)
        except LthctlError:
            return False

    @cached_property
    def is_whole(self) -> bool:
        """Whether the document can be built upon: it is sealed."""
        try:
            self.check_seal()
        except (Failed, LthctlError) as error:
            if getattr(error, "unread", False):
                self.unread = str(error)
            return False
        return True

    def check_seal(self) -> str:
        """Check the document's own digest."""
        document = unsealed(self.json)
        try:
            actual = digest_of(document)
        except (ValueError, RecursionError) as error:
            raise Failed(f"{self.json_name} holds what lthctl never writes ({error})") from error
        expect_digest(self.json_name, actual, self.json.get("digest"))
        if read_file(self.path / self.json_name, self.error, limit=JSON_LIMIT) != seal(document):
            raise Failed(
                f"{self.json_name} says the same, but is not written as lthctl writes it: readers "
                "refuse it"
            )
        return actual

    def check_entries(self) -> None:
        """Check that readers take the document."""
        try:
            parse(self.json, self.document_type)
        except ValueError as error:
            raise Failed(str(error)) from None

    def intact(self, name: str) -> Callable[[], str]:
        """A check of the digest of a file."""

        def check() -> str:
            self.needed(lambda: self.json)
            digests = self.digests()
            if name == WEIGHTS_FILE and name not in digests:
                raise Unchecked(NOT_KEPT)
            actual = sha256(self.content(name))
            expect_digest(name, actual, digests[name])
            return actual

        return check

    def needed(self, part: Callable[[], T]) -> T:
        """A part that a claim builds on, but is not about."""
        try:
            return part()
        except (LthctlError, *MISREAD) as error:
            raise unread_or_unchecked(error) from error

    def model_described_by(self, description: ModelDescription) -> Model:
        """The model, if it can be built here."""
        model = self._own_model or self._known_model(description)
        if model is None or model.describe() != description:
            raise Unchecked(f"the module {description.name!r} can only be built by its maker")
        return model

    def _known_model(self, description: ModelDescription) -> Model | None:
        try:
            return known_model(description, may_import=self._may_import)
        except ParamsError as error:
            raise Unchecked(str(error)) from error


class TicketEvidence(Evidence[TicketDocument], TicketFolder):
    """A ticket's folder."""

    def again(self) -> "TicketEvidence":
        """The same folder, nothing of it read."""
        return TicketEvidence(self.path, self._own_model, may_import=self._may_import)

    @property
    def rewinds_later(self) -> bool:
        """Whether it says that it rewinds to another step than the first."""
        return bool(self.json.get("rewind_step"))

    @cached_property
    def ticket(self) -> Ticket:
        document = self.document
        specification, init = document.specification, self.init
        return Ticket(specification, document.rate, document.counts, self.mask, init, self.rewound)

    def model(self) -> Model:
        """The model, which may be built or drawn from: it has the shapes of the weights in the
        file, so no more of them than that file holds."""
        model = self.needed(lambda: self.model_described_by(self.document.model))
        here = {name: array.shape for name, array in self.needed(lambda: self.init).items()}
        if any(here.get(name) != tuple(shape) for name, shape in model.shapes().items()):
            raise Failed(
                f"{INIT_FILE} does not have the names and shapes of the model in {self.json_name}"
            )
        return model


class RunEvidence(Evidence[RunDocument], RunFolder):
    """A run's folder."""

    def final_weights(self) -> Weights:
        """The weights after the training."""
        weights = self.weights
        if weights is None:
            raise Unchecked(NOT_KEPT)
        return weights

"""Documents between JSON and their typed models: read with every key checked, or as far as they go.

Knows documents, not arrays: whether these fit their document is for those who read them. A document
that passes holds all that later code computes with, so nothing after reading it asks again.
docs/FORMAT.md gives the meaning of every key, and a test holds it to the models.

Schema 2 is schema 1 with `sources` and with names that have a colon. Schema 3 has parameters that
schema 1 did not have, and connections. A document is written in the first schema that has all that
it says, so old ones keep their bytes.
"""

from typing import Any, Protocol, TypeVar

from pydantic import Field, ValidationError, create_model

from lthctl.artifacts.connection_document import ConnectionDocument
from lthctl.artifacts.fields import FROM_JSON
from lthctl.artifacts.names import HISTORY_FILE, WEIGHTS_FILE
from lthctl.artifacts.run_document import RunDocument
from lthctl.artifacts.ticket_document import TicketDocument
from lthctl.canonical import Json
from lthctl.parameter_types import Digest, shown
from lthctl.params import Section

NEWEST_SCHEMA = 3


MAX_FAULTS = 5  # in a message


class TrainingFiles(Section):
    """Digests of the other files of a finished training's folder."""

    history: Digest = Field(alias="history.csv")
    weights: Digest = Field(alias="weights.safetensors")

    def to_json(self) -> dict[str, str]:
        """File name -> digest."""
        return {HISTORY_FILE: self.history, WEIGHTS_FILE: self.weights}


class TrainingDocument(Section):
    """training.json of the store, without its own digest."""

    training: Digest
    files: TrainingFiles

    @property
    def schema_number(self) -> int:
        return 1

    def contradiction(self) -> str | None:
        return None


class HasFiles(Protocol):
    def to_json(self) -> dict[str, str]:
        """File name -> digest."""


class Document(Protocol):
    """What the documents of all kinds have in common."""

    @property
    def files(self) -> HasFiles: ...

    @property
    def schema_number(self) -> int:
        """The schema that it is written in."""

    def contradiction(self) -> str | None:
        """What does not go together with the rest, if anything."""


DOCUMENTS: dict[str, type[Section]] = {
    "ticket": TicketDocument,
    "run": RunDocument,
    "training": TrainingDocument,
    "connection": ConnectionDocument,
}
"""Kind of a document -> what it holds, besides `kind`, `schema` and its own `digest`."""


D = TypeVar("D", TicketDocument, RunDocument, TrainingDocument, ConnectionDocument)


def parse(content: Json, model: type[D]) -> D:
    """The typed document that JSON holds.

    Raises:
      ValueError: keys are missing, unknown, or of another type or range, or they contradict each
        other; the first few faults are named.
    """
    try:
        document = model.model_validate(_without_frame(content), context=FROM_JSON)
    except ValidationError as error:
        raise ValueError(_faults_of(error)) from None
    if fault := document.contradiction():
        raise ValueError(fault)
    if document.schema_number != content["schema"]:
        raise ValueError(
            f"schema is {content['schema']}, expected {document.schema_number} for what it says"
        )
    return document


def parse_what_is_whole(content: Json, model: type[D]) -> D:
    """A document as far as it can be read, for those who look for what is wrong with it.

    Entries that cannot be read are attributes that are missing: asking for one raises
    AttributeError.
    """
    content = _without_frame(content)
    try:
        return model.model_validate(content, context=FROM_JSON)
    except ValidationError as error:
        faulty = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
    left_out = {
        name: (Any, None)
        for name, field in model.model_fields.items()
        if (field.alias or name) in faulty
    }
    partial = create_model(f"Partial{model.__name__}", __base__=model, **left_out)  # type: ignore[call-overload]
    known = {field.alias or name for name, field in model.model_fields.items()} - faulty
    document: D = partial.model_validate(
        {key: value for key, value in content.items() if key in known}, context=FROM_JSON
    )
    for name in left_out:
        vars(document).pop(name)
    return document


def _without_frame(content: Json) -> Json:
    frame = ("kind", "schema", "digest")
    return {key: value for key, value in content.items() if key not in frame}


def _faults_of(error: ValidationError) -> str:
    faults = [_fault_text(fault) for fault in error.errors(include_url=False)[:MAX_FAULTS]]
    more = error.error_count() - MAX_FAULTS
    return "; ".join(faults) + (f"; and {more} more" if more > 0 else "")


def _fault_text(fault: Any) -> str:
    where = _cut(".".join(map(str, fault["loc"])) or "it")
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "extra_forbidden":
        return f"{where} is not known here"
    if fault["type"] == "value_error":
        return f"{where}: {_cut(str(fault['ctx']['error']), 300)}"
    expected = fault["msg"].removeprefix("Input should be ").removeprefix("Input should have ")
    expected = expected.replace("valid tuple", "valid list").replace("Tuple", "List")
    return f"{where} is {shown(fault['input'])}, expected {expected}"


def _cut(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[:most]}..."

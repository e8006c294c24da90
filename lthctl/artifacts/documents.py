"""What the JSON documents of tickets, runs and finished trainings hold: every key, its type and its
range.

Knows documents, not arrays: whether these fit their document is for those who read them. A document
that passes holds all that later code computes with, so nothing after reading it asks again.
docs/FORMAT.md gives the meaning of every key, and a test holds it to the models here.

There is one schema so far, so nothing is upgraded. The next one gets a number, models of its own,
and a function from the old document to the new between `read_sealed` and the check in
`read_document`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    FailFast,
    Field,
    ValidationError,
    model_validator,
)

from lthctl.artifacts.names import is_imported, ticket_name
from lthctl.artifacts.sealed import read_sealed
from lthctl.canonical import Json
from lthctl.errors import LthctlError
from lthctl.families import OWN_NAME, PLAIN_NAME
from lthctl.params import Count, Init, Section, Seed, TrainParams, shown

SCHEMA = 1


FAULTS_TOLD = 5


PARAMETERS_LIMIT = 10_000


Control = Annotated[str, Field(pattern=f"^({PLAIN_NAME}|{OWN_NAME})$")]


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


Method = Annotated[str, Field(pattern=f"^({PLAIN_NAME}|{OWN_NAME})$")]
"""Part of the names of folders, so never a path; which methods there are is for `pruning` to
say."""


Natural = Annotated[int, Field(ge=0, lt=2**63)]


Fraction = Annotated[float, Field(ge=0, le=1)]


Below1 = Annotated[float, Field(ge=0, lt=1)]


def _check_number(parameters: object) -> object:
    """Before any is looked at: telling the faults of a million takes longer than anybody waits."""
    if isinstance(parameters, dict) and len(parameters) > PARAMETERS_LIMIT:
        raise ValueError(f"has {len(parameters)} parameters, expected at most {PARAMETERS_LIMIT}")
    return parameters


Parameters = BeforeValidator(_check_number)


def _check_model(model: Json) -> Json:
    kinds: dict[str, type[BaseModel]] = {"mlp": MlpDescription, "module": ModuleDescription}
    kinds.get(str(model.get("kind")), AnyModel).model_validate(model)
    return model


def _check_training(train: Json) -> Json:
    expected = TrainParams.model_validate(train).identity()
    if expected != train:
        raise ValueError(f"has keys {sorted(train)}, expected {sorted(expected)}")
    return train


def _check_training_between_rounds(train: Json) -> Json:
    if "evaluate_every" in train:
        raise ValueError("has evaluate_every, on which no ticket depends")
    if train:
        _check_training({**train, "evaluate_every": 1})
    return train


Model = Annotated[dict[str, Any], AfterValidator(_check_model)]


Training = Annotated[dict[str, Any], AfterValidator(_check_training)]


TrainingBetweenRounds = Annotated[dict[str, Any], AfterValidator(_check_training_between_rounds)]


class MlpDescription(Section):
    """`MLP.describe`."""

    kind: Literal["mlp"]
    layers: Annotated[list[Count], Field(min_length=2), FailFast()]
    init: Init


class ModuleDescription(Section):
    """`ModuleModel.describe`."""

    kind: Literal["module"]
    name: str
    output: str
    shapes: Annotated[dict[str, list[Natural]], Parameters]


class AnyModel(Section, extra="allow"):
    """What a model of somebody's own says of itself."""

    kind: str


class DataDescription(Section):
    """`Dataset.describe`."""

    name: str
    digest: Digest
    source: str
    train: Count
    validation: Count
    test: Natural


def _check_data(data: Json) -> Json:
    if data:
        DataDescription.model_validate(data)
    return data


Data = Annotated[dict[str, Any], AfterValidator(_check_data)]


class LayerCounts(Section):
    """A parameter after a round."""

    size: Natural
    kept: Natural
    desired: Fraction
    actual: Fraction

    @model_validator(mode="after")
    def _keeps_at_most_all(self) -> Self:
        if self.kept > self.size:
            raise ValueError(f"keeps {self.kept} of {self.size}")
        return self


class RoundCounts(Section):
    """A ticket after a round."""

    round: Count
    steps: Natural
    trained: Digest | None
    desired: Below1
    actual: Below1
    layers: Annotated[dict[str, LayerCounts], Parameters]


class Origin(Section):
    """How a ticket was made, as far as its name and its runs tell it too."""

    name: str
    method: Method
    ratio: Below1
    rounds: Natural
    seed: Seed
    biases: bool
    train: TrainingBetweenRounds

    @model_validator(mode="after")
    def _is_named_after_what_it_is(self) -> Self:
        is_dense = self.method == "dense"
        if is_dense != (self.rounds == 0) or (
            is_dense != (self.ratio == 0) and not is_imported(self.method)
        ):
            raise ValueError(
                f"is {self.method} of ratio {self.ratio} and {self.rounds} rounds; dense is both 0"
            )
        if self.name != (expected := ticket_name(self.method, self.ratio, self.rounds, self.seed)):
            raise ValueError(f"name is {shown(self.name)}, expected {expected}")
        return self


class TicketFiles(Section):
    mask: Digest = Field(alias="mask.safetensors")
    init: Digest = Field(alias="init.safetensors")


class TicketDocument(Origin):
    """ticket.json."""

    rate: Annotated[dict[str, Fraction], Parameters]
    sparsity: Annotated[list[RoundCounts], FailFast()]
    model: Model
    data: Data
    files: TicketFiles

    @model_validator(mode="after")
    def _rounds_agree(self) -> Self:
        if [after.round for after in self.sparsity] != list(range(1, len(self.sparsity) + 1)):
            raise ValueError("sparsity does not count the rounds from 1")
        if len(self.sparsity) != self.rounds:
            raise ValueError(f"sparsity has {len(self.sparsity)} entries for {self.rounds} rounds")
        if not self.data and not is_imported(self.method):
            raise ValueError("data says nothing, which only an imported ticket may")
        if any(after.layers.keys() != self.rate.keys() for after in self.sparsity):
            raise ValueError("sparsity and rate are of different parameters")
        return self


class TicketSummary(Origin):
    """What a run says of its ticket."""

    digest: Digest
    sparsity: Below1
    sparsity_by_round: Annotated[list[Below1], FailFast()]

    @model_validator(mode="after")
    def _rounds_agree(self) -> Self:
        if len(self.sparsity_by_round) != self.rounds:
            raise ValueError(
                f"sparsity_by_round has {len(self.sparsity_by_round)} values for {self.rounds} "
                "rounds"
            )
        return self


class Proof(Section):
    """`lottery.proof_of`."""

    start: Digest
    pruned: Natural
    pruned_nonzero: Natural
    kept: Natural
    kept_moved: Natural


class Metrics(Section):
    """`training.metrics_of`."""

    best_accuracy: Fraction
    best_step: Count
    early_stop_accuracy: Fraction
    early_stop_step: Count
    final_accuracy: Fraction
    early_stop_test_accuracy: Fraction = 0.0  # may be left out


class RunFiles(Section):
    history: Digest = Field(alias="history.csv")
    weights: Digest = Field(alias="weights.safetensors", default="")  # may be left out


class RunDocument(Section):
    """run.json."""

    ticket: TicketSummary
    start: Control
    train: Training
    model: Model
    data: DataDescription
    training: Digest
    proof: Proof
    metrics: Metrics
    files: RunFiles


class TrainingFiles(Section):
    history: Digest = Field(alias="history.csv")
    weights: Digest = Field(alias="weights.safetensors")


class TrainingDocument(Section):
    """training.json, of the store."""

    training: Digest
    files: TrainingFiles


DOCUMENTS: dict[str, type[Section]] = {
    "ticket": TicketDocument,
    "run": RunDocument,
    "training": TrainingDocument,
}
"""Kind of a document -> what it holds, besides `kind`, `schema` and its own `digest`."""


def read_document(path: Path, refuse: type[LthctlError], kind: str) -> Json:
    """A sealed document of a kind, with everything in it that its kind must hold and nothing else.

    Raises:
      refuse: see `read_sealed`; or keys are missing, unknown, or of another type or range; the
        first few are named.
    """
    document = read_sealed(path, refuse, kind=kind, schema=SCHEMA)
    if faults := faults_in(document, kind):
        raise refuse(f"{path}: {faults}; it is damaged or not ours: make it again")
    return document


def faults_in(document: Json, kind: str) -> str:
    """The first few things that a document of a kind should not say, or does not; "" where there is
    nothing."""
    content = {
        key: value for key, value in document.items() if key not in ("kind", "schema", "digest")
    }
    try:
        DOCUMENTS[kind].model_validate(content)
    except ValidationError as error:
        told = [_told(fault) for fault in error.errors(include_url=False)[:FAULTS_TOLD]]
        more = (
            f"; and {error.error_count() - FAULTS_TOLD} more"
            if error.error_count() > FAULTS_TOLD
            else ""
        )
        return "; ".join(told) + more
    return ""


def _told(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"])) or "it"
    if fault["type"] == "missing":
        return f"{_cut(where)} is missing"
    if fault["type"] == "extra_forbidden":
        return f"{_cut(where)} is not known here"
    if fault["type"] == "value_error":
        return f"{_cut(where)}: {_cut(str(fault['ctx']['error']), 300)}"
    expected = fault["msg"].removeprefix("Input should be ").removeprefix("Input should have ")
    return f"{_cut(where)} is {shown(fault['input'])}, expected {expected}"


def _cut(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[:most]}..."

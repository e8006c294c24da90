"""What ticket.json says: what was asked for, and the counts of every round."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Self

from pydantic import FailFast, Field, Strict, model_validator

from lthctl.artifacts.fields import Data, Sources, TrainingOfRounds
from lthctl.artifacts.names import INIT_FILE, MASK_FILE, REWIND_FILE, is_imported
from lthctl.artifacts.pruning import Below1, Pruning
from lthctl.canonical import Json
from lthctl.models.base import MlpDescription, ModelDescription, ModuleDescription
from lthctl.parameter_types import Count, Digest, Fraction, Natural, ParametersByName, not_null
from lthctl.params import Section


class LayerCounts(Section):
    """A parameter after a round.

    Attributes:
      size: number of its weights.
      kept: how many of them are left.
      desired, actual: sparsity asked for and reached, in [0, 1].
    """

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
    """A ticket after a round.

    Attributes:
      round: its number, from 1.
      steps: that were trained before it.
      trained: digest of the weights that were scored; None where scores need no training.
      desired, actual: sparsity asked for and reached, of all prunable weights, in [0, 1).
      layers: parameter -> its counts.
    """

    round: Count
    steps: Natural
    trained: Digest | None
    desired: Below1
    actual: Below1
    layers: Annotated[dict[str, LayerCounts], ParametersByName]

    def to_json(self) -> Json:
        return self.model_dump()


class TicketSpecification(Pruning):
    """What was asked for to get a ticket; equal specifications give equal tickets.

    Attributes:
      model: what the model says of itself.
      data: what the dataset says of itself; None where the mask was imported.
      train: how the trainings between the rounds are done; None where there are none.
      sources: a name with a colon -> SHA-256 of the file that its code came from.
    """

    model: ModelDescription
    data: Data
    train: TrainingOfRounds
    sources: Sources = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the ticket, `l1-r0.80-n5-s1`."""
        return self.ticket_name

    @property
    def schema_number(self) -> int:
        return schema_of(
            self.sources,
            (self.method,),
            self.pruning,
            self.train,
            self.data,
            with_schema(self.model),
        )

    def to_json(self) -> Json:
        return {
            **self.pruning.identity(),
            "model": self.model.to_json(),
            "data": {} if self.data is None else self.data.to_json(),
            "train": {} if self.train is None else self.train.identity(),
            **sources_json(self.sources),
        }


class TicketFiles(Section):
    """Digests of the other files of a ticket's folder; `rewind` only where it rewinds to a step."""

    mask: Digest = Field(alias="mask.safetensors")
    init: Digest = Field(alias="init.safetensors")
    rewind: Annotated[Digest | None, not_null] = Field(alias="rewind.safetensors", default=None)

    def to_json(self) -> dict[str, str]:
        """File name -> digest."""
        rewind = {} if self.rewind is None else {REWIND_FILE: self.rewind}
        return {MASK_FILE: self.mask, INIT_FILE: self.init, **rewind}


class TicketDocument(TicketSpecification):
    """ticket.json, without its own digest."""

    stated_name: str = Field(alias="name")
    rate: Annotated[dict[str, Fraction], ParametersByName]
    counts: Annotated[tuple[RoundCounts, ...], Strict(False), FailFast()] = Field(alias="sparsity")
    files: TicketFiles

    @property
    def specification(self) -> TicketSpecification:
        return TicketSpecification.model_construct(
            **{field: getattr(self, field) for field in TicketSpecification.model_fields}
        )

    def contradiction(self) -> str | None:
        """What does not go together with the rest, if anything."""
        fault = self.contradiction_in_origin(self.stated_name) or self._contradiction_in_rounds()
        return fault and f"it: {fault}"

    def _contradiction_in_rounds(self) -> str | None:
        counts = self.counts
        if (self.files.rewind is None) != (self.rewind_step == 0):
            there = "no" if self.files.rewind is None else "a"
            return f"rewind_step is {self.rewind_step}, and there is {there} {REWIND_FILE}"
        if [after.round for after in counts] != list(range(1, len(counts) + 1)):
            return "sparsity does not count the rounds from 1"
        if len(counts) != self.rounds:
            return f"sparsity has {len(counts)} entries for {self.rounds} rounds"
        if self.data is None and not is_imported(self.method):
            return "data says nothing, which only an imported ticket may"
        if any(after.layers.keys() != self.rate.keys() for after in counts):
            return "sparsity and rate are of different parameters"
        return None


def ticket_json(
    specification: TicketSpecification,
    rate: Mapping[str, float],
    counts: tuple[RoundCounts, ...],
    files: Mapping[str, str],
) -> Json:
    """ticket.json without its own digest; `files` maps names to digests."""
    return specification.to_json() | {
        "kind": "ticket",
        "schema": specification.schema_number,
        "name": specification.name,
        "rate": dict(rate),
        "sparsity": [after.to_json() for after in counts],
        "files": dict(files),
    }


def schema_of(sources: Mapping[str, str], names: Iterable[str], *sections: Section | None) -> int:
    """The schema that a document is written in: the first that had all that it says.

    Args:
      sources: of the document.
      names: of methods and controls in it.
      sections: of parameters in it.
    """
    if any(section.says_more_than_schema_1 for section in sections if section is not None):
        return 3
    return 2 if sources or any(":" in name for name in names) else 1


def with_schema(model: ModelDescription) -> Section | None:
    """A description that says whether it needs a later schema; other models describe themselves as
    ever."""
    return model if isinstance(model, MlpDescription | ModuleDescription) else None


def sources_json(sources: Mapping[str, str]) -> Json:
    """Left out where there are none, as schema 1 had no such key."""
    return {"sources": dict(sources)} if sources else {}

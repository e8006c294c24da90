"""What run.json says: what was asked for, what the training kept to, and how well it did."""

from typing import Annotated

from pydantic import FailFast, Field, Strict

from lthctl.artifacts.fields import Name, Sources, Training, TrainingOfRounds
from lthctl.artifacts.names import HISTORY_FILE, WEIGHTS_FILE, variant_name
from lthctl.artifacts.pruning import Below1, Pruning
from lthctl.artifacts.ticket_document import schema_of, sources_json, with_schema
from lthctl.canonical import Json
from lthctl.datasets.base import DataDescription
from lthctl.models.base import ModelDescription
from lthctl.parameter_types import Count, Digest, Natural, Seed, not_null
from lthctl.params import Section
from lthctl.training.history import Metrics


class TicketSummary(Pruning):
    """What a run says of its ticket, beside how it was pruned.

    Attributes:
      name, digest, train: as in the ticket.
      sparsity: the fraction pruned in the end, in [0, 1).
      sparsity_by_round: the same after every round.
    """

    name: str
    digest: Digest
    train: TrainingOfRounds
    sparsity: Below1
    sparsity_by_round: Annotated[tuple[Below1, ...], Strict(False), FailFast()]

    def contradiction(self) -> str | None:
        """What does not go together with the rest, if anything."""
        if fault := self.contradiction_in_origin(self.name):
            return fault
        if (number := len(self.sparsity_by_round)) != self.rounds:
            return f"sparsity_by_round has {number} values for {self.rounds} rounds"
        return None

    def to_json(self) -> Json:
        return {
            "name": self.name,
            "digest": self.digest,
            **self.pruning.identity(),
            "train": {} if self.train is None else self.train.identity(),
            "sparsity": self.sparsity,
            "sparsity_by_round": list(self.sparsity_by_round),
        }


class Proof(Section):
    """Counts that show what a training kept to.

    Attributes:
      start: digest of the weights that it started from.
      pruned: number of weights outside the mask.
      pruned_nonzero: how many of them are not exactly 0 at the end; must be 0.
      kept: number of weights inside the mask.
      kept_moved: how many of them training changed. Weights of pixels that are always black never
        move.
    """

    start: Digest
    pruned: Natural
    pruned_nonzero: Natural
    kept: Natural
    kept_moved: Natural

    def to_json(self) -> Json:
        return self.model_dump()


class RunSpecification(Section):
    """What was asked for to get a run; equal specifications give equal runs.

    Attributes:
      ticket: what was retrained.
      control: what it was retrained from: "rewind", "reinit", "shuffle" or another control.
      draw: which draw of the control's random numbers, from 1.
      sibling: digest of the ticket whose mask it took, where the control takes that of another.
      train: how.
      model, data: what the model and the dataset say of themselves.
      order_seed: of the order of the batches, where that is not the ticket's own seed.
      first_step: the step that the training went on from; 0 or the ticket's `rewind_step`.
      sources: a name with a colon -> SHA-256 of the file that its code came from.
    """

    ticket: TicketSummary
    control: Name
    draw: Count = 1
    sibling: Annotated[Digest | None, not_null] = None
    train: Training
    model: ModelDescription
    data: DataDescription
    order_seed: Annotated[Seed | None, not_null] = None
    first_step: Natural = 0
    sources: Sources = Field(default_factory=dict)

    @property
    def schema_number(self) -> int:
        if (self.order_seed, self.sibling, self.draw) != (None, None, 1):
            return 3
        names = (self.control, self.ticket.method)
        sections = self.ticket.pruning, self.ticket.train, self.train
        return schema_of(self.sources, names, *sections, self.data, with_schema(self.model))

    @property
    def seed_of_order(self) -> int:
        """The seed of the order of the batches."""
        return self.ticket.seed if self.order_seed is None else self.order_seed

    @property
    def variant(self) -> str:
        """What sets it apart from other runs of its ticket: "rewind", "rewind-order7"."""
        return variant_name(self.control, self.order_seed, self.draw)

    def to_json(self) -> Json:
        return {
            "ticket": self.ticket.to_json(),
            "start": self.control,
            **({"draw": self.draw} if self.draw > 1 else {}),
            **({} if self.sibling is None else {"sibling": self.sibling}),
            "train": self.train.identity(),
            "model": self.model.to_json(),
            "data": self.data.to_json(),
            **({} if self.order_seed is None else {"order_seed": self.order_seed}),
            **({"first_step": self.first_step} if self.first_step else {}),
            **sources_json(self.sources),
        }


class RunFiles(Section):
    """Digests of the other files of a run's folder; no weights where they were not kept."""

    history: Digest = Field(alias="history.csv")
    weights: Annotated[Digest | None, not_null] = Field(alias="weights.safetensors", default=None)

    def to_json(self) -> dict[str, str]:
        """File name -> digest."""
        weights = {} if self.weights is None else {WEIGHTS_FILE: self.weights}
        return {HISTORY_FILE: self.history, **weights}


class RunDocument(RunSpecification):
    """run.json, without its own digest."""

    control: Name = Field(alias="start")
    training: Digest
    proof: Proof
    metrics: Metrics
    files: RunFiles

    @property
    def specification(self) -> RunSpecification:
        return RunSpecification.model_construct(
            **{field: getattr(self, field) for field in RunSpecification.model_fields}
        )

    def contradiction(self) -> str | None:
        """What does not go together with the rest, if anything."""
        if self.order_seed == self.ticket.seed:
            return f"order_seed is {self.order_seed}, the ticket's own seed; it would be left out"
        at = self.ticket.rewind_step
        if self.first_step not in (0, at) or self.first_step >= self.train.steps:
            return (
                f"first_step is {self.first_step}, in a training of {self.train.steps} steps of a "
                f"ticket that rewinds to step {at}"
            )
        if "draw" in self.model_fields_set and self.draw == 1:
            return "draw is 1, the first; it would be left out"
        fault = self.ticket.contradiction()
        return fault and f"ticket: {fault}"


def run_json(
    specification: RunSpecification,
    training: str,
    proof: Proof,
    metrics: Metrics,
    files: dict[str, str],
) -> Json:
    """run.json without its own digest; `files` maps names to digests."""
    return specification.to_json() | {
        "kind": "run",
        "schema": specification.schema_number,
        "training": training,
        "proof": proof.to_json(),
        "metrics": metrics.to_json(),
        "files": files,
    }

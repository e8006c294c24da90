"""Two tickets or two runs beside each other, and what differs between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from lthctl.artifacts.run import Run
from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import Json, digest_of_arrays, flat
from lthctl.errors import MaskError
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.overlap import MaskOverlap, Overlap, overlap
from lthctl.reporting.statistics import Interval, Verdict, holm
from lthctl.training.history import Row

State = Literal["same", "mask differs", "init differs", "mask and init differ", "origin differs"]


@dataclass(frozen=True)
class Change:
    """Something two documents say differently; None is what one of them lacks."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True, eq=False)
class TicketPair:
    """Two tickets.

    Attributes:
      name: what both sides call them; "" where names were not matched.
      name_a, name_b: what they are called here.
      a, b: the tickets.
    """

    name: str
    name_a: str
    name_b: str
    a: Ticket
    b: Ticket

    @cached_property
    def same_mask(self) -> bool:
        return self.a.mask == self.b.mask

    @cached_property
    def same_init(self) -> bool:
        """Whether they rewind to the same weights, bit for bit."""
        return digest_of_arrays(self.a.weights) == digest_of_arrays(self.b.weights)

    @property
    def state(self) -> State:
        if self.same_mask and self.same_init:
            return "same" if self.a.digest == self.b.digest else "origin differs"
        if self.same_init:
            return "mask differs"
        return "init differs" if self.same_mask else "mask and init differ"

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What was asked for differently, and the sparsity reached where it differs."""
        return changes(_ticket_facts(self.a), _ticket_facts(self.b))

    @cached_property
    def overlap(self) -> MaskOverlap | None:
        """None where the masks are of other shapes."""
        try:
            return overlap(self.a.mask, self.b.mask)
        except MaskError:
            return None

    def to_json(self) -> Json:
        overlaps = self.overlap
        return {
            "a": self.name_a,
            "b": self.name_b,
            "state": self.state,
            "same_mask": self.same_mask,
            "same_init": self.same_init,
            "digests": [self.a.digest, self.b.digest],
            "changes": [vars(change) for change in self.changes],
            "overlap": overlaps
            and {
                "layers": {name: _overlap_json(layer) for name, layer in overlaps.layers.items()},
                "total": _overlap_json(overlaps.total),
            },
        }


@dataclass(frozen=True, eq=False)
class RunPair:
    """Two runs.

    Attributes:
      name: what both sides call them; "" where names were not matched.
      name_a, name_b: what they are called here.
      a, b: the runs.
    """

    name: str
    name_a: str
    name_b: str
    a: Run
    b: Run

    @property
    def is_same(self) -> bool:
        """Whether they have the same history, evaluation for evaluation, and the same request."""
        return self.a.history == self.b.history and self.a.specification == self.b.specification

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What was asked for differently, the ticket included."""
        return changes(self.a.specification.to_json(), self.b.specification.to_json())

    @property
    def same_images(self) -> bool:
        """Whether their accuracies are of the same images; otherwise a difference between them says
        little."""
        return self.a.data == self.b.data

    def metrics(self) -> dict[str, tuple[float | None, float | None]]:
        """Metric -> its value in both; None where a run has none."""
        a, b = self.a.metrics.to_json(), self.b.metrics.to_json()
        return {name: (a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys())}

    @cached_property
    def curve(self) -> tuple[tuple[Row, Row], ...]:
        """The evaluations at steps that both have."""
        of_b = {row.step: row for row in self.b.history}
        return tuple((row, of_b[row.step]) for row in self.a.history if row.step in of_b)

    def to_json(self) -> Json:
        return {
            "a": self.name_a,
            "b": self.name_b,
            "state": "same" if self.is_same else "differs",
            "same_images": self.same_images,
            "changes": [vars(change) for change in self.changes],
            "metrics": {name: {"a": a, "b": b} for name, (a, b) in self.metrics().items()},
            "curve": [
                {
                    "step": a.step,
                    "validation_accuracy": [a.validation_accuracy, b.validation_accuracy],
                    "validation_loss": [a.validation_loss, b.validation_loss],
                }
                for a, b in self.curve
            ],
        }


@dataclass(frozen=True)
class ExperimentPair:
    """Runs of one experiment on either side, paired by seed.

    Attributes:
      key_a, key_b: the experiment on either side; they differ where, say, rewound runs are compared
        with reinitialized.
      difference: maximum validation accuracy, b minus a.
      step_difference: early-stop step, b minus a.
      verdict: on b against a, by itself; see `lthctl.reporting.statistics.judge`.
    """

    key_a: ExperimentKey
    key_b: ExperimentKey
    difference: Interval
    step_difference: Interval
    verdict: Verdict

    @property
    def label(self) -> str:
        if self.key_a.ticket != self.key_b.ticket:
            return f"{self.key_a.label} / {self.key_b.label}"
        controls = dict.fromkeys((self.key_a.control, self.key_b.control))
        return f"{self.key_a.ticket} {' / '.join(controls)}"

    def to_json(self) -> Json:
        return {
            "a": self.key_a.label,
            "b": self.key_b.label,
            "difference": vars(self.difference),
            "step_difference": vars(self.step_difference),
            "verdict": self.verdict,
        }


def changes(a: Json, b: Json) -> tuple[Change, ...]:
    """What two documents say differently, keys joined by dots, in the order of the keys."""
    flat_a, flat_b = dict(flat(a)), dict(flat(b))
    return tuple(
        Change(key, flat_a.get(key), flat_b.get(key))
        for key in sorted(flat_a.keys() | flat_b.keys())
        if flat_a.get(key) != flat_b.get(key)
    )


def significant(pairs: Sequence[TicketPair], confidence: float) -> list[bool]:
    """Whether the total overlap of each pair is more, or less, than chance; adjusted by Holm for
    being several."""
    p_values = [pair.overlap.total.p if pair.overlap else 1.0 for pair in pairs]
    return [p < 1 - confidence for p in holm(p_values)]


def _ticket_facts(ticket: Ticket) -> Json:
    return {**ticket.specification.to_json(), "sparsity": ticket.mask.sparsity}


def _overlap_json(layer: Overlap) -> Json:
    return {**vars(layer), "ratio": layer.ratio, "p": layer.p}

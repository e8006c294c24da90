"""How a ticket is pruned: what was asked for, and the name that follows from it."""

import re
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, Strict, ValidationInfo, model_validator

from lthctl.artifacts.fields import FROM_JSON, Name
from lthctl.artifacts.names import ticket_name
from lthctl.canonical import sha256
from lthctl.parameter_types import LayerPattern, Natural, Scope, Seed
from lthctl.params import Section

Below1 = Annotated[float, Field(ge=0, lt=1)]

PerRound = Annotated[float, Field(gt=0, lt=1)]

LayerRate = Annotated[tuple[LayerPattern, Below1], Strict(False)]


class Pruning(Section):
    """How a ticket is pruned. Equal ones with equal models, data and trainings give equal tickets.

    Attributes:
      method: "l1", "random" or another score; "dense" at ratio 0; "imported" or
        "imported-<label>" where the mask was made elsewhere; or a name with a colon.
      ratio: the sparsity asked for, in [0, 1).
      rounds: train-prune-rewind rounds; 0 for the dense ticket.
      seed: of weights, batch order and pruning.
      biases: whether biases are prunable.
      per_round: the fraction of the remaining weights that every round removes, after a training of
        all steps. None where it follows from `ratio`, and the rounds share the steps.
      layer_ratio: the ratio of every layer; None where one ratio is for all.
      layer_rate: patterns of layers' names, and the fraction that every round removes there. None
        where one is for all; else `per_round` is the highest.
      exclude: patterns of the names of layers that are never pruned.
      output_factor: the output layer is pruned at this fraction of the rate of the others.
      scope: whether weights compete within their layer, or all with each other.
      rewind_step: the step of the dense network's training whose weights it rewinds to.
    """

    schema_1 = frozenset({"method", "ratio", "rounds", "seed", "biases"})

    method: Name
    ratio: Below1
    rounds: Natural
    seed: Seed
    biases: bool
    per_round: PerRound | None = None
    layer_ratio: Annotated[tuple[Below1, ...], Strict(False), Field(min_length=1)] | None = None
    layer_rate: Annotated[tuple[LayerRate, ...], Strict(False), Field(min_length=1)] | None = None
    exclude: Annotated[tuple[LayerPattern, ...], Strict(False)] = ()
    output_factor: Annotated[float, Field(ge=0, le=1)] = 0.5
    scope: Scope = "layer"
    rewind_step: Natural = 0

    @model_validator(mode="after")
    def _leaves_out_defaults(self, info: ValidationInfo) -> Self:
        """A file says nothing that needs no saying, so that one ticket has one file."""
        if info.context == FROM_JSON:
            later = Pruning.model_fields.keys() - Pruning.schema_1
            said = sorted(self.model_fields_set & later - self.pruning.identity().keys())
            if said:
                raise ValueError(f"says {', '.join(said)}, which are left out at their defaults")
        return self

    @property
    def pruning(self) -> "Pruning":
        """This, without what a ticket or a run says beside it."""
        return Pruning.model_construct(
            **{name: getattr(self, name) for name in Pruning.model_fields}
        )

    @property
    def ticket_name(self) -> str:
        """The name of the ticket, such as `l1-r0.80-n5-s1`."""
        return ticket_name(
            self.method,
            self.ratio,
            self.rounds,
            self.seed,
            per_round=self.per_round,
            variant=self.variant,
        )

    @property
    def name_of_replicates(self) -> str:
        """The same without the seed."""
        return self.ticket_name.removesuffix(f"-s{self.seed}")

    @property
    def variant(self) -> tuple[str, ...]:
        """What is not as usual, a word each for names; empty where all is."""
        words = []
        if self.layer_ratio is not None:
            words.append("layers" + _joined(self.layer_ratio))
        words += _rate_words(self.layer_rate or ())
        words += _exclude_words(self.exclude)
        if self.output_factor != Pruning.model_fields["output_factor"].default:
            words.append(f"out{_short(self.output_factor)}")
        if self.scope != "layer":
            words.append(self.scope)
        if self.rewind_step:
            words.append(f"w{self.rewind_step}")
        return tuple(words)

    def contradiction_in_origin(self, name: str) -> str | None:
        """What does not go together with the rest or with the name, if anything."""
        is_dense = self.method == "dense"
        is_imported = self.method.partition("-")[0] == "imported"
        if is_dense != (self.rounds == 0) or (is_dense != (self.ratio == 0) and not is_imported):
            return (
                f"is {self.method} of ratio {self.ratio} and {self.rounds} rounds; dense is both 0"
            )
        later = self.pruning.identity().keys() - self.schema_1
        if is_dense:
            later -= {"rewind_step"}
        if (is_dense or is_imported) and later:
            return f"is {self.method}, of which {', '.join(sorted(later))} says nothing"
        if fault := self._contradiction_in_layers():
            return fault
        one_rate = self.per_round if self.layer_rate is None else None
        if one_rate is not None and self.ratio != ratio_after(one_rate, self.rounds):
            return (
                f"ratio is {self.ratio}, expected {ratio_after(one_rate, self.rounds)} after "
                f"{self.rounds} rounds of {self.per_round}"
            )
        if name != self.ticket_name:
            return f"name is {name!r:.80}, expected {self.ticket_name}"
        return None

    def _contradiction_in_layers(self) -> str | None:
        rates = self.layer_rate
        if rates is not None and self.per_round != max(rate for _, rate in rates):
            return f"per_round is {self.per_round}, expected the highest of layer_rate"
        for key, names in (
            ("layer_rate", [name for name, _ in rates or ()]),
            ("exclude", list(self.exclude)),
        ):
            if names != sorted(set(names)):
                return f"{key} is not in the order of its names, each once"
        return None


def _short(value: float) -> str:
    return repr(value).removesuffix(".0")


LONGEST = 100  # characters of a list in a name; the rest of the 255 of a folder's is for others


def _joined(ratios: Sequence[float]) -> str:
    """A list for a name; a long one by its digest."""
    text = "_".join(map(_short, ratios))
    return text if len(text) <= LONGEST else sha256(text.encode())[:12]


_PLAIN = re.compile("[a-z][a-z0-9.*]*")
"""A pattern that a name can show: its `*` becomes `_`. Others are shown by a digest."""


def _rate_words(rates: Sequence[tuple[str, float]]) -> list[str]:
    """Rates of layers for a name, such as `conv_at0.1` for 0.1 in `conv*`."""
    words = [f"{name.replace('*', '_')}at{rate!r}" for name, rate in rates]
    is_plain = all(
        _PLAIN.fullmatch(name) and re.fullmatch(r"0\.[0-9]+", repr(rate)) for name, rate in rates
    )
    if is_plain and len("-".join(words)) <= LONGEST:
        return words
    return ["rates" + sha256(repr(list(rates)).encode())[:12]]


def layer_rate_in(word: str) -> tuple[str, float] | None:
    """The pattern and the rate that a word of a ticket's name tells; None where it tells none.

    Example:
      >>> layer_rate_in("conv_at0.1")
      ('conv*', 0.1)
    """
    found = re.fullmatch(r"([a-z][a-z0-9._]*)at(0\.[0-9]+)", word)
    if found is None or word.startswith("not."):
        return None
    return found[1].replace("_", "*"), float(found[2])


def _exclude_words(patterns: Sequence[str]) -> list[str]:
    """Layers that are not pruned for a name, such as `not.fc`."""
    words = ["not." + name.replace("*", "_") for name in patterns]
    is_plain = all(_PLAIN.fullmatch(name.lstrip("*")) for name in patterns)
    if is_plain and len("-".join(words)) <= LONGEST:
        return words
    return ["not." + sha256(repr(list(patterns)).encode())[:12]]


def ratio_after(per_round: float, rounds: int) -> float:
    """The sparsity after rounds that each remove a fraction of what remains.

    Made of multiplications alone, which give the same bits everywhere; powers do not.

    Example:
      >>> round(ratio_after(0.2, 3), 9)
      0.488
    """
    kept = 1.0
    for _ in range(rounds):
        kept *= 1 - per_round
    return 1 - kept

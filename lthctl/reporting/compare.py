"""Tickets and runs compared: what differs, how much masks overlap, which run did better, paired
where there are seeds.

Reads, computes, and neither trains nor shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.history_csv import HISTORY_LIMIT
from lthctl.artifacts.names import HISTORY_FILE, INIT_FILE, MASK_FILE, RUN_JSON, TICKET_JSON
from lthctl.artifacts.revision import at_revision
from lthctl.artifacts.run import Run, run_of
from lthctl.artifacts.sealed import JSON_LIMIT
from lthctl.artifacts.tensors import TENSORS_LIMIT
from lthctl.artifacts.ticket import Ticket, ticket_of
from lthctl.canonical import Json, digest_of_arrays
from lthctl.errors import LthctlError, MaskError, ParamsError, PathError
from lthctl.params import ReportParams
from lthctl.reading import find_folders
from lthctl.reporting.dead_units import units_of
from lthctl.reporting.experiments import ExperimentKey, paired
from lthctl.reporting.overlap import MaskOverlap, Overlap, overlap
from lthctl.reporting.statistics import Interval, Verdict, holm, judge
from lthctl.training.history import MetricName, Row

FILES: Mapping[str, int] = {
    TICKET_JSON: JSON_LIMIT,
    MASK_FILE: TENSORS_LIMIT,
    INIT_FILE: TENSORS_LIMIT,
    RUN_JSON: JSON_LIMIT,
    HISTORY_FILE: HISTORY_LIMIT,
}
"""What comparing reads of a folder, with the most bytes of each; the final weights of runs are not
among it."""


State = Literal["same", "mask differs", "init differs", "mask and init differ", "origin differs"]


@dataclass(frozen=True)
class Change:
    """Something two documents say differently; None is what one of them lacks."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True, eq=False)
class Side:
    """What one argument of a comparison holds: tickets and runs by their names, which are paths
    below it.

    Attributes:
      label: the argument.
      tickets, runs: name -> ticket or run; the name is "" where the argument itself is one.
      folders: name -> its folder, of which the document was read.
    """

    label: str
    tickets: Mapping[str, Ticket]
    runs: Mapping[str, Run]
    folders: Mapping[str, TicketFolder | RunFolder]

    @property
    def is_single(self) -> bool:
        return len(self.tickets) + len(self.runs) == 1

    def named(self, name: str) -> str:
        """A ticket or run of this side as an argument of its own."""
        path, *revision = at_revision(self.label) or (self.label,)
        return "@".join((f"{path.rstrip('/')}/{name}" if name else path, *revision))


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
        return digest_of_arrays(self.a.init) == digest_of_arrays(self.b.init)

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
        found = self.overlap
        return {
            "a": self.name_a,
            "b": self.name_b,
            "state": self.state,
            "same_mask": self.same_mask,
            "same_init": self.same_init,
            "digests": [self.a.digest, self.b.digest],
            "changes": [vars(change) for change in self.changes],
            "overlap": found
            and {
                "layers": {name: _overlap_json(layer) for name, layer in found.layers.items()},
                "total": _overlap_json(found.total),
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
      verdict: on b against a, adjusted by Holm over the experiments; see `lthctl.statistics.judge`.
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


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found.

    Attributes:
      labels: the arguments; two of them where names were matched.
      tickets, runs: the pairs. Where names were matched, one per name that both sides have;
        otherwise one per combination.
      only: side -> names that only it has; empty where names were not matched.
      experiments: the same runs by experiment, paired by seed; empty where names were not matched.
      matched: whether names were matched.
    """

    labels: tuple[str, ...]
    tickets: tuple[TicketPair, ...]
    runs: tuple[RunPair, ...]
    only: Mapping[str, tuple[str, ...]]
    experiments: tuple[ExperimentPair, ...]
    matched: bool

    def to_json(self) -> Json:
        return {
            "of": list(self.labels),
            "matched_by_name": self.matched,
            "tickets": [pair.to_json() for pair in self.tickets],
            "runs": [pair.to_json() for pair in self.runs],
            "only": {side: list(names) for side, names in self.only.items()},
            "experiments": [experiment.to_json() for experiment in self.experiments],
        }


def read_side(label: str, path: Path) -> Side:
    """All tickets and runs at or below a path.

    Args:
      label: what the path is called.
      path: where it is.

    Raises:
      PathError: there is none, or some cannot be read; all of them are named.
    """
    faults: list[str] = []
    tickets: dict[str, Ticket] = {}
    runs: dict[str, Run] = {}
    folders: dict[str, TicketFolder | RunFolder] = {}
    for marker in (TICKET_JSON, RUN_JSON):
        for place in find_folders([path], marker):
            name = place.relative_to(path).as_posix().removeprefix(".")
            try:
                if marker == TICKET_JSON:
                    folders[name] = folder = TicketFolder(place)
                    tickets[name] = ticket_of(folder)
                else:
                    folders[name] = run_folder = RunFolder(place)
                    runs[name] = run_of(run_folder, with_weights=False)
            except LthctlError as error:
                faults.append(str(error))
    if faults:
        raise PathError("\n".join(faults))
    if not folders:
        raise PathError(
            f"{label}: holds no ticket and no run, nor does anything below it; expected a folder "
            f"with a {TICKET_JSON} "
            f"or a {RUN_JSON}. Where DVC tracks it, `dvc checkout` restores it"
        )
    return Side(label, tickets, runs, folders)


def compare(sides: Sequence[Side], params: ReportParams) -> Comparison:
    """Compare tickets with tickets and runs with runs.

    Two sides of which one at least holds several are matched by name. Otherwise everything on all
    sides is compared with everything else, tickets or runs.

    Args:
      sides: at least one.
      params: confidence and margin of verdicts.

    Raises:
      ParamsError: there are not two things of a kind to compare.
    """
    labels = tuple(side.label for side in sides)
    if (
        len(sides) == 2
        and not all(side.is_single for side in sides)
        and not any("" in _all(side) for side in sides)
    ):
        a, b = sides
        tickets = [_ticket_pair(a, b, name) for name in sorted(a.tickets.keys() & b.tickets.keys())]
        runs = [_run_pair(a, b, name) for name in sorted(a.runs.keys() & b.runs.keys())]
        only = {a.label: _missing(a, b), b.label: _missing(b, a)}
        return Comparison(
            labels, tuple(tickets), tuple(runs), only, _experiments(runs, params), matched=True
        )
    of_tickets = [
        (side.named(name), ticket) for side in sides for name, ticket in side.tickets.items()
    ]
    of_runs = [(side.named(name), run) for side in sides for name, run in side.runs.items()]
    if of_tickets and of_runs:
        raise ParamsError(
            f"{', '.join(labels)}: {_count(of_tickets, 'ticket')} and {_count(of_runs, 'run')}; "
            "compare tickets with tickets or runs with runs"
        )
    if len(of_tickets) + len(of_runs) < 2:
        path, *_ = at_revision(labels[0]) or (labels[0],)
        raise ParamsError(
            f"{labels[0]}: is one alone; name what to compare it with, such as {path}@HEAD~1"
        )
    return Comparison(
        labels,
        tuple(TicketPair("", a[0], b[0], a[1], b[1]) for a, b in combinations(of_tickets, 2)),
        tuple(RunPair("", a[0], b[0], a[1], b[1]) for a, b in combinations(of_runs, 2)),
        {},
        (),
        matched=False,
    )


def facts(side: Side) -> list[Json]:
    """What a side's tickets and runs say of themselves, with what can be counted in their arrays; a
    document each."""
    found: list[Json] = []
    for name, ticket in side.tickets.items():
        units = units_of(ticket.mask)
        counted = {
            "size": ticket.mask.size,
            "kept": ticket.mask.num_kept,
            "units": units and units.to_json(),
        }
        found.append({"path": side.named(name), **side.folders[name].json, **counted})
    for name, run in side.runs.items():
        history = [row._asdict() for row in run.history]
        found.append({"path": side.named(name), **side.folders[name].json, "history": history})
    return found


def changes(a: Json, b: Json) -> tuple[Change, ...]:
    """What two documents say differently, keys joined by dots, in the order of the keys."""
    flat_a, flat_b = dict(_flat(a)), dict(_flat(b))
    return tuple(
        Change(key, flat_a.get(key), flat_b.get(key))
        for key in sorted(flat_a.keys() | flat_b.keys())
        if flat_a.get(key) != flat_b.get(key)
    )


def _ticket_pair(a: Side, b: Side, name: str) -> TicketPair:
    return TicketPair(name, a.named(name), b.named(name), a.tickets[name], b.tickets[name])


def _run_pair(a: Side, b: Side, name: str) -> RunPair:
    return RunPair(name, a.named(name), b.named(name), a.runs[name], b.runs[name])


def _all(side: Side) -> set[str]:
    return {*side.tickets, *side.runs}


def _missing(a: Side, b: Side) -> tuple[str, ...]:
    """Names that `a` has and `b` has not."""
    return tuple(sorted((a.tickets.keys() - b.tickets.keys()) | (a.runs.keys() - b.runs.keys())))


def _experiments(pairs: Sequence[RunPair], params: ReportParams) -> tuple[ExperimentPair, ...]:
    """Pairs of the same seed by experiment; without other images, and without experiments that are
    all the same."""
    members: dict[tuple[ExperimentKey, ExperimentKey], dict[int, RunPair]] = {}
    for pair in pairs:
        if pair.same_images and pair.a.ticket.seed == pair.b.ticket.seed:
            members.setdefault((ExperimentKey.of(pair.a), ExperimentKey.of(pair.b)), {})[
                pair.a.ticket.seed
            ] = pair
    differing = [
        key
        for key, of in members.items()
        if any(pair.a.history != pair.b.history for pair in of.values())
    ]
    keys = sorted(differing, key=lambda both: (both[0].order(), both[1].order()))

    def difference(key: tuple[ExperimentKey, ExperimentKey], metric: MetricName) -> Interval:
        of_a, of_b = (
            {seed: getattr(pair, side) for seed, pair in members[key].items()}
            for side in ("a", "b")
        )
        found = paired(of_b, of_a, metric, params)
        if found is None:
            raise PathError(f"{key[0].label}: the two sides have no seed in common")
        return found

    differences = [difference(key, "best_accuracy") for key in keys]
    verdicts = judge(differences, margin=params.margin, confidence=params.confidence)
    return tuple(
        ExperimentPair(*key, found, difference(key, "early_stop_step"), verdict)
        for key, found, verdict in zip(keys, differences, verdicts, strict=True)
    )


def significant(pairs: Sequence[TicketPair], confidence: float) -> list[bool]:
    """Whether the total overlap of each pair is more, or less, than chance; adjusted by Holm for
    being several."""
    p_values = [pair.overlap.total.p if pair.overlap else 1.0 for pair in pairs]
    return [p < 1 - confidence for p in holm(p_values)]


def _ticket_facts(ticket: Ticket) -> Json:
    return {**ticket.specification.to_json(), "sparsity": ticket.mask.sparsity}


def _flat(value: Any, key: str = "") -> Iterable[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield key, value
        return
    for name, of in value.items():
        yield from _flat(of, f"{key}.{name}" if key else str(name))


def _overlap_json(found: Overlap) -> Json:
    return {**vars(found), "ratio": found.ratio, "p": found.p}


def _count(of: Sequence[object], what: str) -> str:
    return f"{len(of)} {what}{'s' * (len(of) != 1)}"

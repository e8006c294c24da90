"""Tickets and runs compared: what differs, how much masks overlap, which run did better, paired
where there are seeds.

Reads, computes, and neither trains nor shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from lthctl.artifacts.revision import at_revision
from lthctl.artifacts.run import Run
from lthctl.canonical import Json
from lthctl.errors import ParamsError, PathError
from lthctl.params import ReportParams
from lthctl.reporting.experiments import ExperimentKey, paired
from lthctl.reporting.pairs import ExperimentPair, RunPair, TicketPair
from lthctl.reporting.selection import Quantity
from lthctl.reporting.sides import Side
from lthctl.reporting.statistics import Interval, judge


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
    """Pairs of the same seed by experiment, draws averaged within their seed; without other images,
    and without experiments that are all the same."""
    members: dict[tuple[ExperimentKey, ExperimentKey], dict[int, list[RunPair]]] = {}
    for pair in pairs:
        if pair.same_images and pair.a.ticket.seed == pair.b.ticket.seed:
            key = _experiment_of(pair.a), _experiment_of(pair.b)
            members.setdefault(key, {}).setdefault(pair.a.ticket.seed, []).append(pair)
    differing = [
        key
        for key, pairs_of_key in members.items()
        if any(
            pair.a.history != pair.b.history for draws in pairs_of_key.values() for pair in draws
        )
    ]
    keys = sorted(differing, key=lambda both: (both[0].order(), both[1].order()))

    def difference(key: tuple[ExperimentKey, ExperimentKey], quantity: Quantity) -> Interval:
        of_a, of_b = (
            {
                seed: tuple(getattr(pair, side) for pair in draws)
                for seed, draws in members[key].items()
            }
            for side in ("a", "b")
        )
        interval = paired(of_b, of_a, quantity, params)
        if interval is None:
            raise PathError(f"{key[0].label}: the two sides have no seed in common")
        return interval

    found = []
    for key in keys:
        accuracy = difference(key, "accuracy")
        verdict = judge(accuracy, margin=params.margin, confidence=params.confidence)
        found.append(ExperimentPair(*key, accuracy, difference(key, "early_stop_step"), verdict))
    return tuple(found)


def _experiment_of(run: Run) -> ExperimentKey:
    """A second copy is of an experiment of its own: it is no replicate of the first."""
    return ExperimentKey.of(run)._replace(control=run.variant)


def _count(items: Sequence[object], what: str) -> str:
    return f"{len(items)} {what}{'s' * (len(items) != 1)}"

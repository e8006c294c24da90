"""Kinds of machine that trained the runs of a report and the rounds of their tickets, where that
can change their bytes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lthctl.artifacts.folders import TicketFolder
from lthctl.artifacts.names import TICKET_JSON
from lthctl.artifacts.trained_where import trained_where
from lthctl.canonical import Json, digest_of_arrays
from lthctl.errors import LthctlError
from lthctl.reading import find_folders
from lthctl.reporting.reading import Report
from lthctl.training.engines import may_differ


@dataclass(frozen=True)
class Machines:
    """Where a report was trained. Empty where there is one kind of machine, where nobody knows, as
    no workers trained, and where the engine gives the same bytes on all.

    Attributes:
      runs: kind of machine -> runs that were trained on it, sorted.
      rounds: kind of machine -> trainings of their tickets, each once, sorted.
    """

    runs: Mapping[str, int] = field(default_factory=dict)
    rounds: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.runs or self.rounds)

    @property
    def words(self) -> str:
        """What is said of them."""
        kinds = sorted({*self.runs, *self.rounds})
        named = ", ".join(f"{kind} ({self._counts(kind)})" for kind in kinds)
        what = "These runs and the rounds of their tickets" if self.rounds else "These runs"
        return (
            f"{what} were trained on {len(kinds)} kinds of machine, {named}. With their engine "
            "results may differ in the last bits from kind to kind."
        )

    def _counts(self, kind: str) -> str:
        runs, rounds = self.runs.get(kind, 0), self.rounds.get(kind, 0)
        if not self.rounds:
            return f"{runs:,}"
        counts = (runs, "run"), (rounds, "round")
        return ", ".join(f"{n:,} {what}{'s' * (n > 1)}" for n, what in counts if n)

    def to_json(self) -> Json:
        rounds = {"rounds": dict(self.rounds)} if self.rounds else {}
        return {"runs": dict(self.runs), **rounds, "note": self.words}


def machines_that_differ(report: Report, masks: Path, store: Path) -> Machines:
    """Where a report was trained, as far as the tables in a store say so.

    Args:
      report: its runs name their tickets by their digests.
      masks: folder with the tickets; need not exist.
      store: its folder.
    """
    where = trained_where(store)
    if not where.trainings:
        return Machines()
    runs = [
        run
        for group in report.groups
        for experiment in group.experiments
        for _, run in experiment.all_runs
    ]
    runs += report.copies
    found = {run.ticket.digest: run.ticket.train or run.train for run in runs}
    weights = {name: found[digest] for digest, name in _rounds(masks) if digest in found}
    kinds = {where.trainings[run.training] for run in runs if run.training in where.trainings}
    kinds |= {where.weights[name] for name in weights if name in where.weights}

    def counted(known: list[str]) -> dict[str, int]:
        return dict(sorted(Counter(known).items()))

    of_runs = [
        where.trainings[run.training]
        for run in runs
        if run.training in where.trainings and may_differ(run.train, kinds)
    ]
    of_rounds = [
        where.weights[name]
        for name, train in weights.items()
        if name in where.weights and may_differ(train, kinds)
    ]
    if len({*of_runs, *of_rounds}) < 2:
        return Machines()
    return Machines(counted(of_runs), counted(of_rounds))


def _rounds(masks: Path) -> Iterator[tuple[str, str]]:
    """Digest of a ticket, and of the weights of a training that it came from; without tickets that
    cannot be read, which the report names itself."""
    for folder in find_folders([masks], TICKET_JSON).folders:
        with suppress(LthctlError):
            ticket = TicketFolder(folder)
            for after in ticket.document.counts:
                if after.trained is not None:
                    yield ticket.digest, after.trained
            if ticket.rewound is not None:
                yield ticket.digest, digest_of_arrays(ticket.rewound)

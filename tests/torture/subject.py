"""A command, all that can happen to it, and whether it bears it."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.calls import CUTS, ERRORS, KILL, KINDS, NO_EXCHANGE, WRITING, Calls, Disturbance
from tests.torture.judging import (
    differences,
    faults_after_all,
    faults_of_end,
    faults_of_folder,
    shown,
    torn,
    tree,
)
from tests.torture.process import Ended, call


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
      kind: "kills", "cuts" or "faults"; "not reached" where the call did not come.
      code: how the command ended.
      lost: what was wrong, in words; empty if nothing was.
    """

    kind: str
    code: int
    lost: str = ""


@dataclass
class Subject:
    """A command, the folder that it begins with, and what it leaves undisturbed.

    Attributes:
      run: what a process does.
      begins: the folder that it begins with, to be copied.
      lacks: what its system cannot do, as `Calls.begin` has it.
      code: how it ends undisturbed.
      remade: the folder of what it makes anew of all that it could read.
      one_by_one: the folder of files that it writes without regard to each other.
      counts: its calls of each kind.
      passed: the folders from which it has come to the expected end.
    """

    run: Callable[[], object]
    begins: Path
    lacks: int = 0
    code: int = 0
    remade: str | None = None
    one_by_one: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)

    def learn(self, place: Path, calls: Calls) -> None:
        """Run it undisturbed, twice: the same calls, the same end."""
        self.before = tree(self.begins)
        ends = []
        for _ in range(2):
            folder = self._fresh(place)
            ends.append(self._call(folder, calls, place))
            self.counts = calls.counts
            self.expected = tree(folder)
        self.undisturbed: Ended = ends[0]
        if ends[0] != ends[1] or ends[0].code != self.code:
            raise SystemExit(f"two undisturbed runs differ, or do not end with {self.code}: {ends}")
        again = self._call(folder, calls, place)
        self.again = again.code
        if difference := differences(tree(folder), self.expected):
            raise SystemExit(f"a second run changes {difference}: {again}")

    def disturbances(self) -> Iterator[Disturbance]:
        """All that can happen to it."""
        changes = any(self.counts[kind] for kind in ("rename", "mkdir", "unlink", "write"))
        for kind in KINDS:
            faults = [*ERRORS]
            if changes and kind in WRITING:
                faults += [KILL, *CUTS]
            for number in range(self.counts[kind]):
                yield from (Disturbance(kind, number, fault) for fault in faults)
        if changes:
            yield from (Disturbance("end", 0, fault) for fault in CUTS)

    def disturb(self, case: Disturbance, place: Path, calls: Calls) -> Outcome:
        """Try one case."""
        folder = self._fresh(place)
        ended = self._call(folder, calls, place, case)
        if not calls.was_reached:
            return Outcome("not reached", ended.code)
        found = self._faults(case, folder, ended, calls, place)
        lost = f"{case}: {'; '.join(found)}\n    {ended}" if found else ""
        return Outcome(kind_of(case), ended.code, lost)

    def _faults(
        self, case: Disturbance, folder: Path, ended: Ended, calls: Calls, place: Path
    ) -> list[str]:
        now = tree(folder)
        found = faults_of_end(ended, self.undisturbed, was_killed=case.ends)
        if case.kind == "end":
            found += faults_after_all(now, self.expected)
        else:
            found += faults_of_folder(self.before, now, self.expected, ended, self.remade)
        if case.fault < 0 or ended.code:
            is_able, has_died = not self.lacks & NO_EXCHANGE, case.fault < 0
            trees = self.before, now, self.expected
            found += torn(
                *trees, exchanges=is_able, with_report=has_died, one_by_one=self.one_by_one
            )
        state = hashlib.sha256(repr(sorted(now.items())).encode()).hexdigest()
        if found or state in self.passed:  # equal folders come to the same
            return found
        again = self._call(folder, calls, place)
        if again.code not in (self.undisturbed.code, self.again) or "Traceback" in again.said:
            return [f"then the command ended with {again.code}: {again.said[-300:]}"]
        if difference := differences(shown(tree(folder)), shown(self.expected)):
            return [f"then the command left other files: {difference}"]
        self.passed.add(state)
        return []

    def _call(
        self, folder: Path, calls: Calls, place: Path, case: Disturbance | None = None
    ) -> Ended:
        return call(self.run, folder, calls, case, place=place, lacks=self.lacks)

    def _fresh(self, place: Path) -> Path:
        folder = place / "work"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.begins, folder, symlinks=True)
        return folder


def kind_of(case: Disturbance) -> str:
    """The column of the table that a case belongs to."""
    return "faults" if case.fault > 0 else "kills" if case.fault == KILL else "cuts"

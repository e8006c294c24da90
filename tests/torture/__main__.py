"""Kill and fail small commands at each of their calls: `make torture`.

    python -m tests.torture [SECONDS] [--write] [--only COMMAND]

A command runs in a process forked for every case, so that nothing is imported or compiled twice. A
library between Python and the system lets one call fail, or kills the process there. Every end must
be one that the command promises, and nothing that was there may be lost. Then the same command runs
undisturbed, and must leave what it leaves when nothing ever happens.

The cases are in a random order, the same every time. So fewer seconds try a fair part of them.
"""

import argparse
import gc
import hashlib
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests.torture.calls import (
    ERRORS,
    KILL,
    KINDS,
    POWER_CUT,
    WRITING,
    Calls,
    Disturbance,
    begin_again_with_library,
)
from tests.torture.process import Ended, call

MARK = "<!-- figures of make torture -->"
DOCUMENT = Path(__file__).parents[2] / "docs" / "RELIABILITY.md"


@dataclass
class Subject:
    """A command, the folder that it begins with, and what it leaves undisturbed.

    Attributes:
      run: what a process does.
      begins: the folder that it begins with, to be copied.
      exchange: whether its system can exchange two names.
      remade: the folder of what it makes anew of all that it could read.
    """

    run: Callable[[], object]
    begins: Path
    exchange: bool = True
    remade: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    cases: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    passed: set[str] = field(default_factory=set)

    def learn(self, place: Path, calls: Calls) -> None:
        """Run it undisturbed, twice: the same calls, the same end."""
        from tests.torture.judging import differences, tree

        self.before = tree(self.begins)
        ends = []
        for _ in range(2):
            folder = self._fresh(place)
            ends.append(self._call(folder, calls, place))
            self.counts = calls.counts
            self.expected = tree(folder)
        self.undisturbed: Ended = ends[0]
        if ends[0] != ends[1]:
            raise SystemExit(f"two undisturbed runs differ: {ends}")
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
                faults += [KILL, POWER_CUT]
            for number in range(self.counts[kind]):
                yield from (Disturbance(kind, number, fault) for fault in faults)

    def disturb(self, case: Disturbance, place: Path, calls: Calls) -> None:
        """Try one case."""
        from tests.torture.judging import differences, faults_of_end, faults_of_folder, tree

        folder = self._fresh(place)
        ended = self._call(folder, calls, place, case)
        if not calls.was_reached:
            self.cases["not reached"] += 1
            return
        self.cases["kills" if case.fault == KILL else "cuts" if case.ends else "faults"] += 1
        if not case.ends:
            self.ends[str(ended.code)] += 1
        now = tree(folder)
        found = faults_of_end(ended, self.undisturbed, was_killed=case.ends)
        found += faults_of_folder(self.before, now, self.expected, ended, self.remade)
        state = hashlib.sha256(repr(sorted(now.items())).encode()).hexdigest()
        if not found and state not in self.passed:  # equal folders come to the same
            again = self._call(folder, calls, place)
            if again.code not in (self.undisturbed.code, self.again) or "Traceback" in again.said:
                found.append(f"then the command ended with {again.code}: {again.said[-300:]}")
            elif difference := differences(tree(folder), self.expected):
                found.append(f"then the command left other files: {difference}")
            else:
                self.passed.add(state)
        if found:
            self.lost.append(f"{case}: {'; '.join(found)}\n    {ended}")

    def _call(
        self, folder: Path, calls: Calls, place: Path, case: Disturbance | None = None
    ) -> Ended:
        return call(self.run, folder, calls, case, place=place, exchange=self.exchange)

    def _fresh(self, place: Path) -> Path:
        folder = place / "work"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.begins, folder, symlinks=True)
        return folder


def prepared(home: Path, calls: Calls, only: str | None) -> dict[str, Subject]:
    """The commands, each with the folder that it begins with."""
    from lthctl.datasets import reference
    from tests.torture import commands

    commands.prepare(home)
    commands.make_cheap()
    for folder in "warm", "begins":
        (home / folder).mkdir()
    os.chdir(home / "warm")
    commands.begin(home / "warm")
    for command in commands.COMMANDS.values():
        for words in (*command.after, command.words):
            command_line(words)  # imports and compiles all that the children will need
    reference._open_folder.cache_clear()  # so that they read the images themselves
    subjects = {}
    for name, command in commands.COMMANDS.items():
        if only not in (None, name):
            continue
        folder = home / "work"
        folder.mkdir()
        commands.begin(folder)
        for words in command.after:
            ended = call(commands.Command(words), folder, calls, place=home)
            if ended.code:
                raise SystemExit(f"{name}: {words} ended: {ended}")
        if command.change:
            command.change(folder)
        begins = home / "begins" / str(len(subjects))
        folder.rename(begins)
        subjects[name] = Subject(command, begins, command.exchange, command.remade)
    return subjects


def command_line(words: object) -> None:
    """Run a command in this process, and let it say what it says to nobody."""
    from lthctl.cli.app import app

    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        streams, sys.stdout, sys.stderr = (sys.stdout, sys.stderr), nowhere, nowhere
        try:
            app(words)
        except SystemExit:
            pass
        finally:
            sys.stdout, sys.stderr = streams


def torture(subjects: dict[str, Subject], seconds: float, place: Path, calls: Calls) -> int:
    """Try the cases of all, as long as there is time; returns how many there are in all."""
    cases = []
    for name, subject in subjects.items():
        try:
            subject.learn(place, calls)
        except SystemExit as reason:
            raise SystemExit(f"{name}: {reason}") from None
        cases += [(name, case) for case in subject.disturbances()]
        print(f"{name}: {subject.counts}", flush=True)
    cases = in_order(cases)
    print(f"{len(cases):,} cases", flush=True)
    began = time.monotonic()
    for number, (name, case) in enumerate(cases, 1):
        if time.monotonic() - began > seconds:
            break
        num_lost = len(subjects[name].lost)
        subjects[name].disturb(case, place, calls)
        for words in subjects[name].lost[num_lost:]:
            print(f"{name}: {words}", flush=True)
        if number % 500 == 0:
            print(f"{number:,} cases in {time.monotonic() - began:,.0f} s", flush=True)
    return len(cases)


def in_order(cases: list[tuple[str, Disturbance]]) -> list[tuple[str, Disturbance]]:
    """A random order, the same every time, in which every fourth process dies while there are such
    cases left."""
    cases = random.Random(1).sample(cases, len(cases))
    deaths = [case for case in cases if case[1].ends]
    faults = iter([case for case in cases if not case[1].ends])
    ordered = []
    for death in deaths:
        ordered += [death, *islice(faults, 3)]
    return [*ordered, *faults]


def figures(subjects: dict[str, Subject], num_cases: int) -> str:
    """The table for the document."""
    lines = [
        "| command | its calls | kills | power cuts | faults | exit codes after faults | lost |",
        "|---|---|---|---|---|---|---|",
    ]
    total = Counter[str]()
    for name, subject in subjects.items():
        ends = ", ".join(f"{count:,} with {code}" for code, count in sorted(subject.ends.items()))
        num_calls, lost = sum(subject.counts.values()), len(subject.lost)
        now = {key: subject.cases[key] for key in ("kills", "cuts", "faults")}
        total.update({"calls": num_calls, "lost": lost, **now})
        numbers = " | ".join(f"{value:,}" for value in (num_calls, *now.values()))
        lines.append(f"| `{name}` | {numbers} | {ends} | {lost} |")
    numbers = " | ".join(f"{total[key]:,}" for key in ("calls", "kills", "cuts", "faults"))
    lines.append(f"| all | {numbers} | | {total['lost']} |")
    tried = sum(total[key] for key in ("kills", "cuts", "faults"))
    words = f"{tried:,} of the {num_cases:,} cases that there are were tried."
    return "\n".join([MARK, *lines, "", words, MARK])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("seconds", type=float, nargs="?", default=3600)
    parser.add_argument("--write", action="store_true", help="put the figures into the document")
    parser.add_argument("--only", help="one command")
    given = parser.parse_args()
    begin_again_with_library()
    shared = Path("/dev/shm")  # a disk in memory: thousands of flushes wear nothing out
    home = Path(tempfile.mkdtemp(prefix="torture-", dir=shared if shared.is_dir() else None))
    try:
        calls = Calls()
        subjects = prepared(home, calls, given.only)
        gc.collect()
        gc.disable()  # it would touch, and so copy, all memory of the parent
        text = figures(subjects, torture(subjects, given.seconds, home, calls))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(text)
    if given.write:
        before = DOCUMENT.read_text()
        DOCUMENT.write_text(re.sub(f"{MARK}.*{MARK}", lambda _: text, before, flags=re.DOTALL))
    return int(any(subject.lost for subject in subjects.values()))


if __name__ == "__main__":
    sys.exit(main())

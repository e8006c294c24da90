"""What became of the cases, kept in a file so that a run that was ended goes on; and their table."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from tests.torture.calls import Disturbance
from tests.torture.subject import Outcome

ROOT = Path(__file__).parents[2]

MARK = "<!-- figures of make torture -->"

COLUMNS = ("kills", "cuts", "faults")

Key = tuple[str, str, int, int]


class Results:
    """Outcomes by command and case, and how many calls and cases a command has.

    Args:
      path: a file of JSON lines, which need not be there yet; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.outcomes: dict[Key, Outcome] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self._file = None
        if path is None:
            return
        lines = path.read_text().splitlines() if path.exists() else []
        first = {"code": digest_of_code()}
        if lines and json.loads(lines[0]) != first:
            raise SystemExit(f"{path}: is of other code; delete it, or name another file")
        for line in lines[1:]:
            said = json.loads(line)
            key = (said["command"], said["call"], said["number"], said["fault"])
            self.outcomes[key] = Outcome(said["kind"], said["code"], said["lost"])
        self._file = path.open("a")
        if not lines:
            print(json.dumps(first), file=self._file, flush=True)

    def __contains__(self, key: tuple[str, Disturbance]) -> bool:
        return key_of(*key) in self.outcomes

    def add(self, command: str, case: Disturbance, outcome: Outcome) -> None:
        """Keep what became of a case."""
        self.outcomes[key_of(command, case)] = outcome
        if self._file is not None:
            said = {"command": command, "call": case.kind, "number": case.number}
            said |= {"fault": case.fault} | asdict(outcome)
            print(json.dumps(said), file=self._file, flush=True)

    @property
    def num_lost(self) -> int:
        return sum(bool(outcome.lost) for outcome in self.outcomes.values())

    def figures(self) -> str:
        """The table for the document."""
        lines = [
            "| command | its calls | kills | power cuts | faults | exit codes after faults | lost |",
            "|---|---|---|---|---|---|---|",
        ]
        total = Counter[str]()
        for name, (num_calls, _) in self.sizes.items():
            found = [outcome for key, outcome in self.outcomes.items() if key[0] == name]
            now = Counter(outcome.kind for outcome in found)
            lost = sum(bool(outcome.lost) for outcome in found)
            codes = Counter(outcome.code for outcome in found if outcome.kind == "faults")
            ends = ", ".join(f"{count:,} with {code}" for code, count in sorted(codes.items()))
            total += now + Counter(calls=num_calls, lost=lost)
            numbers = " | ".join(f"{value:,}" for value in (num_calls, *(now[c] for c in COLUMNS)))
            lines.append(f"| `{name}` | {numbers} | {ends} | {lost} |")
        numbers = " | ".join(f"{total[key]:,}" for key in ("calls", *COLUMNS))
        lines.append(f"| all | {numbers} | | {total['lost']} |")
        tried, num_cases = (
            sum(total[key] for key in COLUMNS),
            sum(n for _, n in self.sizes.values()),
        )
        words = f"{tried:,} of the {num_cases:,} cases that there are were tried."
        return "\n".join([MARK, *lines, "", words, MARK])


def key_of(command: str, case: Disturbance) -> Key:
    return command, case.kind, case.number, case.fault


def in_order(
    cases: Sequence[tuple[str, Disturbance]], kinds: Sequence[str], wanted: Mapping[str, int]
) -> list[tuple[str, Disturbance]]:
    """A random order, the same every time, in which all wanted numbers are reached at once. The
    commands take turns, as long as they have cases left.

    Args:
      cases: all that there are.
      kinds: what each counts as.
      wanted: so many of each kind come first; of a kind with 0, none comes at all.
    """
    random_order = random.Random(1).sample(range(len(cases)), len(cases))
    placed = []
    for kind in COLUMNS:
        turns = Counter[str]()
        of_kind = []
        for number in (number for number in random_order if kinds[number] == kind):
            turns[cases[number][0]] += 1
            of_kind.append((turns[cases[number][0]], number))
        if many := min(wanted[kind], len(of_kind)):
            in_turns = [number for _, number in sorted(of_kind, key=lambda case: case[0])]
            placed += [((place + 0.5) / many, number) for place, number in enumerate(in_turns)]
    return [cases[number] for _, number in sorted(placed)]


def digest_of_code() -> str:
    """Of all that the outcomes depend on, besides the installed packages."""
    digest = sha256()
    for folder in "lthctl", "tests/torture":
        for path in sorted((ROOT / folder).rglob("*.[pch]*")):
            if path.suffix in (".py", ".c", ".h"):
                digest.update(path.read_bytes())
    return digest.hexdigest()

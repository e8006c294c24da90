"""Kill and fail small commands at each of their calls: `make torture`.

    python -m tests.torture [SECONDS] [--results FILE] [--write] [--only COMMAND]

A command runs in a process forked for every case, so that nothing is imported or compiled twice. A
library between Python and the system lets one call fail, or kills the process there. Every end must
be one that the command promises, and nothing that was there may be lost. Then the same command runs
undisturbed, and must leave what it leaves when nothing ever happens.

The cases are in a random order, the same every time, in which the commands take turns. So fewer
seconds try a fair part of them.
"""

import argparse
import gc
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.calls import NO_EXCHANGE, NO_FLUSH, Calls, begin_again_with_library
from tests.torture.process import call
from tests.torture.results import MARK, ROOT, Results, in_order
from tests.torture.subject import Subject, kind_of

DOCUMENT = ROOT / "docs" / "RELIABILITY.md"


def prepared(home: Path, calls: Calls, names: list[str], lacks: int) -> dict[str, Subject]:
    """The commands, each with the folder that it begins with."""
    from lthctl.datasets import reference
    from tests.torture import commands

    place = Path(tempfile.mkdtemp(dir=home))
    os.chdir(place)
    commands.begin(place)
    chosen = {name: commands.COMMANDS[name] for name in names}
    for command in chosen.values():
        for words in (*command.after, command.words):
            command_line(words)  # imports and compiles all that the children will need
    reference._open_folder.cache_clear()  # so that they read the images themselves
    subjects = {}
    for name, command in chosen.items():
        folder = home / "work"
        folder.mkdir()
        commands.begin(folder)
        for words in command.after:
            ended = call(commands.Command(words), folder, calls, place=home)
            if ended.code:
                raise SystemExit(f"{name}: {words} ended: {ended}")
        if command.change:
            command.change(folder)
        begins = place / f"begins-{len(subjects)}"
        folder.rename(begins)
        lacking = lacks | (0 if command.exchange else NO_EXCHANGE)
        subjects[name] = Subject(
            command, begins, lacking, command.code, command.remade, command.one_by_one
        )
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


def torture(
    subjects: dict[str, Subject],
    wanted: dict[str, int],
    ends: float,
    place: Path,
    calls: Calls,
    results: Results,
) -> None:
    """Try the cases of all that were not tried yet, until `ends` by the monotonic clock."""
    cases = []
    for name, subject in subjects.items():
        try:
            subject.learn(place, calls)
        except SystemExit as reason:
            raise SystemExit(f"{name}: {reason}") from None
        own = [(name, case) for case in subject.disturbances()]
        results.sizes[name] = sum(subject.counts.values()), len(own)
        cases += own
        print(f"{name}: {subject.counts}", flush=True)
    print(f"{len(cases):,} cases", flush=True)
    began = time.monotonic()
    cases = in_order(cases, [kind_of(case) for _, case in cases], wanted)
    for number, (name, case) in enumerate(cases, 1):
        if time.monotonic() > ends:
            break
        if (name, case) in results:
            continue
        outcome = subjects[name].disturb(case, place, calls)
        results.add(name, case, outcome)
        if outcome.lost:
            print(f"{name}: {outcome.lost}", flush=True)
        if number % 500 == 0:
            print(f"{number:,} cases in {time.monotonic() - began:,.0f} s", flush=True)


def main() -> int:
    begin_again_with_library()
    from tests.torture import commands

    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("seconds", type=float, nargs="?", default=3600)
    parser.add_argument("--write", action="store_true", help="put the figures into the document")
    parser.add_argument("--only", nargs="+", choices=commands.COMMANDS, help="these commands")
    parser.add_argument("--results", type=Path, help="keep outcomes there, and go on from there")
    parser.add_argument("--kills", type=int, default=1000, help="so many come first; 0 for none")
    parser.add_argument("--cuts", type=int, default=1000, help="so many power cuts do")
    parser.add_argument("--faults", type=int, default=10_000, help="so many faults do")
    parser.add_argument("--no-flush", action="store_true", help="flushes do nothing")
    given = parser.parse_args()
    results = Results(given.results)
    lacks = NO_FLUSH if given.no_flush else 0
    shared = Path("/dev/shm")  # a disk in memory: thousands of flushes wear nothing out
    home = Path(tempfile.mkdtemp(prefix="torture-", dir=shared if shared.is_dir() else None))
    began, names = time.monotonic(), given.only or list(commands.COMMANDS)
    num_begun = 0
    try:
        calls = Calls()
        commands.prepare(home)
        commands.make_cheap()
        # torch comes last: with it every fork takes longer.
        for with_torch in False, True:
            group = [name for name in names if commands.COMMANDS[name].torch is with_torch]
            if not group:
                continue
            num_begun += len(group)
            ends = began + given.seconds * num_begun / len(names)
            wanted = {
                kind: round(getattr(given, kind) * len(group) / len(names))
                for kind in ("kills", "cuts", "faults")
            }
            subjects = prepared(home, calls, group, lacks)
            gc.collect()
            gc.disable()  # it would touch, and so copy, all memory of the parent
            torture(subjects, wanted, ends, home, calls, results)
            gc.enable()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    text = results.figures()
    print(text)
    if given.write:
        before = DOCUMENT.read_text()
        DOCUMENT.write_text(re.sub(f"{MARK}.*{MARK}", lambda _: text, before, flags=re.DOTALL))
    return int(bool(results.num_lost))


if __name__ == "__main__":
    sys.exit(main())

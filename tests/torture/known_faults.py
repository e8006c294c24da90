"""Small writers, most with one fault that the harness must find; says what it found as JSON."""

import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lthctl.disk import write_file, write_folder, write_set
from lthctl.errors import LthctlError
from tests.torture.calls import NO_EXCHANGE, NO_FLUSH, Calls, begin_again_with_library
from tests.torture.results import in_order
from tests.torture.subject import Subject, kind_of

BEFORE = {"t/a": b"a", "t/b": b"b", "f": b"f", "kept": b"kept"}
NEW = {"a": b"a new a", "b": b"a new b"}


def flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def in_place() -> None:
    for name, content in NEW.items():
        flushed(Path("t", name), content)


def one_by_one() -> None:
    for name, content in NEW.items():
        flushed(Path(".hidden.0123456789abcdef.new"), content)
        Path(".hidden.0123456789abcdef.new").replace(Path("t", name))
    flush_folder(Path("t"))


def delete_first() -> None:
    Path("f").unlink()
    write_file(Path("f"), b"a new f")


def without_flush() -> None:
    hidden = Path(".f.0123456789abcdef.new")
    hidden.write_bytes(b"a new f")
    hidden.replace("f")
    flush_folder(Path())


def without_flush_of_the_folder() -> None:
    hidden = Path(".f.0123456789abcdef.new")
    flushed(hidden, b"a new f")
    hidden.replace("f")


def swallow() -> None:
    with suppress(OSError, LthctlError):
        write_file(Path("f"), b"a new f")


def take_unread_for_absent() -> None:
    try:
        Path("kept").read_bytes()
    except OSError:
        Path("kept").write_bytes(b"the first")


def die_with_a_traceback() -> None:
    Path("kept").read_bytes()


def as_lthctl_does() -> None:
    first = {"UNFINISHED.txt": b"of two versions", "p": b"of two versions"}
    write_file(Path("new", "folder", "f"), b"a new f")
    write_folder(Path("t"), NEW, replace=True)
    write_set(Path("report"), {"p": b"page", "q": b"table"}, first=first, last="p")


def saying_why(function: Callable[[], object]) -> Callable[[], object]:
    """Ends as lthctl does where the system refuses."""

    def run() -> None:
        try:
            function()
        except (OSError, LthctlError) as error:
            sys.stderr.write(str(error))
            sys.exit(3)

    return run


WRITERS: dict[str, tuple[Callable[[], object], int]] = {
    "as lthctl does": (saying_why(as_lthctl_does), 0),
    "as lthctl does, two renames": (saying_why(as_lthctl_does), NO_EXCHANGE),
    "as lthctl does, flushes do nothing": (saying_why(as_lthctl_does), NO_FLUSH),
    "in place": (saying_why(in_place), 0),
    "one by one": (saying_why(one_by_one), 0),
    "delete first": (saying_why(delete_first), 0),
    "without flush": (saying_why(without_flush), 0),
    "without flush of the folder": (saying_why(without_flush_of_the_folder), 0),
    "swallow": (swallow, 0),
    "take unread for absent": (saying_why(take_unread_for_absent), 0),
    "die with a traceback": (die_with_a_traceback, 0),
}

CASES = 100
"""Of a writer, at the most: the first of a random order. After a fault it is not looked for again."""


def main() -> None:
    begin_again_with_library()
    calls, found = Calls(), {}
    gc.disable()  # in a child it would copy all memory
    with tempfile.TemporaryDirectory() as home:
        place = Path(home, "place")
        begins = place / "begins"
        for name, content in BEFORE.items():
            (begins / name).parent.mkdir(parents=True, exist_ok=True)
            (begins / name).write_bytes(content)
        os.chdir(home)
        for name, (function, lacks) in WRITERS.items():
            subject, lost = Subject(function, begins, lacks), set[str]()
            subject.learn(place, calls)
            cases = [(name, case) for case in subject.disturbances()]
            wanted = {"kills": CASES // 4, "cuts": CASES // 2, "faults": CASES // 4}
            cases = in_order(cases, [kind_of(case) for _, case in cases], wanted)
            cases.sort(key=lambda case: case[1].kind != "end")
            for _, case in cases[:CASES]:
                if kind_of(case) not in lost:
                    outcome = subject.disturb(case, place, calls)
                    lost |= {outcome.kind} if outcome.lost else set()
                    if outcome.lost and "--tell" in sys.argv:
                        print(name, outcome.lost)
            found[name] = sorted(lost)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""A small grid killed, and failed by the system, at each of its calls in turn: `make torture`.

A process is forked for every case, so that nothing is imported or compiled twice. It runs `lthctl
prune` in a folder of its own, and dies or gets an error at the n-th call below that folder. Then the
same command runs undisturbed, and must end in the same bytes as ever.

    python -m tests.torture [SECONDS] [--write]
"""

import errno
import io
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lthctl.cli.app import app
from lthctl.datasets import mnist
from tests.conftest import write_digits

CALLS = {
    "rename": ("rename", "replace"),
    "mkdir": ("mkdir",),
    "unlink": ("unlink", "rmdir"),
    "fsync": ("fsync",),
    "open": ("open",),
    "stat": ("stat", "lstat"),
    "scandir": ("scandir", "listdir"),
}
FAULTS = (None, errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EACCES)  # None: SIGKILL
NOT_REACHED = 77
PARAMS = """
model: {layers: [784, 12, 10]}
train: {steps: 6, evaluate_every: 3, device: cpu, engine: sparse}
prune: {method: [l1], ratio: [0, 0.5], rounds: 1, seed: [1]}
"""
MARK = "<!-- figures of make torture -->"


def disturb(names: tuple[str, ...], number: int, fault: int | None) -> list[bool]:
    """Let the `number`-th of these calls fail, or kill this process."""
    reached, count = [], iter(range(10**9))

    def faulty(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **more: Any) -> Any:
            here = (
                not words or isinstance(words[0], int) or not os.fsdecode(words[0]).startswith("/")
            )
            if here and next(count) == number:
                reached.append(True)
                if fault is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(fault, os.strerror(fault))
            return function(*words, **more)

        return call

    for name in names:
        setattr(os, name, faulty(getattr(os, name)))
    if "open" in names:
        io.open = faulty(io.open)  # type: ignore[assignment]
    return reached


def run(
    folder: Path, words: list[str], case: tuple[tuple[str, ...], int, int | None] | None
) -> int:
    """The exit code of a command in a process of its own; negative where it was killed."""
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        code, reached = 1, disturb(*case) if case else [True]
        try:
            app(words)
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        os._exit(code if reached else NOT_REACHED)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def main() -> None:
    seconds = float(next((word for word in sys.argv[1:] if word[0] != "-"), 120))
    home = Path(tempfile.mkdtemp(prefix="torture-"))
    mnist.MNIST.update(write_digits(home / "data" / "mnist"))
    words = ["prune", "-q", "--jobs", "1", "--data", str(home / "data" / "mnist")]

    def fresh() -> Path:
        folder = home / "work"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "params.yaml").write_text(PARAMS)
        return folder

    os.chdir(fresh())
    app(words, standalone_mode=False)  # imports and compiles all that the children will need
    folder = fresh()
    assert run(folder, words, None) == 0, (folder / "said").read_text()
    expected = tree(folder / "masks")
    cases, ends, lost = Counter[str](), Counter[str](), list[str]()
    began, open_ended = time.monotonic(), {(name, fault) for name in CALLS for fault in FAULTS}
    number = 0
    while open_ended and time.monotonic() - began < seconds:
        for name, fault in sorted(open_ended, key=str):
            folder = fresh()
            code = run(folder, words, (CALLS[name], number, fault))
            if code == NOT_REACHED:
                open_ended.discard((name, fault))
                continue
            said = (folder / "said").read_text()
            again = run(folder, words, None)
            case = f"{name} {number} {'SIGKILL' if fault is None else errno.errorcode[fault]}"
            cases["kills" if fault is None else "faults"] += 1
            ends["killed" if code < 0 else str(code)] += 1
            if again or tree(folder / "masks") != expected or "Traceback" in said or code == 1:
                lost.append(f"{case}: ended with {code}, then {again}: {said[-300:]}")
                print(lost[-1], (folder / "said").read_text()[-300:])
        number += 1
    by_end = ", ".join(f"{count:,} with {end}" for end, count in sorted(ends.items()))
    figures = (
        f"{MARK}\n{cases['kills']:,} kills and {cases['faults']:,} faults (EIO, ENOSPC, EMFILE, "
        f"EACCES), each at another call of a small\n`lthctl prune`: {', '.join(CALLS)}.\nEvery "
        f"kind was tried at its first {number:,} calls, or all of them.\nExit codes: {by_end}.\n"
        f"Other bytes afterwards, or a traceback: {len(lost)}.\n{MARK}"
    )
    print(figures)
    if "--write" in sys.argv:
        document = Path(__file__).parent.parent / "docs" / "RELIABILITY.md"
        text = document.read_text()
        document.write_text(re.sub(f"{MARK}.*{MARK}", lambda _: figures, text, flags=re.DOTALL))
    shutil.rmtree(home, ignore_errors=True)
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()

"""A few hundred of the mutants that `make fuzz` makes a hundred thousand of; see tests/fuzz.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lthctl.errors import LthctlError

from . import fuzz


@pytest.mark.long
def test_a_few_hundred_mutants_are_read_or_refused(tmp_path: Path) -> None:
    """Other ones than those of `make fuzz`, which starts from seed 1."""
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        "300",
        "--seed",
        "2",
        "--json",
        str(tmp_path / "fuzz.json"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    tallies = json.loads((tmp_path / "fuzz.json").read_bytes())["readers"]
    assert [tally["reader"] for tally in tallies] == list(fuzz.READERS)
    assert sum(tally["mutants"] for tally in tallies) == 300
    assert all(tally["refused"] + tally["read"] == tally["mutants"] > 0 for tally in tallies)
    assert all(tally["refused"] for tally in tallies)


def refuse(folder: Path) -> object:
    raise LthctlError("no")


def crash(folder: Path) -> object:
    return [][1]


def hang(folder: Path) -> object:
    while True:
        pass


def execute(folder: Path) -> object:
    return os.system("true")


def write_outside(folder: Path) -> object:
    return (folder.parent.parent / "outside").write_bytes(b"")


def believe(folder: Path) -> object:
    return bytearray(100 * 10**9)


def die(folder: Path) -> object:
    os._exit(9)


def leave(folder: Path) -> object:
    return None


def misread(value: object, folder: Path) -> None:
    fuzz.require(False, "no invariant holds")


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (refuse, "original 0: refused"),
        (crash, "IndexError"),
        (hang, "TimeoutError"),
        (execute, "os.system"),
        (write_outside, "open "),
        (believe, "MemoryError"),
        (die, "the process died (9)"),
    ],
)
def test_what_a_reader_may_do_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch, read: object, said: str
) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    reader = fuzz.Reader(
        1.0, lambda: [{"a": b"a"}], lambda files, rng: files, read, lambda value, folder: None
    )  # type: ignore[arg-type]
    monkeypatch.setitem(fuzz.READERS, "bad", reader)
    failures = fuzz.fuzz_apart("bad", 1, 1).failures
    assert failures and said in failures[0]


def test_a_value_that_does_not_hold_what_it_promises_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        fuzz.READERS,
        "bad",
        fuzz.Reader(1.0, lambda: [{"a": b"a"}], lambda files, rng: files, leave, misread),
    )
    assert "no invariant holds" in fuzz.fuzz_apart("bad", 1, 1).failures[0]


def test_a_mutant_can_be_made_again() -> None:
    for name, reader in fuzz.READERS.items():
        originals = reader.originals()
        assert fuzz.mutant(name, 7, 1, originals) == fuzz.mutant(name, 7, 1, reader.originals())
        assert (
            len(
                {
                    json.dumps({k: v.hex() for k, v in fuzz.mutant(name, i, 1, originals).items()})
                    for i in range(20)
                }
            )
            > 10
        )

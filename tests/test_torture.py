"""The harness of `make torture` finds what it is there to find: writers with known faults."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lthctl.reporting.report import UNFINISHED

from .torture.calls import CUTS, ERRORS, KILL, Disturbance
from .torture.judging import NOT_ONE, faults_after_all, faults_of_folder, torn
from .torture.process import Ended
from .torture.results import in_order
from .torture.subject import kind_of
from .traced import seen_in

ROOT = Path(__file__).parent.parent

FOUND = {
    "as lthctl does": [],
    "as lthctl does, two renames": [],
    "as lthctl does, flushes do nothing": ["cuts"],
    "in place": ["cuts", "faults", "kills"],
    "one by one": ["cuts", "faults", "kills"],
    "delete first": ["cuts", "faults", "kills"],
    "without flush": ["cuts"],
    "without flush of the folder": ["cuts"],
    "swallow": ["faults"],
    "take unread for absent": ["faults"],
    "die with a traceback": ["faults"],
}

needs_a_compiler = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="the library is for Linux"
)


def harness(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.long
@needs_a_compiler
def test_known_faults_are_found() -> None:
    done = harness("tests.torture.known_faults")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == FOUND


@pytest.mark.long
@needs_a_compiler
@pytest.mark.parametrize("flush", [True, False])
def test_a_power_cut_takes_what_a_command_has_not_flushed(flush: bool) -> None:
    words = ["tests.torture", "300", "--only", "import", "--kills", "0", "--faults", "0"]
    done = harness(*words, *([] if flush else ["--no-flush"]))
    assert done.returncode == (0 if flush else 1), done.stdout + done.stderr
    tried = re.search(r"\| `import` \| \d+ \| 0 \| (\d+) \| 0 \|", done.stdout)
    assert tried and int(tried[1]) > 30
    assert ("torn imported/" in done.stdout) is not flush
    assert ("lost imported/" in done.stdout) is not flush


def test_a_folder_is_of_one_version() -> None:
    old, new = {"t/a": b"1", "t/b": b"1", "f": b""}, {"t/a": b"2", "t/b": b"2", "f": b""}
    assert torn(old, old, new, exchanges=True) == torn(old, new, new, exchanges=True) == []
    assert torn(old, {**old, "t/a": b"2"}, new, exchanges=True) == ["two versions in t"]
    assert torn(old, {**old, "t/a": b""}, new, exchanges=True) == ["torn t/a", "two versions in t"]
    assert torn(old, {"f": b""}, new, exchanges=True) == ["two versions in t"]
    assert torn(old, {"f": b"", ".t.HEX.new/a": b"2"}, new, exchanges=False) == []
    assert torn({}, {"t/a": b"2"}, {"t/a": b"2", "t/b": b"2"}, exchanges=False) != []
    assert torn(old, {**old, "later": b"x"}, new, exchanges=True) == []
    half = {"report/run/a": b"1", "report/run/b": b"2"}
    whole = {"report/run/a": b"2", "report/run/b": b"2"}
    assert torn({}, half, whole, exchanges=True) != []
    assert torn({}, half | {f"report/run/{UNFINISHED}": b""}, whole, exchanges=True) == []
    assert torn({}, half | {f"report/{UNFINISHED}x": b""}, whole, exchanges=True) != []
    assert torn({}, half, whole, exchanges=True, with_report=False) == []
    assert NOT_ONE == UNFINISHED


def test_between_two_renames_nothing_is_lost_yet() -> None:
    old, new = {"m/t/a": b"1", "m/t/b": b"1"}, {"m/t/a": b"2", "m/t/b": b"1"}
    dead = Ended(-9, "", "")
    now = {"m/.t.HEX.old/b": b"1", "m/.t.HEX.new/b": b"1"}
    assert faults_of_folder(old, now, new, dead, None) == []
    del now["m/.t.HEX.new/b"]
    assert faults_of_folder(old, now, new, dead, None) == ["lost m/t/b"]


def test_all_is_there_after_a_command_has_ended() -> None:
    assert faults_after_all({"a": b"1", "b": b"deleted, and back"}, {"a": b"1"}) == []
    assert faults_after_all({"t/x": b"back"}, {"t/": b""}) == []
    assert faults_after_all({"a": b""}, {"a": b"1", "b": b""}) == ["lost a", "lost b"]


def test_all_wanted_cases_are_reached_at_once() -> None:
    faults = (KILL, *CUTS, *ERRORS)
    cases = [("x", Disturbance("write", n, fault)) for n in range(100) for fault in faults]
    kinds = [kind_of(case) for _, case in cases]
    wanted = {"kills": 50, "cuts": 20, "faults": 200}
    ordered = in_order(cases, kinds, wanted)
    assert sorted(map(str, ordered)) == sorted(map(str, cases))
    first = [kind_of(case) for _, case in ordered[:270]]
    assert {kind: first.count(kind) for kind in wanted} == wanted
    assert {kind: first[:27].count(kind) for kind in wanted} == {
        "kills": 5,
        "cuts": 2,
        "faults": 20,
    }
    two = [*cases, *(("y", case) for _, case in cases[:10])]
    taking_turns = in_order(two, [kind_of(case) for _, case in two], wanted)
    assert {name for name, _ in taking_turns[:14]} == {"x", "y"}
    no_kills = in_order(cases, kinds, wanted | {"kills": 0})
    assert [case for _, case in no_kills if case.fault == KILL] == []


TRACE = """\
7 execve("/usr/bin/python", ["python", "/x"], 0x7f) = 0
7 chdir("sub") = 0
7 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID <unfinished ...>
8 openat(AT_FDCWD</place/sub>, "a", O_RDONLY|O_CLOEXEC) = 3</place/sub/a>
7 <... clone resumed>) = 8
8 mkdir("../made", 0777) = 0
8 openat(AT_FDCWD</place/sub>, "b", O_WRONLY|O_CREAT, 0666) = 3</place/sub/b>
8 unlinkat(5</etc>, "x", 0) = 0
8 unlink("/etc/y") = -1 ENOENT (No such file or directory)
8 connect(3<UNIX:[1]>, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0
8 connect(3<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("1.2.3.4")}, 16) = -1 E
8 mmap(NULL, 8, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</place/libcuda.so.1>, 0) = 0x7f
"""


def test_a_trace_tells_what_processes_asked_of_the_system() -> None:
    seen = seen_in(TRACE.splitlines(), Path("/place"))
    assert seen.programs == ["/usr/bin/python"]
    assert seen.written == ["/place/made", "/place/sub/b", "/etc/x"]
    assert seen.addresses == ["1.2.3.4:9"]
    assert seen.libraries == ["/place/libcuda.so.1"]

"""How a process begins and ends: signals, streams that are full or closed, and one sentence."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lthctl.locks import holder_of_byte, is_stopped, take_lock


def shell(line: str) -> tuple[int, str]:
    """Exit code and stderr of a line, in which `lthctl` is ours."""
    line = line.replace("lthctl", f"{sys.executable} -m lthctl")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("words", ["show masks", "show masks --json", "report -q --json", "--help"])
@pytest.mark.parametrize("where", ["> /dev/full", ">&-"])
def test_results_that_cannot_be_printed(project: Path, words: str, where: str) -> None:
    code, said = shell(f"lthctl {words} {where}")
    assert code == 3 and said.count("\n") == 1 and said.startswith("Error: ")


@pytest.mark.long
def test_a_command_lets_torch_run_no_library_of_the_working_folder(project: Path) -> None:
    Path("libcuda.so.1").touch()
    (ticket, *_) = sorted(Path("masks").rglob("ticket.json"))
    code, said = shell(f"lthctl export {ticket.parent} --to state_dict --out network.pt")
    assert code == 3
    assert said.startswith("Error: libcuda.so.1: lies in the working folder, and torch would run")
    assert not Path("network.pt").exists()


@pytest.mark.long
def test_a_reader_that_is_gone(project: Path) -> None:
    for words in "show masks", "show masks --json":
        code, said = shell(f"lthctl {words} | head -c 0; exit ${{PIPESTATUS[0]}}")
        assert code == 3 and said.startswith("Error: stdout: cannot be written"), said


@pytest.mark.long
@pytest.mark.parametrize("where", ["2> /dev/full", "2>&-"])
def test_messages_that_cannot_be_printed_stop_nothing(project: Path, where: str) -> None:
    assert shell(f"lthctl show masks {where}") == (0, "")
    assert shell(f"lthctl show nowhere {where}") == (3, "")
    assert shell(f"lthctl report runs {where} > said") == (0, "")
    assert "Page: report/index.html" in Path("said").read_text()


@pytest.mark.long
def test_no_file_takes_the_number_of_a_closed_stream(project: Path) -> None:
    assert shell("lthctl report runs -q <&- >&- 2>&-") == (0, "")
    assert Path("report/index.html").read_bytes().startswith(b"<!doctype html>")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_in_the_first_second(project: Path, number: signal.Signals) -> None:
    """Until the interpreter has begun to import lthctl, Python itself ends."""
    for milliseconds in range(150, 1000, 170):
        process = subprocess.Popen(
            [sys.executable, "-m", "lthctl", "report", "runs", "-q"],
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(milliseconds / 1000)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        if process.returncode in (1, -number) and f"{os.sep}lthctl{os.sep}cli{os.sep}" not in said:
            continue  # the interpreter had not come to our first line
        assert process.returncode in (0, 130), said
        # A C library whose import was interrupted, and begun again, may complain before.
        told = [line for line in said.splitlines() if line.startswith("Interrupted: ")]
        assert process.returncode == 0 or len(told) == 1, said
        assert "Traceback" not in said


LOST = """
import ctypes, os, signal, sys, time
from lthctl.cli import process
from lthctl.cli.commands import show
def lose(*_, **__):
    ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), signal.SIGINT))()
    for _ in range(1000):  # ten seconds, on a busy machine too
        time.sleep(0.01)
    print("went on")
process.catch_signals()
from lthctl.reporting import paths
paths.show = lose
sys.argv = ["lthctl", "show", "masks"]
process.run_as_process()
"""


IN_TEXT = """
import ctypes, sys
from lthctl.cli import process
from lthctl.reporting import paths
run = ctypes.pythonapi.PyRun_String
run.restype = ctypes.py_object
run.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.py_object, ctypes.py_object]
STATEMENTS = 257  # Py_file_input
text = b"import os, signal; os.kill(os.getpid(), signal.SIGINT); sum(range(10**6))"
paths.show = lambda *_, **__: run(text, STATEMENTS, {}, {})
sys.argv = ["lthctl", "show", "masks"]
process.run_as_process()
"""


@pytest.mark.long
def test_an_interrupt_of_text_that_an_extension_runs(project: Path) -> None:
    """With `-m` CPython would kill itself by SIGINT at its end."""
    Path("in_text.py").write_text(IN_TEXT)
    command = [sys.executable, "-m", "in_text"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 130 and done.stderr.startswith("Interrupted: "), done


@pytest.mark.long
def test_an_interrupt_that_python_forgets_is_raised_once_more(project: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr.startswith("Interrupted: ")


HOLD = """
import os, sys
from lthctl.locks import take_lock
assert take_lock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), byte=7)
print("locked", flush=True)
input()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux who holds a lock")
def test_a_stopped_process_that_holds_a_lock_is_known(project: Path) -> None:
    file = project / "lock"
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"locked\n"
        descriptor = os.open(file, os.O_RDWR)
        assert take_lock(descriptor, byte=7) is False
        assert holder_of_byte(descriptor, 7) == holder.pid
        assert holder_of_byte(descriptor, 8) is None
        assert not is_stopped(holder.pid)
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
        assert is_stopped(holder.pid)
        holder.kill()
        os.close(descriptor)

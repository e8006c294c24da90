"""What Linux has and macOS lacks: each call of that kind has another way, which is tried here.

`tests/test_replacing.py` does without `renameat2`, and `tests/test_cores.py` without
`sched_getaffinity`.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lthctl.artifacts import store_maker
from lthctl.cluster import local, machine
from lthctl.datasets import decoded
from lthctl.locks import holder_of_byte, is_stopped, take_lock
from lthctl.surroundings import imported_apart
from lthctl.training import devices
from lthctl.training.sparse.kernels import compiling


@pytest.fixture(autouse=True)
def _macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that says it is macOS: no /proc, no `O_PATH`."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "O_PATH", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    read_text, read_bytes = Path.read_text, Path.read_bytes

    def without_proc(path: Path) -> None:
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(
        Path, "read_text", lambda self, *a, **k: (without_proc(self), read_text(self, *a, **k))[1]
    )
    monkeypatch.setattr(Path, "read_bytes", lambda self: (without_proc(self), read_bytes(self))[1])


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose command line names a plan, in a folder with a space in its name."""
    command = [sys.executable, "-c", "input()", "/my plans/plan.json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="asks ps")
def test_workers_of_another_command_are_known(worker: subprocess.Popen[bytes]) -> None:
    assert local._works_on(str(worker.pid), Path("/my plans/plan.json"))
    assert not local._works_on(str(worker.pid), Path("/my plans/other.json"))
    worker.kill()
    worker.wait()
    assert not local._works_on(str(worker.pid), Path("/my plans/plan.json"))
    assert not local._works_on("no number", Path("/my plans/plan.json"))


def test_who_holds_a_lock_is_not_known_and_nobody_is_said_to_be_stopped(
    tmp_path: Path, worker: subprocess.Popen[bytes]
) -> None:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    assert take_lock(descriptor, byte=7) is True
    assert holder_of_byte(descriptor, 7) is None
    os.close(descriptor)
    worker.send_signal(signal.SIGSTOP)
    assert not is_stopped(worker.pid)


def test_caches_and_state_lie_in_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/Users/somebody")
    library = Path("/Users/somebody/Library")
    assert compiling._users_cache() == str(library / "Caches")
    assert decoded._cache() == library / "Caches" / "lthctl"
    assert store_maker._state_folder() == library / "Application Support"


def test_the_processor_has_a_name() -> None:
    assert machine.processor()


def test_torch_is_asked_for_a_gpu() -> None:
    """Linux shows by its device files that there is none, and torch need not be imported."""
    assert devices._may_have_gpu()


def test_a_package_is_imported_apart_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    monkeypatch.chdir(tmp_path)
    assert imported_apart("colorsys").__name__ == "colorsys"
    assert Path.cwd() == tmp_path

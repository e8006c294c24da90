"""`--executor processes` on the command line: Ctrl-C, and whoever is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lthctl.artifacts.store import Store
from lthctl.grid.executors.base import EXECUTORS
from lthctl.grid.running import run_tasks
from lthctl.grid.ticket_tasks import ticket_tasks
from lthctl.params_file import load_params

from .test_invariants import same_trees

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")

Prune = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def prune(workspace_of_workers: Path) -> Iterator[Prune]:
    """Starts a prune in a process group of its own, as a terminal does."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, executor: str = "processes") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "lthctl", "prune", "--method", "l1", "--quiet", *words]
        started.append(
            subprocess.Popen(
                [*command, "--executor", executor, "--jobs", "2"],
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        for worker in workers_of(process.pid):
            os.kill(worker, signal.SIGKILL)
        process.kill()
        process.communicate()


def workers_of(pid: int) -> list[int]:
    """The worker processes of a process."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
        names = {child: Path(f"/proc/{child}/cmdline").read_text() for child in {*children}}
    except OSError:
        return []
    return [int(child) for child, name in names.items() if "spawn_main" in name]


def wait_for_workers(pid: int, count: int) -> list[int]:
    wait_until(lambda: len(workers_of(pid)) == count)
    return workers_of(pid)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert happened()


def is_there(pid: int) -> bool:
    """Whether a process runs; one whose parent has gone may wait for the system to clear it up."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.parametrize("moment", ["starting", pytest.param("training", marks=pytest.mark.slow)])
def test_ctrl_c_ends_all_of_them(prune: Prune, moment: str) -> None:
    process = prune("--steps", str(10**8))
    workers = wait_for_workers(process.pid, 2)
    if moment == "training":
        time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert errors == (
        "Interrupted: 2 of 4 are finished; what is finished is kept, and the same command goes on "
        "from there.\n"
    )
    assert process.returncode == 130
    assert not any(map(is_there, workers))
    assert sorted(path.name for path in Path("masks").iterdir()) == ["dense-s1", "dense-s2"]
    assert list(Store(Path(".lthctl"))) == []


@pytest.mark.slow
def test_who_is_killed_loses_what_was_in_flight_and_no_more(prune: Prune) -> None:
    params = load_params(Path("params.yaml")).override({"prune.method": ("l1",)})
    tasks = ticket_tasks(params, Path("data/mnist"), Path("undisturbed"))
    run_tasks(tasks, store=Store(Path("another")), num_jobs=1)

    process = prune()
    workers = wait_for_workers(process.pid, 2)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_there, workers)))  # nobody is there to work for

    process = prune()
    os.kill(wait_for_workers(process.pid, 2)[0], signal.SIGKILL)
    assert process.communicate(timeout=300) == (None, "")
    assert process.returncode == 0
    assert same_trees(Path("undisturbed"), Path("masks"))


DROPOUT = """
from torch import nn

def with_dropout():
    return nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10))
"""


@pytest.mark.long
def test_a_module_of_ones_own_with_dropout_gives_the_same_bytes(prune: Prune) -> None:
    Path("own_nets.py").write_text(DROPOUT)
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(
        text.replace("model:\n  layers: [784, 20, 12, 10]\n", "model: own_nets:with_dropout\n")
    )
    for executor in EXECUTORS.names():
        process = prune("--out", executor, executor=executor)
        assert process.communicate(timeout=300) == (None, "")
        assert process.returncode == 0
        shutil.rmtree(".lthctl")
    assert len(list(Path("threads").glob("*/ticket.json"))) == 4
    assert same_trees(Path("threads"), Path("processes"))

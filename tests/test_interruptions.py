"""A small grid, killed, starved of disk and crossed by another process again and again, ends in the
same bytes.

LTHCTL_KILLS=500 pytest tests/test_interruptions.py kills more often than 20 times.
"""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lthctl import disk
from lthctl.artifacts.store import Store

from .command_line import lthctl
from .test_disk import Tree, tree

ROOT = Path(__file__).parent.parent
KILLS = int(os.environ.get("LTHCTL_KILLS", "20"))
PARAMS = (
    "model:\n  layers: [784, 20, 12, 10]\ntrain:\n  steps: 20\n  evaluate_every: 10\n"
    "prune:\n  method: [l1, random]\n  ratio: [0, 0.5]\n  rounds: 2\n  seed: 1\n"
)
COMMANDS = [["prune"], ["retrain", "masks", "--reinit"]]

# A process that has everything imported and compiled, and forks some that run the grid whenever it
# is told a folder and a number of seconds after which to kill the first. It answers with how they
# ended: 0, or minus a signal, or an exit code.
NURSERY = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.conftest import write_digits
from lthctl import disk
from lthctl.datasets import mnist
from lthctl.grid.executors import threads
mnist.MNIST.update(write_digits(Path("data/mnist")))
from lthctl.cli.app import app

run = threads.run
def logged(training, on_step, resources):
    with open("trained.txt", "a") as log:
        log.write(training.digest + chr(10))
    return run(training, on_step, resources)
threads.run = logged
os.fsync = lambda descriptor: None  # the system lives on, and has what was written

def grid(folder):
    # A Ctrl-C waits until there is something to interrupt: between fork and here it would be an
    # error of this program.
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        os.chdir(folder)
        for words in {commands!r}:
            try:
                app([*words, "--jobs", "2", "--quiet"])
            except SystemExit as end:
                if end.code:
                    return end.code
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        return 0
    except KeyboardInterrupt:
        return 130

here = os.getcwd()
code = grid("undisturbed")
os.chdir(here)
print(code, flush=True)
for line in sys.stdin:
    folder, seconds, number, count = line.split()
    children = []
    for _ in range(int(count)):
        children.append(os.fork())
        if not children[-1]:
            os._exit(grid(folder))
    deadline = time.monotonic() + float(seconds)
    ended = (0, 0)
    while not ended[0] and time.monotonic() < deadline:
        ended = os.waitpid(children[0], os.WNOHANG)
        time.sleep(0.001)
    if not ended[0]:
        os.kill(children[0], int(number))
        ended = os.waitpid(children[0], 0)
    codes = [os.waitstatus_to_exitcode(status) for _, status in [ended, *(os.waitpid(child, 0) for child in children[1:])]]
    print(next((code for code in codes if code), 0), flush=True)
"""


def results(folder: Path) -> Tree:
    """What the grid has written, hidden files and half-written ones included."""
    found = {}
    for name in "masks", "runs", ".lthctl/trainings":
        if (folder / name).exists():
            found |= {f"{name}/{path}": content for path, content in tree(folder / name).items()}
    return found


class Nursery:
    """The process, and folders for it to run in."""

    def __init__(self, place: Path) -> None:
        self.place = place
        undisturbed = self.folder("undisturbed")
        program = [sys.executable, "-c", NURSERY.format(commands=COMMANDS), str(ROOT)]
        self._process = subprocess.Popen(
            program,
            cwd=place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        assert self._answer() == 0
        self.expected = results(undisturbed)
        began = time.monotonic()
        assert self.run(self.folder("timed"), 100.0) == 0
        self.seconds = time.monotonic() - began

    def folder(self, name: str) -> Path:
        folder = self.place / name
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "mnist").symlink_to(self.place / "data" / "mnist")
        (folder / "params.yaml").write_text(PARAMS)
        return folder

    def run(
        self, folder: Path, seconds: float, number: int = signal.SIGKILL, num_processes: int = 1
    ) -> int:
        """Run the grid in a folder, for so many seconds at the most; how it ended."""
        assert self._process.stdin
        self._process.stdin.write(f"{folder} {seconds} {int(number)} {num_processes}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "codes", "kills"),
    [
        (signal.SIGKILL, {-signal.SIGKILL}, KILLS),
        (signal.SIGINT, {130, 1}, KILLS // 4),  # 1 while the command line is still being read
    ],
)
def test_ended_at_any_moment_the_same_command_goes_on_to_the_same_bytes(
    nursery: Nursery, number: signal.Signals, codes: set[int], kills: int
) -> None:
    seed = random.randrange(2**32)
    moments, done, grids = random.Random(seed), 0, 0
    assert nursery.expected and not any("/." in name for name in nursery.expected)
    while done < kills:
        folder = nursery.folder(f"{number.name}{grids}")
        grids += 1
        while (ended := nursery.run(folder, moments.uniform(0, nursery.seconds), number)) != 0:
            assert ended in codes
            done += 1
        assert results(folder) == nursery.expected, f"moments drawn with seed {seed}"
        shutil.rmtree(folder)


@pytest.mark.long
def test_two_processes_on_one_store_share_the_trainings_and_write_the_same_bytes(
    nursery: Nursery,
) -> None:
    folder = nursery.folder("two")
    assert nursery.run(folder, 100, num_processes=2) == 0
    assert results(folder) == nursery.expected
    trained = (folder / "trained.txt").read_text().split()
    assert len(trained) == len(set(trained)) == len(list(Store(folder / ".lthctl")))


@pytest.mark.long
def test_of_two_processes_one_is_killed_and_the_other_takes_over(nursery: Nursery) -> None:
    for number in range(3):
        folder = nursery.folder(f"killed{number}")
        nursery.run(folder, random.uniform(0, nursery.seconds), num_processes=2)
        done = {name: content for name, content in results(folder).items() if "/." not in name}
        assert done == nursery.expected  # but for what the killed one was just writing
        assert nursery.run(folder, 100) == 0


@pytest.fixture
def small_grid(workspace: Path) -> Tree:
    """A folder in which a grid of a ticket and a dense one may be run; what it will hold then."""
    parameters = Path("params.yaml").read_text()
    Path("params.yaml").write_text(
        parameters.replace("[l1, random]", "l1").replace("seed: [1, 2]", "seed: 1")
    )
    assert run_small_grid() == 0
    expected = results(workspace)
    for name in "masks", "runs", ".lthctl":
        shutil.rmtree(name)
    return expected


def run_small_grid() -> int:
    for words in ["prune"], ["retrain", "masks"]:
        result = lthctl(*words, "--jobs", "1", "--quiet")
        if result.exit_code:
            assert result.exit_code == 3, result.output
            assert (
                "the disk is full; make room and run the same command again"
                in result.stderr.replace("\n", " ")
            )
            return result.exit_code
    return 0


@pytest.mark.long
def test_a_disk_that_is_full_at_every_write(
    small_grid: Tree, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room, failures = disk._write_flushed, 0, 0

    def write_flushed(path: Path, content: bytes) -> None:
        nonlocal room
        if not room:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room -= 1
        write(path, content)

    monkeypatch.setattr(disk, "_write_flushed", write_flushed)
    # With room for 0, 1, 2 files it fails at each file of the next folder, and with room for 3 that
    # folder is written.
    while run_small_grid() == 3:
        failures += 1
        room = failures % 4
        assert all(
            small_grid[name] == content for name, content in results(workspace).items() if content
        )
    assert results(workspace) == small_grid
    assert failures >= len(small_grid)


@pytest.mark.slow
def test_a_real_disk_that_is_full(
    small_grid: Tree, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = workspace / "disk"
    disk.mkdir()

    def mount(size: int, *options: str) -> bool:
        command = [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            ",".join([f"size={size}", *options]),
            "tmpfs",
            str(disk),
        ]
        return subprocess.run(command, capture_output=True).returncode == 0

    if not mount(4096):
        pytest.skip("nothing can be mounted here")
    try:
        (disk / "data").symlink_to(workspace / "data")
        shutil.copy("params.yaml", disk)
        monkeypatch.chdir(disk)
        size, failures = 4096, 0
        while run_small_grid() == 3:
            assert all(
                small_grid[name] == content for name, content in results(disk).items() if content
            )
            size += 8192
            failures += 1
            assert mount(size, "remount")
        assert results(disk) == small_grid and failures > 20
    finally:
        monkeypatch.chdir(workspace)
        subprocess.run(["umount", str(disk)], check=True)

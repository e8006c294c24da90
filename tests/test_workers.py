"""Workers: processes on one plan and one store, whoever is killed, end in the bytes of one."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lthctl import disk
from lthctl.artifacts import sealed
from lthctl.artifacts.store import Store
from lthctl.cluster import local, worker
from lthctl.cluster.failures import FAILED
from lthctl.cluster.local import LocalWorkplace
from lthctl.cluster.plan_file import read_plan, write_plan
from lthctl.cluster.worker import work
from lthctl.errors import ClusterError, OutputError
from lthctl.grid.grid import Grid
from lthctl.grid.grids import experiment_grid, run_grid, ticket_grid
from lthctl.grid.outcome import Outcome
from lthctl.grid.tasks import Task
from lthctl.params_file import load_params
from lthctl.reading import read_file
from lthctl.training import devices

from .command_line import lthctl
from .test_invariants import same_trees

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(workspace_of_workers: Path) -> Iterator[Start]:
    """Starts lthctl as a process; its workers are ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "lthctl", *words]
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield run
    for job in jobs():
        end(int(job))
    for process in started:
        process.kill()
        process.communicate()


def end(process: int) -> None:
    with suppress(OSError):
        os.kill(process, signal.SIGKILL)


def jobs() -> list[str]:
    """The workers that were started last."""
    files = sorted(Path(".lthctl/plans").glob("*/jobs.json"))
    return json.loads(files[-1].read_text())["jobs"] if files else []


def wait_until(happened: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert happened()


def write_slow_executor(seconds: float) -> None:
    """An executor slow:Slow in the working folder, which sleeps before a training. It changes no
    byte."""
    Path("slow.py").write_text(f"""
import time
from lthctl.grid.executors.threads import ThreadExecutor

class Slow(ThreadExecutor):
    words = "slow"

    def _run(self, training, *others):
        time.sleep({seconds})
        return super()._run(training, *others)
""")


def first_of(task: Task) -> tuple[str, str]:
    """A task's place, and the digest of its first training."""
    return str(task.place), next(task.begin()).digest


def plan_of(grid: object) -> Path:
    return write_plan(grid.asked, Path(".lthctl"), executor="threads", replace=False).path  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["tickets", "runs", "experiment"])
def test_a_worker_makes_the_grid_that_was_asked_for(workspace: Path, kind: str) -> None:
    params = load_params(Path("params.yaml"))
    tickets = ticket_grid(params)
    if kind == "runs":
        tickets.run()
    make = {
        "tickets": lambda: tickets,
        "runs": lambda: run_grid(["masks"], control=["rewind", "reinit"], params=params),
        "experiment": lambda: experiment_grid(params),
    }[kind]
    grid = make()
    made = read_plan(plan_of(grid)).grid()
    assert [(t.name, t.place) for t in made.tasks] == [(t.name, t.place) for t in grid.tasks]
    if kind == "runs":  # whose tickets are read when they begin
        assert made.tasks[0].trainings == grid.tasks[0].trainings
        assert {first_of(t) for t in made.tasks} == {first_of(t) for t in grid.tasks}
    else:
        assert [t.trainings for t in made.tasks] == [t.trainings for t in grid.tasks]
    assert made.store == Path(".lthctl")
    assert plan_of(make()) == plan_of(grid)  # the same command has the same plan


@pytest.mark.long
def test_a_worker_reads_a_ticket_when_it_comes_to_its_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of them would else ask for every ticket at once."""
    params = load_params(Path("params.yaml"))
    ticket_grid(params).run()
    grid = run_grid(["masks"], control=["reinit", "rewind", "other-mask"], params=params)
    plan, opened = read_plan(plan_of(grid)), list[str]()

    def noting(path: Path, *given: Any, **more: Any) -> bytes:
        opened.append(str(path.parent))
        return read_file(path, *given, **more)

    monkeypatch.setattr(sealed, "read_file", noting)  # of the documents
    made = plan.grid()
    assert opened == [str(Path("masks", grid.tasks[0].name))] and len(made.tasks) == 18
    opened.clear()
    task = next(task for task in made.tasks if "other-mask" in str(task.place))
    next(task.begin())
    assert len({*opened}) == 2  # its ticket, and the sibling
    opened.clear()
    dense = [task for task in made.tasks if task.name == "dense-s2"]  # it holds no settings
    assert {first_of(task) for task in dense} <= {first_of(task) for task in grid.tasks}
    assert {*opened} >= {"masks/dense-s2"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("params", {"train": {"steps": "many"}}),
        ("params", {"nonsense": 1}),
        ("arguments", {"nonsense": 1}),
        ("arguments", {"store": "x"}),
        ("folder", "a\0b"),
        ("folder", "x" * 300),
    ],
)
def test_a_damaged_plan_is_one_sentence(workspace: Path, key: str, value: object) -> None:
    plan = plan_of(ticket_grid(load_params(Path("params.yaml"))))
    plan.write_text(json.dumps({**json.loads(plan.read_text()), key: value}))
    with pytest.raises(ClusterError):
        work(read_plan(plan))


def test_other_software_is_refused(workspace: Path) -> None:
    plan = plan_of(ticket_grid(load_params(Path("params.yaml"))))
    said = json.loads(plan.read_text())
    said["versions"] |= {"torch": "1.0", "numerics of sparse": "0"}
    del said["versions"]["numba"]
    plan.write_text(json.dumps(said))
    with pytest.raises(ClusterError) as error:
        read_plan(plan).check_versions()
    assert "torch is 2." in str(error.value) and ", expected 1.0" in str(error.value)
    assert "numba is " in str(error.value) and ", expected none" in str(error.value)
    assert ", expected 0" in str(error.value)
    done = lthctl("work", str(plan))
    assert done.exit_code == 3
    assert "has other software than the machine that made the plan" in done.stderr
    status = next(Path(".lthctl/workers").iterdir())
    assert json.loads(status.read_text())["state"] == "failed"


def test_a_plan_that_lies_there_is_not_believed(workspace: Path) -> None:
    """A stranger's folder may hold one under the right name, with code that it wants to be run."""
    grid = ticket_grid(load_params(Path("params.yaml")))
    plan = plan_of(grid)
    written = plan.read_bytes()
    plan.write_text(json.dumps(json.loads(written) | {"trusted": ["evil:score"]}))
    assert plan_of(grid) == plan
    assert plan.read_bytes() == written


def test_what_is_no_plan_is_refused(workspace: Path) -> None:
    Path("plan.json").write_text('{"kind": "plan"}')
    done = lthctl("work", "plan.json")
    assert done.exit_code == 3
    assert "plan.json: is no plan of this lthctl (schema_: Field required)" in done.stderr


def test_a_machine_that_does_not_see_the_folder_says_so(workspace: Path) -> None:
    plan = plan_of(ticket_grid(load_params(Path("params.yaml"))))
    said = json.loads(plan.read_bytes()) | {"folder": "../../../elsewhere"}
    plan.write_text(json.dumps(said))
    done = lthctl("work", str(plan))
    assert done.exit_code == 3
    assert f"{workspace}/elsewhere: cannot be entered on " in done.stderr
    assert "work in a folder that all machines see" in done.stderr


def test_a_worker_begins_nothing_in_the_time_that_is_to_be_spared(workspace: Path) -> None:
    grid = ticket_grid(load_params(Path("params.yaml")).override({"prune.method": ("l1",)}))
    assert grid.asked is not None
    plan = write_plan(grid.asked, Path(".lthctl"), device=grid.device)
    shift = work(plan, num_jobs=1, seconds=1000, spare=1000)
    assert shift.is_over and shift.outcome.num_trained == 0
    shift = work(plan, num_jobs=1, seconds=1000, spare=0)
    assert not shift.is_over and shift.outcome.num_trained == 4


def test_what_two_workers_have_failed_at_is_left(workspace: Path) -> None:
    """One that fails may be on a broken machine."""
    changes = {"prune.method": ("l1",), "prune.ratio": (0.5,), "prune.seed": (1,)}
    wild = {"train.optimizer": "sgd", "train.lr": 1e20}
    grid = ticket_grid(load_params(Path("params.yaml")).override({**changes, **wild}))
    assert grid.asked is not None
    plan = write_plan(grid.asked, Path(".lthctl"), device=grid.device)
    for tries in (1, 2, 2):
        outcome = work(plan, num_jobs=1).outcome
        ((name, reason),) = outcome.failed
        assert name == "l1-r0.50-n2-s1" and reason.startswith("the training loss is")
        assert len(list((plan.place / FAILED).iterdir())) == tries


@pytest.mark.parametrize(
    ("gpus", "jobs", "expected"),
    [
        (1, None, (1, "threads", ["cuda:0"])),  # and not one per core
        (2, None, (2, "processes", ["cuda:0", "cuda:1"])),
        (2, 6, (6, "processes", ["cuda:0", "cuda:1"])),
    ],
)
def test_a_worker_trains_one_at_a_time_on_each_gpu(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    gpus: int,
    jobs: int | None,
    expected: tuple[int, str, list[str]],
) -> None:
    found: list[object] = []

    def noting(tasks: object, **how: Any) -> Outcome:
        found.extend(how[key] for key in ("num_jobs", "executor", "devices"))
        return Outcome()

    grid = ticket_grid(load_params(Path("params.yaml")))
    assert grid.asked is not None
    plan = write_plan(grid.asked, Path(".lthctl"), device="cuda")
    monkeypatch.setattr(Grid, "device", "cuda")
    monkeypatch.setattr(worker, "run_tasks", noting)
    monkeypatch.setattr(devices, "num_gpus", lambda: gpus)
    work(plan, num_jobs=jobs)
    assert tuple(found) == expected


def test_local_workers_share_the_gpus(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = ticket_grid(load_params(Path("params.yaml")))
    assert grid.asked is not None
    on_gpu, on_cpu = (
        LocalWorkplace(write_plan(grid.asked, Path(".lthctl"), device=one).path, None, {})
        for one in ("cuda", "cpu")
    )
    monkeypatch.setattr(local, "num_cores", lambda: 8)
    monkeypatch.setattr(local, "num_gpus", lambda: 3)
    assert "--jobs" not in on_gpu.script(2) and on_cpu.script(2).count("--jobs 4") == 2
    shares = [on_gpu._share(number, 2)[local.VISIBLE] for number in range(2)]
    assert shares == ["0,2", "1"]
    monkeypatch.setenv(local.VISIBLE, "4,7")
    shares = [on_gpu._share(number, 3)[local.VISIBLE] for number in range(3)]
    assert shares == ["4", "7", "4"]
    assert on_gpu._share(0, 1) == on_cpu._share(0, 2) == {}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_a_worker_and_what_is_finished_is_kept(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    params = load_params(Path("params.yaml")).override({"prune.method": ("l1",)})
    grid, written = ticket_grid(params), list[Path]()
    assert grid.asked is not None
    plan = write_plan(grid.asked, Path(".lthctl"), device=grid.device)
    write = disk._write_flushed

    def fill(path: Path, content: bytes) -> None:
        written.append(path)
        if sum(one.name == "weights.safetensors" for one in written) > 1:
            path.write_bytes(content[:10])
            raise OSError(number, os.strerror(number))
        write(path, content)

    def no_log(text: str) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as full:
        full.setattr(disk, "_write_flushed", fill)
        with pytest.raises(OutputError, match="the disk is full; make room and run the same"):
            work(plan, num_jobs=1, say=no_log)
    (status,) = Path(".lthctl/workers").glob("*.json")
    said = json.loads(status.read_text())
    assert (said["state"], said["num_trained"]) == ("failed", 1)
    assert "the disk is full; make room" in said["failure"]
    assert len(list(Store(Path(".lthctl")))) == 1
    assert not list(Path(".lthctl/leases").iterdir())
    assert not [
        path for path in Path().rglob(".*") if path.suffix == ".new"
    ]  # nothing half-written
    assert work(plan, num_jobs=1).outcome.num_trained == 3
    assert {path.name for path in Path("masks").iterdir()} >= {"l1-r0.50-n2-s1", "l1-r0.50-n2-s2"}


@pytest.mark.long
def test_workers_on_a_disk_that_is_really_full_end_and_go_on_once_there_is_room(
    start: Start, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, options = workspace / "disk", "size=300k"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, options, "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (disk / "data").symlink_to(workspace / "data")
        shutil.copy("params.yaml", disk)
        assert start("prune", "--out", "one", "--quiet").wait(120) == 0
        monkeypatch.chdir(disk)
        words = ("prune", "--out", "two", "--on", "local", "--workers", "2", "--jobs", "1")
        process = start(*words)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 3
        assert "the disk is full; make room and run the same" in errors
        assert len(list(Path(".lthctl").glob("plans/*/logs/*.log"))) <= 4  # no new ones in vain
        assert not [one for one in disk.rglob(".*") if one.suffix == ".new"]
        assert subprocess.run([*mount, "remount,size=9m", "tmpfs", disk]).returncode == 0
        process = start(*words)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert same_trees(workspace / "one", disk / "two")
    finally:
        monkeypatch.chdir(workspace)
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.long
def test_two_workers_give_the_bytes_of_one_process(start: Start) -> None:
    assert start("prune", "--out", "one", "--quiet").wait(120) == 0
    shutil.rmtree(".lthctl")
    process = start("prune", "--out", "two", "--on", "local", "--workers", "2", "--jobs", "1")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "6 tickets written to two; 4 trainings run in" in errors
    assert same_trees(Path("one"), Path("two"))
    again = start("prune", "--out", "two", "--on", "local", "--workers", "2", "--quiet")
    assert again.wait(120) == 0


@pytest.mark.long
def test_a_worker_and_its_coordinator_are_killed_and_the_command_goes_on(start: Start) -> None:
    words = ("prune", "--method", "l1", "--steps", "3000", "--on", "local", "--workers", "2")
    assert start(*words[:5], "--out", "one", "--quiet").wait(120) == 0
    shutil.rmtree(".lthctl")
    process = start(*words, "--jobs", "1")
    wait_until(lambda: len(list(Store(Path(".lthctl")))) >= 1)
    process.kill()
    process.communicate()
    first = jobs()
    end(int(first[0]))
    process = start(*words, "--jobs", "1")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert same_trees(Path("one"), Path("masks"))


@pytest.mark.long
def test_ctrl_c_ends_the_workers(start: Start) -> None:
    process = start("prune", "--steps", str(10**8), "--on", "local", "--workers", "2")
    wait_until(
        lambda: any(
            '"running": [\n' in p.read_text() for p in Path(".lthctl").glob("workers/*.json")
        )
    )
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert " of 6 are finished; what is finished is kept" in errors
    assert not any(Path(f"/proc/{job}").exists() for job in jobs())


@pytest.mark.long
def test_a_worker_that_dies_at_once_is_shown_with_its_log(start: Start) -> None:
    site = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0], "sitecustomize.py")
    broken = "import sys\nif 'work' in sys.orig_argv: sys.exit('no such library')\n"
    site.write_text(site.read_text() + broken)
    process = start("prune", "--on", "local", "--workers", "1")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "1 workers have ended (exit code 1), and 6 of 6 are missing" in errors
    assert "no such library" in errors


@pytest.mark.long
def test_a_second_command_is_told_who_is_first(start: Start) -> None:
    words = ("prune", "--steps", str(10**8), "--on", "local", "--workers", "1", "--quiet")
    first = start(*words)
    wait_until(jobs)
    _, errors = start(*words).communicate(timeout=60)
    assert f"process {first.pid} on " in errors and "looks after the workers" in errors
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)


@pytest.mark.long
def test_workers_verify_by_training_again(start: Start) -> None:
    assert start("prune", "--method", "l1", "--seed", "1", "--quiet").wait(120) == 0
    words = ("verify", "masks", "--replay", "--json")
    alone, _ = start(*words, "--quiet").communicate(timeout=120)
    process = start(*words, "--on", "local", "--workers", "2", "--jobs", "1", "--quiet")
    by_two, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert json.loads(by_two) == json.loads(alone)
    mask = Path("masks/l1-r0.50-n2-s1/mask.safetensors")
    mask.write_bytes(mask.read_bytes()[:-1] + b"x")
    process = start(*words, "--on", "local", "--workers", "1", "--quiet")
    by_one, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert any(check["state"] == "failed" for check in json.loads(by_one))

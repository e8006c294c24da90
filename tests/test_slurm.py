"""`--on slurm`: its script, its errors, and a real SLURM of two nodes, one of which loses power."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from lthctl.artifacts.store import Store
from lthctl.cluster import slurm, slurm_queue
from lthctl.cluster.settings import MINUTES, read_settings
from lthctl.cluster.slurm import make_private
from lthctl.cluster.slurm_queue import in_its_words
from lthctl.cluster.worker import Shift
from lthctl.cluster.workplace import JobState
from lthctl.errors import ClusterError, ParamsError
from lthctl.grid.outcome import Outcome

from .command_line import lthctl
from .test_disk import Tree, tree
from .test_workers import wait_until, write_slow_executor
from .two_nodes import TwoNodes, obstacle

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings of this person go."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    file = tmp_path / "config" / "lthctl" / "cluster.toml"
    file.parent.mkdir(parents=True)
    return file


def test_settings_come_from_the_file_and_flags_win(config: Path) -> None:
    config.write_text(
        '[slurm]\npartition = "cpu"\ntime = "02:00:00"\ncores = 4\nmemory = "8GB"\n'
        'setup = ["module load cuda"]\ngres-flags = "enforce-binding"\n'
    )
    settings = read_settings({"partition": "gpu", "gpus": "1", "array": "10"})
    assert settings.minutes == 120 and settings.at_once == 10
    assert settings.setup_lines == ["export PYTHONSAFEPATH=1", "module load cuda"]
    assert settings.parameters == {
        "partition": "gpu",
        "gpus_per_node": 1,
        "cpus_per_task": 4,
        "mem": "8GB",
        "additional_parameters": {"gres_flags": "enforce-binding"},
    }


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("1-12", 2160), ("1-0:30", 1470), ("02:30:00", 150), ("10:30", 11)],
)
def test_times_are_those_of_slurm(config: Path, text: str, minutes: int) -> None:
    assert read_settings({}).minutes == MINUTES
    assert read_settings({"time": text}).minutes == minutes


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"time": "soon"}, "--slurm time: is 'soon', expected minutes, or days-hours:minutes:seconds"),
        ({"time": "0"}, "--slurm time: is '0', expected more than that"),
        ({"gpus": "0"}, "--slurm gpus: is '0', expected a whole number above 0"),
        ({"Queue": "x"}, "--slurm Queue: is no setting; there are partition, account, "),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(config: Path, flags: dict[str, str], message: str) -> None:
    with pytest.raises(ParamsError) as error:
        read_settings(flags)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("line", ["time", "gpus", "setup"])
@pytest.mark.parametrize("value", ["9" * 4000, "-1", "true", "{}", '"' + "9" * 5000 + '"'])
def test_values_that_are_none_are_one_sentence(config: Path, line: str, value: str) -> None:
    config.write_text(f"[slurm]\n{line} = {value}\n")
    if (line, value[:1]) == ("setup", '"'):
        assert read_settings({}).setup_lines[1:] == [value[1:-1]]
        return
    with pytest.raises(ParamsError, match=rf"cluster\.toml: slurm\.{line}: is .*expected") as error:
        read_settings({})
    assert len(str(error.value)) < 500


def test_a_file_that_is_no_toml_is_refused(config: Path) -> None:
    config.write_text("partition: gpu\n")
    with pytest.raises(ParamsError, match=r"cluster\.toml: cannot be read .*; expected TOML"):
        read_settings({})


def test_the_script_is_printed_and_nothing_submitted(workspace: Path, config: Path) -> None:
    flags = (
        "--slurm",
        "partition=gpu",
        "--slurm",
        "time=2:00:00",
        "--slurm",
        "setup=module load x",
    )
    done = lthctl("prune", "--on", "slurm", "--workers", "3", "--dry-run", *flags)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "#!/bin/bash"
    for line in (
        "#SBATCH --array=0-2%3",
        "#SBATCH --partition=gpu",
        "#SBATCH --time=120",
        "module load x",
    ):
        assert line in lines
    assert "-m submitit.core._submit" in done.stdout
    assert not Path("masks").exists()


def test_the_environment_says_where_as_for_dvc(
    workspace: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTHCTL_ON", "slurm")
    monkeypatch.setenv("LTHCTL_WORKERS", "3")
    done = lthctl("prune", "--dry-run")
    assert "#SBATCH --array=0-2%3" in done.stdout.splitlines()
    assert lthctl("prune", "--dry-run", "--workers", "1").stdout.count("--array") == 0


def test_what_is_missing_is_said(
    workspace: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lthctl("prune", "--on", "slurm").stderr == (
        "Error: --workers: is missing; say how many with --on slurm\n"
    )
    assert lthctl("prune", "--slurm", "time=5").stderr == (
        "Error: --slurm: is for workers; say where, such as --on slurm\n"
    )
    monkeypatch.setenv("PATH", "/nowhere")
    done = lthctl("prune", "--on", "slurm", "--workers", "2")
    assert done.exit_code == 3
    assert done.stderr.startswith(
        "Error: sbatch: is not on this machine, so no SLURM can be reached"
    )


def test_only_this_user_can_write_where_jobs_load_pickles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plan" / "jobs"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(ClusterError, match="link or another user's, who could run code as you"):
        make_private(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ClusterError, match="use a store of your own: LTHCTL_STORE=DIR"):
        make_private(folder)


def test_jobs_are_looked_at_in_the_words_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        slurm_queue,
        "ask",
        lambda *words: (
            "7_0|RUNNING|None|n1\n7_1|PENDING|Priority|\n7_2|PENDING|BadConstraints|\n"
            "7_3|NODE_FAIL|NodeDown|n2\n7_4|COMPLETED|None|n1\n8|RUNNING|None|n1\n"
        ),
    )
    assert slurm_queue.look([f"7_{number}" for number in range(6)]) == {
        "7_0": JobState("running", "n1"),
        "7_1": JobState("queued", "Priority"),
        "7_2": JobState("queued", "BadConstraints, which does not pass by waiting"),
        "7_3": JobState("ended", "NODE_FAIL, NodeDown"),
        "7_4": JobState("ended"),
        "7_5": JobState("ended"),
    }


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0:28", 28),
        ("59:01", 3541),
        ("3:00:05", 10805),
        ("2-01:00:00", 176400),
        ("UNLIMITED", None),
        ("", None),
    ],
)
def test_a_job_asks_how_long_it_still_has(
    monkeypatch: pytest.MonkeyPatch, said: str, seconds: int | None
) -> None:
    monkeypatch.setattr(slurm_queue, "ask", lambda *words: f"{said}\n")
    assert slurm_queue.seconds_left("7_1") == seconds


@pytest.mark.parametrize(("left", "has"), [(200, 200), (None, 300), (400, 300)])
def test_a_job_that_came_late_to_its_work_knows_so(
    monkeypatch: pytest.MonkeyPatch, left: int | None, has: int
) -> None:
    """Starting took a while: a queue, modules, imports from a slow disk."""
    given: dict[str, object] = {}

    def noting(plan: object, **how: object) -> Shift:
        given.update(how)
        return Shift(Outcome(num_trained=3), is_over=False)

    monkeypatch.setattr(slurm, "seconds_left", lambda job: left)
    monkeypatch.setattr("lthctl.cluster.worker.work", noting)
    monkeypatch.setattr(slurm, "read_plan", lambda path: path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert slurm.SubmittedWorker("plan.json", None, 300)() == 3
    assert (given["seconds"], given["spare"]) == (has, 60)


def test_a_job_that_is_warned_ends_what_it_trains_and_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, ...]] = []

    def working(plan: object, **how: object) -> Shift:
        try:
            signal.raise_signal(slurm.WARNING)
        finally:
            signal.raise_signal(slurm.WARNING)  # which does not disturb the ending of the first
        raise AssertionError("not ended")

    before = signal.getsignal(slurm.WARNING), signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(slurm, "seconds_left", lambda job: 300)
    monkeypatch.setattr("lthctl.cluster.worker.work", working)
    monkeypatch.setattr(slurm, "read_plan", lambda path: path)
    monkeypatch.setattr(subprocess, "run", lambda words, **_: asked.append(words))
    try:
        assert slurm.SubmittedWorker("plan.json", None, 300)() == 0
    finally:
        signal.signal(slurm.WARNING, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert asked == [["scontrol", "requeue", "7"]]


def test_errors_are_in_the_words_of_slurm() -> None:
    assert in_its_words(
        "sbatch: error: invalid partition specified: x\n"
        "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
    ) == (
        "invalid partition specified: x; Batch job submission failed: Invalid partition name "
        "specified"
    )


# With a real one.


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    if why := obstacle():
        assert "CI" not in os.environ, why
        pytest.skip(why)
    running = TwoNodes(tmp_path_factory.mktemp("slurm"))
    yield running
    running.stop()


@pytest.fixture
def start(
    cluster: TwoNodes, config: Path, workspace_of_workers: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "lthctl", *words]
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()
    cluster.ask("scancel", "-u", "root")


def workers_at_work() -> list[str]:
    """The nodes' workers that train just now."""
    statuses = [json.loads(path.read_text()) for path in Path(".lthctl").glob("workers/*.json")]
    return [status["job"] for status in statuses if status["running"]]


def reported() -> int:
    """The step that a worker is at, as its last sign of life says; 0 if none trains."""
    statuses = [json.loads(path.read_text()) for path in Path(".lthctl").glob("workers/*.json")]
    return max((one["step"] for status in statuses for one in status["running"]), default=0)


def num_starts() -> int:
    """How often jobs were started, all together."""
    logs = "".join(path.read_text() for path in Path(".lthctl").glob("plans/*/jobs/*_log.out"))
    return logs.count("Starting with JobEnvironment")


GRID = ("prune", "--method", "l1", "--ratio", "0.5", "--rounds", "4", "--seed", "1,2")


def by_workers(start: Start, count: int, *words: str) -> subprocess.Popen[str]:
    write_slow_executor(3)  # on every machine, so that there is time to lose a node
    team = ("--on", "slurm", "--workers", str(count), "--slurm", "time=5")
    return start(*GRID, "--executor", "slow:Slow", *team, *words)


LONG = ("prune", "--method", "l1", "--ratio", "0.5", "--rounds", "1", "--seed", "1")
LONG += ("--steps", "1000", "--set", "train.engine=torch", "--set", "train.evaluate_every=400")


def lasting(start: Start, minutes: int, seconds: float) -> subprocess.Popen[str]:
    """One training of 20 reports by one worker, with so many seconds at every report. They change
    no byte."""
    Path("slower.py").write_text(f"""
import time
from lthctl.grid.executors.threads import ThreadExecutor

class Slower(ThreadExecutor):
    words = "slower"

    def _run(self, training, on_step, device):
        def waiting(step):
            on_step(step)
            time.sleep({seconds})  # behind it, so that a warning finds steps that are not kept yet
        return super()._run(training, waiting, device)
""")
    team = ("--on", "slurm", "--workers", "1", "--slurm", f"time={minutes}")
    return start(*LONG, "--executor", "slower:Slower", *team, "--out", "two")


def steps_gone_on_from() -> list[int]:
    """Where trainings went on, by the logs of jobs."""
    logs = "".join(path.read_text() for path in Path(".lthctl").glob("plans/*/jobs/*_log.out"))
    found = re.findall(r"goes on from step ([0-9,]+), where it was cut off", logs)
    return [int(step.replace(",", "")) for step in found]


@pytest.fixture(scope="module")
def trees() -> dict[str, Tree]:
    """What one machine made of a grid, for all tests."""
    return {}


@pytest.fixture
def one_machine(start: Start, cluster: TwoNodes, trees: dict[str, Tree]) -> Tree:
    """The tickets as one machine makes them; the store is empty, and both nodes are idle."""
    if not trees:
        assert start(*GRID, "--out", "one", "--quiet").wait(200) == 0
        trees["one"] = tree(Path("one"))
        shutil.rmtree(".lthctl")
    cluster.wait_for_nodes()
    return trees["one"]


FIRST = ("--seed", "1")
"""Half of the grid, where one worker does it."""


def is_of(made: Path, whole: Tree) -> bool:
    """Whether the tickets of a folder are those of the whole grid, of the seeds that it has."""
    found = tree(made)
    seeds = {name.partition("/")[0] for name in found}
    wanted = {name: content for name, content in whole.items() if name.partition("/")[0] in seeds}
    return bool(found) and found == wanted


@pytest.mark.slurm
def test_a_node_loses_power_and_the_other_goes_on(
    start: Start, cluster: TwoNodes, one_machine: Tree
) -> None:
    process = by_workers(start, 2, "--out", "two")
    wait_until(lambda: len(workers_at_work()) == 2)
    wait_until(lambda: len(list(Store(Path(".lthctl")))) >= 1)
    cluster.cut_power("n2")
    _, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors
    assert "2 tickets written to two; 8 trainings run" in errors
    assert tree(Path("two")) == one_machine
    cluster.switch_on("n2")


@pytest.mark.slurm
def test_a_job_of_a_lost_node_is_started_again_on_the_other(
    start: Start, cluster: TwoNodes, one_machine: Tree
) -> None:
    process = by_workers(start, 1, "--out", "two", *FIRST)
    wait_until(lambda: len(list(Store(Path(".lthctl")))) >= 1)
    node = cluster.ask("squeue", "-h", "-o", "%N").strip()
    cluster.cut_power(node)
    _, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors
    assert is_of(Path("two"), one_machine)
    assert num_starts() == 2  # of the same job
    cluster.switch_on(node)


@pytest.mark.slurm
def test_a_training_goes_on_from_where_slurms_warning_found_it(
    start: Start, cluster: TwoNodes
) -> None:
    """Checkpoints are kept once a minute, and this warning comes long before."""
    assert start(*LONG, "--out", "one", "--quiet").wait(200) == 0
    shutil.rmtree(".lthctl")
    cluster.wait_for_nodes()
    process = lasting(start, 5, 0.5)
    wait_until(lambda: reported() >= 200)
    cluster.ask("scancel", "--signal=USR2", cluster.ask("squeue", "-h", "-o", "%A").strip())
    _, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors
    assert num_starts() == 2
    (step,) = steps_gone_on_from()
    assert step >= 200
    assert tree(Path("two")) == tree(Path("one"))


@pytest.mark.slow
@pytest.mark.slurm
def test_a_training_that_is_longer_than_its_job_ends_in_the_same_bytes(
    start: Start, cluster: TwoNodes
) -> None:
    """Of jobs of a minute. SLURM warns some time between 24 and 54 seconds after their start."""
    assert start(*LONG, "--out", "one", "--quiet").wait(200) == 0
    shutil.rmtree(".lthctl")
    cluster.wait_for_nodes()
    process = lasting(start, 1, 4.5)
    _, errors = process.communicate(timeout=900)  # a job has little time on a busy machine
    assert process.returncode == 0, errors
    assert tree(Path("two")) == tree(Path("one"))
    steps = steps_gone_on_from()
    assert num_starts() > len(steps) >= 1
    assert steps == sorted(steps)  # a job may be over before its first step, and none goes back


@pytest.mark.slurm
def test_a_job_that_another_takes_the_place_of_is_started_again(
    start: Start, cluster: TwoNodes, one_machine: Tree
) -> None:
    process = by_workers(start, 1, "--out", "two", *FIRST)
    wait_until(lambda: len(list(Store(Path(".lthctl")))) >= 1)
    job, node = cluster.ask("squeue", "-h", "-o", "%i %N").split()
    urgent = ("sbatch", "-p", "urgent", "-w", node, "-o", "/dev/null", "--wrap", "sleep 5")
    assert "Submitted" in cluster.ask(*urgent)
    wait_until(lambda: f"{job} PENDING" in cluster.ask("squeue", "-h", "-o", "%i %T"))
    _, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors
    assert is_of(Path("two"), one_machine)
    assert num_starts() == 2  # of the same job


# Slow, as it waits for many things, and CI has no minute left for them.
@pytest.mark.slow
@pytest.mark.slurm
def test_controller_coordinator_and_job_are_ended_one_after_another(
    start: Start, cluster: TwoNodes, one_machine: Tree
) -> None:
    process = by_workers(start, 1, "--out", "two", *FIRST)
    wait_until(workers_at_work)
    cluster.kill_controller()
    wait_until(lambda: len(list(Store(Path(".lthctl")))) >= 1)
    cluster.start_controller()
    assert process.poll() is None  # it has waited for the controller
    process.kill()
    process.communicate()
    process = by_workers(start, 1, "--out", "two", *FIRST)
    wait_until(lambda: len(list(Store(Path(".lthctl")))) >= 2)
    cluster.ask("scontrol", "requeue", cluster.ask("squeue", "-h", "-o", "%A").strip())
    _, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors
    assert "attached to 1 workers that are there already" in errors
    assert is_of(Path("two"), one_machine)
    assert num_starts() == 2  # of the one job


@pytest.mark.slurm
def test_ctrl_c_cancels_and_a_detached_grid_is_taken_up_again(
    start: Start, cluster: TwoNodes
) -> None:
    assert by_workers(start, 1, "--detach").wait(60) == 0
    process = by_workers(start, 1)
    wait_until(workers_at_work)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "attached to 1 workers that are there already" in errors
    wait_until(lambda: cluster.ask("squeue", "-h") == "", 30)


@pytest.mark.slurm
def test_what_slurm_refuses_is_said_in_its_words(start: Start) -> None:
    words = ("prune", "--on", "slurm", "--workers", "1", "--slurm")
    process = start(*words, "partition=none")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "sbatch: invalid partition specified: none" in errors
    process = start(*words, "constraint=none")
    _, errors = process.communicate(timeout=60)
    assert "Invalid feature specification" in errors
    process = start(*words, "time=120")  # the partition allows an hour
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    said = next(line for line in lines if "wait for a place" in line)
    assert re.search(r"1 \(Partition\w+, which does not pass by waiting\)", said)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


@pytest.mark.slurm
def test_a_job_that_dies_at_once_is_shown_with_its_log(start: Start, cluster: TwoNodes) -> None:
    words = ("prune", "--on", "slurm", "--workers", "1", "--slurm")
    cluster.wait_for_nodes()
    process = start(*words, "setup=echo no such module >&2; exit 7")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "1 workers have ended (FAILED, NonZeroExitCode), and 6 of 6 are missing" in errors
    assert "no such module" in errors


@pytest.mark.slurm
def test_a_node_with_other_versions_is_refused(
    start: Start, cluster: TwoNodes, workspace: Path
) -> None:
    """Its environment names them before any other."""
    expected = {package: metadata.version(package) for package in ("lthctl", "numba", "torch")}
    for package in expected:
        described = workspace / "site" / f"{package}-99.9.dist-info" / "METADATA"
        described.parent.mkdir(parents=True)
        described.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.9\n")
    cluster.wait_for_nodes()
    setup = f"setup=export PYTHONPATH={workspace / 'site'}:$PYTHONPATH"
    process = start("prune", "--on", "slurm", "--workers", "1", "--slurm", setup)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    differing = ", ".join(f"{name} is 99.9, expected {expected[name]}" for name in expected)
    assert f"has other software than the machine that made the plan: {differing}; use" in errors
    assert not list(Store(Path(".lthctl")))


@pytest.mark.slurm
def test_a_node_that_does_not_see_the_folder_is_told_of(
    start: Start, cluster: TwoNodes, workspace: Path
) -> None:
    cluster.wait_for_nodes()
    cluster.cut_power("n1")
    cluster.switch_on("n1", without=workspace)
    cluster.wait_for_nodes()
    process = start("prune", "--on", "slurm", "--workers", "1", "--slurm", "nodelist=n1")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "it left no log, so perhaps its machine does not see this folder: " in errors
    cluster.cut_power("n1")
    cluster.switch_on("n1")

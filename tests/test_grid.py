"""Many tasks: equal trainings once, failures apart, interruptions harmless."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lthctl.artifacts.folders import TicketFolder
from lthctl.artifacts.leases import Leases
from lthctl.artifacts.names import MASK_FILE, Variant
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import load_ticket, save_ticket
from lthctl.errors import OutputError, ParamsError, TicketError, TrainingError
from lthctl.grid import driver, running
from lthctl.grid.executors import threads
from lthctl.grid.grids import experiment_grid, run_grid, ticket_grid
from lthctl.grid.outcome import Interrupted
from lthctl.grid.retraining_tasks import retraining_tasks
from lthctl.grid.running import run_tasks
from lthctl.grid.tasks import State, Task, state_of
from lthctl.grid.ticket_tasks import ticket_tasks
from lthctl.grid.watcher import Watcher
from lthctl.params import Params
from lthctl.params_file import load_params
from lthctl.training.history import Result
from lthctl.training.spec import Training

DATA = Path("data/mnist")

SCHEMA_1 = Path(__file__).parent / "fixtures" / "schema-1"


@pytest.fixture
def params(workspace: Path) -> Params:
    return load_params(Path("params.yaml"))


def tasks_for(params: Params, **flags: object) -> list[Task]:
    return ticket_tasks(
        params.override({f"prune.{key}": value for key, value in flags.items()}),
        DATA,
        Path("masks"),
    )


def test_the_product_of_the_lists_with_dense_once_a_seed(params: Params) -> None:
    names = [task.name for task in tasks_for(params, rounds=(1, 2))]
    assert sorted(names) == sorted(
        [
            f"{method}-r0.50-n{rounds}-s{seed}"
            for method in ("l1", "random")
            for rounds in (1, 2)
            for seed in (1, 2)
        ]
        + ["dense-s1", "dense-s2"]
    )


def test_steps_are_counted_where_there_is_training(params: Params) -> None:
    steps = {task.name: task.num_steps for task in tasks_for(params, seed=(1,), rounds=(1, 4))}
    assert steps == {
        "dense-s1": 0,
        "l1-r0.50-n1-s1": 30,
        "l1-r0.50-n4-s1": 28,
        "random-r0.50-n1-s1": 0,
        "random-r0.50-n4-s1": 0,
    }


def test_equal_trainings_run_once(params: Params) -> None:
    planned = tasks_for(params, ratio=(0.5, 0.8), rounds=(1, 2), seed=(1,))
    outcome = run_tasks(planned, store=Store(Path(".lthctl")), num_jobs=2)
    # one of 30 steps for both one-shot tickets, one of 15 for the first round of both iterative
    # ones, and a second round each
    assert outcome.num_trained == 4
    assert len(list(Store(Path(".lthctl")))) == 4


def test_pruning_one_shot_and_retraining_dense_share_a_training(params: Params) -> None:
    store = Store(Path(".lthctl"))
    run_tasks(tasks_for(params, ratio=(0, 0.5), rounds=(1,), seed=(1,)), store=store, num_jobs=1)
    outcome = run_tasks(
        retraining_tasks(params, DATA, [Path("masks/dense-s1")], Variant("rewind"), Path("runs")),
        store=store,
        num_jobs=1,
    )
    assert (outcome.num_trained, outcome.num_from_store) == (0, 1)


def test_what_is_there_already_is_left_alone(params: Params) -> None:
    store = Store(Path(".lthctl"))
    run_tasks(tasks_for(params), store=store, num_jobs=1)
    before = {path: path.stat().st_mtime_ns for path in Path("masks").rglob("*")}
    outcome = run_tasks(tasks_for(params), store=store, num_jobs=1)
    assert (len(outcome.present), outcome.written, outcome.num_trained) == (6, [], 0)
    assert {path: path.stat().st_mtime_ns for path in Path("masks").rglob("*")} == before


def test_something_else_of_the_name_is_refused_or_replaced(params: Params) -> None:
    store = Store(Path(".lthctl"))
    run_tasks(tasks_for(params, method=("l1",), seed=(1,), ratio=(0.5,)), store=store, num_jobs=1)
    document = Path("masks/l1-r0.50-n2-s1/ticket.json")
    before = document.read_bytes()
    shorter = params.override({"prune.seed": (1,), "prune.method": ("l1",), "prune.ratio": (0.5,)})
    longer = shorter.override({"train.steps": 40, "train.warmup": 5})
    planned = ticket_tasks(longer, DATA, Path("masks"))
    with pytest.raises(OutputError) as refusal:
        run_tasks(planned, store=store, num_jobs=1)
    assert str(refusal.value) == (
        "masks/l1-r0.50-n2-s1: holds something else, or something damaged (train.steps is 30, expected 40, train.warmup is not there, expected 5); choose another --out, or give --force to replace it"
    )
    assert document.read_bytes() == before
    run_tasks(planned, store=store, num_jobs=1, replace=True)
    assert document.read_bytes() != before
    (other,) = ticket_tasks(shorter, DATA, Path("masks"))
    assert other.differs == "train.steps is 40, expected 30, train.warmup is 5, not asked for"
    assert list(Path("masks").glob(".*")) == []


@pytest.mark.parametrize("name", ["ticket.json", "mask.safetensors", "init.safetensors"])
def test_a_damaged_folder_does_not_pass_for_a_finished_one(name: str, params: Params) -> None:
    def tasks() -> list[Task]:
        return tasks_for(params, ratio=(0,), seed=(1,))

    run_tasks(tasks(), store=Store(Path(".lthctl")), num_jobs=1)
    file = Path("masks/dense-s1") / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    with pytest.raises(
        OutputError, match="masks/dense-s1: holds something else, or something damaged"
    ):
        run_tasks(tasks(), store=Store(Path(".lthctl")), num_jobs=1)
    run_tasks(tasks(), store=Store(Path(".lthctl")), num_jobs=1, replace=True)
    assert file.read_bytes() == whole


def test_a_failed_training_does_not_stop_the_others(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = threads.run

    def run(training: Training, on_step: Callable[[int], None], resources: object) -> Result:
        if training.seed == 2:
            raise TrainingError(
                "the loss is not finite at step 10 with train.lr 1; try a smaller one"
            )
        return original(training, on_step)

    store = Store(Path(".lthctl"))
    with monkeypatch.context() as patch:
        patch.setattr(threads, "run", run)
        outcome = run_tasks(tasks_for(params, method=("l1",)), store=store, num_jobs=2)
    assert outcome.failed == [
        ("l1-r0.50-n2-s2", "the loss is not finite at step 10 with train.lr 1; try a smaller one")
    ]
    assert {path.name for path in outcome.written} == {"dense-s1", "dense-s2", "l1-r0.50-n2-s1"}
    again = run_tasks(tasks_for(params, method=("l1",)), store=store, num_jobs=2)
    assert [path.name for path in again.written] == ["l1-r0.50-n2-s2"]


def test_a_full_disk_stops_everything_and_keeps_what_is_finished(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(self: Store, training: Training, result: Result) -> None:
        raise OutputError(
            ".lthctl: the disk is full; make room and run the same command again: what is finished is kept"
        )

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", put)
        with pytest.raises(OutputError, match="the disk is full"):
            run_tasks(
                tasks_for(params, method=("random", "l1")),
                store=Store(Path(".lthctl")),
                num_jobs=1,
            )
    assert (Path("masks") / "random-r0.50-n2-s1" / "ticket.json").is_file()
    outcome = run_tasks(tasks_for(params), store=Store(Path(".lthctl")), num_jobs=1)
    assert len(outcome.written) + len(outcome.present) == 6


def test_ctrl_c_stops_trainings_and_says_what_is_finished(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()

    def run(training: Training, on_step: Callable[[int], None], resources: object) -> Result:
        try:
            for step in range(10**9):
                on_step(step)
        finally:
            stopped.set()
        raise AssertionError

    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threads, "run", run)
    monkeypatch.setattr(driver, "wait", interrupt)
    with pytest.raises(Interrupted, match="2 of 4 are finished"):
        run_tasks(tasks_for(params, seed=(1,), ratio=(0, 0.5), rounds=(1,), method=("random", "l1"))
                 + tasks_for(params, seed=(2,), ratio=(0,)), store=Store(Path(".lthctl")), num_jobs=1)  # fmt: skip
    assert stopped.is_set()


def test_a_control_retrains_the_methods_that_it_is_for(params: Params) -> None:
    both = params.override({
        "prune.method": ["l1", "random"], "prune.ratio": [0, 0.5],
        "retrain.methods": {"reinit": ["l1"]},
    })  # fmt: skip
    ticket_grid(both, data=DATA, out="masks").run(2)

    def names(control: str) -> set[str]:
        grid = run_grid(["masks"], control=control, params=both, data=DATA, out="runs")
        return {task.name.split("-")[0] for task in grid.tasks}

    assert names("reinit") == {"l1"}
    assert names("rewind") == {"dense", "l1", "random"}


def test_a_control_retrains_the_tickets_that_it_is_for(params: Params) -> None:
    asked = params.override({
        "prune.method": "l1", "prune.ratio": [0, 0.5, 0.6], "prune.seed": [1, 10],
        "retrain.tickets": {"reinit": ["l1-r0.50-n2", "l1-r0.6*"]},
    })  # fmt: skip
    ticket_grid(asked, data=DATA, out="masks").run(2)

    def names(params: Params, *paths: str) -> set[str]:
        grid = run_grid(paths, control="reinit", params=params, data=DATA, out="runs")
        return {task.name.split(" ")[0] for task in grid.tasks}

    both = {f"l1-r0.{size}-n2-s{seed}" for size in (50, 60) for seed in (1, 10)}
    assert names(asked, "masks") == both
    whole = experiment_grid(asked, control="reinit", data=DATA)
    runs = {task.name.split(" ")[0] for task in whole.tasks if task.what == "run"}
    assert runs == both
    typo = asked.override({"retrain.tickets": {"reinit": ["l1-r0.50-n2", "l1-r0.55-n2"]}})
    with pytest.raises(ParamsError) as refusal:
        names(typo, "masks")
    assert str(refusal.value) == (
        "retrain.tickets: reinit is for l1-r0.55-n2, and there is no such ticket in masks; "
        "there are dense, l1-r0.50-n2, l1-r0.60-n2"
    )
    with pytest.raises(ParamsError, match="no such ticket in prune"):
        experiment_grid(typo, control="reinit", data=DATA)
    assert names(typo, "masks/l1-r0.50-n2-s1") == {"l1-r0.50-n2-s1"}


def test_tickets_of_one_name_but_different_content_are_refused(params: Params) -> None:
    store = Store(Path(".lthctl"))
    for steps, out in ((30, "masks/a"), (40, "masks/b")):
        changed = params.override(
            {
                "train.steps": steps,
                "prune.seed": (1,),
                "prune.method": ("l1",),
                "prune.ratio": (0.5,),
            }
        )
        run_tasks(ticket_tasks(changed, DATA, Path(out)), store=store, num_jobs=1)
    with pytest.raises(
        OutputError, match=r"masks/a/.* and masks/b/.*: are different tickets of one name"
    ):
        retraining_tasks(params, DATA, [Path("masks")], Variant("rewind"), Path("runs"))
    assert (
        len(
            retraining_tasks(
                params, DATA, [Path("masks/a"), Path("masks/a")], Variant("rewind"), Path("runs")
            )
        )
        == 1
    )


def test_a_ticket_that_is_replaced_meanwhile_is_not_retrained(params: Params) -> None:
    """Else there would be a run of one ticket under the name and digest of another."""
    store = Store(Path(".lthctl"))
    tickets = tasks_for(params, ratio=(0, 0.5), rounds=(1,), method=("random",), seed=(1,))
    run_tasks(tickets, store=store, num_jobs=1)
    tasks = retraining_tasks(params, DATA, [Path("masks")], Variant("rewind"), Path("runs"))
    changed = params.override({"data.holdout": 100})
    (place,) = (task.place for task in tickets if "random" in task.name)
    others = ticket_tasks(
        changed.override({"prune.ratio": (0.5,), "prune.rounds": (1,), "prune.seed": (1,), "prune.method": ("random",)}),
        DATA, Path("masks"),
    )  # fmt: skip
    run_tasks(others, store=store, num_jobs=1, replace=True)
    outcome = run_tasks(tasks, store=store, num_jobs=1)
    assert [(name, "was replaced since this command began" in reason) for name, reason in outcome.failed] == [(place.name, True)]  # fmt: skip
    assert outcome.written == [Path("runs/rewind/dense-s1")]
    assert not (Path("runs/rewind") / place.name).exists()


def test_a_ticket_of_another_model_is_named_by_its_folder(params: Params) -> None:
    run_tasks(tasks_for(params, ratio=(0,), seed=(1,)), store=Store(Path(".lthctl")), num_jobs=1)
    other = params.override({"model.layers": (784, 7, 10)})
    with pytest.raises(
        TicketError,
        match=r"^masks/dense-s1: is a ticket of an MLP 784-20-12-10 .* expected an MLP 784-7-10",
    ):
        run_grid(["masks"], params=other, data=DATA, held_to=["model.layers"])


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.conftest import write_digits
from lthctl.datasets import mnist
from lthctl.grid.executors import threads
mnist.MNIST.update(write_digits(Path("data/mnist")))
from lthctl.cli.app import main
run = threads.run
def told(*given):
    Path("training").touch()
    return run(*given)
threads.run = told
sys.argv = ["lthctl", "prune", "--method", "l1", "--steps", sys.argv[2], "--jobs", "2", "--quiet"]
main()
"""


@pytest.fixture
def prune_process(params: Params) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Starts a prune of so many steps in a process of its own."""
    processes: list[subprocess.Popen[str]] = []
    root = str(Path(__file__).parent.parent)
    run_tasks(
        tasks_for(params, method=("l1",)), store=Store(Path("elsewhere")), num_jobs=1
    )  # compiles the kernels
    shutil.rmtree("masks")

    def start(steps: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, root, str(steps)]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert happened()


@pytest.mark.long
def test_a_real_ctrl_c_ends_it_and_says_how_to_go_on(
    prune_process: Callable[[int], subprocess.Popen[str]],
) -> None:
    process = prune_process(10**8)
    wait_for(Path("training").is_file)  # for an hour; the two dense tickets need none
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert (
        "Interrupted: 2 of 4 are finished; what is finished is kept, and the same command goes on"
        in errors
    )
    assert list(Path("masks").glob(".*")) == []


def test_ctrl_c_is_noted_where_its_exception_is_lost(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call_back(training: Training) -> None:
        ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))()

    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: lost.append(unraisable.exc_type))
    monkeypatch.setattr(driver, "needs_preparing", lambda training: True)
    monkeypatch.setattr(driver, "prepare", call_back)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="2 of 6 are finished"):
        run_tasks(tasks_for(params), store=Store(Path(".lthctl")), num_jobs=2)
    assert lost == [KeyboardInterrupt]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_is_noted_while_only_others_are_at_work(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Losing(Watcher):
        def tick(self) -> None:
            assert lost == []  # it would go on for ever
            ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))()

    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: lost.append(unraisable.exc_type))
    monkeypatch.setattr(Leases, "take", lambda self, digest: False)
    with pytest.raises(Interrupted, match="4 of 6 are finished"):
        run_tasks(tasks_for(params), store=Store(Path(".lthctl")), num_jobs=2, watcher=Losing())
    assert lost == [KeyboardInterrupt]


@pytest.mark.long
def test_a_real_kill_leaves_nothing_half_written(
    prune_process: Callable[[int], subprocess.Popen[str]], params: Params
) -> None:
    process = prune_process(4000)
    wait_for(lambda: bool(list(Store(Path(".lthctl")))))
    process.kill()
    process.communicate()
    kept = len(list(Store(Path(".lthctl"))))
    longer = params.override({"train.steps": 4000, "prune.method": ("l1",)})
    outcome = run_tasks(
        ticket_tasks(longer, DATA, Path("masks")),
        store=Store(Path(".lthctl")),
        num_jobs=2,
    )
    assert outcome.num_trained == 4 - kept
    assert len(outcome.written) + len(outcome.present) == 4


MEMORY_PROGRAM = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import os
from pathlib import Path
from tests.conftest import write_digits
from lthctl.datasets import mnist
from lthctl.grid.retraining_tasks import retraining_tasks
from lthctl.grid.running import run_tasks
from lthctl.grid.ticket_tasks import ticket_tasks
from lthctl.params import Params
from lthctl.artifacts.names import Variant
from lthctl.artifacts.store import Store
mnist.MNIST.update(write_digits(Path("data/mnist")))
os.fsync = lambda descriptor: None
num_tasks = int(sys.argv[2])
params = Params().override({
    "model.layers": (784, 100, 10), "train.steps": 2, "prune.rounds": (1,),
    "prune.ratio": tuple((number + 1) / (num_tasks + 2) for number in range(num_tasks)),
})
tasks = ticket_tasks(params, Path("data/mnist"), Path(f"masks{num_tasks}"))
outcome = run_tasks(tasks, store=Store(Path(".lthctl")), num_jobs=2)
tasks = retraining_tasks(params, Path("data/mnist"), [Path(f"masks{num_tasks}")], Variant("rewind"), Path(f"runs{num_tasks}"))
outcome = run_tasks(tasks, store=Store(Path(".lthctl")), num_jobs=2)
assert len(outcome.written) == num_tasks
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_tasks(tmp_path: Path) -> None:
    """All of these tickets wait for one training; held in memory, each would be 0.7 MB."""

    def kilobytes(num_tasks: int) -> int:
        program = [
            sys.executable,
            "-c",
            MEMORY_PROGRAM,
            str(Path(__file__).parent.parent),
            str(num_tasks),
        ]
        return int(
            subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        )

    few, many = kilobytes(100), kilobytes(1000)
    assert many - few < 60_000


def test_a_folder_with_a_pipe_in_it_holds_something_else(tmp_path: Path) -> None:
    ticket = load_ticket(SCHEMA_1 / "masks" / "dense-s2")
    folder = save_ticket(ticket, tmp_path / "ticket")
    assert state_of(TicketFolder(folder), ticket.specification) is State.PRESENT
    (folder / MASK_FILE).unlink()
    os.mkfifo(folder / MASK_FILE)
    assert state_of(TicketFolder(folder), ticket.specification) is State.OTHER


def test_a_store_that_cannot_be_written_is_refused_before_training(
    workspace: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, it was noticed after the first training, with advice about --out."""
    Path("blocked").write_text("in which no folder can be made")
    monkeypatch.setenv("LTHCTL_STORE", "blocked")
    grid = ticket_grid(params)
    monkeypatch.setattr(running, "Driver", None)  # nothing begins
    with pytest.raises(
        OutputError, match=r"^blocked/trainings: .*name another place with LTHCTL_STORE=DIR$"
    ):
        grid.run(1)

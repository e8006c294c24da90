"""`lthctl run`: data, tickets, runs and report in one go, and more seeds as one flag."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lthctl import pipeline
from lthctl.datasets.entry import DATASETS
from lthctl.grid import driver
from lthctl.grid.tasks import Task
from lthctl.grid.watcher import Watcher
from lthctl.params import Params
from lthctl.reporting import figures
from lthctl.training.spec import Training

from .command_line import files_below, lthctl, refusal
from .pictures import PICTURES

SMALL = ("--method", "l1", "--seed", "1-2", "--quiet")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than all the rest."""
    monkeypatch.setattr(figures, "figure_files", lambda group, survivors: PICTURES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small experiment after `lthctl run`, to be copied."""
    from .conftest import make_workspace

    with pytest.MonkeyPatch.context() as patch:
        folder = make_workspace(tmp_path_factory.mktemp("made"), patch)
        patch.setattr(figures, "figure_files", lambda group, survivors: PICTURES)
        assert lthctl("run", *SMALL).exit_code == 0
    return folder


@pytest.fixture
def experiment(workspace: Path, made: Path) -> Path:
    return shutil.copytree(made, workspace, dirs_exist_ok=True)


def contents(*folders: str) -> dict[Path, bytes]:
    """Path below the folder -> bytes."""
    return {
        path.relative_to(folder): path.read_bytes()
        for folder in folders
        for path in files_below(folder)
    }


def test_it_gives_what_the_three_commands_give(experiment: Path) -> None:
    assert lthctl("prune", *SMALL).exit_code == 0
    tickets = [path for path in Path("masks").iterdir() if path.name != "run"]
    for control in "rewind", "reinit":
        words = ["retrain", *map(str, tickets), "--control", control, "--quiet"]
        assert lthctl(*words).exit_code == 0
    for top in "masks", "runs":
        by_hand = {
            path.relative_to(top): path.read_bytes()
            for path in files_below(top)
            if path.parts[1] != "run"
        }
        assert by_hand and by_hand == contents(f"{top}/run")
    words = ["report", "runs/run", "--masks", "masks/run", "--out", "by-hand", "--quiet"]
    assert lthctl(*words).exit_code == 0
    assert contents("report/run") == contents("by-hand")


class Noting(Watcher):
    """Remembers what was trained."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.tasks: list[Task] = []

    def planned(self, tasks: Sequence[Task]) -> None:
        self.tasks += tasks

    def training_started(self, task: Task, number: int, training: Training) -> None:
        self.trained.append(task.name)


def stamps(*folders: str) -> dict[Path, tuple[int, int, bytes]]:
    """Everything below some folders: inode, time and bytes."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for folder in folders
        for path in files_below(folder)
    }


@pytest.mark.long
def test_more_seeds_add_what_is_missing_and_nothing_else(experiment: Path) -> None:
    before = stamps("masks", "runs", ".lthctl/trainings")
    watcher = Noting()
    params = Params.model_validate(
        {
            "model": {"layers": [784, 20, 12, 10]},
            "train": {"steps": 30, "evaluate_every": 10, "device": "cpu"},
            "prune": {"method": "l1", "ratio": [0, 0.5], "rounds": 2, "seed": "1-4"},
        }
    )
    done = pipeline.run(params, watcher=watcher)
    assert {name.split()[0][-2:] for name in watcher.trained} == {"s3", "s4"}
    assert {task.name.split()[0][-2:] for task in watcher.tasks} == {"s3", "s4"}
    assert before.items() <= stamps("masks", "runs", ".lthctl/trainings").items()
    assert len(done.outcome.present) == len(done.outcome.written) == 2 * 2 + 2 * 2 * 2
    result = lthctl("run", "--method", "l1", "--seed", "1-4")
    assert "0 tickets added to masks/run, 8 there already; 0 runs added to runs/run, 16 there already; 0 trai" in " ".join(result.stderr.split())  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("command", ["prune", "retrain"])
def test_more_seeds_add_what_is_missing_by_hand_too(
    command: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lthctl("prune", *SMALL).exit_code == 0
    if command == "retrain":
        assert lthctl("retrain", "masks", "--quiet").exit_code == 0
        assert lthctl("prune", "--method", "l1", "--seed", "1-3", "--quiet").exit_code == 0
    before = stamps("masks", "runs", ".lthctl/trainings")
    words = ["masks"] if command == "retrain" else ["--method", "l1", "--seed", "1-3"]
    result = lthctl(command, *words)
    what = {"prune": "2 tickets written to masks", "retrain": "2 runs written to runs/rewind"}
    assert f"{what[command]}; 4 there already; " in result.stderr
    assert before.items() <= stamps("masks", "runs", ".lthctl/trainings").items()
    again = lthctl(command, *words)
    assert f"0 {what[command][2:]}; 6 there already; 0 trainings run in " in again.stderr


@pytest.mark.long
def test_the_dense_network_is_always_there(workspace: Path) -> None:
    words = ["--method", "l1", "--ratio", "0.5", "--seed", "1", "--control", "rewind,shuffle"]
    result = lthctl("run", *words, "--name", "other", "--json")
    made = json.loads(result.stdout)
    assert [Path(ticket["path"]).name for ticket in made["tickets"]] == [
        "dense-s1", "l1-r0.50-n2-s1",
    ]  # fmt: skip
    assert [path.name for path in sorted(Path("runs/other").iterdir())] == ["rewind", "shuffle"]
    assert len(made["runs"]) == 4 and made["report"] == "report/other"
    assert {row["control"] for row in made["summary"]} == {"rewind", "shuffle"}


@pytest.mark.long
def test_controls_and_their_methods_are_those_of_params_yaml(workspace: Path) -> None:
    text = Path("params.yaml").read_text()
    asked = "retrain:\n  control: [rewind, shuffle]\n  methods: {shuffle: [l1]}\n"
    Path("params.yaml").write_text(text + asked)
    assert lthctl("run", "--seed", "1", "--quiet").exit_code == 0
    assert sorted(str(path.parent.relative_to("runs/run")) for path in Path("runs/run").rglob("run.json")) == [
        "rewind/dense-s1", "rewind/l1-r0.50-n2-s1", "rewind/random-r0.50-n2-s1",
        "shuffle/l1-r0.50-n2-s1",
    ]  # fmt: skip


def test_the_plan_counts_everything_and_does_nothing(experiment: Path) -> None:
    before = sorted(experiment.rglob("*"))
    plan = json.loads(lthctl("run", "--seed", "1-3", "--dry-run", "--json").stdout)
    states = [folder["state"] for folder in plan["folders"]]
    # 3 dense, 3 l1 and 3 random tickets, each retrained twice
    assert len(states) == 9 * 3 and states.count("there already") == 4 * 3
    fresh = Noting()
    pipeline.run(Params.model_validate(plan_params()), watcher=fresh)
    assert plan["trainings"]["to_run"] == len(fresh.trained)
    assert sorted(set(experiment.rglob("*")) & set(before)) == before


def plan_params() -> dict[str, object]:
    from lthctl.params_file import load_params

    return load_params(Path("params.yaml")).override({"prune.seed": "1-3"}).model_dump()


@pytest.mark.long
def test_the_plan_as_people_read_it(workspace: Path) -> None:
    text = lthctl("run", "--dry-run").stdout
    assert re.search(r"tickets +6 asked for: 6 to be made *\n", text)
    assert re.search(r"runs +12 asked for: 12 to be made *\n", text)
    assert not Path("masks").exists() and not Path("report").exists()


@pytest.mark.long
def test_missing_data_is_fetched(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move("data/mnist", "elsewhere")
    entry = DATASETS.get("mnist")
    assert entry.download is not None
    nearby = replace(entry, download=partial(entry.download, source=Path("elsewhere")))
    monkeypatch.setitem(DATASETS._members, "mnist", nearby)
    assert refusal(3, "run", "--dry-run").endswith("; there is no plan before that")
    assert not Path("data/mnist").exists()
    assert lthctl("run", *SMALL).exit_code == 0
    assert len(list(Path("data/mnist").iterdir())) == 4


def test_nothing_is_fetched_into_a_folder_of_other_things(workspace: Path) -> None:
    """Such as photographs of one's own, where `--dataset folder` was forgotten."""
    (workspace / "photos" / "train" / "cat").mkdir(parents=True)
    (workspace / "x.npz").write_bytes(b"PK")
    for place in ("photos", "x.npz"):
        said = refusal(3, "run", *SMALL, "--data", place)
        assert f"{place}: holds none of the files of mnist, but others; if they are yours" in said
    assert [path.name for path in (workspace / "photos").iterdir()] == ["train"]


def test_failures_end_with_4_and_the_rest_is_reported(workspace: Path) -> None:
    text = Path("params.yaml").read_text().replace("steps: 30", "steps: 30\n  lr: 1.0e+18")
    Path("params.yaml").write_text(text)
    result = lthctl("run", "--method", "random", "--seed", "1")
    assert result.exit_code == 4 and "training loss is nan" in result.stderr
    assert not Path("report").exists()  # nothing to report on
    assert sorted(path.name for path in Path("masks/run").iterdir()) == [
        "dense-s1", "random-r0.50-n2-s1",
    ]  # fmt: skip


def test_a_training_that_failed_is_not_tried_for_every_task(workspace: Path) -> None:
    values = plan_params()
    values["train"] = {**values["train"], "lr": 1e18}  # type: ignore[dict-item]
    watcher = Noting()
    params = Params.model_validate(values).override({"prune.method": "l1", "prune.seed": 1})
    done = pipeline.run(params, watcher=watcher)
    assert len(watcher.trained) == len(set(watcher.trained)) < len(done.outcome.failed)


@pytest.mark.long
def test_a_kill_after_any_training_loses_nothing(
    workspace: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after a number of trainings; the same command goes on."""
    put = driver.Store.put
    left = 0

    def counted(self: driver.Store, *given: object) -> None:
        nonlocal left
        put(self, *given)  # type: ignore[arg-type]
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(driver.Store, "put", counted)
    for number in 1, 3, 3:
        left = number
        result = lthctl("run", *SMALL)
        assert result.exit_code == 130
        assert re.search(r"Interrupted: \d+ of 12 are finished; what is finished is kept", result.stderr)  # fmt: skip
    left = -1
    assert lthctl("run", *SMALL).exit_code == 0
    for folder in "masks/run", "runs/run", "report/run":
        assert contents(folder) == contents(str(made / folder))


@pytest.mark.long
def test_what_is_something_else_is_refused_before_anything(experiment: Path) -> None:
    message = refusal(3, "run", *SMALL, "--steps", "20")
    assert "masks/run/l1-r0.50-n2-s1: holds something else" in message
    assert message.endswith("choose another --name, or give --force to replace it")
    assert lthctl("run", *SMALL, "--steps", "20", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--name", "a/b"], "name: is 'a/b', expected letters, digits"),
        (["--name", ".."], "name: is '..', expected letters, digits"),
        (["--control", "rewnd"], "control: is 'rewnd'; did you mean 'rewind'?"),
        (["--control", ","], "control: is an empty list"),
        (["--ratio", "1.5"], "--ratio: is 1.5, expected"),
        (["--executor", "process"], "executor: is 'process'; did you mean 'processes'?"),
    ],
)
def test_wrong_values_are_refused(words: list[str], message: str, workspace: Path) -> None:
    assert refusal(2, "run", *words).startswith(message)
    assert not Path("masks").exists()


@pytest.mark.dvc
def test_dvc_owns_its_own_places(workspace: Path) -> None:
    Path("dvc.yaml").write_text(
        "stages:\n  prune:\n    cmd: x\n    outs: [masks/pipeline, runs/pipeline/rewind]\n"
        "  report:\n    cmd: x\n    outs: [report/index.html]\n"
    )
    assert "belongs to DVC" in refusal(3, "run", "--name", "pipeline")
    assert lthctl("run", *SMALL).exit_code == 0


@pytest.mark.long
def test_claims_beside_the_parameters_are_read_before_anything_is_trained(workspace: Path) -> None:
    claim = (
        "{id: C1, sentence: s, source: t, printed: p, ladder: l1-n2, size: 50, bound: {above: 0}"
    )
    (workspace / "claims.yaml").write_text(f"paper: p\nclaims: [{claim}, quantity: gain}}]\n")
    assert "is 'gain', which is no quantity" in refusal(2, "run", *SMALL)
    assert not Path("masks").exists()
    (workspace / "claims.yaml").write_text(
        f"paper: p\nclaims: [{claim}, quantity: validation_gain}}]\n"
    )
    lthctl("run", *SMALL, "--control", "rewind")
    (judged,) = json.loads(Path("report/run/claims.json").read_bytes())["claims"]
    assert judged["measured"][0]["n"] == 2

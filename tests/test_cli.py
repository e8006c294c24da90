"""The commands as people type them: results, errors by their message, exit codes."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from lthctl import canonical, disk
from lthctl.artifacts import sealed, tensors
from lthctl.artifacts.run import save_run
from lthctl.artifacts.ticket import save_ticket
from lthctl.canonical import sha256
from lthctl.cli.app import app
from lthctl.datasets import fashion_mnist, mnist
from lthctl.families import CONTROLS, DATASETS, choices
from lthctl.reporting import figures

from .conftest import make_workspace
from .test_compare import make_ticket
from .test_page import PICTURES
from .test_report import make_run

ROOT = Path(__file__).parent.parent


def lthctl(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def refusal(code: int, *words: str) -> str:
    """What a command says when it ends with this code."""
    result = lthctl(*words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr.removeprefix("Error: ").rstrip()


@pytest.fixture(scope="session")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small experiment after `lthctl prune`, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        folder = make_workspace(tmp_path_factory.mktemp("pruned"), patch)
        assert lthctl("prune", "--quiet").exit_code == 0
    return folder


@pytest.fixture(scope="session")
def retrained(pruned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """And after `lthctl retrain`, from two starts."""
    folder = shutil.copytree(pruned, tmp_path_factory.mktemp("retrained"), dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        make_workspace(folder, patch)
        for control in ("--rewind", "--reinit"):
            assert lthctl("retrain", "masks", control, "--quiet").exit_code == 0
    return folder


@pytest.fixture
def tickets(workspace: Path, pruned: Path) -> Path:
    return shutil.copytree(pruned, workspace, dirs_exist_ok=True) / "masks"


@pytest.fixture
def runs(workspace: Path, retrained: Path) -> Path:
    return shutil.copytree(retrained, workspace, dirs_exist_ok=True) / "runs"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what a report does besides drawing, which takes longer than all the rest of it."""
    monkeypatch.setattr(figures, "figure_files", lambda group, survivors: PICTURES)


def test_the_commands_people_type(workspace: Path) -> None:
    assert lthctl("prune", "--method", "l1", "--ratio", "0.8", "--out", "masks/").exit_code == 0
    assert lthctl("prune", "--ratio", "0", "--out", "masks/").exit_code == 0
    assert lthctl("retrain", "masks/").exit_code == 0
    assert lthctl("retrain", "masks/", "--reinit").exit_code == 0
    result = lthctl("report", "--full")
    assert result.exit_code == 0
    assert sorted(path.name for path in Path("runs/reinit").iterdir()) == [
        "dense-s1", "dense-s2", "l1-r0.80-n2-s1", "l1-r0.80-n2-s2",
    ]  # fmt: skip
    assert sorted(path.name for path in Path("report").iterdir()) == [
        "accuracy.svg", "answer.svg", "answers.json", "arrivals.csv", "curves.csv", "curves.svg", "early_stop.svg", "index.html",
        "ladders.csv", "layers.csv",
        "metrics.json", "overlap.csv", "parallel.svg", "pixels.csv", "pixels.svg", "provenance.json", "runs.csv",
        "summary.csv", "verdict.svg", "verdicts.csv",
    ]  # fmt: skip
    assert "l1-r0.80-n2  rewind   2" in result.stdout


def test_prune_prints_desired_and_actual_sparsity(workspace: Path) -> None:
    result = lthctl("prune", "--method", "l1", "--ratio", "0.5", "--seed", "1")
    # 15680 weights, rate 1 - 0.5 ** 0.5 = 0.292893: 4593 removed, then round(0.292893 * 11087) =
    # 3247
    assert re.search(r"layers\.0\.weight +15,680 +7,840 +29\.29 +50\.00", result.stdout)
    assert re.search(r"asked for +29\.29 +50\.00", result.stdout)
    assert re.search(
        r"asked for +14\.64 +27\.14", result.stdout
    )  # the output layer at half the rate


def test_flag_over_file_over_default(workspace: Path) -> None:
    assert "[default: 0.0, 0.5]" in flat(lthctl("prune", "--help").stdout)
    Path("params.yaml").write_text(
        Path("params.yaml").read_text().replace("ratio: [0, 0.5]", "ratio: 0.25")
    )
    assert "[default: 0.25]" in flat(lthctl("prune", "--help").stdout)
    assert lthctl("prune", "--seed", "7", "--method", "random", "--quiet").exit_code == 0
    assert [path.name for path in Path("masks").iterdir()] == ["random-r0.25-n2-s7"]
    Path("params.yaml").unlink()
    assert "[default: 0.8]" in flat(lthctl("prune", "--help").stdout)
    Path("mine.yaml").write_text("prune:\n  ratio: [0.3, 0.4]\n")
    assert "[default: 0.3, 0.4]" in flat(lthctl("--params", "mine.yaml", "prune", "--help").stdout)


def flat(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_help_works_with_a_broken_params_file(workspace: Path) -> None:
    Path("params.yaml").write_text("train:\n  stepz: 3\n")
    assert lthctl("prune", "--help").exit_code == 0


def test_the_parameters_file_is_told_off_with_line_and_column_all_at_once(workspace: Path) -> None:
    Path("params.yaml").write_text("train:\n  stepz: 3\nprune:\n  method: l2\n  rounds: 0\n")
    assert refusal(2, "prune").splitlines() == [
        "params.yaml:2:3: train.stepz: is not a parameter; did you mean 'steps'? known here: steps, "
        "batch_size, optimizer, lr, schedule, warmup, lr_drops, momentum, nesterov, weight_decay, label_smoothing, precision, engine, device, threads, evaluate_every, epochs",
        "params.yaml:4:3: prune.method.0: is 'l2', expected 'dense', 'l1', 'random', 'magnitude-init', 'magnitude-increase', 'snip', 'grasp', 'synflow' or 'erk', or your own as module:name, such as mypackage.scores:taylor",
        "params.yaml:5:3: prune.rounds.0: is 0, expected greater than or equal to 1",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--ratio", "1.2"],
            "--ratio: is 1.2, expected in [0, 1): the fraction of weights to prune",
        ),
        (
            ["--ratio", "-0.1"],
            "--ratio: is -0.1, expected in [0, 1): the fraction of weights to prune",
        ),
        (["--rounds", "0"], "--rounds: is 0, expected greater than or equal to 1"),
        (["--steps", "0"], "--steps: is 0, expected greater than or equal to 1"),
        (
            ["--method", "l2"],
            "--method: is 'l2', expected 'dense', 'l1', 'random', 'magnitude-init', 'magnitude-increase', 'snip', 'grasp', 'synflow' or 'erk', or your own as module:name, such as mypackage.scores:taylor",
        ),
        (
            ["--engine", "jax"],
            "--engine: is 'jax', expected 'auto', 'sparse' or 'torch', or your own as module:name, such as mypackage.engines:jax",
        ),
        (["--rounds", "31"], "steps: is 30, expected at least one step for each of the 31 rounds"),
        (
            ["--ratio", "0.9999", "--rounds", "1"],
            "ratio 0.9999 in 1 round: leaves none of the 240 weights of 'layers.1.weight'; "
            "choose a lower ratio or larger layers",
        ),
        (
            ["--method", "rondom"],
            "--method: is 'rondom'; did you mean 'random'? Expected 'dense', 'l1', 'random', 'magnitude-init', 'magnitude-increase', 'snip', 'grasp', 'synflow' or 'erk', or your own as "
            "module:name, such as mypackage.scores:taylor",
        ),
        (["--params", "no.yaml"], None),
    ],
)
def test_wrong_values_are_refused(words: list[str], message: str | None, workspace: Path) -> None:
    if message is None:
        assert "no.yaml: cannot be read (No such file or directory)" in refusal(2, *words, "prune")
    else:
        assert refusal(2, "prune", *words) == message
    assert not Path("masks").exists()


def test_an_unknown_flag_is_a_usage_error(workspace: Path) -> None:
    result = lthctl("prune", "--ratoi", "0.8")
    assert result.exit_code == 2 and "--ratoi" in result.stderr


def test_an_unknown_control_is_refused_with_the_nearest_name(tickets: Path) -> None:
    assert refusal(2, "retrain", "masks", "--control", "shufle") == (
        "control: is 'shufle'; did you mean 'shuffle'? Expected "
        f"{choices(CONTROLS.names())}, or your own as module:name, such as mypackage.controls:zero"
    )


def test_two_controls_at_once_are_refused(workspace: Path) -> None:
    assert refusal(2, "retrain", "masks", "--reinit", "--shuffle").startswith(
        "--control, --rewind, --reinit, --shuffle, --reinit-signs, "
    )


def test_a_missing_dataset_says_how_to_get_it(workspace: Path) -> None:
    message = refusal(3, "prune", "--data", "nowhere")
    assert message.startswith("nowhere/train-images-idx3-ubyte is missing; nowhere/train-labels")
    assert message.endswith(
        "run `lthctl download mnist --out nowhere`, which fetches what is missing or altered"
    )


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_with_no_ticket(there: bool, workspace: Path) -> None:
    if there:
        Path("empty").mkdir()
    what = "holds no ticket, nor does anything below it" if there else "does not exist"
    assert refusal(3, "retrain", "empty") == (
        f"empty: {what}; expected a folder with a ticket.json. Make tickets with `lthctl prune --out empty`"
    )


def test_a_ticket_of_another_model(tickets: Path) -> None:
    assert refusal(3, "retrain", "masks/dense-s1", "--layers", "784,30,10") == (
        "masks/dense-s1: is a ticket of an MLP 784-20-12-10 with uniform weights, expected an MLP 784-30-10 with uniform "
        "weights; change the model's parameters or choose other tickets"
    )


def test_a_model_that_does_not_fit_the_images(workspace: Path) -> None:
    Path("params.yaml").write_text("model:\n  layers: [700, 30, 9]\ntrain:\n  device: cpu\n")
    assert (
        refusal(2, "prune")
        == "model.layers: starts with 700, and an image of mnist has 784 values, of shape (784,); begin with 784, or choose another data.name"
    )


@pytest.mark.parametrize("name", ["ticket.json", "mask.safetensors", "init.safetensors"])
def test_a_truncated_ticket(name: str, tickets: Path) -> None:
    file = tickets / "l1-r0.50-n2-s1" / name
    file.write_bytes(file.read_bytes()[:-7])
    message = refusal(3, "retrain", "masks")
    assert message.startswith(f"masks/l1-r0.50-n2-s1/{name}: ") and "truncated" in message
    assert not Path("runs").exists()


def test_an_altered_and_a_newer_ticket(tickets: Path) -> None:
    file = tickets / "l1-r0.50-n2-s1" / "ticket.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"seed": 2}))
    assert refusal(3, "retrain", "masks").endswith(
        "does not match its own digest, it was altered; restore it or make it again"
    )
    file.write_bytes(sealed.seal({**document, "schema": 4}))
    assert refusal(3, "retrain", "masks").endswith(
        "has schema 4, this lthctl reads up to 3; upgrade lthctl"
    )


def test_a_mask_with_missing_extra_and_misshapen_layers(tickets: Path) -> None:
    folder = tickets / "l1-r0.50-n2-s1"
    shapes = {"layers.0.weight": [20, 700], "layers.7.weight": [3]}
    packed = {
        name: np.zeros((int(np.prod(shape)) + 7) // 8, np.uint8) for name, shape in shapes.items()
    }
    content = tensors.tensors_bytes(packed, note=json.dumps(shapes))
    (folder / "mask.safetensors").write_bytes(content)
    document = json.loads((folder / "ticket.json").read_text())
    del document["digest"]
    document["files"]["mask.safetensors"] = canonical.sha256(content)
    (folder / "ticket.json").write_bytes(sealed.seal(document))
    assert refusal(3, "retrain", "masks") == (
        "masks/l1-r0.50-n2-s1/mask.safetensors: 'layers.0.bias' is missing, the model has it with shape (20,); "
        "'layers.1.bias' is missing, the model has it with shape (12,); "
        "'layers.1.weight' is missing, the model has it with shape (12, 20); "
        "'layers.2.bias' is missing, the model has it with shape (10,); "
        "'layers.2.weight' is missing, the model has it with shape (10, 12); "
        "'layers.7.weight' is extra, the model has no such prunable parameter; "
        "'layers.0.weight' has shape (20, 700), the model has (20, 784)"
    )


def test_out_that_cannot_be_written(workspace: Path) -> None:
    Path("blocked").write_text("a file")
    message = refusal(3, "prune", "--out", "blocked/masks")
    assert message == "blocked/masks: something else is in the way; move it or choose another --out"
    assert Path("blocked").read_text() == "a file"


@pytest.mark.parametrize("code", ["EACCES", "EROFS"])
def test_out_that_is_not_writable(
    code: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise OSError(getattr(errno, code), "no")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert (
        refusal(3, "prune")
        == "masks: it cannot be written; change its permissions or choose another --out"
    )


def test_a_full_disk(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "_write_flushed", full)
        assert refusal(3, "prune").endswith(
            "the disk is full; make room and run the same command again: what is finished is kept"
        )
    assert not list(Path("masks").iterdir())
    assert lthctl("prune", "--quiet").exit_code == 0


@pytest.mark.dvc
def test_out_inside_a_folder_that_dvc_owns(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("dvc.yaml").write_text(
        "stages:\n  prune:\n    cmd: x\n    outs:\n      - masks/pipeline\n"
        "  retrain:\n    matrix:\n      control: [rewind, reinit]\n    cmd: x\n    outs:\n      - runs/pipeline/${item.control}:\n"
        "          persist: false\n"
    )
    owned = "and DVC deletes what others put there; choose another --out, or run the stage with `dvc repro`"
    said = refusal(3, "prune", "--out", "masks/pipeline/mine")
    output = workspace / "masks/pipeline"
    assert re.fullmatch(
        rf"masks/pipeline/mine/\S+: belongs to DVC, whose output is {output}, {owned}", said
    )
    assert lthctl("prune", "--quiet").exit_code == 0
    said = refusal(3, "retrain", "masks", "--out", "runs/pipeline")
    assert said.startswith("runs/pipeline/rewind/") and said.endswith(owned)
    assert lthctl("retrain", "masks", "--quiet").exit_code == 0
    monkeypatch.setenv("DVC_STAGE", "prune")
    assert lthctl("prune", "--out", "masks/pipeline", "--quiet").exit_code == 0


def test_dry_run_does_nothing(workspace: Path) -> None:
    result = lthctl("prune", "--dry-run", "--seed", "1", "--jobs", "2")
    lines = result.stdout.splitlines()
    assert [line.rstrip() for line in lines[:5]] == [
        "tickets    4 asked for, 3 of them distinct: 3 to be made",
        "trainings  2 distinct: 0 in the store, 2 to run",
        "           1 depend on earlier results: taken as distinct and not stored",
        "steps      30",
        "time       about 0 s, 2 at a time, as measured now:",
    ]
    assert re.fullmatch(
        r" +[0-9,]+ steps/s each at density 0.71, [0-9]+ ms an evaluation *", lines[5]
    )
    assert re.fullmatch(r" +[0-9,]+ steps/s each at density 1, [0-9]+ ms an evaluation *", lines[6])
    assert len(lines) == 7
    assert not Path("masks").exists() and not Path(".lthctl").exists()


def test_dry_run_for_programs_and_folder_by_folder(workspace: Path) -> None:
    words = ("prune", "--dry-run", "--seed", "1", "--method", "l1")
    planned = json.loads(lthctl(*words, "--json").stdout)
    assert planned["folders"] == [
        {"path": "masks/dense-s1", "state": "to be made", "steps": 0},
        {"path": "masks/l1-r0.50-n2-s1", "state": "to be made", "steps": 30},
    ]
    assert planned["trainings"] == {"in_store": 0, "to_run": 2, "of_later_rounds": 1}
    assert planned["asked"] == 2 and planned["steps"] == 30 and planned["seconds"] > 0
    assert [of["density"] for of in planned["measured"]] == [0.71, 1.0]
    assert lthctl(*words, "--verbose").stdout.splitlines()[:2] == [
        "masks/dense-s1: to be made, 0 steps at most",
        "masks/l1-r0.50-n2-s1: to be made, 30 steps at most",
    ]


def test_dry_run_with_nothing_to_do(tickets: Path) -> None:
    assert [line.rstrip() for line in lthctl("prune", "--dry-run").stdout.splitlines()] == [
        "tickets    8 asked for, 6 of them distinct: 6 there already",
        "trainings  0 distinct: 0 in the store, 0 to run",
        "steps      0",
    ]


def test_dry_run_of_retraining_tickets_that_are_not_there(workspace: Path) -> None:
    message = refusal(3, "retrain", "masks", "--dry-run")
    assert message.startswith("masks: does not exist; ") and message.endswith(
        "there is no plan before that"
    )


def test_verbose_tells_every_training(workspace: Path) -> None:
    lines = lthctl("prune", "--method", "l1", "--seed", "1", "--verbose").stderr.splitlines()
    assert re.fullmatch(
        r"l1-r0.50-n2-s1 1/2: density 1.000, 15 steps, best accuracy \d+\.\d\d %, \d+\.\d s",
        lines[-3],
    )
    assert lines[-2].startswith("l1-r0.50-n2-s1 2/2: density 0.70")
    again = lthctl(
        "prune", "--method", "l1", "--seed", "1", "--verbose", "--out", "again"
    ).stderr.splitlines()
    assert again[0] == "l1-r0.50-n2-s1 1/2: density 1.000, from the store"


@pytest.mark.usefixtures("undrawn")
def test_json_is_json_and_quiet_is_quiet(workspace: Path) -> None:
    tickets = json.loads(lthctl("prune", "--json").stdout)
    assert {ticket["name"] for ticket in tickets} >= {"dense-s1", "l1-r0.50-n2-s2"}
    runs = json.loads(lthctl("retrain", "masks", "--json").stdout)
    assert all(0 <= run["metrics"]["best_accuracy"] <= 1 for run in runs)
    rows = json.loads(lthctl("report", "--json").stdout)
    assert rows[0]["method"] == "dense" and rows[0]["n"] == 2
    for words in (["prune", "-q"], ["retrain", "masks", "-q"], ["report", "-q"]):
        result = lthctl(*words)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_failed_trainings_end_with_4_and_the_others_are_saved(workspace: Path) -> None:
    Path("params.yaml").write_text(
        Path("params.yaml")
        .read_text()
        .replace("device: cpu", "device: cpu\n  optimizer: sgd\n  lr: 1e20")
    )
    result = lthctl("prune", "--seed", "1")
    assert result.exit_code == 4
    assert (
        "1 failed, the others are saved; the same command tries these again:\n  l1-r0.50-n2-s1: the training loss is"
        in result.stderr
    )
    assert sorted(path.name for path in Path("masks").iterdir()) == [
        "dense-s1",
        "random-r0.50-n2-s1",
    ]


def test_shuffle_is_a_control_of_its_own(tickets: Path) -> None:
    assert lthctl("retrain", "masks", "--shuffle", "--quiet").exit_code == 0
    run = json.loads(Path("runs/shuffle/l1-r0.50-n2-s1/run.json").read_text())
    assert run["start"] == "shuffle"


def test_runs_may_leave_their_weights_out(tickets: Path) -> None:
    Path("params.yaml").write_text(
        Path("params.yaml").read_text() + "retrain:\n  keep_weights: false\n"
    )
    assert lthctl("retrain", "masks/dense-s1", "--quiet").exit_code == 0
    assert sorted(path.name for path in Path("runs/rewind/dense-s1").iterdir()) == [
        "history.csv",
        "run.json",
    ]


@pytest.mark.usefixtures("undrawn")
def test_report_lists_damaged_runs_and_is_strict_on_request(runs: Path) -> None:
    (runs / "rewind" / "l1-r0.50-n2-s1" / "history.csv").write_text("step\n")
    result = lthctl("report")
    assert (
        result.exit_code == 0
        and "left out: runs/rewind/l1-r0.50-n2-s1/history.csv: has SHA-256 " in result.stderr
    )
    assert lthctl("report", "--strict").exit_code == 3


@pytest.mark.usefixtures("undrawn")
def test_report_finds_masks_by_their_digests_and_says_what_it_lacks(runs: Path) -> None:
    assert "lacks" not in lthctl("report", "--title", "Mine & <b>yours</b>").stderr
    assert "<h1>Mine &amp; &lt;b&gt;yours&lt;/b&gt;</h1>" in Path("report/index.html").read_text()
    result = lthctl("report", "--masks", "elsewhere", "--quiet")
    assert result.exit_code == 0 and result.stdout == ""
    assert (
        "elsewhere: lacks 6 tickets of these runs, so the page is without their masks; see --masks"
        in result.stderr
    )


@pytest.mark.usefixtures("undrawn")
def test_a_damaged_ticket_is_left_out_too(runs: Path) -> None:
    (Path("masks") / "l1-r0.50-n2-s1" / "mask.safetensors").write_bytes(b"")
    assert "left out: masks/l1-r0.50-n2-s1/mask.safetensors: has SHA-256" in lthctl("report").stderr
    assert lthctl("report", "--strict").exit_code == 3


@pytest.mark.long
def test_two_reports_are_the_same_bytes(runs: Path) -> None:
    lthctl("report", "--out", "a")
    lthctl("report", "--out", "b")
    first, second = ({path.name: path.read_bytes() for path in Path(out).iterdir()} for out in "ab")
    assert first == second and len(first) == 20


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("works", [True, False])
def test_report_opens_its_page(runs: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or works)
    assert lthctl("report").exit_code == 0 and opened == []
    result = lthctl("report", "--open")
    assert result.exit_code == 0
    assert opened == [Path("report/index.html").absolute().as_uri()]
    assert (
        "no browser can be opened from here: open report/index.html by hand" in result.stderr
    ) is not works


@pytest.mark.long
def test_runs_of_an_older_clone_are_said_to_have_moved(runs: Path) -> None:
    """`tickets/` was where runs lived."""
    assert "tickets" not in lthctl("report", "--quiet").stderr
    runs.rename("tickets")
    note = (
        "Runs live in runs/ now, and tickets/ holds yours: `git mv tickets runs` moves them (`mv` "
        "where git does not track them), or name tickets as the path\n"
    )
    result = lthctl("report")
    assert result.exit_code == 3
    assert result.stderr.startswith(note) and "runs: does not exist" in result.stderr
    assert lthctl("report", "tickets", "--quiet").stderr == ""
    assert note in lthctl("retrain", "masks/dense-s1", "--rewind").stderr
    assert lthctl("report", "--quiet").stderr == ""  # now that there is a runs/


def test_report_without_runs(workspace: Path) -> None:
    assert (
        refusal(3, "report")
        == "runs: does not exist; retrain some tickets first: lthctl retrain masks/"
    )


@pytest.mark.usefixtures("undrawn")
def test_names_from_files_are_never_markup(runs: Path) -> None:
    target = runs / "rewind" / "[red]x"
    target.mkdir()
    (target / "run.json").write_text("{")
    assert "left out: runs/rewind/[red]x/run.json: is not JSON" in lthctl("report").stderr


def test_download_from_a_folder(workspace: Path) -> None:
    result = lthctl("download", "--from", "data/mnist", "--out", "copy")
    assert result.exit_code == 0
    assert "copy/train-images-idx3-ubyte: verified, data/mnist" in result.stdout
    (workspace / "copy" / "notes.txt").write_text("mine")
    (workspace / "copy" / "t10k-labels-idx1-ubyte").write_bytes(b"cut")
    result = lthctl("download", "--from", "data/mnist", "--out", "copy")
    assert "copy/t10k-labels-idx1-ubyte: truncated or altered, fetching it again" in result.stderr
    assert "copy/train-images-idx3-ubyte: verified, already there" in result.stdout
    assert (workspace / "copy" / "notes.txt").read_text() == "mine"


def test_download_of_another_dataset(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, digest in mnist.MNIST.items():
        monkeypatch.setitem(fashion_mnist.FASHION_MNIST, name, digest)
    for words in (["fashion-mnist"], ["--dataset", "fashion-mnist"]):
        result = lthctl("download", *words, "--from", "data/mnist")
        assert result.exit_code == 0
        assert "data/fashion-mnist/t10k-labels-idx1-ubyte: verified" in result.stdout
        assert "lthctl run --dataset fashion-mnist" in result.stdout + result.stderr
    (workspace / "params.yaml").write_text("data: fashion-mnist\n")
    result = lthctl("download", "--from", "data/mnist")
    assert "params.yaml says data.name fashion-mnist" in result.stderr
    assert "data/fashion-mnist/t10k-labels-idx1-ubyte: verified" in result.stdout
    assert "params.yaml" not in lthctl("download", "mnist", "--from", "data/mnist").output
    (workspace / "params.yaml").write_text("data: folder\n")
    assert "data folder: cannot be downloaded" in refusal(2, "download")
    assert refusal(2, "download", "mnist", "--dataset", "cifar10") == (
        "--dataset: is 'cifar10', and NAME is 'mnist'; give one of them"
    )


def test_as_a_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lthctl", "report"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert (
        done.stderr
        == "Error: runs: does not exist; retrain some tickets first: lthctl retrain masks/\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "lthctl", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("lthctl 0.")


def test_store_says_how_much_it_holds(tickets: Path) -> None:
    said = lthctl("store").stdout
    assert re.fullmatch(r"\.lthctl: 4 trainings, 0\.\d MB\n", said)
    counted = json.loads(lthctl("store", "--json").stdout)
    files = Path(".lthctl", "trainings").rglob("*")
    size = sum(path.stat().st_size for path in files if path.is_file())
    assert counted == {"path": ".lthctl", "trainings": 4, "bytes": size, "checkpoints": 0}


def test_store_check_throws_out_what_is_damaged(tickets: Path) -> None:
    assert lthctl("store", "check").stdout == ".lthctl: 4 trainings whole, 0 damaged\n"
    damaged = sorted(Path(".lthctl").rglob("history.csv"))[0]
    expected = sha256(damaged.read_bytes())
    damaged.write_bytes(b"")
    result = lthctl("store", "check")
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        f"thrown out: {damaged}: has SHA-256 e3b0c44298fc..., expected {expected[:12]}...; "
        "it is truncated or altered: restore it",
        ".lthctl: 3 trainings whole, 1 damaged",
    ]
    found = json.loads(lthctl("store", "check", "--json").stdout)
    assert found == {"whole": 3, "damaged": []}
    assert (
        "1 trainings run in" in lthctl("prune", "--out", "again").stderr
    )  # that one, and no other


def test_store_prune_keeps_what_tickets_and_runs_came_from(runs: Path) -> None:
    assert (
        lthctl("prune", "--method", "l1", "--ratio", "0.8", "--out", "other", "--quiet").exit_code
        == 0
    )
    num_all = json.loads(lthctl("store", "--json").stdout)["trainings"]
    planned = json.loads(lthctl("store", "prune", "masks", "runs", "--dry-run", "--json").stdout)
    assert (
        len(planned["unreferenced"]) == 2 and planned["thrown_out"] == []
    )  # second rounds of `other`
    assert json.loads(lthctl("store", "--json").stdout)["trainings"] == num_all
    result = lthctl("store", "prune", "masks", "runs")
    assert re.fullmatch(
        rf"\.lthctl: 2 trainings thrown out, 0\.\d MB; {num_all - 2} stay\n", result.stdout
    )
    assert "0 trainings run in" in lthctl("prune", "--out", "again").stderr
    assert lthctl("store", "prune", "masks", "runs", "other").stdout.startswith(
        ".lthctl: 0 trainings thrown out"
    )


def test_store_prune_refuses_to_guess(runs: Path) -> None:
    num_all = json.loads(lthctl("store", "--json").stdout)["trainings"]
    assert "ticket: does not exist" in refusal(3, "store", "prune", "masks", "ticket")
    Path("masks/l1-r0.50-n2-s1/ticket.json").write_bytes(b"{")
    assert "is not JSON" in refusal(3, "store", "prune", "masks", "runs")
    assert lthctl("store", "prune").exit_code == 2
    assert json.loads(lthctl("store", "--json").stdout)["trainings"] == num_all


def test_verify_counts_claims_and_ends_with_3_if_one_fails(runs: Path) -> None:
    result = lthctl("verify", "masks", "runs")
    assert result.exit_code == 0, result.output
    assert re.search(
        r"the start is mask \* init, or the control's draw, bit for bit +12 +0 +0", result.stdout
    )
    assert (
        "masks/l1-r0.50-n2-s1 and 1 more: the mask is what its scores select: its scores come from"
        in flat(result.stdout)
    )
    file = Path("runs/rewind/dense-s1/weights.safetensors")
    file.write_bytes(file.read_bytes()[:-9])
    result = lthctl("verify", "masks", "runs")
    assert result.exit_code == 3 and "Traceback" not in result.output
    assert (
        "runs/rewind/dense-s1: weights.safetensors matches the digest in run.json: weights.safetensors has SHA-256"
        in flat(result.stdout)
    )
    checks = json.loads(lthctl("verify", "runs/rewind/dense-s1", "--json").stdout)
    assert {"path", "claim", "state", "detail"} == checks[0].keys()
    assert {check["claim"] for check in checks if check["state"] == "failed"} == {
        "weights.safetensors matches the digest in run.json"
    }
    result = lthctl("verify", "masks", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert refusal(3, "verify", "data").startswith(
        "data: holds no ticket and no run, nor does anything below it"
    )


def test_verify_replay_trains_without_the_store(runs: Path) -> None:
    shutil.rmtree(".lthctl")
    result = lthctl("verify", "masks/l1-r0.50-n2-s1", "runs/reinit/l1-r0.50-n2-s1", "--replay")
    assert result.exit_code == 0, result.output
    assert re.search("trained again, the run has the same bytes +1 +0 +0", result.stdout)
    assert "training masks/l1-r0.50-n2-s1, round 2 of 2, again, 15 steps" in result.stderr
    assert not Path(".lthctl").exists()
    assert refusal(3, "verify", "masks", "--replay", "--data", "none").startswith(
        "none/train-images-idx3-ubyte is missing"
    )


def test_export_and_import_go_round(tickets: Path) -> None:
    ticket = "masks/l1-r0.50-n2-s1"
    for to in ("state_dict", "prune", "csr", "onnx"):
        result = lthctl("export", ticket, "--to", to, "--out", f"out/{to}")
        assert (result.exit_code, result.stdout) == (0, f"out/{to}: {to} of {ticket}\n"), (
            result.output
        )
    assert refusal(3, "export", ticket, "--out", "out/prune") == (
        "out/prune: exists already; choose another --out, or replace it with --force"
    )
    assert refusal(2, "export", ticket, "--to", "keras", "--out", "x").startswith(
        "to: is 'keras', expected one of"
    )
    assert "ticket.json: is missing" in refusal(3, "export", "masks", "--out", "x")
    result = lthctl("import", "out/prune", "--seed", "1")
    assert (
        result.exit_code == 0
        and "1 ticket written to masks/imported-r0.4981-n1-s1" in result.stderr
    )
    assert "weights to rewind to: those in out/prune" in result.stderr
    assert re.search(r"data +not known *\n", lthctl("show", "masks/imported-r0.4981-n1-s1").stdout)
    assert "something else is in the way" in refusal(3, "import", "out/prune", "-q")
    assert (
        lthctl(
            "import", "out/state_dict", "--label", "again", "--ratio", "0.5", "-q", "--seed", "2"
        ).exit_code
        == 0
    )
    document = json.loads(lthctl("import", "out/prune", "--json", "--force", "-q").stdout)
    assert (document["method"], document["data"], document["train"]) == ("imported", {}, {})
    assert (
        refusal(3, "import", "params.yaml")
        == "params.yaml: is neither safetensors nor what torch.save writes"
    )
    assert refusal(2, "import", "out/prune", "--ratio", "1") == (
        "ratio: is 1.0, expected in [0, 1): the fraction of weights that was to be pruned"
    )


@pytest.mark.usefixtures("undrawn")
def test_imported_tickets_are_retrained_reported_and_verified(tickets: Path) -> None:
    for seed in ("1", "2"):
        ticket = f"masks/l1-r0.50-n2-s{seed}"
        assert lthctl("export", ticket, "--to", "prune", "--out", f"{seed}.pt", "-q").exit_code == 0
        words = ["import", f"{seed}.pt", "--seed", seed, "--ratio", "0.5", "--label", "torch", "-q"]
        assert lthctl(*words).exit_code == 0
    for control in ("--rewind", "--reinit"):
        assert lthctl("retrain", "masks", control, "-q").exit_code == 0
    rows = {
        (row["method"], row["control"]): row
        for row in json.loads(lthctl("report", "--json").stdout)
    }
    own, imported = rows["l1", "rewind"], rows["imported-torch", "rewind"]
    assert (
        imported["n"] == 2 and imported["accuracy"] == own["accuracy"]
    )  # the same masks and weights
    assert imported["verdict"] is not None
    assert lthctl("report").exit_code == lthctl("verify", "masks", "runs").exit_code == 0


# --- show and compare; the tickets and runs are made by hand


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """masks/ with two tickets and runs/a, runs/b with the runs of three seeds each, in the working
    folder."""
    for name, ticket in {"x": make_ticket(), "y": make_ticket(first=3)}.items():
        save_ticket(ticket, tmp_path / "masks" / name)
    for folder, best in (("a", 0.7), ("b", 0.8)):
        for seed in (1, 2, 3):
            save_run(
                make_run(seed=seed, best=best + seed / 100), tmp_path / "runs" / folder / f"s{seed}"
            )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_show_a_ticket_a_run_and_a_list(place: Path) -> None:
    assert "masks/x: a ticket, l1-r0.50-n1-s1\n" in lthctl("show", "masks/x").stdout
    assert (
        "runs/a/s1: a run, l1-r0.50-n1-s1 from its own weights"
        in lthctl("show", "runs/a/s1").stdout
    )
    assert lthctl("show", "masks/x").stdout.endswith("Next: lthctl retrain masks/x\n")
    assert lthctl("show", "runs/a/s1").stdout.endswith("Next: lthctl report runs/a/s1\n")
    assert lthctl("show", "masks").stdout.endswith(
        "2 below masks; to see one: lthctl show masks/x\n"
    )
    one = json.loads(lthctl("show", "masks/x", "--json").stdout)
    assert (one["path"], one["kept"], one["units"]["dead_inputs"]) == ("masks/x", 12, 0)
    assert [of["path"] for of in json.loads(lthctl("show", "masks", "--json").stdout)] == [
        "masks/x",
        "masks/y",
    ]


def test_show_and_compare_refuse_what_is_not_there_or_damaged(place: Path) -> None:
    (place / "empty").mkdir()
    assert refusal(3, "show", "empty").startswith(
        "empty: holds no ticket and no run, nor does anything below it"
    )
    assert refusal(3, "show", "nowhere").startswith(
        "nowhere: does not exist; expected a ticket, a run"
    )
    assert refusal(2, "compare", "masks/x").startswith(
        "masks/x: is one alone; name what to compare it with"
    )
    assert refusal(2, "compare", "masks/x", "runs").startswith(
        "masks/x, runs: 1 ticket and 6 runs;"
    )
    (place / "masks/x/mask.safetensors").write_bytes(b"")
    (place / "masks/y/ticket.json").write_bytes(b"")
    refused = refusal(3, "compare", "masks/x", "masks/y")
    assert refused.startswith("masks/x/mask.safetensors: ")
    both = refusal(3, "show", "masks").splitlines()
    assert [line.split(":")[0] for line in both] == [
        "masks/x/mask.safetensors",
        "masks/y/ticket.json",
    ]


def test_compare_tickets_and_runs(place: Path) -> None:
    assert (
        "layers.0.weight    6    6    3    3.0  1.00 1.00"
        in lthctl("compare", "masks/x", "masks/y").stdout
    )
    assert "l1-r0.50-n1 rewind  3  +10.00 ± 0.00" in lthctl("compare", "runs/a", "runs/b").stdout
    told = json.loads(lthctl("compare", "runs/a", "runs/b", "--json").stdout)
    assert (told["matched_by_name"], told["experiments"][0]["verdict"], len(told["runs"])) == (
        True,
        "better",
        3,
    )
    assert len(json.loads(lthctl("compare", "runs", "--json").stdout)["runs"]) == 15


def test_compare_takes_margin_and_confidence_from_the_report_section(place: Path) -> None:
    Path("params.yaml").write_text("report:\n  margin: 0.5\n  confidence: 0.9\n")
    text = lthctl("compare", "runs/b", "runs/a").stdout
    assert "90 % t intervals" in text and "50 points" in text and "as good" in text


def test_what_did_this_commit_do_to_my_tickets(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(key, "a@b")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(place / "site"))

    def commit() -> None:
        for words in (["add", "masks"], ["commit", "-qm", "x"]):
            subprocess.run(["git", *words], cwd=place, check=True)

    subprocess.run(["git", "init", "-q"], cwd=place, check=True)
    commit()
    save_ticket(make_ticket(first=4), place / "masks/x", replace=True)
    save_ticket(make_ticket(seed=2), place / "masks/z")
    commit()
    text = lthctl("compare", "masks@HEAD~1", "masks").stdout
    assert "2 tickets in both: 1 same, 1 mask differs\n" in text
    assert "x       mask differs    12    12     8   0.89  0.57\n" in text
    assert "Only in masks: z\n" in text
    assert "mask  differs" in lthctl("compare", "masks/x@HEAD~1", "masks/x").stdout
    monkeypatch.chdir(place / "runs")  # of another folder's repository, and a screen of a revision
    assert lthctl("show", "../masks@HEAD~1").stdout.endswith(
        "to see one: lthctl show ../masks/x@HEAD~1\n"
    )
    assert refusal(3, "compare", "../masks@v9", "../masks").startswith(
        "../masks@v9: the repository "
    )


STRICTLY = """
import sys
from lthctl.cli.app import app
for words in {commands}:
    sys.stdout.reconfigure(errors="strict")
    app(words, standalone_mode=False)
"""


def test_a_terminal_without_the_characters_still_gets_the_result(place: Path) -> None:
    commands = ["compare", "runs/a", "runs/b"], ["show", "runs/a/s1"]
    done = subprocess.run(
        [sys.executable, "-c", STRICTLY.format(commands=commands)], capture_output=True, text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "l1-r0.50-n1 rewind" in done.stdout and "runs/a/s1: a run" in done.stdout


def test_what_is_not_there_is_said_with_what_was_expected(tickets: Path) -> None:
    assert refusal(3, "export", "gone", "--out", "x.pt") == (
        "gone: is missing; expected the folder of a ticket or of a run. Make tickets with "
        "`lthctl prune`"
    )
    assert refusal(3, "export", "masks", "--out", "x.pt") == (
        "masks/ticket.json: is missing, and so is run.json; expected the folder of a ticket or of a run"
    )
    for words in (["gone.pt"], ["masks/dense-s1/init.safetensors", "--init", "gone.pt"]):
        assert refusal(3, "import", *words) == (
            "gone.pt: is missing; expected safetensors, or what torch.save writes"
        )


def test_several_controls_in_one_go(tickets: Path) -> None:
    assert lthctl("retrain", "masks", "--control", "rewind,reinit", "--quiet").exit_code == 0
    together = {path.relative_to("runs"): path.read_bytes() for path in files_below("runs")}
    assert {path.parts[0] for path in together} == {"rewind", "reinit"}
    shutil.rmtree("runs")
    for control in "rewind", "reinit":
        assert lthctl("retrain", "masks", f"--{control}", "--quiet").exit_code == 0
    assert together == {path.relative_to("runs"): path.read_bytes() for path in files_below("runs")}


def files_below(folder: str) -> list[Path]:
    return [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]


@pytest.mark.parametrize("command", [("prune",), ("retrain", "masks")])
def test_a_plan_refuses_an_executor_that_is_none(command: tuple[str, ...], tickets: Path) -> None:
    assert refusal(2, *command, "--executor", "process", "--dry-run").startswith(
        "executor: is 'process'; did you mean 'processes'? Expected 'threads'"
    )


def last_line(*words: str) -> str:
    return lthctl(*words).stdout.splitlines()[-1]


def test_commands_end_with_the_next_one(workspace: Path) -> None:
    Path("mine.yaml").write_text(Path("params.yaml").read_text())
    words = ("--params", "mine.yaml", "prune", "--seed", "1", "--ratio", "0.5", "--out", "my masks")
    following = "lthctl --params mine.yaml retrain 'my masks' --steps 20 --jobs 1"
    assert last_line(*words, "--steps", "20", "--jobs", "1") == f"Next: {following}"
    assert last_line(*shlex.split(following)[1:]) == "Next: lthctl --params mine.yaml report"
    for quiet in "--json", "--quiet", "--dry-run":
        assert "Next" not in lthctl(*words, quiet).stdout


def test_the_next_command_names_somebodys_own_code_again(workspace: Path) -> None:
    """It is run only where it is named, and no ticket of somebody else's names it here."""
    Path("nets.py").write_text(
        "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Linear(784, 10))\n"
    )
    words = ("prune", "--method", "random", "--ratio", "0.5", "--seed", "1", "--rounds", "1")
    words += ("--set", "train.device=cpu", "--data", str(Path("data/mnist").resolve()))
    following = ["--data", words[-1], "--model", "nets:net", "--set", "train.device=cpu"]
    expected = shlex.join(["lthctl", "retrain", "masks", *following])
    assert last_line(*words, "--model", "nets:net") == f"Next: {expected}"
    as_set = expected.replace("--model nets:net ", "") + " --set model.name=nets:net"
    again = (*words, "--out", "masks", "--force", "--set", "model.name=nets:net")
    assert last_line(*again) == f"Next: {as_set}"


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("fashion-mnist", ""),
        ("emnist-balanced", " --layers 784,300,100,47"),
        ("cifar10", " --model conv2"),
        ("cifar100", " --model conv2 --set model.kwargs.classes=100"),
        ("svhn", " --model conv2"),
    ],
)
def test_what_follows_a_download_has_a_model_that_takes_its_images(
    name: str, fitting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = replace(DATASETS.get(name), download=lambda *_, **__: {})
    monkeypatch.setitem(DATASETS._members, name, entry)
    assert last_line("download", name) == f"Next: lthctl run --dataset {name}{fitting}"
    Path("params.yaml").write_text("model: lenet5\n")
    assert last_line("download", name) == f"Next: lthctl run --dataset {name}"


@pytest.fixture
def pipeline_of_dvc(workspace: Path) -> None:
    Path("dvc.yaml").write_text(
        "stages:\n  report:\n    cmd: x\n    outs: [report/index.html, report/summary.csv]\n"
    )


@pytest.mark.dvc
@pytest.mark.usefixtures("undrawn", "pipeline_of_dvc")
def test_a_report_by_hand_leaves_that_of_dvc_alone(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = lthctl("report")
    assert result.exit_code == 0 and "\nPage: report/by-hand/index.html\n" in result.stdout
    assert [path.name for path in Path("report").iterdir()] == ["by-hand"]
    assert "report/index.html: belongs to DVC" in refusal(3, "report", "--out", "report")
    monkeypatch.setenv("DVC_STAGE", "report")
    assert lthctl("report", "--out", "report").exit_code == 0
    assert Path("report/index.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_report_in_the_terminal_is_short(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in 80, 40:
        monkeypatch.setenv("COLUMNS", str(width))
        lines = lthctl("report").stdout.splitlines()
        commands = [line for line in lines if "lthctl" in line]
        assert max(len(line) for line in lines if line not in commands) <= width
        assert commands[-1] == lines[-1] == "Next: lthctl report --open"
        assert "Page: report/index.html" in lines
        assert len(lines) < 60
    monkeypatch.setenv("COLUMNS", "80")
    short, full = (lthctl("report", *words).stdout for words in ([], ["--full"]))
    assert "Sparsity (%) asked for" in full and "Sparsity (%) asked for" not in short
    assert re.search(r"\n1\. .*\n(.*\n)*2\. .*\n(.*\n)*3\. ", short)

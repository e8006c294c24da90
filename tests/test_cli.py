"""The commands as people type them: results, errors by their message, exit codes."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lthctl import canonical, disk
from lthctl.artifacts import sealed, tensors
from lthctl.families import CONTROLS, DATASETS, choices

from .command_line import files_below, flat, last_line, lthctl, refusal


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


@pytest.mark.long
def test_several_controls_in_one_go(tickets: Path) -> None:
    assert lthctl("retrain", "masks", "--control", "rewind,reinit", "--quiet").exit_code == 0
    together = {path.relative_to("runs"): path.read_bytes() for path in files_below("runs")}
    assert {path.parts[0] for path in together} == {"rewind", "reinit"}
    shutil.rmtree("runs")
    for control in "rewind", "reinit":
        assert lthctl("retrain", "masks", f"--{control}", "--quiet").exit_code == 0
    assert together == {path.relative_to("runs"): path.read_bytes() for path in files_below("runs")}


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

"""`--set section.key=value`, and the flags of what people change daily."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lthctl.cli.app import app
from lthctl.cli.settings import settings_of
from lthctl.errors import ParamsError
from lthctl.params import Params

ALL = ("data", "model", "train", "prune", "retrain", "report")


def planned(*words: str) -> dict[str, object]:
    """The plan of one small ticket."""
    small = ["--method", "l1", "--ratio", "0.5", "--rounds", "1", "--seed", "1"]
    result = CliRunner().invoke(app, ["prune", "--dry-run", "--json", *small, *words])
    assert result.exit_code == 0, result.stderr
    plan: dict[str, object] = json.loads(result.stdout)
    return plan


def refusal(*words: str) -> str:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == 2, result.output
    return result.stderr.removeprefix("Error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.lr=1e-3", "train.lr", 0.001),
        ("train.device=no", "train.device", "no"),
        ("prune.ratio=[0.5, 0.8]", "prune.ratio", [0.5, 0.8]),
        ("train.lr_drops={20000: 0.1}", "train.lr_drops", {20000: 0.1}),
        ("model.kwargs.classes=100", "model.kwargs.classes", 100),
        ("prune.rate=", "prune.rate", None),
        ("data.name=a=b", "data.name", "a=b"),
    ],
)
def test_a_value_is_yaml(text: str, path: str, value: object) -> None:
    assert settings_of([text], ALL) == {path: value}


def test_settings_take_the_place_of_the_file(workspace: Path) -> None:
    assert planned("--set", "train.steps=40")["steps"] == 40
    assert planned("--set", "data.holdout=100", "--set", "train.steps=6")["steps"] == 6


def test_daily_flags_take_the_place_of_the_file(workspace: Path) -> None:
    words = ["prune", "--method", "l1", "--ratio", "0.5", "--rounds", "1", "--seed", "1", "--quiet"]
    words += ["--layers", "784,6,10", "--lr", "0.01", "--batch-size", "30", "--optimizer", "sgd"]
    words += ["--set", "train.momentum=0.9", "--steps", "5"]
    assert CliRunner().invoke(app, words).exit_code == 0
    ticket = json.loads((workspace / "masks" / "l1-r0.50-n1-s1" / "ticket.json").read_text())
    assert ticket["model"]["layers"] == [784, 6, 10]
    named = ("lr", "batch_size", "optimizer", "momentum", "steps")
    assert [ticket["train"][key] for key in named] == [0.01, 30, "sgd", 0.9, 5]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "train.lr=fast"], "--set train.lr: is 'fast', expected a valid number"),
        (
            ["--set", "train.lr=0.1", "--lr", "0.2"],
            "--set train.lr and --lr: say the same; give one of them",
        ),
        (
            ["--set", "train.lr=1", "--set", "train.lr=1"],
            "--set train.lr: is given twice; give it once",
        ),
        (
            ["--set", "report.margin=0.1"],
            "--set report.margin: this command does not read the section report, but data, "
            "model, train, prune; leave it out",
        ),
        (
            ["--set", "trian.lr=1"],
            "--set trian.lr: is not a parameter; did you mean 'train'? known here: data, model, "
            "train, prune, retrain, report",
        ),
        (["--set", "lr=1"], "--set: is 'lr=1', expected section.key=value, such as train.lr=0.1"),
        (
            ["--set", "train.lr"],
            "--set: is 'train.lr', expected section.key=value, such as train.lr=0.1",
        ),
        (
            ["--set", "prune.ratio=[0.5, 2]"],
            "--set prune.ratio: is 2, expected in [0, 1): the fraction of weights to prune",
        ),
        (
            ["--set", "train.lr.x=1"],
            "--set train.lr.x: is {'x': 1}, expected a valid number",
        ),
        (
            ["--set", "train.steps.x=1"],
            "--set train.steps.x: train.steps is 30, which has no keys; give all of it",
        ),
        (
            ["--set", "prune.rate=0.2", "--ratio", "0.5"],
            "--ratio and --set prune.rate: say how small tickets are, each in its way; give one "
            "of them",
        ),
        (["--layers", "784"], "--layers: has 1 values, expected at least 2"),
        (["--batch-size", "0"], "--batch-size: is 0, expected greater than or equal to 1"),
    ],
)
def test_junk_is_refused_by_the_name_of_its_flag(
    words: list[str], said: str, workspace: Path
) -> None:
    assert refusal("prune", *words) == said


def test_unknown_keys_are_refused_with_the_nearest(workspace: Path) -> None:
    said = refusal("prune", "--set", "train.stepps=1")
    assert said.startswith("--set train.stepps: is not a parameter; did you mean 'steps'?")
    assert "--set train.lr:1:2: is not valid YAML" in refusal("prune", "--set", "train.lr=[")


@pytest.mark.long
def test_a_ratio_that_is_set_wins_over_a_rate_in_the_file(workspace: Path) -> None:
    file = workspace / "params.yaml"
    file.write_text(file.read_text() + "  rate: 0.2\n  every_round: true\n")
    words = ["prune", "--dry-run", "--json", "--set", "prune.ratio=0.4", "--set", "prune.seed=1"]
    folders = json.loads(CliRunner().invoke(app, words).stdout)["folders"]
    assert {folder["path"] for folder in folders} == {
        f"masks/{method}-r0.40-n2-s1" for method in ("l1", "random")
    }


@pytest.mark.long
def test_another_model_does_not_take_over_the_layers_of_the_files(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "flagged_net.py").write_text(
        "from torch import nn\n\n\ndef small():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n"
    )
    assert planned("--model", "flagged_net:small", "--engine", "torch")["asked"] == 1
    said = refusal("prune", "--model", "flagged_net:small", "--layers", "784,10,10")
    assert said.startswith("model.layers: is for ")


@pytest.mark.long
def test_controls_can_be_set(workspace: Path) -> None:
    words = ["run", "--dry-run", "--json", "--seed", "1", "--set", "retrain.control=shuffle"]
    folders = json.loads(CliRunner().invoke(app, words).stdout)["folders"]
    runs = {Path(folder["path"]).parts[2] for folder in folders if folder["what"] == "run"}
    assert runs == {"shuffle"}
    said = refusal(*words, "--control", "rewind")
    assert said == "--set retrain.control and --control: say the same; give one of them"


def test_what_is_not_stated_stays_so() -> None:
    """A command may then know better than the default."""
    stated = Params.model_validate({"train": {"lr": 0.1}}).override({"train.steps": 5})
    assert stated.train.model_fields_set == {"lr", "steps"}
    assert Params().override({}).train.model_fields_set == set()


def test_kwargs_are_merged_and_a_value_without_keys_is_refused() -> None:
    params = Params.model_validate({"retrain": {"tickets": {"reinit": ["l1-*"]}}})
    merged = params.override({"retrain.tickets.shuffle": ["random-*"]}).retrain.tickets
    assert merged == {"reinit": ("l1-*",), "shuffle": ("random-*",)}
    with pytest.raises(ParamsError, match="which has no keys; give all of it"):
        Params().override({"train.steps": 5}).override({"train.steps.x": 1})


def test_help_has_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    text = CliRunner().invoke(app, ["run", "--help"]).stdout
    titles = [line for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles[:3] == ["Tickets:", "Controls:", "Model, data and training:"]
    assert titles[-1] == "Options:"

"""`lthctl init`: an experiment in a folder of one's own, with no clone of this repository."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from lthctl.cli.app import app
from lthctl.errors import OutputError, ParamsError
from lthctl.grid.prunings import asked_prunings
from lthctl.lottery.rates import rates_of
from lthctl.models.entry import model_from
from lthctl.params_file import read_params
from lthctl.presets.init import NETWORKS, PRESETS, TEMPLATES, init
from lthctl.training.engines import resolve

from .conftest import write_digits
from .test_pipeline import SHIM

ROOT = Path(__file__).parent.parent


def pipeline(path: Path) -> dict[str, Any]:
    """A dvc.yaml without what it says of the code that it runs."""
    text = path.read_text().replace("../../", "")
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    loaded["stages"].pop("version", None)
    for stage in loaded["stages"].values():
        deps = stage.get("deps", [])
        stage["deps"] = [dep for dep in deps if not dep.startswith(("lthctl/", "lthctl-version"))]
    return loaded


def test_the_presets_are_the_experiments_of_this_repository() -> None:
    preset = pipeline(TEMPLATES / "pipeline.yaml")
    assert pipeline(ROOT / "dvc.yaml") == preset
    del preset["stages"]["download"]
    assert pipeline(ROOT / "experiments/video/dvc.yaml") == preset
    two = pipeline(TEMPLATES / "paper/pipeline.yaml")
    del two["stages"]["download"]
    assert pipeline(ROOT / "experiments/paper/dvc.yaml") == two
    folders = {
        "root": ROOT, "video": ROOT / "experiments/video", "paper": ROOT / "experiments/paper"
    }  # fmt: skip
    assert [name for name in PRESETS if not name.startswith("paper-")] == list(folders)
    for preset_name, folder in folders.items():
        for name, template in PRESETS[preset_name].items():
            if name != "dvc.yaml":
                assert (TEMPLATES / template).read_text() == (folder / name).read_text()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_preset_asks_for_what_there_is(name: str) -> None:
    """Its ladder is the one that its report is about."""
    params = read_params(TEMPLATES / f"networks/{name}.yaml")
    prunings = asked_prunings(params.prune, model_from(params.model))
    assert {pruning.seed for pruning in prunings} == {1, 2, 3, 4, 5}
    last = max(prunings, key=lambda pruning: pruning.rounds)
    (primary,) = params.report.primary
    assert last.name_of_replicates.replace(f"-n{last.rounds}", "") == primary
    assert params.data.name == "cifar10" and params.model.name == name
    resolve(params.train.model_copy(update={"device": "cpu"}), model_from(params.model))


PRINTED = {
    "conv2": {"8.8", "4.6"},
    "conv4": {"11.1", "9.2"},
    "resnet20": {"41.7", "27.1", "21.9", "11.8"},
    "vgg19": {"6.9", "3.5", "1.5"},
}
"""Percent of the weights that rounds leave, as the paper prints them. (Those of Conv-6 fit no
network that it describes.)"""


@pytest.mark.parametrize("name", PRINTED)
def test_a_preset_leaves_the_weights_that_the_paper_prints(name: str) -> None:
    """The output layer at half the rate, and which layers are never pruned, show in the last
    digit."""
    params = read_params(TEMPLATES / f"networks/{name}.yaml")
    model = model_from(params.model)
    shapes = model.prunable(biases=False)
    sizes = {key: math.prod(shape) for key, shape in shapes.items()}
    left = set()
    for pruning in asked_prunings(params.prune, model):
        rates = rates_of(model, shapes, pruning)
        kept = sum(size * (1 - rates[key]) ** pruning.rounds for key, size in sizes.items())
        left.add(f"{100 * kept / sum(sizes.values()):.1f}")
    assert left >= PRINTED[name]


def test_dvc_takes_no_template_for_a_pipeline_of_this_repository() -> None:
    """It reads every dvc.yaml that it finds."""
    files = ["git", "ls-files", "*dvc.yaml"]
    found = subprocess.run(files, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    experiments = sorted(path.name for path in (ROOT / "experiments").iterdir())
    expected = ["dvc.yaml", *(f"experiments/{name}/dvc.yaml" for name in experiments)]
    assert sorted(found.split()) == sorted(expected)


@pytest.mark.parametrize(
    "template", ["pipeline.yaml", "paper/pipeline.yaml", "networks/pipeline.yaml"]
)
def test_a_preset_depends_on_the_version_instead_of_the_code(template: str) -> None:
    stages = YAML(typ="safe", pure=True).load((TEMPLATES / template).read_text())["stages"]
    for name in ("prune", "retrain", "report"):
        assert "lthctl-version" in stages[name]["deps"]
    assert stages["version"] == {
        "cmd": "lthctl --version > lthctl-version",
        "outs": [{"lthctl-version": {"cache": False}}],
    }


def test_what_results_ignore_is_ignored_here_too() -> None:
    ours = (ROOT / ".gitignore").read_text().replace("**/report", "/report").splitlines()
    preset = [line for line in (TEMPLATES / "gitignore").read_text().splitlines() if line[0] != "#"]
    assert set(preset) <= set(ours)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, below nobody's git or DVC project."""
    place = tmp_path / "empty"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "config"))
    return place


def files_of(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in files if path.parts[0] not in (".dvc", ".git")}


FILES = {"params.yaml", "dvc.yaml", ".gitignore", ".dvcignore"}


@pytest.mark.parametrize(
    "preset",
    [pytest.param(one, marks=[] if one == "root" else [pytest.mark.long]) for one in PRESETS],
)
def test_a_folder_becomes_a_dvc_project(project: Path, preset: str) -> None:
    result = CliRunner().invoke(app, ["init", "mine", "--preset", preset])
    assert result.exit_code == 0, result.output
    files = FILES | set(PRESETS[preset])
    assert result.stdout.splitlines() == [
        *(f"mine/{name}: written" for name in sorted(files)),
        "mine/.dvc: a new DVC project",
        "Run it: cd mine && dvc repro",
    ]
    assert files_of(project / "mine") == files
    assert (project / "mine/.dvc/config").read_text() == (
        "[core]\n    analytics = false\n    check_update = false\n    no_scm = True\n"
    )
    for name, template in PRESETS[preset].items():
        assert (project / "mine" / name).read_bytes() == (TEMPLATES / template).read_bytes()


@pytest.mark.long
def test_the_command_to_go_on_with_is_quoted_for_the_shell(project: Path) -> None:
    result = CliRunner().invoke(app, ["init", "größer & more"])
    assert result.stdout.splitlines()[-1] == "Run it: cd 'größer & more' && dvc repro"


def test_an_ignore_file_that_is_no_text_is_refused_before_anything_is_written(
    project: Path,
) -> None:
    (project / ".gitignore").write_bytes(b"\xff\xfe")
    with pytest.raises(OutputError) as refusal:
        init(".")
    assert str(refusal.value) == (
        ".gitignore: is not UTF-8 text; save it as UTF-8, or move it away"
    )
    assert [path.name for path in project.iterdir()] == [".gitignore"]


@pytest.mark.long
def test_it_fits_into_a_project_that_is_there(project: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    assert init("first").has_new_project  # a subfolder of a repository
    shutil.rmtree("first")
    assert init(".").has_new_project
    before = (project / ".dvc/config").read_bytes()
    (project / "second").mkdir()
    (project / "second/.gitignore").write_text("notes\n/data/mnist")
    (project / "second/paper.tex").write_text("mine")
    done = init("second")
    assert not done.has_new_project and not (project / "second/.dvc").exists()
    assert (project / ".dvc/config").read_bytes() == before
    assert done.extended == (Path("second/.gitignore"),)
    lines = (project / "second/.gitignore").read_text().splitlines()
    assert lines[:2] == ["notes", "/data/mnist"]
    assert lines.count("/data/mnist") == 1 and ".lthctl/" in lines
    assert (project / "second/paper.tex").read_text() == "mine"


def test_nothing_is_overwritten(project: Path) -> None:
    (project / "params.yaml").write_text("mine")
    (project / "dvc.yaml").symlink_to("nowhere")
    result = CliRunner().invoke(app, ["init"])
    assert result.exit_code == 3
    assert result.stderr == (
        "Error: dvc.yaml, params.yaml: there already, and init overwrites nothing; give another "
        "folder, or move them away\n"
    )
    assert sorted(path.name for path in project.iterdir()) == ["dvc.yaml", "params.yaml"]
    assert (project / "params.yaml").read_text() == "mine"


def test_an_unknown_preset_and_a_file_in_the_way(project: Path) -> None:
    with pytest.raises(ParamsError) as refusal:
        init("x", preset="vidoe")
    assert (
        str(refusal.value)
        == "preset: is 'vidoe'; did you mean 'video'? Expected 'root', 'video', 'paper', "
        "'paper-conv2', 'paper-conv4', 'paper-conv6', 'paper-resnet20' or 'paper-vgg19'"
    )
    (project / "taken").write_text("")
    with pytest.raises(OutputError, match="taken: is no folder; give another one"):
        init("taken")
    with pytest.raises(OutputError, match=r"taken/x: cannot be made \(Not a directory\)"):
        init("taken/x")
    assert sorted(path.name for path in project.iterdir()) == ["taken"]


TINY = (
    "model:\n  layers: [784, 20, 12, 10]\n"
    "train:\n  steps: 20\n  evaluate_every: 10\n  device: cpu\n  engine: torch\n"
    "prune:\n  method: [l1]\n  ratio: [0, 0.5]\n  rounds: [2]\n  seed: 1-2\n"
    "data: {}\nretrain: {control: [rewind, reinit]}\nreport: {}\n"
)


def environment_of(folder: Path, site: Path, project: Path) -> dict[str, str]:
    """One in which `lthctl` is the one in `site`, and takes synthetic digits for MNIST."""
    programs = folder / "bin"
    programs.mkdir()
    digests = write_digits(folder / "digits")
    shim = programs / "lthctl"
    shim.write_text(
        SHIM.format(
            python=sys.executable, root=str(site), digests=digests, digits=str(folder / "digits")
        )
    )
    shim.chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": ""}


TINY_PAPER = {
    "params.yaml": "prune: {ratio: 0, rate: 0.2, every_round: true, rounds: 2, seed: 1-2}\n"
    "retrain: {control: [rewind, reinit], tickets: {reinit: l1-rate0.20-n2}}\nreport: {}\n",
    "one-shot.yaml": "prune: {ratio: 0.5, rounds: 1, seed: 1-2}\n",
}
TINY_TRAINING = (
    "data: {holdout: 100}\nmodel: {layers: [784, 20, 12, 10], init: glorot}\n"
    "train: {steps: 20, evaluate_every: 10, device: cpu, engine: torch}\n"
)


def run_twice(
    project: Path,
    environment: dict[str, str],
    preset: str = "root",
    params: Mapping[str, str] = {"params.yaml": TINY},
    runs: int = 8,
) -> None:
    def dvc(*words: str) -> str:
        done = subprocess.run(
            ["dvc", *words], cwd=project, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    begin = ["lthctl", "init", "--quiet", "--preset", preset]
    subprocess.run(begin, cwd=project, env=environment, check=True)
    for name, text in params.items():
        (project / name).write_text(text)
    dvc("repro")
    assert json.loads((project / "report/metrics.json").read_bytes())["runs"] == runs
    again = dvc("repro")
    assert "Stage 'prune' didn't change, skipping" in again
    assert "Stage 'report' didn't change, skipping" in again
    assert "Data and pipelines are up to date." in again


@pytest.mark.dvc
def test_dvc_repro_runs_what_was_written(project: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    environment = environment_of(tmp_path, ROOT, project)
    run_twice(project, environment)
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    told = subprocess.run(status, cwd=project, capture_output=True, text=True, check=True).stdout
    changed = {line[3:] for line in told.splitlines()}
    assert not any(path.startswith(("masks/", "runs/", "data/", ".lthctl/")) for path in changed)
    assert FILES | {"dvc.lock", "lthctl-version", ".dvc/config"} <= changed


@pytest.mark.dvc
def test_the_paper_has_two_grids_and_its_claims(project: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    environment = environment_of(tmp_path, ROOT, project)
    params = {name: TINY_TRAINING + text for name, text in TINY_PAPER.items()}
    run_twice(project, environment, "paper", params, runs=10)
    claims = json.loads((project / "report/claims.json").read_bytes())["claims"]
    assert [one["verdict"] for one in claims if one["id"] == "C5a"] == ["not run"]
    (project / "claims.yaml").write_text((project / "claims.yaml").read_text() + "  # mine\n")
    again = subprocess.run(
        ["dvc", "status"], cwd=project, env=environment, capture_output=True, text=True
    ).stdout
    assert "claims.yaml" in again and "prune" not in again


@pytest.mark.slow
@pytest.mark.network  # pip fetches what builds the wheel
def test_the_wheel_needs_no_clone(project: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("lthctl-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    assert (site / "lthctl/presets/gitignore").is_file() and (site / "lthctl/py.typed").is_file()
    run_twice(project, environment_of(tmp_path, site, project))
    assert (project / "lthctl-version").read_text().startswith("lthctl 0.")

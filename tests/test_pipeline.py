"""The pipeline tells the truth: what dvc.yaml declares is what the commands read and write."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lthctl.artifacts.run import save_run
from lthctl.datasets import mnist
from lthctl.families import DATASETS
from lthctl.params import SECTIONS, SECTIONS_READ, Params, visible_to
from lthctl.params_file import load_params
from lthctl.reporting.answer_files import answer_files
from lthctl.reporting.claims_file import load_claims
from lthctl.reporting.figures import figure_files
from lthctl.reporting.reading import make_report
from lthctl.reporting.survivors import find_survivors, survivor_files
from lthctl.reporting.tables import report_files

from .conftest import write_digits
from .test_disk import tree
from .test_report import make_run

ROOT = Path(__file__).parent.parent
PIPELINE = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
STAGES: Mapping[str, dict[str, Any]] = PIPELINE["stages"]
STAGED = [command for command in SECTIONS_READ if command in STAGES]  # verify is no stage


@pytest.mark.parametrize("command", STAGED)
def test_declared_parameters_are_those_that_the_command_sees(command: str) -> None:
    assert tuple(STAGES[command].get("params", ())) == SECTIONS_READ[command]


@pytest.mark.parametrize("command", STAGED)
def test_a_command_cannot_see_other_sections(command: str) -> None:
    changed = load_params(ROOT / "params.yaml").override({
        "data.holdout": 7, "model.init": "glorot", "train.lr": 0.5, "prune.biases": False,
        "retrain.keep_weights": False, "report.margin": 0.5,
    })  # fmt: skip
    seen, defaults = visible_to(command, changed), Params()
    for section in SECTIONS:
        source = changed if section in SECTIONS_READ[command] else defaults
        assert getattr(seen, section) == getattr(source, section)


@pytest.mark.parametrize(
    "folder", sorted((ROOT / "experiments").iterdir()), ids=lambda folder: folder.name
)
def test_an_experiment_is_the_same_pipeline_on_the_same_data(folder: Path) -> None:
    text = (folder / "dvc.yaml").read_text().replace("../../", "")
    params = load_params(folder / "params.yaml")
    expected = deepcopy(PIPELINE)
    if params.data.name == "mnist":
        del expected["stages"]["download"]
    elif params.data.name == "folder":
        expected = on_photographs(expected)
    else:
        add_dataset(expected, params.data.name)
    loaded = YAML(typ="safe", pure=True).load(text)
    if "download" not in loaded["stages"]:  # another experiment's has it; the next test sees to it
        expected["stages"].pop("download", None)
    if (folder / "one-shot.yaml").exists():
        add_second_grid(expected["stages"])
        second = load_params(folder / "one-shot.yaml")
        for section in ("data", "model", "train"):
            assert getattr(second, section) == getattr(params, section)
    if (folder / "claims.yaml").exists():
        add_claims(expected["stages"])
        load_claims(folder / "claims.yaml")
    assert loaded == expected


def test_every_dataset_is_fetched_by_one_stage_of_all_experiments() -> None:
    """DVC lets no file belong to two stages, and one that belongs to none would never come."""
    fetched = []
    for path in [ROOT / "dvc.yaml", *ROOT.glob("experiments/*/dvc.yaml")]:
        stages = YAML(typ="safe", pure=True).load(path.read_text())["stages"]
        if "download" in stages:
            fetched.append(load_params(path.with_name("params.yaml")).data.name)
    wanted = {load_params(path).data.name for path in ROOT.glob("experiments/*/params.yaml")}
    assert sorted(fetched) == sorted(wanted - {"folder"})


def add_dataset(pipeline: dict[str, Any], name: str) -> None:
    """Another dataset, and a stage that fetches it."""
    loaded = json.loads(json.dumps(pipeline).replace("data/mnist", f"data/{name}"))
    loaded["stages"]["download"]["cmd"] = f"lthctl download {name} --out data/{name}"
    pipeline.clear()
    pipeline.update(loaded)


def on_photographs(pipeline: dict[str, Any]) -> dict[str, Any]:
    """A folder of images that nothing fetches, in the place of MNIST's four files."""
    text = json.dumps(pipeline)
    for name in mnist.MNIST:
        text = text.replace(f"data/mnist/{name}", "data/photographs")
    loaded: dict[str, Any] = json.loads(text.replace("data/mnist", "data/photographs"))
    del loaded["stages"]["download"]
    for stage in loaded["stages"].values():
        stage["deps"] = list(dict.fromkeys(stage["deps"]))
    return loaded


def add_second_grid(stages: dict[str, Any]) -> None:
    """Tickets of a second file of parameters, in the same folder."""
    prune = stages["prune"]
    prune["cmd"] = [
        prune["cmd"], prune["cmd"].replace("lthctl prune", "lthctl --params one-shot.yaml prune")
    ]  # fmt: skip
    prune["params"].append({"one-shot.yaml": list(SECTIONS_READ["prune"])})


def add_claims(stages: dict[str, Any]) -> None:
    """A report that judges claims, and depends on them."""
    report = stages["report"]
    report["cmd"] = report["cmd"].replace(" --out", " --claims claims.yaml --out")
    report["deps"].insert(0, "claims.yaml")
    place = next(i for i, out in enumerate(report["outs"]) if "report/answers.json" in out) + 1
    report["outs"][place:place] = [
        {f"report/claims.{end}": {"cache": False}} for end in ("json", "csv")
    ]


def test_every_section_is_read_by_a_command() -> None:
    assert {section for sections in SECTIONS_READ.values() for section in sections} == set(SECTIONS)


@pytest.mark.parametrize("command", STAGED)
def test_commands_carry_paths_and_these_are_declared(command: str) -> None:
    name, *words = STAGES[command]["cmd"].split()[1:]
    assert name == command
    assert {word for word in words if word.startswith("--")} <= {
        "--data",
        "--out",
        "--masks",
        "--control",
    }
    out = words[words.index("--out") + 1]
    read = {word for word in words if not word.startswith(("--", "${"))}
    read -= {out, *DATASETS.names()}
    deps = {dep for dep in STAGES[command].get("deps", []) if not dep.startswith("lthctl/")}
    assert {dep for dep in deps if not dep.startswith(tuple(f"{path}/" for path in read))} <= read
    assert all(any(dep == path or dep.startswith(f"{path}/") for dep in deps) for path in read)
    outputs = [*STAGES[command].get("outs", []), *STAGES[command].get("metrics", [])]
    for output in (output if isinstance(output, str) else next(iter(output)) for output in outputs):
        assert output == out or output.startswith(f"{out}/")


def test_dvc_owns_leaf_folders_and_never_deletes_the_data() -> None:
    owned = [
        next(iter(o)) if isinstance(o, dict) else o
        for stage in STAGES.values()
        for o in stage.get("outs", [])
    ]
    assert not {"data", "masks", "runs", "report"} & set(owned)
    assert STAGES["download"]["outs"] == [
        {f"data/mnist/{name}": {"persist": True}} for name in mnist.MNIST
    ]


@pytest.mark.long
def test_the_report_has_all_that_is_declared_and_no_more(tmp_path: Path) -> None:
    """What dvc.yaml lists is what the command writes."""
    save_run(make_run(), tmp_path / "run")
    made = make_report([tmp_path / "run"], Params().report)
    (none,), _ = find_survivors(made, tmp_path)
    written = {*report_files(made), *survivor_files([none]), *figure_files(made.groups[0], none)}
    written |= set(answer_files(made))
    stage = STAGES["report"]
    declared = [
        o if isinstance(o, str) else next(iter(o)) for o in [*stage["outs"], *stage["metrics"]]
    ]
    assert sorted(declared) == sorted(
        f"report/{name}" for name in written | {"index.html", "provenance.json"}
    )
    cached = [output for output in stage["outs"] if isinstance(output, str)]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    beside = "**/report/*/"  # reports by hand
    assert [line for line in ignored if "report/" in line and line != beside] == [
        f"**/{output}" for output in cached
    ]


def test_results_are_ignored_by_hand() -> None:
    def ignored(path: str) -> bool:
        return subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode == 0

    results = (
        "masks/pipeline",
        "masks/best",
        "runs/rewind/best",
        "runs/pipeline/rewind",
        ".lthctl/x",
    )
    results += ("report/index.html", "report/curves.csv")
    results += ("report/run/summary.csv", "report/by-hand/curves.svg")
    for path in (
        "data/mnist",
        *results,
        *(f"experiments/video/{path}" for path in results),
        ".venv/x",
    ):
        assert ignored(path), path
    for path in (
        "data/README.md",
        "masks/best.dvc",
        "runs/rewind.dvc",
        "runs/rewind/best.dvc",
        "report/metrics.json",
        "report/curves.svg",
        "dvc.lock",
        ".dvc/config",
    ):
        assert not ignored(path), path


SHIM = """#!{python}
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from lthctl.datasets import known_files, mnist
from lthctl.canonical import sha256
mnist.MNIST.update({digests!r})
known_files.sources_of = lambda known, _: [known.source(Path({digits!r}))]
from lthctl.cli.app import main
main()
"""


@pytest.fixture
def clone(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A repository with the real dvc.yaml, a small params.yaml, and an `lthctl` that takes
    synthetic digits for MNIST."""
    digests = write_digits(tmp_path / "digits")
    place, programs = tmp_path / "clone", tmp_path / "bin"
    programs.mkdir()
    shim = programs / "lthctl"
    shim.write_text(
        SHIM.format(
            python=sys.executable, root=str(ROOT), digests=digests, digits=str(tmp_path / "digits")
        )
    )
    shim.chmod(0o755)
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in (
        name
        for name in files
        if not name.startswith(("report/", "dvc.lock", "experiments/")) and (ROOT / name).is_file()
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes((ROOT / name).read_bytes())
    (place / "params.yaml").write_text(
        "model:\n  layers: [784, 20, 12, 10]\ntrain:\n  steps: 20\n  evaluate_every: 10\n  device: cpu\n"
        "prune:\n  method: [l1]\n  ratio: [0, 0.5]\n  rounds: [2]\n  seed: [1, 2]\n"
        "data: {}\nretrain: {control: [rewind, reinit]}\nreport: {}\n"
    )
    environment = {
        **os.environ,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(tmp_path / "config"),
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", *words], cwd=place, env=environment, check=True)
    return place, environment


@pytest.mark.dvc
def test_the_whole_pipeline(clone: tuple[Path, dict[str, str]]) -> None:
    place, environment = clone

    def dvc(*words: str) -> str:
        done = subprocess.run(
            ["dvc", *words], cwd=place, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=place, env=environment, capture_output=True, text=True, check=True
        ).stdout

    dvc("repro")
    assert sorted(path.name for path in (place / "runs/pipeline/reinit").iterdir()) == [
        "dense-s1", "dense-s2", "l1-r0.50-n2-s1", "l1-r0.50-n2-s2",
    ]  # fmt: skip
    assert {line[3:].rstrip("/") for line in git("status", "--porcelain").splitlines()} == {
        "dvc.lock",
        "report",
    }
    assert "up to date" in dvc("repro")
    git("add", "-A")
    git("commit", "-qm", "results")

    # A ticket made by hand beside DVC's lives through the next repro, and the person's own file
    # beside the data too.
    (place / "data/mnist/notes.txt").write_text("mine")
    by_hand = [
        "lthctl",
        "prune",
        "--method",
        "random",
        "--ratio",
        "0.5",
        "--seed",
        "1",
        "--out",
        "masks/",
        "--quiet",
    ]
    subprocess.run(by_hand, cwd=place, env=environment, check=True)
    dvc("exp", "run", "-S", "prune.ratio=[0,0.8]")
    assert (place / "masks/random-r0.50-n2-s1/ticket.json").is_file()
    assert (place / "data/mnist/notes.txt").read_text() == "mine"
    assert sorted(path.name for path in (place / "masks/pipeline").iterdir())[2:] == [
        "l1-r0.80-n2-s1",
        "l1-r0.80-n2-s2",
    ]
    words = [
        sys.executable,
        str(place.parent / "bin/lthctl"),
        "compare",
        "masks/pipeline@HEAD",
        "masks/pipeline",
    ]
    told = subprocess.run(
        words, cwd=place, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "2 tickets in both: 2 same\n" in told
    assert "Only in masks/pipeline@HEAD: l1-r0.50-n2-s1, l1-r0.50-n2-s2\n" in told
    assert "Only in masks/pipeline: l1-r0.80-n2-s1, l1-r0.80-n2-s2\n" in told
    assert "prune.ratio" in dvc("params", "diff")
    assert "l1-r0.80-n2-rewind" in dvc("metrics", "diff")
    page_style = place / "lthctl/reporting/page_assets/page.css"
    page_style.write_text(page_style.read_text() + "/* wider */\n")
    changed = json.loads(dvc("status", "--json"))
    assert set(changed) == {"report"}, changed
    assert str(changed["report"]).count("modified") == 1 and "lthctl/reporting" in str(changed)
    score = place / "lthctl/lottery/scores/l1.py"
    score.write_text(score.read_text() + "\n# another\n")
    assert {"prune", "retrain@rewind", "report"} <= set(json.loads(dvc("status", "--json")))
    dvc("plots", "show")
    assert (place / "dvc_plots/static").is_dir() or (place / "dvc_plots/index.html").is_file()


@pytest.mark.slow
def test_dvc_killed_at_any_moment(clone: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """SIGKILL of dvc leaves its lthctl behind, which the next `dvc repro` may have to share the
    store with."""
    place, environment = clone
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(place, undisturbed, symlinks=True)
    subprocess.run(
        ["dvc", "repro"], cwd=undisturbed, env=environment, capture_output=True, check=True
    )
    moments, kills = random.Random(4), 0
    while True:
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                ["dvc", "repro"], cwd=place, env=environment, stdout=log, stderr=log
            )
            try:
                process.wait(timeout=moments.uniform(1, 9) if kills < 8 else None)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                continue
        said = (tmp_path / "log").read_text()
        if (
            process.returncode and "RWLock" in said
        ):  # killed while DVC wrote this file of its own, which it then refuses
            (place / ".dvc/tmp/rwlock").unlink()
            continue
        assert process.returncode == 0, said
        break
    assert kills >= 3
    for name in "masks/pipeline", "runs/pipeline", "report":
        assert tree(place / name) == tree(undisturbed / name)
    assert (place / "dvc.lock").read_bytes() == (undisturbed / "dvc.lock").read_bytes()

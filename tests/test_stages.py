"""A stage of dvc.yaml depends on what its command can run, and on no more.

What a command can run is computed from the imports of its file: followed from module to module,
those inside functions included, and names such as "lthctl.training.dense.engine:train" too.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import lthctl
from lthctl.params import SECTIONS_READ

PACKAGE = Path(lthctl.__file__).parent
ROOT = PACKAGE.parent
PIPELINES = [ROOT / "dvc.yaml", *sorted((ROOT / "experiments").glob("*/dvc.yaml"))]

# The rest of the command line shows results and progress, and names the commands. None of that
# has a say in what is written.
DECIDING = (
    "cli/commands/",
    "cli/choices.py",
    "cli/control_options.py",
    "cli/flag_values.py",
    "cli/options.py",
    "cli/parameters.py",
    "cli/settings.py",
    "cli/ticket_options.py",
)


def is_presentation(file: Path) -> bool:
    name = file.relative_to(PACKAGE).as_posix()
    return name.startswith("cli/") and not name.startswith(DECIDING)


# They ask a family for the names of its members, and never for a member.
NAMES_ONLY = {
    "cli/choices.py",
    "cli/control_options.py",
    "cli/settings.py",
    "params/whole.py",
    "parameter_types/names.py",
}


@cache
def families() -> dict[str, set[Path]]:
    """Name of a family in families/members.py -> the files of its members."""
    found = {}
    for node in ast.parse((PACKAGE / "families" / "members.py").read_text()).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call):
            found[ast.unparse(node.target)] = named_in(node.value)
    return found


def named_in(tree: ast.AST) -> set[Path]:
    """The files that strings such as "lthctl.training.dense.engine:train" name."""
    strings = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    matches = (
        re.fullmatch(r"(lthctl(?:\.\w+)+)(?::\w+)?", text)
        for text in strings
        if isinstance(text, str)
    )
    return {file for match in matches if match for file in modules_of(match[1])}


def modules_of(dotted: str) -> set[Path]:
    """The file of a module, and those of the packages that it is in; none for what is no module."""
    parts = dotted.split(".")[1:]
    place = PACKAGE.joinpath(*parts)
    files = {PACKAGE.joinpath(*parts[:n]) / "__init__.py" for n in range(1, len(parts) + 1)}
    files.add(place.with_suffix(".py"))
    return {file for file in files if file.is_file()}


@cache
def imported_by(file: Path) -> set[Path]:
    """The files that a file imports, or lets a family import."""
    name = file.relative_to(PACKAGE).as_posix()
    tree = ast.parse(file.read_text())
    found = set() if name == "families/members.py" else named_in(tree)
    if name != "families/members.py" and name not in NAMES_ONLY:
        for family, members in families().items():
            if any(
                (isinstance(node, ast.Name) and node.id == family)
                or (isinstance(node, ast.Attribute) and node.attr == family)
                for node in ast.walk(tree)
            ):
                found |= members
    only_for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in only_for_types:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lthctl":
            assert node.module is not None
            found |= modules_of(node.module)
            for alias in node.names:
                found |= modules_of(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found |= modules_of(alias.name) if alias.name.startswith("lthctl.") else set()
    return found


@cache
def run_by(command: str) -> set[str]:
    """What a command can run, as paths inside the package."""
    found: set[Path] = set()
    ahead = {PACKAGE / "cli" / "commands" / f"{command}.py"}
    while ahead:
        file = ahead.pop()
        if file in found or is_presentation(file):
            continue
        found.add(file)
        ahead |= imported_by(file)
    names = {file.relative_to(PACKAGE).as_posix() for file in found}
    return {name for name in names if not name.endswith("__init__.py")}


def parts_of(command: str) -> set[str]:
    """Files of the command line, and packages and modules beside it, that a command can run."""
    return {
        f"lthctl/{name if name.startswith('cli/') else name.partition('/')[0]}"
        for name in run_by(command)
    }


# Whatever `download` runs, its files are checked against the digests in this package.
VERIFIED = {"download": {"lthctl/cli/commands/download.py", "lthctl/datasets"}}


def code_of(stage: str) -> list[str]:
    """What a stage has to list."""
    return sorted(VERIFIED.get(stage, parts_of(stage)))


@cache
def stages_of(pipeline: Path) -> dict[str, dict[str, Any]]:
    """What a dvc.yaml says of its stages."""
    stages: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(pipeline)["stages"]
    return stages


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("command", SECTIONS_READ)
def test_a_stage_depends_on_what_its_command_runs(command: str, pipeline: Path) -> None:
    """`python -m tests.test_stages` writes the lists anew."""
    stages = stages_of(pipeline)
    if command in stages:
        listed = [dep.removeprefix("../../") for dep in stages[command]["deps"]]
        assert [dep for dep in listed if dep.startswith("lthctl/")] == code_of(command)


def test_what_can_be_run_is_followed() -> None:
    """Lazy imports and members of families are, and presentation is not."""
    assert {"training/dense/engine.py", "lottery/scores/snip.py", "params_file.py"} <= run_by(
        "prune"
    )
    assert "grid/executors/processes.py" in run_by("retrain")
    assert not any(name.startswith(("reporting/", "verification/")) for name in run_by("prune"))
    assert run_by("report") >= {"reporting/page.py", "reporting/figures.py"}
    assert not any(name.startswith("grid/") for name in run_by("report"))


def write_lists(pipeline: Path) -> None:
    up = "../../" if pipeline.parent != ROOT else ""
    lines, stage, is_first = [], "", True
    for line in pipeline.read_text().splitlines(keepends=True):
        if match := re.match(r"  (\w+):$", line):
            stage, is_first = match[1], True
        if line.startswith(f"      - {up}lthctl/"):
            if is_first:
                lines += [f"      - {up}{part}\n" for part in code_of(stage)]
            is_first = False
        else:
            lines.append(line)
    pipeline.write_text("".join(lines))


if __name__ == "__main__":
    for pipeline in PIPELINES:
        write_lists(pipeline)


@pytest.mark.parametrize("pipeline", [*PIPELINES, *(PACKAGE / "presets").rglob("pipeline.yaml")])
def test_a_stage_that_fetches_names_its_dataset(pipeline: Path) -> None:
    """Else it would be that of params.yaml, which the stage does not depend on."""
    stages = stages_of(pipeline)
    if "download" in stages:
        assert re.match(r"lthctl download [a-z]", stages["download"]["cmd"])

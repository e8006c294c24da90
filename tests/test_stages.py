"""A stage of dvc.yaml depends on what its command can run, and on no more.

What a command can run is computed from the imports of its file: followed from module to module,
those inside functions included, and names such as "lthctl.training.dense:DenseEngine" too.
"""

import ast
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import lthctl
from lthctl.params import SECTIONS_READ

PACKAGE = Path(lthctl.__file__).parent
ROOT = PACKAGE.parent
PIPELINES = [ROOT / "dvc.yaml", *sorted((ROOT / "experiments").glob("*/dvc.yaml"))]

# They show results and progress, and name commands. None of them has a say in what is written.
PRESENTATION = {
    f"cli/{name}.py"
    for name in (
        "app", "check_view", "comparison_view", "console", "errors", "grid_view", "older_runs",
        "plan_view", "progress", "report_view", "sparks", "terminal", "ticket_table", "ticket_view",
    )
}  # fmt: skip


def modules_of(dotted: str) -> set[Path]:
    """The file of a module, and those of the packages that it is in; none for what is no module."""
    parts = dotted.split(".")[1:]
    place = PACKAGE.joinpath(*parts)
    files = {PACKAGE.joinpath(*parts[:n]) / "__init__.py" for n in range(1, len(parts) + 1)}
    files.add(place.with_suffix(".py"))
    return {file for file in files if file.is_file()}


def imported_by(file: Path) -> set[Path]:
    found: set[Path] = set()
    tree = ast.parse(file.read_text())
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
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for dotted in re.findall(r"^(lthctl(?:\.\w+)+)(?::\w+)?$", node.value):
                found |= modules_of(dotted)
    return found


def run_by(command: str) -> set[str]:
    """What a command can run, as paths inside the package."""
    found: set[Path] = set()
    ahead = {PACKAGE / "cli" / "commands" / f"{command}.py"}
    while ahead:
        file = ahead.pop()
        if file in found or file.relative_to(PACKAGE).as_posix() in PRESENTATION:
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


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("command", SECTIONS_READ)
def test_a_stage_depends_on_what_its_command_runs(command: str, pipeline: Path) -> None:
    stages = YAML(typ="safe", pure=True).load(pipeline.read_text())["stages"]
    if command not in stages:
        pytest.skip("the root's stage makes it")
    listed = [dep.removeprefix("../../") for dep in stages[command]["deps"]]
    code = [dep for dep in listed if dep.startswith("lthctl")]
    # Whatever `download` runs, its files are checked against the digests in this package.
    verified = {"download": {"lthctl/cli/commands/download.py", "lthctl/datasets"}}
    assert code == sorted(verified.get(command, parts_of(command)))


def test_what_is_reached_is_found() -> None:
    """Lazy imports and names with a colon are followed, and presentation is not."""
    assert {"training/dense.py", "lottery/scores.py", "params_file.py"} <= run_by("prune")
    assert not any(name.startswith(("reporting/", "verification/")) for name in run_by("prune"))
    assert run_by("report") >= {"reporting/page.py", "reporting/figures.py"}

"""Imports go in one direction, heavy ones are lazy, and the public names are a list that can be
read."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lthctl

PACKAGE = Path(lthctl.__file__).parent

# A package or module imports only from rows above its own, and from itself.
ROWS = [
    {"cores", "errors", "seeding", "locks", "pickles", "surroundings", "library_settings"},
    {
        "canonical",
        "disk",
        "links",
        "reading",
        "replacing",
        "families",
        "mask",
        "params",
        "params_file",
        "parameter_types",
        "yaml_file",
    },
    {"models", "datasets"},
    {"training"},
    {"artifacts"},
    {"lottery"},
    {"grid", "interop", "presets", "reporting", "tracking", "verification"},
    {"auditing", "cluster", "connecting", "pipeline"},
    {"cli"},
    {"__init__", "__main__"},
]
WITHIN = {
    "parameter_types": {"families"},
    "params": {"families", "parameter_types"},
    "params_file": {"params", "yaml_file"},
    "yaml_file": {"parameter_types"},
    "canonical": {"mask"},
    "disk": {"mask", "canonical", "links", "replacing"},
    "reading": {"replacing"},
}
"""What members of the second row may import of their own row."""


def parts() -> dict[str, list[Path]]:
    """Package or module -> its files."""
    found: dict[str, list[Path]] = {}
    for path in PACKAGE.rglob("*.py"):
        found.setdefault(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(path)
    return found


def imported_by(module: Path) -> set[str]:
    """The packages and modules of lthctl that a file imports from, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "lthctl":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lthctl."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("lthctl.")}
    return found


def test_every_part_has_a_row() -> None:
    assert set(parts()) == set().union(*ROWS)


@pytest.mark.parametrize("part", sorted(set().union(*ROWS)))
def test_imports_go_up_only(part: str) -> None:
    row = next(i for i, names in enumerate(ROWS) if part in names)
    allowed = set().union(*ROWS[:row]) | {part} | WITHIN.get(part, set())
    imported = set().union(*(imported_by(path) for path in parts()[part]))
    assert imported <= allowed


def test_help_needs_nothing_heavy() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from lthctl.cli.app import app\n"
        "for words in ['--help'], ['prune', '--help']: assert CliRunner().invoke(app, words).exit_code == 0\n"
        "print(sorted({'torch', 'torchvision', 'numba', 'scipy', 'matplotlib', 'dvc', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_public_names_are_listed_sorted_and_there() -> None:
    assert sorted(lthctl.__all__) == sorted(lthctl._HOME)
    assert all(getattr(lthctl, name).__doc__ for name in lthctl.__all__)


def lines_of(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines())
        for path in folder.rglob("*.py")
    }


def test_files_have_one_subject_and_a_command_is_thin() -> None:
    """By a rough measure: how long they are."""
    assert {name: count for name, count in lines_of(PACKAGE).items() if count > 325} == {}
    commands = lines_of(PACKAGE / "cli" / "commands")
    assert {name: count for name, count in commands.items() if count >= 100} == {}

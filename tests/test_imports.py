"""Imports go in one direction, heavy ones are lazy, and the public names are a list that can be read."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lthctl

PACKAGE = Path(lthctl.__file__).parent

# A module imports only from rows above its own.
ROWS = [
    {"errors"},
    {"params", "seeding", "mask"},
    {"files", "overlap", "pipeline", "revision"},
    {"data", "foreign", "kernels", "model", "pruning", "schema", "units"},
    {"training"},
    {"ticket", "engine_sparse", "engine_torch"},
    {"apply", "engine", "export", "store"},
    {"claims", "lottery", "grid", "speed", "statistics"},
    {"importing", "plan", "report", "verify"},
    {"compare", "survivors"},
    {"display", "figures", "page"},
    {"progress", "screen"},
    {"cli"},
    {"__init__", "__main__"},
]


def imported_by(module: Path) -> set[str]:
    """Names of lthctl's own modules that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "lthctl":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lthctl."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("lthctl.")}
    return found


def test_every_module_has_a_row() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == set().union(*ROWS)


@pytest.mark.parametrize("module", sorted(set().union(*ROWS)))
def test_imports_go_up_only(module: str) -> None:
    row = next(i for i, names in enumerate(ROWS) if module in names)
    above = set().union(*ROWS[:row])
    assert imported_by(PACKAGE / f"{module}.py") <= above


def test_architecture_shows_this_table() -> None:
    text = (PACKAGE.parent / "docs" / "ARCHITECTURE.md").read_text()
    for number, names in enumerate(ROWS[:-1]):
        assert f"| {number} | {', '.join(f'`{name}`' for name in sorted(names))} |" in text


def test_help_needs_nothing_heavy() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from lthctl.cli import app\n"
        "for words in ['--help'], ['prune', '--help']: assert CliRunner().invoke(app, words).exit_code == 0\n"
        "print(sorted({'torch', 'torchvision', 'numba', 'scipy', 'matplotlib', 'dvc', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_listed_sorted_and_there() -> None:
    assert sorted(lthctl.__all__) == sorted(lthctl._HOME)
    assert all(getattr(lthctl, name).__doc__ for name in lthctl.__all__)

"""The command line, called in this process."""

from functools import cache
from pathlib import Path

import typer.main
import typer.testing
from typer.testing import CliRunner, Result

from lthctl.cli.app import app

# A process builds its commands once, which takes longer than many a command. So do all tests here.
typer.testing._get_command = cache(typer.main.get_command)


def lthctl(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def refusal(code: int, *words: str) -> str:
    """What a command says when it ends with this code."""
    result = lthctl(*words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr.removeprefix("Error: ").rstrip()


def flat(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def files_below(folder: str) -> list[Path]:
    return [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]


def last_line(*words: str) -> str:
    return lthctl(*words).stdout.splitlines()[-1]

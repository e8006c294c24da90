"""The command line, called in this process."""

from pathlib import Path

from typer.testing import CliRunner, Result

from lthctl.cli.app import app


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

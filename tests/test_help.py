"""Help, choices and completion of the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from lthctl.cli.app import app
from lthctl.cli.choices import CHOICES

ROOT = Path(__file__).parent.parent
COMMANDS = [
    (), ("init",), ("download",), ("prune",), ("retrain",), ("run",), ("report",), ("show",), ("compare",), ("connect",),
    ("verify",), ("work",), ("audit",), ("export",), ("import",), ("store",), ("store", "check"), ("store", "prune"),
]  # fmt: skip


def help_of(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    return result.stdout


def test_all_commands_are_here() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(commands) == {words[0] for words in COMMANDS if words}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_eighty_columns(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of(*words)
    assert max(map(len, text.splitlines())) <= 80
    assert not any(line.endswith("...") for line in text.splitlines()[1:])  # nothing is cut


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_made_of_short_sentences(words: tuple[str, ...]) -> None:
    for line in help_of(*words).split("\n\n"):
        for sentence in line.replace("\n", " ").split(". "):
            assert len(sentence.split()) <= 40 or "--" in sentence, sentence


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        (("prune",), "How weights are scored: l1, random, "),
        (("prune",), "What trains: auto, sparse or torch."),
        (("retrain",), "What training starts from: rewind, reinit, shuffle, "),
        (("retrain",), "Where trainings run: threads or processes."),
        (("export",), "The format: state_dict, prune, csr or onnx."),
        (("init",), "The experiment: root, video, paper, paper-conv2, "),
    ],
)
def test_choices_are_listed(words: tuple[str, ...], listed: str) -> None:
    assert listed in " ".join(help_of(*words).split())


def test_choices_are_those_that_there_are() -> None:
    from lthctl.interop.export import FORMATS

    assert CHOICES["format"]() == tuple(FORMATS)


def lthctl(*words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'lthctl'; from lthctl.cli.app import main; main()", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("lthctl prune --method s", ["snip", "synflow"]),
        *(
            pytest.param(typed, completed, marks=pytest.mark.long)  # a process each
            for typed, completed in [
                ("lthctl prune --method r", ["random"]),
                ("lthctl retrain --control re", ["rewind", "reinit", "reinit-signs"]),
                ("lthctl export x --to ", ["state_dict", "prune", "csr", "onnx"]),
                ("lthctl verif", ["verify"]),
            ]
        ),
    ],
)
def test_the_shell_completes(typed: str, completed: list[str]) -> None:
    words = typed.split(" ")
    said = lthctl(
        _LTHCTL_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1)
    )
    assert said.split() == completed


@pytest.mark.long
def test_the_shell_gets_a_script(tmp_path: Path) -> None:
    script = lthctl(_LTHCTL_COMPLETE="source_bash")
    assert "_LTHCTL_COMPLETE=complete_bash" in script
    told = lthctl("--help")
    assert "--install-completion" in told and "--show-completion" in told


@pytest.mark.long
def test_lists_ranges_and_repeated_flags(workspace: Path) -> None:
    words = ["prune", "--dry-run", "--json", "--method", "l1", "--rounds", "1"]
    words += ["--ratio", "0.1,0.5", "--ratio", "0.25", "--seed", "1-2", "--seed", "7"]
    result = CliRunner().invoke(app, words)
    import json

    names = [folder["path"] for folder in json.loads(result.stdout)["folders"]]
    assert names == [
        f"masks/l1-r{ratio}-n1-s{seed}" for ratio in ("0.10", "0.50", "0.25") for seed in (1, 2, 7)
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "5-1"], "--seed: is '5-1', a range that runs backwards; write 1-5"),
        (["--seed", "x"], "--seed: is 'x', expected a seed such as 7, or a range such as 1-20"),
        (["--seed=-3"], "--seed: is '-3', expected a seed such as 7, or a range such as 1-20"),
        (["--ratio", "0.5,much"], "--ratio: is 'much', expected a number"),
        (["--rounds", "1.5"], "--rounds: is '1.5', expected a whole number"),
    ],
)
def test_lists_with_junk_are_refused(words: list[str], message: str, workspace: Path) -> None:
    result = CliRunner().invoke(app, ["prune", *words])
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")


@pytest.mark.long
def test_python_m_has_the_same_name_in_help_and_completion() -> None:
    command = [sys.executable, "-m", "lthctl"]
    for words in (["--help"], ["--show-completion", "bash"]):
        environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        done = subprocess.run([*command, *words], cwd=ROOT, env=environment, capture_output=True)
        text = done.stdout.decode()
        assert "python" not in text.lower() and "lthctl" in text


def test_help_of_retrain_says_what_the_ticket_decides(workspace: Path) -> None:
    (workspace / "params.yaml").write_text("model: conv2\ntrain: {lr: 0.25}\n")
    told = " ".join(help_of("retrain").split())
    assert "Learning rate. [default: 0.25]" in told
    assert "Images per step. [default: (the ticket's)]" in told
    assert "or module:name. [default: (the ticket's)]" in told  # whatever the file says of a model
    (workspace / "params.yaml").unlink()
    told = " ".join(help_of("retrain").split())
    assert "Learning rate. [default: (the ticket's)]" in told and "[default: 15000]" not in told
    assert "Images per step. [default: 60]" in " ".join(help_of("prune").split())

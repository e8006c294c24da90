"""The next command to type, in the last line of a command."""

import shlex
from pathlib import Path

from typer import Context

from lthctl.cli.console import show
from lthctl.cli.parameters import is_typed
from lthctl.families import is_own

CARRIED = {
    "retrain": ("steps", "batch_size", "lr", "optimizer", "data", "engine", "jobs", "executor"),
    "connect": ("data",),
    "verify": ("data", "trust", "jobs"),
}
"""Command -> options that it should have too, where they were given."""

OWN = {"model.name": "model", "data.name": "dataset"}
"""Parameters that may name somebody's own code, which has to be named again; -> their options."""


def say_next(context: Context, *words: str | Path) -> None:
    """Say what to type next, unless the command prints JSON, is quiet, or does nothing.

    Args:
      context: of this command. What was given to it and counts for the next one is repeated.
      words: the next command, such as "retrain" and a path.
    """
    if any(context.params.get(name) for name in ("json", "quiet", "dry_run")):
        return
    command = str(words[0])
    options = [
        text
        for name in CARRIED.get(command, ())
        if is_typed(context, name)
        for value in _values_of(context.params[name])
        for text in (f"--{name.replace('_', '-')}", value)
    ]
    if command in CARRIED:
        options += _own_names(context, by_option=command == "retrain")
        settings = context.params.get("settings", ())
        carried = [one for one in settings if command == "retrain" and one.startswith("train.")]
        carried += [one for one in settings if _is_own_name(*one.partition("=")[::2])]
        options += [word for text in carried for word in ("--set", text)]
    parent = context.parent
    before = []
    if parent is not None and is_typed(parent, "params"):
        before = ["--params", str(parent.params["params"])]
    say_line(*before, *words, *options)


def _values_of(given: object) -> list[str]:
    return [str(value) for value in (given if isinstance(given, list) else [given])]


def _own_names(context: Context, *, by_option: bool) -> list[str]:
    """Somebody's own code that was named by an option, for a command that has it or has not."""
    words = []
    for key, name in OWN.items():
        if is_typed(context, name) and _is_own_name(key, value := str(context.params[name])):
            words += [f"--{name}", value] if by_option else ["--set", f"{key}={value}"]
    return words


def _is_own_name(key: str, value: str) -> bool:
    """Whether a parameter names somebody's own code. What is built in tickets and runs name."""
    return key in OWN and is_own(value)


def say_line(*words: str | Path) -> None:
    """Say that a command of lthctl is the next one."""
    show(f"Next: {shlex.join(['lthctl', *map(str, words)])}")

"""The next command to type, in the last line of a command."""

import shlex
from pathlib import Path

from typer import Context

from lthctl.cli.console import show
from lthctl.cli.parameters import is_typed

CARRIED = ("steps", "batch_size", "lr", "optimizer", "data", "engine", "jobs", "executor")
"""Options that the next training should have too, where they were given."""


def say_next(context: Context, *words: str | Path) -> None:
    """Say what to type next, unless the command prints JSON, is quiet, or does nothing.

    Args:
      context: of this command. What was given to it and counts for the next one is repeated.
      words: the next command, such as "retrain" and a path.
    """
    if any(context.params.get(name) for name in ("json", "quiet", "dry_run")):
        return
    options = [
        text
        for name in CARRIED
        if words[0] == "retrain" and is_typed(context, name)
        for text in (f"--{name.replace('_', '-')}", str(context.params[name]))
    ]
    if words[0] == "retrain":
        settings = context.params.get("settings", ())
        carried = [text for text in settings if text.startswith("train.")]
        options += [word for text in carried for word in ("--set", text)]
    parent = context.parent
    before = []
    if parent is not None and is_typed(parent, "params"):
        before = ["--params", str(parent.params["params"])]
    say_line(*before, *words, *options)


def say_line(*words: str | Path) -> None:
    """Say that a command of lthctl is the next one."""
    show(f"Next: {shlex.join(['lthctl', *map(str, words)])}")

"""How the help of a command looks, and how its command line is read."""

import re
from collections.abc import Collection, Sequence
from copy import copy
from typing import Any

from typer.core import TyperCommand

from lthctl.errors import ParamsError
from lthctl.families import CONTROLS


class Command(TyperCommand):
    """A command whose help names an argument as people do: "PATH", and not "PATH <list[str]>".

    Where it has flags for controls and `--draws`, a number behind such a flag is that of draws.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                parameter.display_type_rich = lambda ctx: None  # type: ignore[attr-defined]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = {flag for parameter in self.params for flag in parameter.opts}
        if "--draws" in options:
            controls = {f"--{name}" for name in CONTROLS.names()}
            args = with_draws(args, controls & options)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options by their groups, those in no group last."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        rest = []
        for parameter in self.get_params(ctx):
            if parameter.name in (ctx.default_map or {}):  # the value, and no text in its place
                parameter = copy(parameter)
                parameter.show_default = True  # type: ignore[attr-defined]
            if (record := parameter.get_help_record(ctx)) is None:
                continue
            if parameter.param_type_name == "argument":
                groups["Arguments"].append(record)
            elif (group := getattr(parameter, "rich_help_panel", None)) is not None:
                groups.setdefault(group, []).append(record)
            else:
                rest.append(record)
        for title, records in {**groups, "Options": rest}.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def with_draws(args: Sequence[str], flags: Collection[str]) -> list[str]:
    """A command line with `--reinit 3` and `--reinit=3` written out as `--reinit --draws 3`.

    It is done before options are read, so that `--reinit masks/` stays a flag and a path.

    Args:
      args: words of a command line.
      flags: those behind which a number is one of draws.

    Raises:
      ParamsError: the number of draws is given twice.

    Example:
      >>> with_draws(["masks", "--reinit", "3"], ["--reinit"])
      ['masks', '--reinit', '--draws', '3']
    """
    words = list(args)
    end = words.index("--") if "--" in words else len(words)
    found: list[str] = []
    for word in words[:end]:
        flag, equals, number = word.partition("=")
        if equals and flag in flags and _is_number(number):
            found += [flag, "--draws", number]
        elif found and found[-1] in flags and _is_number(word):
            found += ["--draws", word]
        else:
            found.append(word)
    given = [word for word in found if word.partition("=")[0] == "--draws"]
    if len(given) > 1:
        raise ParamsError(
            "--draws: is given twice, as `--reinit 3` is short for `--reinit --draws 3`; give it "
            "once"
        )
    return found + words[end:]


def _is_number(text: str) -> bool:
    """Whether it looks like one, wrong ones too, which are refused as such later."""
    return re.fullmatch(r"-?[0-9]+(\.[0-9]*)?", text, re.ASCII) is not None

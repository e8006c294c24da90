"""Settings of a SLURM cluster: from `~/.config/lthctl/cluster.toml` and from flags."""

import os
import re
import shlex
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lthctl.errors import ParamsError
from lthctl.parameter_types import shown
from lthctl.training.devices import train_elsewhere

MINUTES = 60
"""That a job asks for, if nobody says otherwise."""

NAMES: Mapping[str, str] = {
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "exclude": "exclude",
    "cores": "cpus_per_task",
    "gpus": "gpus_per_node",
    "memory": "mem",
    "comment": "comment",
}
"""Our name of a setting -> that of submitit. Besides there are time, array, setup and python, and
every other long option of sbatch as it is."""

NUMBERS = ("cores", "gpus", "array")


@dataclass(frozen=True)
class SlurmSettings:
    """What a job asks for.

    Attributes:
      minutes: it may take.
      at_once: jobs of an array that run at the same time; None is all.
      setup_lines: of shell, before the worker.
      python: the interpreter on the nodes.
      parameters: of submitit.
    """

    minutes: int = MINUTES
    at_once: int | None = None
    setup_lines: list[str] = field(default_factory=list)
    python: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def settings_file() -> Path:
    """Where the settings of this person are."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    config = Path(given) if Path(given).is_absolute() else Path.home() / ".config"
    return config / "lthctl" / "cluster.toml"


def read_settings(flags: Mapping[str, str]) -> SlurmSettings:
    """The settings of the file, and flags, which win.

    Raises:
      ParamsError: the file cannot be read, or a value is no number where it should be one.
    """
    file = settings_file()
    said: dict[str, tuple[Any, str]] = {}
    if file.is_file():
        try:
            table = tomllib.loads(file.read_text()).get("slurm", {})
        except (OSError, ValueError) as error:
            raise ParamsError(f"{file}: cannot be read ({error}); expected TOML") from None
        if not isinstance(table, dict):
            raise ParamsError(f"{file}: slurm is no table; write its settings below [slurm]")
        said = {key: (value, f"{file}: slurm.{key}") for key, value in table.items()}
    said |= {key: (value, f"--slurm {key}") for key, value in flags.items()}
    minutes, at_once, setup, python = MINUTES, None, [], sys.executable
    parameters: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for key, (value, where) in said.items():
        if key == "time":
            minutes = _minutes(value, where)
        elif key == "setup":
            if not isinstance(value, str | list):
                raise ParamsError(f"{where}: is {shown(value)}, expected lines of shell, in a list")
            setup = [value] if isinstance(value, str) else [str(line) for line in value]
        elif key == "python":
            python = str(value)
        elif key in NUMBERS:
            number = _number(value, where)
            if key == "array":
                at_once = number
            else:
                parameters[NAMES[key]] = number
        elif key in NAMES:
            parameters[NAMES[key]] = str(value)
        elif re.fullmatch(r"[a-z][a-z-]*", key):
            more[key.replace("-", "_")] = value
        else:
            raise ParamsError(
                f"{where}: is no setting; there are {', '.join([*NAMES, 'time', 'array', 'setup'])}"
                ", python, and every long option of sbatch"
            )
    if more:
        parameters["additional_parameters"] = more
    # Nothing in the working folder takes the place of an installed module.
    lines = ["export PYTHONSAFEPATH=1", *setup]
    return SlurmSettings(minutes, at_once, lines, shlex.quote(python), parameters)


def expect_device_of_nodes(flags: Mapping[str, str]) -> None:
    """`train.device: auto` is what jobs ask for, and not what is on the machine that submits them.

    Raises: as `read_settings`.
    """
    parameters = read_settings(flags).parameters
    more = parameters.get("additional_parameters", {})
    wants_gpu = "gpus_per_node" in parameters or any(
        key.startswith("gpus") or (key == "gres" and "gpu" in str(value))
        for key, value in more.items()
    )
    train_elsewhere("cuda" if wants_gpu else "cpu")


def _number(value: Any, where: str) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,8}", str(value)):
        raise ParamsError(f"{where}: is {shown(value)}, expected a whole number above 0")
    return int(value)


def _minutes(value: Any, where: str) -> int:
    """Minutes of what SLURM takes for a time: minutes, hours:minutes:seconds, days-hours and more.

    Example:
      >>> _minutes("1-12", ""), _minutes("02:30:00", ""), _minutes(90, "")
      (2160, 150, 90)
    """
    text = str(value)
    number = "([0-9]{1,9})"
    match = re.fullmatch(rf"(?:{number}-)?{number}(?::{number})?(?::{number})?", text)
    if not match or isinstance(value, bool):
        raise ParamsError(
            f"{where}: is {shown(value)}, expected minutes, or days-hours:minutes:seconds"
        )
    days, first, second, third = (int(part or 0) for part in match.groups())
    if match[1] is not None:
        minutes = (days * 24 + first) * 60 + second
    elif match[4] is not None:
        minutes = first * 60 + second + (third > 0)
    else:
        minutes = first + (second > 0)
    if not minutes:
        raise ParamsError(f"{where}: is {shown(value)}, expected more than that")
    return minutes

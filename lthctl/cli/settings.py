"""Flags for what is trained and how: what people change daily, and `--set` for every parameter."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lthctl.cli.choices import choice
from lthctl.cli.flag_values import numbers
from lthctl.cli.options import SETTINGS_GROUP, DataOption
from lthctl.errors import ParamsError

if TYPE_CHECKING:
    from lthctl.params import ModelParams

SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any parameter of params.yaml, such as train.warmup=500. Repeat it for more.",
        rich_help_panel=SETTINGS_GROUP,
    ),
]

OF_TICKET = "the ticket's"
"""What help shows of a setting that params.yaml does not give; it gives `retrain` few."""


def _setting(flag: str, metavar: str, help: str) -> Any:
    return typer.Option(
        flag, metavar=metavar, help=help, rich_help_panel=SETTINGS_GROUP, show_default=OF_TICKET
    )


def _choice(flag: str, help: str) -> Any:
    return choice(flag, flag.removeprefix("--"), help, SETTINGS_GROUP, unset=OF_TICKET)


@dataclass(frozen=True)
class SettingOptions:
    """What is trained, and how."""

    model: Annotated[
        str | None,
        _choice("--model", "What is trained: {names}, or module:name."),
    ] = None
    layers: Annotated[
        list[str],
        _setting("--layers", "LIST", "Sizes of an MLP's layers: inputs, hidden ones, classes."),
    ] = field(default_factory=list)
    dataset: Annotated[
        str | None,
        _choice("--dataset", "What it learns: {names}, or module:name."),
    ] = None
    data: DataOption = None
    steps: Annotated[
        int | None,
        _setting(
            "--steps", "N", "Training steps. A ticket of n rounds gets steps/n before each pruning."
        ),
    ] = None
    batch_size: Annotated[
        int | None,
        _setting("--batch-size", "N", "Images per step."),
    ] = None
    lr: Annotated[
        float | None,
        _setting("--lr", "X", "Learning rate."),
    ] = None
    optimizer: Annotated[
        str | None,
        _choice("--optimizer", "What takes the steps: {names}."),
    ] = None
    engine: Annotated[str | None, _choice("--engine", "What trains: {names}.")] = None
    settings: SetOption = field(default_factory=list)

    def flags(self) -> dict[str, object]:
        """ "section.key" -> value, for the parameters; without `--set`, which they read themselves.

        Raises:
          ParamsError: a number is none.
        """
        return {
            "model.name": self.model,
            "model.layers": numbers("--layers", self.layers, int),
            "data.name": self.dataset,
            "train.steps": self.steps,
            "train.batch_size": self.batch_size,
            "train.lr": self.lr,
            "train.optimizer": self.optimizer,
            "train.engine": self.engine,
        }


def options_for(model: "ModelParams") -> list[str]:
    """How to type a built-in model.

    Example:
      >>> options_for(ModelParams(name="conv2", kwargs={"classes": 100}))
      ['--model', 'conv2', '--set', 'model.kwargs.classes=100']
    """
    if model.name == "mlp":
        return ["--layers", ",".join(map(str, model.layers))]
    sets = [f"model.kwargs.{key}={value}" for key, value in model.kwargs.items()]
    return ["--model", model.name, *(word for text in sets for word in ("--set", text))]


def settings_of(texts: Sequence[str], sections: Sequence[str]) -> dict[str, object]:
    """Parameters that `--set` names, "section.key" -> value. A value is YAML, as in params.yaml.

    Args:
      texts: such as "train.lr=0.1".
      sections: those that the command reads.

    Raises:
      ParamsError: a text is of another form, its value no YAML, or the command does not read that
        section; or a parameter is named twice.

    Example:
      >>> settings_of(["model.kwargs.classes=100", "prune.ratio=[0.5, 0.8]"], ["model", "prune"])
      {'model.kwargs.classes': 100, 'prune.ratio': [0.5, 0.8]}
    """
    from lthctl.params import SECTIONS
    from lthctl.yaml_file import parse_yaml

    found: dict[str, object] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"\w+(\.[^.]+)+", path):
            raise ParamsError(
                f"--set: is {text!r:.200}, expected section.key=value, such as train.lr=0.1"
            )
        section = path.partition(".")[0]
        if section in SECTIONS and section not in sections:
            raise ParamsError(
                f"--set {path}: this command does not read the section {section}, but "
                f"{', '.join(sections)}; leave it out"
            )
        for other in found:
            if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}."):
                raise ParamsError(f"--set {path}: is given twice; give it once")
        found[path], _ = parse_yaml(value, f"--set {path}")
    return found

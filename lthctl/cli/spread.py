"""Groups of options as parameters of a command, which Typer knows one by one only."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import Parameter
from typing import Annotated, Any, get_args, get_origin

import typer


@dataclass(frozen=True)
class ShortForms:
    """Marks a parameter that takes the names for which a flag `--name` was given.

    Attributes:
      flag: what `--name` is short for, such as "--control".
      names: for which there is one.
      group: of the help, that they stand in.
    """

    flag: str
    names: tuple[str, ...]
    group: str | None = None


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose groups of options are spread out, as Typer wants it.

    A parameter whose type is a dataclass becomes an option for each field. One that is annotated
    with `ShortForms` becomes a flag for each name.
    """
    signature = inspect.signature(command)
    groups: dict[str, Any] = {}
    short: dict[str, ShortForms] = {}
    spread_out: list[Parameter] = []
    for name, parameter in signature.parameters.items():
        if is_dataclass(parameter.annotation):
            groups[name] = parameter.annotation
            spread_out += _options_of(parameter.annotation)
        elif (forms := _short_forms(parameter)) is not None:
            short[name] = forms
            spread_out += [_flag(forms, one) for one in forms.names]
        else:
            spread_out.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def called(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{one.name: given.pop(one.name) for one in fields(group)})
        for name, forms in short.items():
            given[name] = [one for one in forms.names if given.pop(_variable(one))]
        command(**given)

    called.__signature__ = signature.replace(parameters=spread_out)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in spread_out}
    return called


def _options_of(group: Any) -> list[Parameter]:
    return [
        Parameter(
            one.name,
            Parameter.KEYWORD_ONLY,
            default=one.default if one.default_factory is MISSING else one.default_factory(),
            annotation=one.type,
        )
        for one in fields(group)
    ]


def _short_forms(parameter: Parameter) -> ShortForms | None:
    if get_origin(parameter.annotation) is not Annotated:
        return None
    marks = (mark for mark in get_args(parameter.annotation) if isinstance(mark, ShortForms))
    return next(marks, None)


def _variable(name: str) -> str:
    """A name as Python takes one."""
    return name.replace("-", "_")


def _flag(forms: ShortForms, name: str) -> Parameter:
    help = f"Short for {forms.flag} {name}."
    option = typer.Option(f"--{name}", help=help, rich_help_panel=forms.group)
    return Parameter(
        _variable(name), Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option]
    )

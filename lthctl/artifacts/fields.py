"""Types of fields that the documents of tickets and of runs have in common."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WrapValidator
from pydantic_core import PydanticCustomError

from lthctl.datasets.base import DataDescription
from lthctl.families import OWN_NAME, PLAIN_NAME
from lthctl.mask import listed
from lthctl.parameter_types import Digest
from lthctl.params import RoundParams, TrainParams

FROM_JSON = "json"
"""Context of validation where a document is read: there, what is None must not be written null."""


MAX_NAME = 128  # characters; a name becomes part of a folder's name, which may have 255 bytes


def _check_name(name: str) -> str:
    if len(name) > MAX_NAME or not re.fullmatch(f"{PLAIN_NAME}|{OWN_NAME}", name):
        raise PydanticCustomError(
            "name",
            "Input should be a lower-case name such as l1, or a module, a colon and a name in it, "
            "such as mypackage.scores:taylor",
        )
    return name


Name = Annotated[str, WrapValidator(lambda value, check: _check_name(check(value)))]
"""Of a method or a control, whether it is known here or not. It becomes part of folders' names, so
it is never a path."""


def _check_sources(sources: object, info: ValidationInfo) -> object:
    if info.context == FROM_JSON and isinstance(sources, dict) and not sources:
        raise ValueError("is empty, expected at least one; without, it is left out")
    return sources


Sources = Annotated[
    dict[Annotated[str, Field(max_length=MAX_NAME)], Digest],
    Field(max_length=64),
    BeforeValidator(_check_sources),
]
"""A name with a colon -> SHA-256 of the file that its code came from."""


def _as_written(value: object, check: Any) -> Any:
    """Parameters of which a document holds exactly the identity."""
    params = check(value)
    if isinstance(value, dict) and (expected := params.identity()) != value:
        raise ValueError(f"has keys {listed(map(str, value))}, expected {listed(expected)}")
    return params


def _empty_is_none(value: object, info: ValidationInfo) -> object:
    """A document says {} where there is nothing to say."""
    if value is None and info.context == FROM_JSON:
        raise ValueError("is null, expected {} or what there is to say")
    return None if isinstance(value, dict) and not value else value


Training = Annotated[TrainParams, WrapValidator(_as_written)]


TrainingOfRounds = Annotated[
    Annotated[RoundParams, WrapValidator(_as_written)] | None, BeforeValidator(_empty_is_none)
]


Data = Annotated[DataDescription | None, BeforeValidator(_empty_is_none)]

"""What types of parameters have in common: one value for a list, no null, values in messages."""

from reprlib import Repr
from typing import Annotated

from pydantic import BeforeValidator, Field

_repr = Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 80
_repr.maxlevel = 2


shown = _repr.repr
"""A value as Python would write it, cut to a length that fits a message."""


def as_tuple(value: object) -> object:
    """One value stands for a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


PARAMETERS_LIMIT = 10_000
"""Parameters of a model in a file; a list of the faults of a million would take minutes."""

Text = Annotated[str, Field(max_length=1000)]
"""What a model or a dataset is called, which is shown to people."""


def _check_number(parameters: object) -> object:
    if isinstance(parameters, dict) and len(parameters) > PARAMETERS_LIMIT:
        raise ValueError(f"has {len(parameters)} parameters, expected at most {PARAMETERS_LIMIT}")
    return parameters


ParametersByName = BeforeValidator(_check_number)
"""Of a field that maps parameters to something: refuses too many before any is looked at."""


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError("is null; it may be left out")
    return value


not_null = BeforeValidator(_not_null)
"""Of a field that may be left out of a file, and is None then; a file never says null."""

"""Counts, fractions, seeds and digests, with their ranges."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lthctl.parameter_types.values import as_tuple


def _check_ratio(value: float) -> float:
    if not 0 <= value < 1:
        raise PydanticCustomError(
            "ratio", "Input should be in [0, 1): the fraction of weights to prune"
        )
    return value


Ratio = Annotated[float, AfterValidator(_check_ratio)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
Draws = Annotated[int, Field(ge=1, le=1000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal."""


Ratios = Annotated[tuple[Ratio, ...], BeforeValidator(as_tuple), Field(min_length=1)]
LayerRatios = Annotated[
    Annotated[tuple[Ratio, ...], BeforeValidator(as_tuple), Field(min_length=1)] | None,
    BeforeValidator(lambda value: value or None),
]
"""A ratio for each layer; None where one ratio is for all."""


Counts = Annotated[tuple[Count, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Naturals = Annotated[tuple[Natural, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Targets = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
]


def _check_looks(looks: tuple[int, ...]) -> tuple[int, ...]:
    if any(first >= second for first, second in pairwise(looks)):
        raise PydanticCustomError("looks", "Input should be ascending, such as 5, 10, 20")
    return looks


Looks = Annotated[
    tuple[Annotated[int, Field(ge=2, le=10_000)], ...],
    BeforeValidator(as_tuple),
    AfterValidator(_check_looks),
]


def _as_sizes(value: object) -> object:
    if isinstance(value, str):
        raise PydanticCustomError(
            "sizes", "Input should be sizes of layers, such as [784, 300, 100, 10]"
        )
    return as_tuple(value)


Sizes = Annotated[tuple[Count, ...], BeforeValidator(_as_sizes), Field(min_length=2)]

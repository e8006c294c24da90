"""Rates of pruning, for all layers or by pattern; steps at which the learning rate drops."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lthctl.parameter_types.names import LayerPattern
from lthctl.parameter_types.numbers import Count


def _as_rate(value: object) -> object:
    """A rate, or pattern -> rate as pairs in the order of the patterns."""
    if value is None or (isinstance(value, float) and 0 < value < 1):
        return value
    if isinstance(value, dict):
        value = list(value.items())
    pairs = [
        tuple(pair) if isinstance(pair, list | tuple) else pair
        for pair in (value if isinstance(value, list | tuple) else ())
    ]
    is_pair = all(
        isinstance(pair, tuple)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], int | float)
        and 0 <= pair[1] < 1
        for pair in pairs
    )
    if not pairs or not is_pair or not any(rate > 0 for _, rate in pairs):
        raise PydanticCustomError(
            "rate",
            "Input should be a rate in (0, 1), such as 0.2, or rates in [0, 1) by the names of "
            "layers, such as {conv*: 0.1, fc*: 0.2}",
        )
    return tuple((name, float(rate)) for name, rate in sorted(pairs))


Rate = Annotated[
    Annotated[float, Field(gt=0, lt=1)] | tuple[tuple[LayerPattern, float], ...] | None,
    BeforeValidator(_as_rate),
]
"""The fraction of the remaining weights that a round removes, for all layers or by pattern."""


def rate_text(rate: float | Sequence[tuple[str, float]] | None) -> str:
    """A `Rate` as `--rate` takes it; empty for none.

    Example:
      >>> rate_text((("conv*", 0.1), ("fc*", 0.2)))
      'conv*=0.1,fc*=0.2'
    """
    if isinstance(rate, Sequence):
        return ",".join(f"{name}={one:g}" for name, one in rate)
    return "" if rate is None else f"{rate:g}"


def _as_drops(value: object) -> object:
    """A mapping step -> factor as pairs in the order of the steps; a file may have its keys as
    text."""
    if not isinstance(value, dict):
        return value
    pairs = [
        (int(key) if isinstance(key, str) and key.isdecimal() else key, factor)
        for key, factor in value.items()
    ]
    return sorted(pairs) if all(isinstance(key, int) for key, _ in pairs) else pairs


def _as_pairs(value: object) -> object:
    given = value if isinstance(value, list | tuple) else [()]
    pairs = tuple(tuple(pair) if isinstance(pair, list | tuple) else (pair,) for pair in given)
    if any(len(pair) != 2 for pair in pairs):
        raise PydanticCustomError(
            "drops",
            "Input should be steps and what lr is multiplied with once they are taken, such as "
            "{20000: 0.1, 25000: 0.01}",
        )
    return pairs


def _check_drops(drops: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    if any(first >= second for (first, _), (second, _) in pairwise(drops)):
        raise PydanticCustomError("drops", "Input should have ascending steps, each once")
    return drops


Drops = Annotated[
    tuple[tuple[Count, Annotated[float, Field(ge=0, allow_inf_nan=False)]], ...],
    BeforeValidator(_as_pairs),
    BeforeValidator(_as_drops),
    AfterValidator(_check_drops),
]
"""Step -> factor, written as a mapping or as pairs."""

"""How pixels are normalized: a word, or a mean and a standard deviation."""

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

MAX_CHANNELS = 64


def _as_normalize(value: object) -> object:
    """None, a word, or a mean and a standard deviation, of all pixels or of each channel."""
    if value is None or value in ("standard", "per-channel"):
        return value
    if isinstance(value, list | tuple) and len(value) == 2:
        is_one = not any(isinstance(part, list | tuple) for part in value)
        means, deviations = (part if isinstance(part, list | tuple) else [part] for part in value)
        are_numbers = all(
            isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
            for one in (*means, *deviations)
        )
        if (
            are_numbers
            and 1 <= len(means) == len(deviations) <= MAX_CHANNELS
            and all(deviation > 0 for deviation in deviations)
        ):
            both = tuple(map(float, means)), tuple(map(float, deviations))
            return (both[0][0], both[1][0]) if is_one else both
    raise PydanticCustomError(
        "normalize",
        "Input should be standard, or a mean and a standard deviation above 0, such as "
        "[0.1307, 0.3081]; or per-channel, or a list of each, such as "
        "[[0.49, 0.48, 0.45], [0.25, 0.24, 0.26]]",
    )


Moments = tuple[float, float] | tuple[tuple[float, ...], tuple[float, ...]]
"""A mean and a standard deviation, of all pixels or a list of each with an entry per channel."""


Normalize = Annotated[
    Moments | Literal["standard", "per-channel"] | None, BeforeValidator(_as_normalize)
]
"""How pixels are moved and scaled; see `lthctl.datasets.normalizing`."""

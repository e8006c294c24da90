"""Seeds, and ranges of them such as "1-20"."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lthctl.parameter_types.numbers import Seed
from lthctl.parameter_types.values import shown

RANGE_LIMIT = 10_000  # seeds; a range of more is a slip of the finger, and would fill the memory


def _as_seeds(value: object) -> object:
    """Seeds as a tuple, with every range such as "1-20" written out.

    Where a range is wrong, all stay as they are, so that the error names its place in the list.
    """
    items = value if isinstance(value, list | tuple) else (value,)
    try:
        ranges = [_range_of_seeds(item) for item in items]
    except PydanticCustomError:
        return tuple(items)
    return tuple(
        seed
        for item, seeds in zip(items, ranges, strict=True)
        for seed in ((item,) if seeds is None else seeds)
    )


def _check_range(value: object) -> object:
    seeds = _range_of_seeds(value)
    return value if seeds is None else seeds[0]


def _range_of_seeds(value: object) -> range | None:
    """The seeds of a text such as "1-20"; None for anything that is no range.

    Raises:
      PydanticCustomError: it runs backwards, or is too long.
    """
    ends = (
        re.fullmatch(r"\s*([0-9]{1,18})\s*-\s*([0-9]{1,18})\s*", value, re.ASCII)
        if isinstance(value, str)
        else None
    )
    if ends is None:
        return None
    first, last = int(ends[1]), int(ends[2])
    if first > last:
        raise PydanticCustomError(
            "seed_range",
            "is {text}, a range that runs backwards; write {last}-{first}",
            {"text": shown(value), "first": first, "last": last},
        )
    if last - first >= RANGE_LIMIT:
        raise PydanticCustomError(
            "seed_range",
            "is {text}, a range of more than {limit} seeds; give a shorter one",
            {"text": shown(value), "limit": f"{RANGE_LIMIT:,}"},
        )
    return range(first, last + 1)


Seeds = Annotated[
    tuple[Annotated[Seed, BeforeValidator(_check_range)], ...],
    BeforeValidator(_as_seeds),
    Field(min_length=1),
]

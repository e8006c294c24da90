"""The types of parameters, with their ranges: names of members, counts, seeds, lists of them.

A list may be given as one value, and seeds as a range such as "1-20".
"""

import difflib
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from reprlib import Repr
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lthctl import families
from lthctl.families import Family


def _member_of(family: Family[Any], *also: str) -> AfterValidator:
    """A name that a family has, or that somebody may have brought; nothing is imported."""

    def check(name: str) -> str:
        if (expected := family.expected_instead_of(name, *also)) is not None:
            close = difflib.get_close_matches(name, (*also, *family.names()), n=1)
            nearest = {"nearest": close[0]} if close else {}
            raise PydanticCustomError(
                "member", "Input should be {expected}", {"expected": expected, **nearest}
            )
        return name

    return AfterValidator(check)


ModelName = Annotated[str, _member_of(families.MODELS)]


DatasetName = Annotated[str, _member_of(families.DATASETS)]


Method = Annotated[str, _member_of(families.SCORES)]


Control = Annotated[str, _member_of(families.CONTROLS)]


Optimizer = Annotated[str, _member_of(families.OPTIMIZERS)]


Schedule = Annotated[str, _member_of(families.SCHEDULES)]


Engine = Annotated[str, _member_of(families.ENGINES, "auto")]


Precision = Literal["float32", "bfloat16"]


Scope = Literal["layer", "global"]


Select = Literal["max-accuracy", "min-loss"]
"""The step that a run is read at: of maximum validation accuracy, or of minimum validation loss."""


Init = Literal[
    "uniform", "glorot", "glorot-uniform", "kaiming-normal", "kaiming-uniform", "orthogonal"
]
"""What draws the first weights; `lthctl.models.initializations` has an entry for each."""


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


_repr = Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 80
_repr.maxlevel = 2


shown = _repr.repr
"""A value as Python would write it, cut to a length that fits a message."""


def _as_tuple(value: object) -> object:
    """One value stands for a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


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


PARAMETERS_LIMIT = 10_000
"""Parameters of a model in a file; a list of the faults of a million would take minutes."""


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


MethodOrDense = Annotated[str, _member_of(families.SCORES, "dense")]


Methods = Annotated[tuple[MethodOrDense, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


Controls = Annotated[tuple[Control, ...], BeforeValidator(_as_tuple)]


MethodsOfControls = dict[Control, Annotated[tuple[Method, ...], BeforeValidator(_as_tuple)]]


def _check_ticket(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._*-]{1,200}", name) is None or re.search(r"-s[0-9]+$", name):
        raise PydanticCustomError(
            "ticket",
            "Input should be the name of a ticket without its seed, such as l1-r0.80-n5 or l1-*",
        )
    return name


TicketsOfControls = dict[
    Control,
    Annotated[
        tuple[Annotated[str, AfterValidator(_check_ticket)], ...], BeforeValidator(_as_tuple)
    ],
]
"""`*` stands for anything; any other character for itself."""


Ratios = Annotated[tuple[Ratio, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


LayerRatios = Annotated[
    Annotated[tuple[Ratio, ...], BeforeValidator(_as_tuple), Field(min_length=1)] | None,
    BeforeValidator(lambda value: value or None),
]
"""A ratio for each layer; None where one ratio is for all."""


LayerPattern = Annotated[str, Field(pattern="^[^\x00-\x20,=]{1,200}$")]
"""The name of a layer, such as `conv1` or `layers.0`; `*` stands for anything."""


LayerPatterns = Annotated[
    tuple[LayerPattern, ...],
    BeforeValidator(_as_tuple),
    AfterValidator(lambda names: tuple(sorted(set(names)))),
]


def _as_rate(value: object) -> object:
    """A rate, or pattern -> rate as pairs in the order of the patterns."""
    if isinstance(value, dict):
        value = list(value.items())
    if not isinstance(value, list | tuple):
        return value
    pairs = [tuple(pair) if isinstance(pair, list | tuple) else pair for pair in value]
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
            "layers, such as {{conv*: 0.1, fc*: 0.2}}",
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


Counts = Annotated[tuple[Count, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


Naturals = Annotated[tuple[Natural, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


Seeds = Annotated[
    tuple[Annotated[Seed, BeforeValidator(_check_range)], ...],
    BeforeValidator(_as_seeds),
    Field(min_length=1),
]


Targets = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], ...],
    BeforeValidator(_as_tuple),
    Field(min_length=1),
]


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
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value


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


def _check_looks(looks: tuple[int, ...]) -> tuple[int, ...]:
    if any(first >= second for first, second in pairwise(looks)):
        raise PydanticCustomError("looks", "Input should be ascending, such as 5, 10, 20")
    return looks


Looks = Annotated[
    tuple[Annotated[int, Field(ge=2, le=10_000)], ...],
    BeforeValidator(_as_tuple),
    AfterValidator(_check_looks),
]


LADDER = re.compile(
    "(.+?)-(?:n([1-9][0-9]{0,17})|rate(0?[.][0-9]+))((?:-[a-z][a-z0-9_.]*)*)", re.ASCII
)
"""Method, rounds or rate, and further words, as in the name of a ticket."""


def _check_ladder(name: str) -> str:
    if LADDER.fullmatch(name) is None:
        raise PydanticCustomError(
            "ladder",
            "Input should be a method and its rounds, such as l1-n5, or its rate, such as "
            "l1-rate0.20",
        )
    return name


Ladders = Annotated[
    tuple[Annotated[str, AfterValidator(_check_ladder)], ...], BeforeValidator(_as_tuple)
]


Sizes = Annotated[tuple[Count, ...], BeforeValidator(_as_tuple), Field(min_length=2)]

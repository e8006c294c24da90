"""Names: members of families, layers, tickets, ladders, and words to choose from."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lthctl import families
from lthctl.families import Family, nearest
from lthctl.parameter_types.values import as_tuple


def _member_of(family: Family[Any], *also: str) -> AfterValidator:
    """A name that a family has, or that somebody may have brought; nothing is imported."""

    def check(name: str) -> str:
        if (expected := family.expected_instead_of(name, *also)) is not None:
            meant = nearest(name, (*also, *family.names()))
            hint = {"nearest": meant} if meant else {}
            raise PydanticCustomError(
                "member", "Input should be {expected}", {"expected": expected, **hint}
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


MethodOrDense = Annotated[str, _member_of(families.SCORES, "dense")]
Methods = Annotated[tuple[MethodOrDense, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Controls = Annotated[tuple[Control, ...], BeforeValidator(as_tuple)]
MethodsOfControls = dict[Control, Annotated[tuple[Method, ...], BeforeValidator(as_tuple)]]


def _check_ticket(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._*-]{1,200}", name) is None or re.search(r"-s[0-9]+$", name):
        raise PydanticCustomError(
            "ticket",
            "Input should be the name of a ticket without its seed, such as l1-r0.80-n5 or l1-*",
        )
    return name


TicketsOfControls = dict[
    Control,
    Annotated[tuple[Annotated[str, AfterValidator(_check_ticket)], ...], BeforeValidator(as_tuple)],
]
"""`*` stands for anything; any other character for itself."""


def _check_pattern(name: str) -> str:
    if re.fullmatch("[^\x00-\x20,=]{1,200}", name) is None:
        raise PydanticCustomError(
            "layer",
            "Input should be the name of a layer, such as conv1 or conv*, without spaces, commas "
            "and =",
        )
    return name


LayerPattern = Annotated[str, AfterValidator(_check_pattern)]
"""The name of a layer, such as `conv1` or `layers.0`; `*` stands for anything."""


LayerPatterns = Annotated[
    tuple[LayerPattern, ...],
    BeforeValidator(as_tuple),
    AfterValidator(lambda names: tuple(sorted(set(names)))),
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
    tuple[Annotated[str, AfterValidator(_check_ladder)], ...], BeforeValidator(as_tuple)
]

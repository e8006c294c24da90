"""Reading claims.yaml: the claims of a paper as data.

Each claim is a sentence, a quantity, where it is measured, a bound, and what the paper prints.
Nothing in the file is run. Every fault is named with its line.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from lthctl.errors import ParamsError
from lthctl.families import CONTROLS, nearest
from lthctl.parameter_types import Control, shown
from lthctl.params import Section
from lthctl.reporting.claim_quantities import QUANTITIES
from lthctl.reporting.ladders import LadderKey
from lthctl.yaml_file import faults_text, read_yaml

DENSE = "dense"

Text = Annotated[str, Field(min_length=1, max_length=600)]
Percent = Annotated[float, Field(gt=0, le=100)]
Number = Annotated[float, Field(allow_inf_nan=False)]


def _check_quantity(name: str) -> str:
    if name not in QUANTITIES:
        meant = nearest(name, QUANTITIES)
        raise PydanticCustomError(
            "quantity",
            "is {name}, which is no quantity; {hint}known are: {known}",
            {
                "name": shown(name),
                "hint": f"did you mean {meant!r}? " if meant else "",
                "known": ", ".join(QUANTITIES),
            },
        )
    return name


def _check_ladder(name: str) -> str:
    if not is_ladder(name):
        raise PydanticCustomError(
            "ladder",
            "is {name}, expected the name of a ladder, such as l1-n5",
            {"name": shown(name)},
        )
    return name


def _check_other(name: str) -> str:
    if name != DENSE and not is_ladder(name) and CONTROLS.expected_instead_of(name) is not None:
        raise PydanticCustomError(
            "other",
            "is {name}, expected dense, a control ({controls}), or a ladder, such as l1-n5",
            {"name": shown(name), "controls": ", ".join(CONTROLS.names())},
        )
    return name


def _as_pair(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Bound(Section):
    """What a claim says of its quantity, in the unit of that: above, below, or between both."""

    above: Number | None = None
    below: Number | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.above is None and self.below is None:
            raise PydanticCustomError("bound", "has neither above nor below; give one, or both")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise PydanticCustomError(
                "bound", "has an end above that is not less than the one below"
            )
        return self


class Claim(Section):
    """A claim of a paper, as a question to runs.

    Attributes:
      id: such as "C1a".
      sentence: what the paper says, in words of our own.
      source: where it says that.
      quantity: a key of `QUANTITIES`.
      ladder: of the tickets that are measured, as `report.primary` names it.
      control: what they were retrained from.
      size: percent of the weights that are left.
      sizes: from one size down to another, both in it, instead of one size.
      than: what they are compared with: dense, a control of the same tickets, or another ladder.
      than_size: of that other ladder, where it is another.
      target: the validation accuracy to be reached, of `target_times`.
      bound: what has to be so, in the unit of the quantity.
      printed: what the paper prints.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$")]
    sentence: Text
    source: Text
    quantity: Annotated[str, AfterValidator(_check_quantity)]
    ladder: Annotated[str, AfterValidator(_check_ladder)]
    control: Control = "rewind"
    size: Percent | None = None
    sizes: Annotated[tuple[Percent, Percent] | None, BeforeValidator(_as_pair)] = None
    than: Annotated[str, AfterValidator(_check_other)] = DENSE
    than_size: Percent | None = None
    target: Annotated[float, Field(gt=0, le=1)] | None = None
    bound: Bound
    printed: Text

    @model_validator(mode="after")
    def _check(self) -> Self:
        if fault := _fault_of(self):
            raise PydanticCustomError("claim", "{fault}", {"fault": fault})
        return self


def _fault_of(claim: Claim) -> str | None:
    """What its keys do not say together, if anything."""
    quantity = QUANTITIES[claim.quantity]
    num_sizes = (claim.size is not None) + (claim.sizes is not None)
    name = claim.quantity
    if quantity.where == "a ladder" and num_sizes:
        return f"has a size, but {name} walks the whole ladder; leave it out"
    if quantity.where == "sizes" and claim.sizes is None:
        return f"has no sizes, and {name} is along some; give two, such as sizes: [80, 20]"
    if quantity.where == "a size" and num_sizes != 1:
        number = "no size" if num_sizes == 0 else "size and sizes"
        return f"has {number}; give one, such as size: 21.1, or a range, such as sizes: [80, 20]"
    if claim.sizes is not None and claim.sizes[0] <= claim.sizes[1]:
        return "has sizes that do not go down; write the larger one first"
    if quantity.needs_target != (claim.target is not None):
        has = "no target" if quantity.needs_target else "a target"
        return (
            f"has {has}, and {name} {'asks for one' if quantity.needs_target else 'asks for none'}"
        )
    if claim.than != DENSE and not (quantity.compares and quantity.where == "a size"):
        return f"has than: {shown(claim.than)}, and {name} compares with nothing but dense"
    if claim.than_size is not None and not is_ladder(claim.than):
        return "has than_size, which is of another ladder; name that in than, such as l1-n1"
    return None


def is_ladder(name: str) -> bool:
    """Whether this is a name of a ladder, and no control."""
    try:
        LadderKey.named(name)
    except ValueError:
        return False
    return True


class Claims(Section):
    """All of a claims.yaml.

    Attributes:
      paper: which paper, with the version.
      tolerance: percent of a size by which a ticket may miss it.
      claims: in the order of the file.
    """

    paper: Text
    tolerance: Annotated[float, Field(ge=0, le=20)] = 2.0
    claims: Annotated[tuple[Claim, ...], BeforeValidator(_as_pair), Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        ids = [claim.id for claim in self.claims]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise PydanticCustomError(
                "twice", "has ids that are there twice: {ids}", {"ids": ", ".join(twice)}
            )
        return self


def load_claims(path: Path) -> Claims:
    """Read a claims.yaml.

    Raises:
      ParamsError: it cannot be read, is no YAML, or holds what is no claim; every fault is named,
        with file, line and column.
    """
    values, places = read_yaml(path, "--claims", usual=5000)
    try:
        return Claims.model_validate({} if values is None else values)
    except ValidationError as error:
        faults = [(tuple(fault["loc"]), _explain(fault)) for fault in error.errors()]
        raise ParamsError(faults_text(path, places, faults)) from None


MODELS: dict[str, type[Section]] = {"claims": Claim, "bound": Bound}


def _explain(fault: ErrorDetails) -> str:
    """Found, expected and way out for one of pydantic's errors."""
    if fault["type"] in ("quantity", "ladder", "other", "bound", "claim", "twice"):
        return fault["msg"]
    keys = [key for key in fault["loc"] if isinstance(key, str)]
    inside = keys[:-1] if fault["type"] in ("extra_forbidden", "missing") else keys
    known = list(MODELS.get(inside[-1] if inside else "", Claims).model_fields)
    if fault["type"] == "extra_forbidden":
        meant = nearest(keys[-1], known)
        hint = f"did you mean {meant!r}? " if meant else ""
        return f"is not known; {hint}known here: {', '.join(known)}"
    if fault["type"] == "missing":
        return "is missing; every claim needs it" if "claims" in inside else "is missing; give it"
    if fault["type"] == "model_type":
        return f"is {shown(fault['input'])}, expected keys with values: {', '.join(known)}"
    expected = fault["msg"].removeprefix("Input should be ").removeprefix("Input should have ")
    return f"is {shown(fault['input'])}, expected {expected}"

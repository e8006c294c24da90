"""All sections together: what params.yaml may hold, and flags on top of it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ValidationError
from pydantic_core import ErrorDetails

from lthctl.errors import ParamsError
from lthctl.families import trust
from lthctl.parameter_types import shown
from lthctl.params.data import DataParams
from lthctl.params.faults import explain, key_inside
from lthctl.params.model import ModelParams
from lthctl.params.prune import PruneParams
from lthctl.params.report import ReportParams
from lthctl.params.retrain import RetrainParams
from lthctl.params.section import Section
from lthctl.params.train import TrainParams, TrainSection


def _as_named(value: object) -> object:
    """A name stands for a section with this name and nothing else."""
    return {"name": value} if isinstance(value, str) else value


def _as_section(value: object) -> object:
    """Parameters of a training are a section that says nothing of epochs."""
    if isinstance(value, TrainParams) and not isinstance(value, TrainSection):
        return TrainSection.model_construct(set(value.model_fields_set), **dict(value))
    return value


def _flag_of(keys: Sequence[object]) -> str:
    return f"--{'.'.join(map(str, keys[1:2])).replace('_', '-')}"


def _told(fault: ErrorDetails, typed: Mapping[str, str]) -> str:
    """A fault under the flag that it belongs to: the one that leads nearest to its place."""
    keys = [str(key) for key in fault["loc"]]

    def nearness(path: str) -> int:
        parts = path.split(".")
        return next((n for n in range(len(keys), 0, -1) if parts[:n] == keys[:n]), 0)

    flag = max(typed, key=nearness, default=None)
    if flag is None or nearness(flag) < min(2, len(keys)):
        return f"{_flag_of(keys)}: {explain(fault)}"
    return f"{typed[flag]}: {key_inside(fault, nearness(flag))}{explain(fault)}"


def _put(values: dict[str, Any], path: str, value: object, *, named: str) -> None:
    """Put a value where a path leads to, through values that have keys.

    Raises:
      ParamsError: one of them has none.
    """
    *before, last = path.split(".")
    inside: Any = values
    for number, key in enumerate(before):
        if inside.get(key) is None:
            inside[key] = {}
        inside = inside[key]
        if not isinstance(inside, dict):
            raise ParamsError(
                f"{named}: {'.'.join(before[: number + 1])} is {shown(inside)}, which has no keys; "
                "give all of it"
            )
    inside[last] = value


class Params(Section):
    """All parameters, a section per stage: what params.yaml may hold, with the defaults.

    Raises:
      pydantic.ValidationError: a name is unknown or a value out of range. `override` raises
        `ParamsError` instead.

    Example:
      >>> Params().override({"train.steps": 3000, "prune.ratio": [0, 0.8]}).train.steps
      3000
    """

    data: Annotated[DataParams, BeforeValidator(_as_named)] = DataParams()
    model: Annotated[ModelParams, BeforeValidator(_as_named)] = ModelParams()
    train: Annotated[TrainSection, BeforeValidator(_as_section)] = TrainSection()
    prune: PruneParams = PruneParams()
    retrain: RetrainParams = RetrainParams()
    report: ReportParams = ReportParams()

    def override(
        self, flags: Mapping[str, object], *, typed: Mapping[str, str] | None = None
    ) -> Self:
        """These parameters with some replaced. The code that they name may then be imported.

        What was not stated in these parameters, and is not in the flags, stays not stated: it is
        not in a section's `model_fields_set`.

        Args:
          flags: "section.key" -> value. Further keys lead into a value that has keys itself, such
            as "model.kwargs.classes".
          typed: the same -> how the flag was typed, for messages; `--key` where it is left out.

        Raises:
          ParamsError: a value is refused; every one is named as its flag.
        """
        params = self.replace(flags, typed=typed)
        params.trust_own()
        return params

    def replace(
        self, flags: Mapping[str, object], *, typed: Mapping[str, str] | None = None
    ) -> Self:
        """The same as `override`, and nothing may be imported that may not be already."""
        values: dict[str, Any] = self.model_dump(exclude_unset=True)
        names = typed or {}
        for path, value in flags.items():
            _put(values, path, value, named=names.get(path, _flag_of(path.split("."))))
        for path, other in (("train.steps", "epochs"), ("train.epochs", "steps")):
            if flags.get(path) is not None and f"train.{other}" not in flags:
                values["train"].pop(other, None)  # the other way to say how long
        try:
            return type(self).model_validate(values)
        except ValidationError as error:
            raise ParamsError("\n".join(_told(fault, names) for fault in error.errors())) from None

    def trust_own(self) -> None:
        """Allow that what these parameters name as `module:name` is imported, as they are those of
        the person who runs the command."""
        for section in self.model_dump(mode="json").values():
            for value in section.values():
                names = value if isinstance(value, list) else [value]
                trust(*(name for name in names if isinstance(name, str)))

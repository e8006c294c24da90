"""All sections together: what params.yaml may hold, and flags on top of it."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BeforeValidator, ValidationError

from lthctl.errors import ParamsError
from lthctl.families import trust
from lthctl.params.data import DataParams
from lthctl.params.faults import explain
from lthctl.params.model import ModelParams
from lthctl.params.prune import PruneParams
from lthctl.params.report import ReportParams
from lthctl.params.retrain import RetrainParams
from lthctl.params.section import Section
from lthctl.params.train import TrainParams


def _as_named(value: object) -> object:
    """A name stands for a section with this name and nothing else."""
    return {"name": value} if isinstance(value, str) else value


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
    train: TrainParams = TrainParams()
    prune: PruneParams = PruneParams()
    retrain: RetrainParams = RetrainParams()
    report: ReportParams = ReportParams()

    def override(self, flags: Mapping[str, object]) -> Self:
        """These parameters with some replaced.

        Args:
          flags: "section.key" -> value.

        Raises:
          ParamsError: a value is refused; every one is named as the flag `--key`.
        """
        values = self.model_dump()
        for path, value in flags.items():
            section, key = path.split(".")
            values[section][key] = value
        try:
            params = type(self).model_validate(values)
        except ValidationError as error:
            raise ParamsError(
                "\n".join(
                    f"--{'.'.join(map(str, e['loc'][1:2])).replace('_', '-')}: {explain(e)}"
                    for e in error.errors()
                )
            ) from None
        params.trust_own()
        return params

    def trust_own(self) -> None:
        """Allow that what these parameters name as `module:name` is imported, as they are those of
        the person who runs the command."""
        for section in self.model_dump(mode="json").values():
            for value in section.values():
                names = value if isinstance(value, list) else [value]
                trust(*(name for name in names if isinstance(name, str)))

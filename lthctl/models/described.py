"""Models from what tickets say of them."""

from collections.abc import Mapping

from lthctl.families import is_own
from lthctl.models.base import Model
from lthctl.models.entry import MODELS
from lthctl.models.mlp import MLP
from lthctl.params import ModelParams


def from_description(description: Mapping[str, object]) -> MLP | None:
    """The model that `describe` described, or None where only its maker can build it."""
    if description.get("kind") != "mlp":
        return None
    return MLP.from_params(
        ModelParams.model_validate(
            {"layers": description.get("layers"), "init": description.get("init")}
        )
    )


def known_model(description: Mapping[str, object], *, may_import: bool = False) -> Model | None:
    """The model that `describe` described, somebody's own too; None where only its maker can build
    it.

    Args:
      description: what it said.
      may_import: import the code of a name that the user trusts; else only what is imported
        already.

    Raises:
      ParamsError: it may be imported, and that fails, or nobody trusts it.
    """
    if (model := from_description(description)) is not None:
        return model
    name, output = str(description.get("name")), str(description.get("output"))
    if description.get("kind") != "module" or not (is_own(name) or name in MODELS.names()):
        return None
    entry = MODELS.get(name) if may_import else MODELS.known(name)
    return entry.from_output(output) if entry and entry.from_output else None

"""Models from what tickets say of them."""

from collections.abc import Mapping

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

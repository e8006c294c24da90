"""Models from what tickets say of them."""

from lthctl.families import is_own
from lthctl.models.base import MlpDescription, Model, ModelDescription, ModuleDescription
from lthctl.models.entry import MODELS
from lthctl.models.mlp import MLP


def from_description(description: ModelDescription) -> MLP | None:
    """The model that `describe` described, or None where only its maker can build it."""
    if isinstance(description, MlpDescription):
        return MLP(description.layers, description.init)
    return None


def known_model(description: ModelDescription, *, may_import: bool = False) -> Model | None:
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
    if not isinstance(description, ModuleDescription):
        return None
    name = description.name
    if not (is_own(name) or name in MODELS.names()):
        return None
    entry = MODELS.get(name) if may_import else MODELS.known(name)
    return entry.from_ticket(description) if entry and entry.from_ticket else None

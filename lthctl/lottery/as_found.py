"""How a ticket is trained again where nobody says otherwise: as it was found."""

from lthctl.params import RoundParams, TrainParams
from lthctl.training.optimizers import OPTIMIZERS

OF_THE_MACHINE = frozenset({"device"})
"""What is no setting of a ticket but of the machine that it was found on."""

OF_MOMENTUM = frozenset({"momentum", "nesterov"})


def train_as_found(stated: TrainParams, found: RoundParams | None) -> TrainParams:
    """How a ticket is retrained: key by key what is stated, else as it was found, else the default.

    Momentum is not taken along to another optimizer that has none.

    Args:
      stated: what a flag or params.yaml says; the rest is not in its `model_fields_set`.
      found: how the trainings of a ticket were done; None where that is not known.

    Raises:
      ParamsError: there is no such optimizer.

    Example:
      >>> found = RoundParams(steps=2000, lr=0.1)
      >>> train_as_found(TrainParams(steps=500), found).lr
      0.1
    """
    if found is None:
        return stated
    taken = RoundParams.model_fields.keys() - OF_THE_MACHINE - stated.model_fields_set
    if "optimizer" not in taken and stated.optimizer != found.optimizer:
        taken -= set() if OPTIMIZERS.get(stated.optimizer).has_momentum else OF_MOMENTUM
    return stated.model_copy(update={name: getattr(found, name) for name in sorted(taken)})

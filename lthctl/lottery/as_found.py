"""How a ticket is trained again where nobody says otherwise: as it was found."""

from lthctl.params import RoundParams, TrainParams

OF_THE_MACHINE = frozenset({"device"})
"""What is no setting of a ticket but of the machine that it was found on."""


def train_as_found(stated: TrainParams, found: RoundParams | None) -> TrainParams:
    """How a ticket is retrained: key by key what is stated, else as it was found, else the default.

    Args:
      stated: what a flag or params.yaml says; the rest is not in its `model_fields_set`.
      found: how the trainings of a ticket were done; None where that is not known.

    Example:
      >>> found = RoundParams(steps=2000, lr=0.1)
      >>> train_as_found(TrainParams(steps=500), found).lr
      0.1
    """
    if found is None:
        return stated
    taken = RoundParams.model_fields.keys() - OF_THE_MACHINE - stated.model_fields_set
    return stated.model_copy(update={name: getattr(found, name) for name in sorted(taken)})

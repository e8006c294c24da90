"""What a person states of a training and no training would read."""

from lthctl.params import TrainParams
from lthctl.training.optimizers import check_momentum
from lthctl.training.schedules import check_drops

CHECKS = {"momentum": check_momentum, "lr_drops": check_drops}
"""Parameter -> what refuses it."""


def refuse_unread_training(params: TrainParams, stated: TrainParams | None = None) -> None:
    """Refuse parameters that are stated and would change nothing.

    Those that only came with a ticket stay, so that old tickets are trained as ever.

    Args:
      params: how to train.
      stated: where that is not all, what a person says; the rest is not in its
        `model_fields_set`.

    Raises:
      ParamsError: the optimizer has no momentum, or a drop of the rate is after the last step.
    """
    for name, check in CHECKS.items():
        if name in (stated or params).model_fields_set:
            check(params)

"""Which engine runs a training, and running it."""

import math

from lthctl.errors import ParamsError, TrainingError
from lthctl.params import TrainParams
from lthctl.training import OnStep, Result, Training


def resolve(params: TrainParams) -> TrainParams:
    """The same parameters with `engine` and `device` decided.

    Raises:
      ParamsError: torch does not know the device or does not have it here.
    """
    return params.model_copy(update={"engine": "torch", "device": _resolve_device(params.device)})


def run(training: Training, on_step: OnStep = lambda _: None) -> Result:
    """Run a training to its end.

    Args:
      training: its specification.
      on_step: called with the number of steps done, every few of them; what it raises ends the training.

    Raises:
      TrainingError: a loss is not finite.
    """
    from lthctl import engine_torch

    result = engine_torch.train(training, on_step)
    for row in result.history:
        if not all(math.isfinite(value) for value in row if value is not None):
            raise TrainingError(
                f"the loss is not finite at step {row.step} with train.lr {training.params.lr}; try a smaller one"
            )
    return result


def _resolve_device(device: str) -> str:
    if device == "cpu":
        return device
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ParamsError(
            f"train.device: is {device!r}, which torch cannot use here ({reason}); use auto or cpu"
        ) from None
    return device

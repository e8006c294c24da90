"""Which engine runs a training, and running it."""

import math
import sys
from pathlib import Path

from lthctl.errors import ParamsError, TrainingError
from lthctl.models.base import Model
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.training.history import Result
from lthctl.training.spec import OnStep, Training


def resolve(params: TrainParams, model: Model) -> TrainParams:
    """The same parameters with `engine` and `device` decided: the sparse engine where it can, else
    torch.

    Raises:
      ParamsError: `sparse` was asked for and cannot do this, or torch does not have the device
        here.
    """
    device = (
        "cpu"
        if params.engine == "sparse" and params.device == "auto"
        else _resolve_device(params.device)
    )
    obstacles = []
    if not isinstance(model, MLP):
        obstacles.append("the model is no MLP")
    if device != "cpu":
        obstacles.append(f"the device is {device}")
    if params.threads != 1:
        obstacles.append(f"train.threads is {params.threads}")
    if params.engine == "sparse" and obstacles:
        raise ParamsError(
            "train.engine: is sparse, which trains MLPs on a cpu with one thread each; "
            f"{', '.join(obstacles)}"
        )
    engine = "torch" if params.engine == "torch" or obstacles else "sparse"
    return params.model_copy(update={"engine": engine, "device": device})


def run(training: Training, on_step: OnStep = lambda _: None) -> Result:
    """Run a training to its end.

    Args:
      training: its specification.
      on_step: called with the number of steps done, every few of them; what it raises ends the
        training.

    Raises:
      TrainingError: a loss is not finite.
    """
    try:
        if training.params.engine == "sparse":
            from lthctl.training.sparse import engine as engine_sparse

            result = engine_sparse.train(training, on_step)
        else:
            from lthctl.training import dense as engine_torch

            result = engine_torch.train(training, on_step)
        for row in result.history:
            if not all(math.isfinite(value) for value in row if value is not None):
                raise FloatingPointError(f"a loss is not finite at step {row.step}")
    except FloatingPointError as error:
        raise TrainingError(
            f"{error} with train.lr {training.params.lr}; try a smaller one"
        ) from error
    return result


def needs_compiling(training: Training) -> bool:
    """Whether the first steps would have to wait for a compiler."""
    if training.params.engine != "sparse":
        return False
    from lthctl.training.sparse import engine as engine_sparse

    return not engine_sparse.is_compiled(training)


def compile_for(training: Training) -> None:
    """Let the compiler do what `needs_compiling` found out."""
    from lthctl.training.sparse import engine as engine_sparse

    engine_sparse.compile_for(training)


def _resolve_device(device: str) -> str:
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
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


def _may_have_gpu() -> bool:
    """Whether it is worth two seconds of importing torch to ask it."""
    return sys.platform != "linux" or any(
        Path(node).exists() for node in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    )

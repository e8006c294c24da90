"""The sparse engine, as it is chosen: MLPs on a CPU, at the cost of the weights that are left."""

import os
import sys

from lthctl.families import choices
from lthctl.models.base import Model
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.training.devices import resolve_device
from lthctl.training.history import Result
from lthctl.training.spec import OnStep, Training


class SparseEngine:
    """See `lthctl.training.sparse`, which trains."""

    words = "trains MLPs on a cpu with one thread each"
    numerics = 4  # golden losses in the tests hold it to that
    packages = ("numba", "llvmlite")
    parameters = frozenset({
        "steps", "evaluate_every", "batch_size", "optimizer", "lr", "momentum", "weight_decay",
        "schedule", "warmup", "lr_drops", "engine", "device", "threads", "first_step", "last_step",
    })  # fmt: skip
    optimizers = ("adam", "sgd")
    same_on = ("x86_64",)  # no sum's order depends on the processor; a slow test compares two

    def device_for(self, device: str) -> str:
        return "cpu" if device == "auto" else resolve_device(device)

    def obstacles(self, params: TrainParams, model: Model) -> list[str]:
        obstacles = []
        if compiler_is_off():
            obstacles.append("numba's compiler is switched off (NUMBA_DISABLE_JIT)")
        if not isinstance(model, MLP):
            obstacles.append("the model is no MLP")
        if params.device != "cpu":
            obstacles.append(f"the device is {params.device}")
        if params.threads != 1:
            obstacles.append(f"train.threads is {params.threads}")
        if params.optimizer not in self.optimizers:
            obstacles.append(
                f"train.optimizer is {params.optimizer}, and it has {choices(self.optimizers)} only"
            )
        return obstacles

    def needs_preparing(self, training: Training) -> bool:
        from lthctl.training.sparse import engine

        return not engine.is_compiled(training)

    def prepare(self, training: Training) -> None:
        from lthctl.training.sparse import engine

        engine.compile_for(training)

    def relative_cost(self, density: float) -> float:
        """A straight line through what was measured (docs/PERFORMANCE.md), up to where layers are
        kept in full."""
        return min(1.0, 0.095 + 2.6 * density)

    def train(self, training: Training, on_step: OnStep) -> Result:
        from lthctl.training.sparse import engine

        return engine.train(training, on_step)


def compiler_is_off() -> bool:
    """Whether numba would run Python in the place of compiled code. Does not import it."""
    # Another thread may be importing it just now: then the environment tells.
    config = getattr(sys.modules.get("numba"), "config", None)
    if getattr(config, "DISABLE_JIT", False):
        return True
    try:
        return bool(int(os.environ.get("NUMBA_DISABLE_JIT", "0")))
    except ValueError:  # numba passes it over, too
        return False


ENGINE = SparseEngine()

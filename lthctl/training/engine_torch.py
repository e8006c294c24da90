"""The torch engine, as it is chosen: any module, any optimizer, any device."""

from lthctl.models.base import Model
from lthctl.params import TrainParams
from lthctl.training.devices import resolve_device
from lthctl.training.history import Result
from lthctl.training.resources import Resources
from lthctl.training.spec import OnStep, Training


class TorchEngine:
    """See `lthctl.training.dense`, which trains."""

    words = "trains any module on any device"
    numerics = 1  # golden losses in the tests hold it to that
    packages = ("torch",)
    takes_resources = True
    parameters = frozenset({
        "steps", "evaluate_every", "batch_size", "optimizer", "lr", "momentum", "weight_decay",
        "nesterov", "label_smoothing", "precision", "schedule", "warmup", "lr_drops", "engine",
        "device", "threads", "first_step", "last_step", "augment",
    })  # fmt: skip

    def device_for(self, device: str) -> str:
        return resolve_device(device)

    def obstacles(self, params: TrainParams, model: Model) -> list[str]:
        return []

    def needs_preparing(self, training: Training) -> bool:
        return False

    def prepare(self, training: Training) -> None:
        pass

    def relative_cost(self, density: float) -> float:
        """It multiplies by zeros."""
        return 1.0

    def train(
        self, training: Training, on_step: OnStep, resources: Resources | None = None
    ) -> Result:
        from lthctl.training.dense import engine

        return engine.train(training, on_step, resources)


ENGINE = TorchEngine()

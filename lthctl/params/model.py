"""The section `model`: what is trained."""

from lthctl.parameter_types import Init, ModelName, Sizes
from lthctl.params.section import Section


class ModelParams(Section):
    """What is trained."""

    schema_1 = frozenset({"layers", "init"})

    name: ModelName = "mlp"
    """Which model: `mlp`, or a torch module of your own as module:name."""

    output: str | None = None
    """Name of the output layer of a module of your own, which is pruned at half the rate. If none
    is given, it is the last layer that can be pruned."""

    layers: Sizes = (784, 300, 100, 10)
    """Sizes of the MLP's layers: inputs, hidden layers, classes."""

    init: Init = "uniform"
    """`uniform`: PyTorch's default for nn.Linear, U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights
    and biases. With zero biases: `glorot` (Gaussian) and `glorot-uniform`; `kaiming-normal` and
    `kaiming-uniform`, with the gain of ReLU; `orthogonal`."""

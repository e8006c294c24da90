"""The section `model`: what is trained."""

from pydantic import Field, JsonValue

from lthctl.parameter_types import Init, ModelName, Sizes
from lthctl.params.section import Section


class ModelParams(Section):
    """What is trained."""

    schema_1 = frozenset({"layers", "init"})

    name: ModelName = "mlp"
    """Which model: `mlp`; `lenet-300-100`, `lenet5`; for pictures of 32 x 32 `conv2`, `conv4`,
    `conv6`, `resnet20` (32, 44, 56) and `vgg11` (13, 16, 19); or a torch module of your own, or of
    a library, as module:name."""

    kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    """What the model is made with, such as `{classes: 100}` for a built-in network, or
    `{num_classes: 10}` for `torchvision.models:resnet18`."""

    output: str | None = None
    """Name of the output layer of a module of your own, which is pruned at half the rate. If none
    is given, it is the last layer that can be pruned."""

    layers: Sizes = (784, 300, 100, 10)
    """Sizes of the MLP's layers: inputs, hidden layers, classes."""

    init: Init = "uniform"
    """How built-in models draw. `uniform`: PyTorch's default, U(-1/sqrt(fan_in), 1/sqrt(fan_in))
    for weights and biases. With zero biases: `glorot` (Gaussian) and `glorot-uniform`;
    `kaiming-normal` and `kaiming-uniform`, with the gain of ReLU; `orthogonal`."""

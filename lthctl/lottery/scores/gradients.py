"""Networks in float64 on one CPU thread, and their gradients.

So a score depends on nothing but its context: not on torch's settings, not on other threads. The
network is in evaluation mode: nothing is dropped, and normalization uses the statistics that it
holds.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lthctl.errors import TrainingError
from lthctl.library_settings import torch_defaults
from lthctl.lottery.scores.base import ScoreContext
from lthctl.mask import listed
from lthctl.models.mlp import MLP

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGES_AT_ONCE = 100


@dataclass(frozen=True)
class Float64Network:
    """A network to be differentiated.

    Attributes:
      method: whose score it is for, for messages.
      context: that of the score.
      module: in float64.
      parameters: of the module, those of the mask: name -> parameter.
    """

    method: str
    context: ScoreContext
    module: "nn.Module"
    parameters: "Mapping[str, nn.Parameter]"

    def outputs(self, images: "Tensor") -> "Tensor":
        """What it gives for images in float64, (n, classes).

        Raises:
          TrainingError: it cannot compute in float64.
        """
        import torch

        try:
            given = self.module(images)
        except RuntimeError as error:
            raise TrainingError(
                f"method {self.method}: the network fails in float64 ({error}); let its forward "
                "take its types from its input, or choose another method, such as l1"
            ) from error
        if not isinstance(given, torch.Tensor) or given.ndim != 2:
            raise TrainingError(
                f"method {self.method}: the network gives no tensor of (images, classes), expected "
                "one"
            )
        return given

    def gradients(self, value: "Tensor", *, again: bool = False) -> "Mapping[str, Tensor]":
        """name -> the gradient of a number by the parameter.

        Args:
          value: the number.
          again: whether the gradients are to be differentiated, too.

        Raises:
          TrainingError: a parameter has none; all of them are named.
        """
        import torch

        known = {name: each for name, each in self.parameters.items() if each.requires_grad}
        found: tuple[Tensor | None, ...] = ()
        if known and value.requires_grad:
            found = torch.autograd.grad(
                value, list(known.values()), create_graph=again, allow_unused=True
            )
        gradients = {
            name: each for name, each in zip(known, found, strict=False) if each is not None
        }
        if missing := self.parameters.keys() - gradients.keys():
            raise TrainingError(
                f"method {self.method}: {listed(missing)} have no gradient: they are frozen, or "
                "the network does not use them; mend the module, or choose a method that needs no "
                "gradients, such as l1"
            )
        return gradients


@contextmanager
def float64_network(context: ScoreContext, method: str) -> Iterator[Float64Network]:
    """The network of a context, while torch is as the module says above."""
    import torch

    from lthctl.training.dense.determinism import own_generator, torch_threads

    # A module of one's own may draw from torch's generator, even in evaluation mode.
    alone = (
        nullcontext()
        if isinstance(context.model, MLP)
        else own_generator(context.seed, torch.device("cpu"))
    )
    with torch_defaults(), alone, torch_threads(1):
        module = context.network().double().eval()
        named = dict(module.named_parameters())
        yield Float64Network(method, context, module, {name: named[name] for name in context.mask})


def _batches(network: Float64Network) -> "Iterator[tuple[Tensor, Tensor]]":
    """The images of the sample as trainings see them, in float64, and their labels."""
    import torch

    from lthctl.training.dense.images import as_input, on_device

    images, labels, levels = on_device(network.context.sample, torch.device("cpu"))
    for some, of_some in zip(
        images.split(IMAGES_AT_ONCE), labels.split(IMAGES_AT_ONCE), strict=True
    ):
        yield as_input(some, levels).double(), of_some


def _losses(network: Float64Network, temperature: float) -> "Iterator[Tensor]":
    """Parts of the sample's mean cross-entropy, whose sum it is."""
    from torch.nn.functional import cross_entropy

    count = len(network.context.sample)
    for images, labels in _batches(network):
        outputs = network.outputs(images) / temperature
        yield cross_entropy(outputs, labels, reduction="sum") / count


def loss_gradients(network: Float64Network, temperature: float = 1.0) -> "dict[str, Tensor]":
    """name -> the gradient of the sample's mean cross-entropy, outputs divided by a temperature."""
    total: dict[str, Tensor] = {}
    for loss in _losses(network, temperature):
        for name, gradient in network.gradients(loss).items():
            total[name] = total[name] + gradient if name in total else gradient
    return total


def hessian_gradient_products(
    network: Float64Network, temperature: float = 1.0
) -> "dict[str, Tensor]":
    """name -> Hg: the Hessian of that loss times its gradient, among the weights that the mask
    keeps."""
    import torch

    fixed = {
        name: gradient * torch.from_numpy(np.array(network.context.mask[name]))
        for name, gradient in loss_gradients(network, temperature).items()
    }
    total: dict[str, Tensor] = {}
    for loss in _losses(network, temperature):
        gradients = network.gradients(loss, again=True)
        inner = torch.stack([(fixed[name] * each).sum() for name, each in gradients.items()]).sum()
        for name, product in network.gradients(inner).items():
            total[name] = total[name] + product if name in total else product
    return total


def flow_gradients(network: Float64Network) -> "Mapping[str, Tensor]":
    """name -> the gradient of the sum of the outputs for an input of ones, all of the network's
    numbers being set to their absolute values."""
    import torch

    with torch.no_grad():
        for value in network.module.state_dict().values():
            if value.is_floating_point():
                value.abs_()
    shape = (1, *_shape_of_input(network.context))
    return network.gradients(network.outputs(torch.ones(shape, dtype=torch.float64)).sum())


def _shape_of_input(context: ScoreContext) -> tuple[int, ...]:
    """Without the number of images; the data is asked only where the model does not say it."""
    if isinstance(context.model, MLP):
        return (context.model.layers[0],)
    return context.get_dataset().train.images.shape[1:]

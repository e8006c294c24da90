"""Networks as ONNX graphs, by PyTorch's exporter, without paths of this machine."""

import inspect
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lthctl.errors import TicketError
from lthctl.interop.onnx_check import check_file
from lthctl.mask import Weights
from lthctl.models.module import ModuleModel
from lthctl.models.network import Network
from lthctl.models.sharing import load_weights

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

USUAL_SIZE = 32  # rows and columns of the pictures of a network that says nothing of them


def network_model(network: Network, weights: Weights, opset: int) -> "ModelProto":
    """A graph from `images` (n, channels, rows, columns) to `logits` (n, classes), as the network
    evaluates. Batch norm may be part of the convolution before it.

    Args:
      network: what it is of.
      weights: all of its numbers.
      opset: of ONNX.
    """
    return _exported(_evaluating(network, weights), _picture(network), opset)


def module_model(
    model: ModuleModel, weights: Weights, shape: tuple[int, ...], opset: int
) -> "ModelProto":
    """The same of a module of one's own, whose file is run to see that it computes the same.

    Args:
      model: what it is of.
      weights: all of its numbers.
      shape: of an image.
      opset: of ONNX.

    Raises:
      TicketError: PyTorch cannot export it, or the file computes something else.
    """
    module = _evaluating(model, weights)
    try:
        written = _exported(module, shape, opset)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0][:300]
        raise TicketError(
            f"{model.name}: torch.onnx cannot export it for images of shape {shape} "
            f"({type(error).__name__}: {reason})"
        ) from error
    check_file(written, module, model.prunable(biases=True), shape, name=model.name)
    return written


def _evaluating(model: ModuleModel, weights: Weights) -> "nn.Module":
    module = model.build().eval()
    load_weights(module, weights)
    return module


def _exported(module: "nn.Module", shape: tuple[int, ...], opset: int) -> "ModelProto":
    import onnx
    import torch

    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter itself, which has a successor
        file = Path(folder, "network.onnx")
        torch.onnx.export(
            module,
            (torch.zeros(2, *shape),),
            file,
            dynamo=False,  # the other exporter needs one more package
            opset_version=opset,
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
        )
        written = onnx.load(file)
    graph = written.graph
    for part in (written, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("doc_string")  # where in which file of this machine it came from
    for node in graph.node:
        node.ClearField("metadata_props")
    del graph.value_info[:]
    return written


def _picture(network: Network) -> tuple[int, int, int]:
    """Channels, rows and columns of an image."""
    usual = {key: one.default for key, one in inspect.signature(network.make).parameters.items()}
    given = {"size": USUAL_SIZE, **usual, **network.kwargs}
    return given["channels"], given["size"], given["size"]

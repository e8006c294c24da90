"""Built-in networks as ONNX graphs, by PyTorch's exporter, without paths of this machine."""

import inspect
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from lthctl.mask import Weights
from lthctl.models.network import Network

if TYPE_CHECKING:
    from onnx import ModelProto

USUAL_SIZE = 32  # rows and columns of the pictures of a network that says nothing of them


def network_graph(network: Network, weights: Weights, opset: int) -> "ModelProto":
    """A graph from `images` (n, channels, rows, columns) to `logits` (n, classes), as the network
    evaluates. Batch norm may be part of the convolution before it.

    Args:
      network: what it is of.
      weights: all of its numbers.
      opset: of ONNX.
    """
    import onnx
    import torch

    module = network.build().eval()
    module.load_state_dict({name: torch.from_numpy(np.array(one)) for name, one in weights.items()})
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter itself, which has a successor
        file = Path(folder, "network.onnx")
        torch.onnx.export(
            module,
            (torch.zeros(2, *_picture(network)),),
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

"""Models with their weights as ONNX files: the same bytes every time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lthctl.errors import ParamsError
from lthctl.interop.onnx_network import module_model, network_model
from lthctl.mask import Weights
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.models.network import Network

if TYPE_CHECKING:
    from onnx import ModelProto

ONNX_OPSET, ONNX_IR = 17, 8  # old enough for every runtime of the last years


def onnx_bytes(model: MLP | ModuleModel, weights: Weights, shape: Sequence[int] | None) -> bytes:
    """An MLP is written with onnx's own helpers, a network by PyTorch's exporter.

    Args:
      model: what is written.
      weights: all of its numbers.
      shape: of an image, for a module of one's own.

    Raises:
      ParamsError: onnx is not installed; or the shape lacks, or is for nothing.
      TicketError: PyTorch cannot export it, or the file would compute something else.
    """
    try:
        from onnx import checker
    except ImportError:
        raise ParamsError(
            "to: onnx needs the package onnx; install it with pip install 'lthctl[onnx]'"
        ) from None
    if isinstance(model, MLP | Network) and shape is not None:
        raise ParamsError("shape: is for a module of your own; leave it out")
    if isinstance(model, MLP):
        written = _mlp_model(model, weights)
    elif isinstance(model, Network):
        written = network_model(model, weights, ONNX_OPSET)
    else:
        written = module_model(model, weights, _given(shape, model.name), ONNX_OPSET)
    written.ir_version, written.producer_name = ONNX_IR, "lthctl"
    written.ClearField("producer_version")
    checker.check_model(written)
    return bytes(written.SerializeToString(deterministic=True))


def _given(shape: Sequence[int] | None, name: str) -> tuple[int, ...]:
    if not shape or min(shape) < 1:
        found = "is missing" if shape is None else f"is {list(shape)}"
        raise ParamsError(
            f"shape: {found}, expected the shape of an image that {name} takes; give it, such as "
            "--shape 3,32,32"
        )
    return tuple(shape)


def _mlp_model(model: MLP, weights: Weights) -> "ModelProto":
    from onnx import TensorProto, helper, numpy_helper

    nodes, last = [], len(model.layers) - 2
    for index in range(last + 1):
        inputs = [
            "images" if index == 0 else f"hidden.{index - 1}",
            f"layers.{index}.weight",
            f"layers.{index}.bias",
        ]
        output = "logits" if index == last else f"sums.{index}"
        nodes.append(helper.make_node("Gemm", inputs, [output], transB=1))
        if index < last:
            nodes.append(helper.make_node("Relu", [output], [f"hidden.{index}"]))
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", model.layers[0]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", model.layers[-1]])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", ONNX_OPSET)])

"""Whether an ONNX file computes what a module computes, and still has its zeros."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lthctl.errors import TicketError
from lthctl.mask import Array, Shapes, listed

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

NUM_IMAGES = 3
"""Others than the file was made with, in number and in values."""

TOLERANCE = 1e-3
"""Of the largest output. Float32 in another order differs by less, another function by more."""


def check_file(
    written: "ModelProto",
    module: "nn.Module",
    prunable: Shapes,
    shape: tuple[int, ...],
    *,
    name: str,
) -> None:
    """Run a file, and compare.

    Args:
      written: the file.
      module: what it was made of, as it evaluates.
      prunable: the parameters in which zeros are pruned weights.
      shape: of an image.
      name: of the module, for messages.

    Raises:
      TicketError: the file computes something else, cannot be run, or lacks zeros.
    """
    import torch
    from onnx.reference import ReferenceEvaluator

    images = np.random.default_rng(0).random((NUM_IMAGES, *shape), np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    try:
        outputs: Any = ReferenceEvaluator(written).run(["logits"], {"images": images})
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0][:300]
        raise TicketError(
            f"{name}: the ONNX file cannot be run to compare it ({type(error).__name__}: "
            f"{reason}); call torch.onnx.export yourself, and compare"
        ) from error
    given = np.asarray(outputs[0])
    allowed = TOLERANCE * (np.abs(expected).max() + 1e-6)
    if given.shape != expected.shape or not np.abs(given - expected).max() <= allowed:
        raise TicketError(
            f"{name}: the ONNX file computes something else than the module, so it was not "
            "written; the module may decide by its numbers or by the number of images"
        )
    if lacking := _without_their_zeros(written, module, prunable):
        raise TicketError(f"{name}: the ONNX file would not keep the zeros of {listed(lacking)}")


def _without_their_zeros(written: "ModelProto", module: "nn.Module", prunable: Shapes) -> list[str]:
    """Parameters whose numbers, in any order, are in no part of the file with as many zeros."""
    from onnx import numpy_helper

    parts = [numpy_helper.to_array(part) for part in written.graph.initializer]
    for node in written.graph.node:
        parts += [numpy_helper.to_array(one.t) for one in node.attribute if one.HasField("t")]
    sizes = [(part.size, part.size - np.count_nonzero(part)) for part in parts]

    def are_there(values: Array) -> bool:
        zeros = values.size - np.count_nonzero(values)
        return any(size == values.size and there >= zeros for size, there in sizes)

    return [
        name
        for name, parameter in module.named_parameters()
        if name in prunable and parameter.dim() > 1 and not are_there(parameter.detach().numpy())
    ]

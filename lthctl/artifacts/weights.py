"""Whether weights in a file are those of a model that a document describes."""

from pathlib import Path

import numpy as np

from lthctl.errors import LthctlError
from lthctl.mask import Array, Shapes, Weights, joined
from lthctl.models.base import ModelDescription, ModuleDescription
from lthctl.models.described import from_description


def shapes_of(model: ModelDescription) -> Shapes | None:
    """The shapes of a described model's parameters; None where the description does not say."""
    if described := from_description(model):
        return described.shapes()
    return model.shapes if isinstance(model, ModuleDescription) else None


def check_weights(
    path: Path, refuse: type[LthctlError], weights: Weights, model: ModelDescription
) -> None:
    """Refuse weights that are not those of a model.

    Args:
      path: the file that they were read from.
      refuse: the error to raise.
      weights: name -> array.
      model: what the document says of the model.

    Raises:
      refuse: names, shapes or types differ, or a weight is not finite; all faults are named.
    """
    described = from_description(model)
    shapes = shapes_of(model) or {}
    faults = [f"{name!r} is missing" for name in sorted(shapes.keys() - weights.keys())]
    faults += [f"{name!r} is extra" for name in sorted(weights.keys() - shapes.keys()) if described]
    faults += [
        f"{name!r} has shape {weights[name].shape}, the model has {shapes[name]}"
        for name in sorted(shapes.keys() & weights.keys())
        if weights[name].shape != shapes[name]
    ]
    faults += [
        f"{name!r} has dtype {array.dtype}, expected float32"
        for name, array in sorted(weights.items())
        if described and array.dtype != np.float32
    ]
    faults += [
        f"{name!r} has weights that are not finite"
        for name, array in sorted(weights.items())
        if not _is_finite(array)
    ]
    if faults:
        raise refuse(f"{path}: {joined(faults)}; it is damaged or of another model")


def _is_finite(array: Array) -> bool:
    return not np.issubdtype(array.dtype, np.inexact) or bool(np.isfinite(array).all())

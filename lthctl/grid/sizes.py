"""Whether a model takes the images of a dataset, and has an output for each of its classes."""

import numpy as np

from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.models.base import Model
from lthctl.models.mlp import MLP
from lthctl.models.network import Network


def check_sizes(model: Model, dataset: Dataset) -> None:
    """Refuse a model that cannot take the images, or has too few outputs.

    Raises:
      ParamsError: it cannot, or it has too few.
    """
    if not isinstance(model, MLP):
        _check_outputs(model, dataset)
        return
    shape = dataset.train.images.shape[1:]
    num_inputs = int(np.prod(shape))
    num_classes = int(dataset.train.labels.max()) + 1
    if model.layers[0] != num_inputs:
        pictures = "take a model for pictures, such as conv2, " if len(shape) == 3 else ""
        raise ParamsError(
            f"model.layers: starts with {model.layers[0]}, and an image of {dataset.name} has "
            f"{num_inputs} values, of shape {shape}; begin with {num_inputs}, {pictures}or choose "
            "another data.name"
        )
    if model.layers[-1] < num_classes:
        raise ParamsError(
            f"model.layers: ends with {model.layers[-1]}, expected at least {num_classes}, the "
            "classes of the labels"
        )


def _check_outputs(model: Model, dataset: Dataset) -> None:
    from lthctl.training.dense.evaluation import outputs_of

    name, images = model.describe().name, dataset.train.images[:2]
    num_classes = int(dataset.train.labels.max()) + 1
    try:
        shape = outputs_of(model, images)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        hint = (
            "; give it their channels and size, such as model.kwargs {channels: 1, size: 28}"
            if isinstance(model, Network)
            else ""
        )
        raise ParamsError(
            f"model {name}: cannot take images of shape {images.shape[1:]} "
            f"({type(error).__name__}: {reason}){hint}"
        ) from error
    if len(shape) != 2 or shape[1] < num_classes:
        raise ParamsError(
            f"model {name}: gives outputs of shape {shape} for 2 images, expected (2, classes) "
            f"with at least {num_classes} classes"
            + (f"; set model.kwargs.classes={num_classes}" if isinstance(model, Network) else "")
        )

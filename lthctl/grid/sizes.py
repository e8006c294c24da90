"""Whether a model takes the images of a dataset, and has an output for each of its classes."""

import inspect

import numpy as np

from lthctl.datasets.augmenting import picture_shape
from lthctl.datasets.base import Dataset, Images
from lthctl.errors import DataError, ParamsError
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


def _fitting(model: Network, images: Images) -> str:
    """What to make a network with, so that it takes some images."""
    try:
        channels, height, width = picture_shape(images)
    except DataError:
        return "give it pictures, (channels, height, width), or the pixels of gray squares"
    fitting = {"channels": channels, "size": height} if height == width else {"channels": channels}
    taken = inspect.signature(model.make).parameters
    words = ", ".join(f"{key}: {value}" for key, value in fitting.items() if key in taken)
    return f"give it their channels and size: model.kwargs {{{words}}}"


def _check_outputs(model: Model, dataset: Dataset) -> None:
    from lthctl.training.dense.evaluation import outputs_of

    name, images = model.describe().name, dataset.train.images[:2]
    num_classes = int(dataset.train.labels.max()) + 1
    try:
        shape = outputs_of(model, images)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        hint = f"; {_fitting(model, images)}" if isinstance(model, Network) else ""
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

"""What every engine is given, checked once before any of them begins."""

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from lthctl.datasets.base import Images, Split
from lthctl.errors import DataError, ParamsError
from lthctl.models.base import Model
from lthctl.models.mlp import MLP
from lthctl.training.spec import Training


def check_inputs(training: Training) -> None:
    """Refuse a training on numbers that no engine can learn from.

    Raises:
      DataError: a label is no class of the model's, a pixel is no finite number, or images have
        another shape than the model's inputs.
      ParamsError: a starting weight is not finite, or of another type than float32.
    """
    dataset = training.dataset
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    splits = {name: split for name, split in parts.items() if split is not None}
    for name, split in splits.items():
        _check_pixels(name, split)
    _check_shapes(training.model, splits)
    num_classes = _num_classes(training)
    for name, split in splits.items():
        _check_labels(name, split, num_classes)
    for name, array in training.start.items():
        if name in training.mask and array.dtype != np.float32:
            raise ParamsError(f"weights: {name!r} is of type {array.dtype}, expected float32")
        if array.dtype.kind == "f" and name in training.mask and not np.isfinite(array).all():
            raise ParamsError(f"weights: {name!r} holds numbers that are not finite")


def shape_of_outputs(model: Model, images: Images, hint: str = "") -> tuple[int, ...]:
    """The shape of what a model gives for some images.

    Args:
      model: the model.
      images: two of them are enough.
      hint: what can be done where it does not take them, the end of a sentence.

    Raises:
      ParamsError: it does not take such images, or gives no tensor.
    """
    from lthctl.training.dense.evaluation import outputs_of

    try:
        return outputs_of(model, images)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:300]
        raise ParamsError(
            f"model {model.describe().name}: cannot take images of shape {images.shape[1:]} "
            f"({type(error).__name__}: {reason}){hint}"
        ) from error


def _check_pixels(name: str, split: Split) -> None:
    images = split.images
    # Not a number goes through a minimum and a maximum, which need no memory.
    edges = float(images.min()), float(images.max())
    if images.dtype == np.uint8 or all(map(math.isfinite, edges)):
        return
    rows = images.reshape(len(images), -1)
    first = int(np.isfinite(rows).all(axis=1).argmin())
    raise DataError(
        f"dataset: image {first} of {name} has a pixel that is not a finite number; remove or mend "
        "such images"
    )


def _check_shapes(model: Model, splits: Mapping[str, Split]) -> None:
    shapes = {name: split.images.shape[1:] for name, split in splits.items()}
    if len(set(shapes.values())) > 1:
        words = ", ".join(f"of {name} {shape}" for name, shape in shapes.items())
        raise DataError(f"dataset: images differ in shape: {words}; make them alike")
    shape = shapes["train"]
    if isinstance(model, MLP) and math.prod(shape) != model.layers[0]:
        raise DataError(
            f"dataset: an image has {math.prod(shape)} values, of shape {shape}, expected "
            f"{model.layers[0]}, the model's inputs; make a model with {math.prod(shape)} inputs, "
            "or give other images"
        )


def _check_labels(name: str, split: Split, num_classes: Callable[[], int]) -> None:
    low, high = int(split.labels.min()), int(split.labels.max())
    if low < 0 or high >= num_classes():
        place = "" if name == "train" else f" of {name}"
        raise DataError(
            f"dataset: labels{place} are {low} to {high}, expected 0 to {num_classes() - 1}, the "
            "model's classes"
        )


def _num_classes(training: Training) -> Callable[[], int]:
    """Asked only where it is needed: a module must be called to know."""

    @cache
    def count() -> int:
        model = training.model
        if isinstance(model, MLP):
            return model.layers[-1]
        shape = shape_of_outputs(model, training.dataset.train.images[:2])
        return shape[1] if len(shape) == 2 else 2**31

    return count

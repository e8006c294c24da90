"""The section `data`: what is trained and validated on."""

from typing import Annotated

from pydantic import AfterValidator, Field

from lthctl.parameter_types import DatasetName, Normalize
from lthctl.params.section import Section


class Augment(Section):
    """How the training images of a batch are changed at random; others never are."""

    schema_1 = frozenset({"crop", "flip"})

    crop: Annotated[int, Field(ge=0, le=64)] = 0
    """Black pixels added at each side, before a part of the former size is cut out at a random
    place."""

    flip: bool = False
    """Whether every other image, at random, is mirrored left to right."""


def augment_words(augment: Augment) -> str:
    """For people.

    Example:
      >>> augment_words(Augment(crop=4, flip=True))
      'crop 4, flip'
    """
    words = [f"crop {augment.crop}"] if augment.crop else []
    return ", ".join([*words, *(["flip"] if augment.flip else [])])


def _none_where_nothing_changes(augment: Augment | None) -> Augment | None:
    return augment if augment is not None and (augment.crop or augment.flip) else None


Augmentation = Annotated[Augment | None, AfterValidator(_none_where_nothing_changes)]


class DataParams(Section):
    """What is trained and validated on."""

    schema_1 = frozenset({"holdout"})

    name: DatasetName = "mnist"
    """Which dataset, of those in docs/DATASETS.md, or your own as module:name."""

    holdout: Annotated[int, Field(ge=0)] = 0
    """Training images held out, at random by seed, for validation; the test images are then a test
    set. With 0 all training images are trained on and the test images are the validation set, as in
    the video protocol."""

    normalize: Normalize = None
    """How pixels are moved and scaled: a mean and a standard deviation such as [0.1307, 0.3081], of
    pixels in [0, 1]; or `standard`, for those of the images that are trained on. Of images with
    channels, also a list of each, or `per-channel`, for those of each channel. If it is left out,
    pixels stay in [0, 1]."""

    augment: Augmentation = None
    """How the images of a batch are changed at random before they are trained on, such as
    `{crop: 4, flip: true}`. What happens in a step depends on the seed and the step alone."""

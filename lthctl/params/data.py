"""The section `data`: what is trained and validated on."""

from typing import Annotated

from pydantic import Field

from lthctl.parameter_types import DatasetName, Normalize
from lthctl.params.section import Section


class DataParams(Section):
    """What is trained and validated on."""

    schema_1 = frozenset({"holdout"})

    name: DatasetName = "mnist"
    """Which dataset: `mnist`, or your own as module:name."""

    holdout: Annotated[int, Field(ge=0)] = 0
    """Training images held out, at random by seed, for validation; the test images are then a test
    set. With 0 all training images are trained on and the test images are the validation set, as in
    the video protocol."""

    normalize: Normalize = None
    """How pixels are moved and scaled: a mean and a standard deviation such as [0.1307, 0.3081], of
    pixels in [0, 1]; or `standard`, for those of the images that are trained on. If it is left out,
    pixels stay in [0, 1]."""

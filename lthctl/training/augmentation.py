"""What happens to the images of each step: where they are cut out, and which are mirrored."""

import numpy as np
from numpy.typing import NDArray

from lthctl.params import Augment
from lthctl.seeding import Stream


class AugmentationOrder:
    """What happens to the images of each step of a training.

    It depends on the seed, the step and the size of a batch, and on nothing else. So paired runs
    see the same pictures, and so does a training that begins at a later step.
    """

    def __init__(self, seed: int, augment: Augment, batch_size: int) -> None:
        self._seed, self._augment, self._batch_size = seed, augment, batch_size

    def draws(self, first: int, count: int) -> NDArray[np.uint8]:
        """What is drawn for `count` steps from step `first` (from 0).

        Returns:
          (count, batch_size, 3): the rows and the columns of the border above and to the left that
          are in the cut, each in [0, 2 * crop], and 1 where the image is mirrored.
        """
        places = 2 * self._augment.crop + 1
        choices = np.array([places, places, 1 + self._augment.flip], np.uint64)
        drawn = np.empty((count, self._batch_size, 3), np.uint8)
        for row, step in enumerate(range(first, first + count)):
            words = Stream(self._seed, "augment", step).words(3 * self._batch_size)
            drawn[row] = words.reshape(-1, 3) % choices
        return drawn

"""Which samples each step of a training sees."""

import numpy as np
from numpy.typing import NDArray

from lthctl.seeding import Stream


class BatchOrder:
    """Which samples each step of a training sees.

    The order is one long list: a permutation of all samples, another, and so on; step k takes the
    k-th `batch_size` of it, so every batch is full and every sample is seen once before any is seen
    twice. It depends on seed, number of samples and batch size, and on nothing else.
    """

    def __init__(self, seed: int, num_samples: int, batch_size: int) -> None:
        self._seed, self._num_samples, self._batch_size = seed, num_samples, batch_size
        self._epoch, self._permutation = -1, np.empty(0, np.int64)

    def batches(self, first: int, count: int) -> NDArray[np.int64]:
        """Indices of the samples of `count` steps from step `first` (from 0), of shape (count,
        batch_size)."""
        start, stop = first * self._batch_size, (first + count) * self._batch_size
        parts = []
        for epoch in range(start // self._num_samples, (stop - 1) // self._num_samples + 1):
            offset = epoch * self._num_samples
            parts.append(self._of_epoch(epoch)[max(start - offset, 0) : stop - offset])
        return np.concatenate(parts).reshape(count, self._batch_size)

    def _of_epoch(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._epoch, self._permutation = (
                epoch,
                Stream(self._seed, "order", epoch).permutation(self._num_samples),
            )
        return self._permutation

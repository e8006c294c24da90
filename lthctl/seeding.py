"""Named random streams, all from one seed.

Every random choice of an experiment has a stream of its own, named after its purpose, so that
drawing more from one
never shifts another: reinitializing a ticket does not change its batch order, and another method
does not change the initial weights. Nothing here reads or sets a global generator.

The numbers are made from the raw 64-bit output of PCG64, which NumPy promises never to change, and
not from NumPy's distributions, which may change between versions (NEP 19).
"""

import hashlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

StreamName = Literal["augment", "init", "order", "prune", "reinit", "split", "shuffle"]


class Stream:
    """A stream of random numbers with a name.

    Args:
      seed: the experiment's seed, a non-negative integer.
      name: what the numbers are for; a control of somebody's own has its own name here.
      key: tells apart several streams of one name, such as the epochs of `order`.
    """

    def __init__(self, seed: int, name: StreamName | str, *key: int) -> None:
        label = hashlib.sha256(name.encode()).digest()[:8]
        entropy = (seed, int.from_bytes(label, "little"), len(key), *key)
        self._bits = np.random.PCG64(np.random.SeedSequence(entropy))

    def words(self, count: int) -> NDArray[np.uint64]:
        """`count` words of 64 random bits."""
        return self._bits.random_raw(count)

    def uniform(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Numbers in [0, 1), multiples of 2**-53, of the given shape."""
        words = self.words(int(np.prod(shape, dtype=np.int64)))
        return ((words >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Standard normal numbers of the given shape (Box and Muller, 1958)."""
        radius = np.sqrt(-2 * np.log1p(-self.uniform(shape)))
        normal: NDArray[np.float64] = radius * np.cos(2 * np.pi * self.uniform(shape))
        return normal

    def permutation(self, count: int) -> NDArray[np.int64]:
        """The numbers 0 to `count` - 1 in random order."""
        return np.argsort(self.words(count), kind="stable")

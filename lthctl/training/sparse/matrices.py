"""Sparse matrices of linear layers: where the kept weights are, and shares of them for threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lthctl.cores import num_cores
from lthctl.errors import MaskError
from lthctl.mask import Bools
from lthctl.training.sparse.kernels.linear import Matrix
from lthctl.training.sparse.kernels.network import Floats, Indices
from lthctl.training.sparse.kernels.processor import COLUMN, LANES
from lthctl.training.sparse.layout import tile_of

SMALLEST_SHARE = 1 << 21
"""Products of a weight with a sample that are worth a thread: about 0.1 ms of them."""

SMALLEST_COPY = 1 << 18
"""Floats to be turned that are worth a thread."""


@dataclass(frozen=True)
class Positions:
    """Where the kept weights of a linear layer are, by output and by input.

    Their order is that of `weight[mask]`: by output, then by input.

    Attributes:
      by_output: the matrix.
      by_input: its transpose.
      places: where the transpose's entries stand in the order of the matrix's.
      flat: where they are in the dense matrix, counted row by row.
      zeros: a bias, for a product that has none.
    """

    by_output: Matrix
    by_input: Matrix
    places: Indices
    flat: NDArray[np.int64]
    zeros: Floats
    _shares: dict[tuple[bool, int], list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return self.by_input.width, self.by_output.width

    def shares(self, transposed: bool, threads: int) -> list[tuple[int, int]]:
        """Ranges of rows, of about as many entries each; they begin at multiples of 16."""
        key = (transposed, threads)
        if key not in self._shares:
            matrix = self.by_input if transposed else self.by_output
            rows = self.shape[1 if transposed else 0]
            begins = matrix.starts[:: matrix.tiles]
            wanted = np.arange(1, threads) * (len(self.flat) / threads)
            cuts = np.searchsorted(begins, wanted) // LANES * LANES
            bounds = sorted({0, rows, *(int(cut) for cut in cuts if cut < rows)})
            self._shares[key] = list(pairwise(bounds))
        return self._shares[key]


def positions_of(mask: Bools) -> Positions:
    """The positions of a mask (output, input).

    Raises:
      MaskError: it has more columns or entries than 32 bits can number.
    """
    most = np.iinfo(np.int32).max
    if max(mask.shape) * COLUMN > most or np.count_nonzero(mask) > most - LANES:
        raise MaskError(
            f"mask: has shape {mask.shape}, expected at most {most // COLUMN:,} rows and columns "
            f"and {most - LANES:,} kept weights"
        )
    flat = np.flatnonzero(mask)
    rows, columns = np.divmod(flat, mask.shape[1])
    back = np.argsort(columns, kind="stable")
    return Positions(
        _matrix(rows, columns, mask.shape),
        _matrix(columns[back], rows[back], mask.shape[::-1]),
        back.astype(np.int32),
        flat,
        np.zeros(max(mask.shape), np.float32),
    )


def equal_shares(rows: int, threads: int) -> list[tuple[int, int]]:
    """Ranges of about as many rows each; they begin at multiples of 16."""
    bounds = {rows * i // threads // LANES * LANES for i in range(threads)} | {rows}
    return list(pairwise(sorted(bounds)))


def _matrix(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, ...]) -> Matrix:
    """From the positions of its entries, sorted by row and column."""
    height, width = shape
    tile = tile_of(width, height, len(rows))
    tiles = -(-width // tile)
    parts = rows * tiles + columns // tile
    numbers = np.zeros(len(columns) + LANES, np.int32)
    numbers[: len(columns)] = columns * COLUMN
    starts = np.searchsorted(parts, np.arange(height * tiles + 1)).astype(np.int32)
    return Matrix(starts, numbers, tiles, width)


_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # its threads are not in a child


def in_threads(work: Callable[[int, int], None], shares: list[tuple[int, int]]) -> None:
    """Call it for every share, side by side; results cannot depend on how many there are."""
    global _pool
    if len(shares) == 1:
        return work(*shares[0])
    if _pool is None:
        _pool = ThreadPoolExecutor(num_cores(), "lthctl-linear")
    others = [_pool.submit(work, *share) for share in shares[1:]]
    work(*shares[0])
    for other in others:
        other.result()
    return None

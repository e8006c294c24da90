"""What the processor is like, and the sizes that follow from it."""

from numba.core.registry import cpu_target

LANES = 16  # floats in a vector

COLUMN = LANES * 4  # bytes of a panel's column; sparse matrices number their columns in these

STRIP = 4  # panels side by side, at most

_FEATURES = cpu_target.target_context.codegen().magic_tuple()[2].split(",")

WIDE = "+avx512f" in _FEATURES  # 32 registers of a vector each

BLOCK_ROWS = 8  # that a dense product may read and write past its last, at most

DEPTH = 64  # inputs of a dense product that are walked at a time

POSITIONS = 8 if WIDE else 4  # of a sparse matrix, sampled at a time

CHUNK_ROWS = 96  # of a dense layer's weight gradient at a time

AHEAD = 5  # rows of a strip that are asked for before they are needed


def pad(count: int) -> int:
    """A count rounded up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES

"""Ordered questions: how far down a ladder of sizes does a claim hold?

A ladder is ordered, so it is walked from its densest ticket down. Each size is tested without
adjustment, and the walk stops at the first that fails. Such a fixed sequence keeps the family-wise
error (Maurer, Hothorn & Lehmacher, 1995). Several ladders of one question share the error: each
gets a part of it, and a ladder that holds to its end hands its part on to the others (Bretz et al.,
Statistics in Medicine, 2009; for ladders of one size this is Holm's procedure).

Knows p-values, and nothing of runs.
"""

from collections.abc import Callable, Sequence


def steps_held(
    ladders: Sequence[Sequence[float]],
    alpha: float,
    level_of: Callable[[float, int, int], float] = lambda share, ladder, size: share,
) -> list[int]:
    """How many sizes hold on each ladder of a question, from the first one on.

    Args:
      ladders: for every ladder the p-values of its sizes, from the densest to the sparsest.
      alpha: family-wise error of the whole question, in (0, 1).
      level_of: the level of the test of a size, given the part of the error that its ladder has,
        and the numbers of ladder and size. Less than that part where one looks more than once.

    Returns:
      For every ladder the number of its first sizes that hold. The result does not depend on the
      order of the ladders.

    Example:
      >>> steps_held([[0.01, 0.02, 0.20, 0.01]], 0.05)
      [2]
      >>> steps_held([[0.01], [0.03]], 0.05), steps_held([[0.03], [0.03]], 0.05)
      ([1, 1], [0, 0])
    """
    held = [0] * len(ladders)
    share = [alpha / len(ladders)] * len(ladders) if ladders else []
    moved = True
    while moved:
        moved = False
        for i, p_values in enumerate(ladders):
            while held[i] < len(p_values) and p_values[held[i]] < level_of(share[i], i, held[i]):
                held[i], moved = held[i] + 1, True
        ended = [i for i, p in enumerate(ladders) if held[i] == len(p) and share[i] > 0]
        going = [i for i, p in enumerate(ladders) if held[i] < len(p)]
        if ended and going:
            freed = sum(share[i] for i in ended)
            for i in ended:
                share[i] = 0.0
            for i in going:
                share[i] += freed / len(going)
            moved = True
    return held

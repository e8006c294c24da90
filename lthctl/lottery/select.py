"""Which of the remaining weights survive a round, to an exact count."""

from collections.abc import Mapping

import numpy as np

from lthctl.errors import MaskError
from lthctl.lottery.scores import Scores
from lthctl.mask import Bools, Mask, check_shapes


def select(scores: Scores, mask: Mask, *, rate: Mapping[str, float]) -> Mask:
    """Choose which of the remaining weights survive a round, to an exact count.

    In every parameter `round(rate[name] * remaining)` of the weights that `mask` keeps are removed:
    those with the lowest scores. Equal scores are decided by position in row-major order: the
    earlier survives. Weights already removed stay removed.

    Args:
      scores: name -> scores of the parameter's shape, finite; high is kept. Not modified.
      mask: the mask so far. Not modified.
      rate: name -> fraction of the remaining weights to remove, in [0, 1).

    Returns:
      A mask on the same names and shapes, nested in `mask`.

    Raises:
      MaskError: scores and mask differ in names or shapes, every difference named; or scores are
        not finite.
    """
    shapes = {name: array.shape for name, array in scores.items()}
    check_shapes(shapes, {name: kept.shape for name, kept in mask.items()}, where="scores")
    selected: dict[str, Bools] = {}
    for name, kept in mask.items():
        (candidates,) = np.nonzero(kept.ravel())
        values = scores[name].ravel()[candidates]
        if not np.all(np.isfinite(values)):
            raise MaskError(
                f"scores: {name!r} has {np.count_nonzero(~np.isfinite(values))} that are not "
                "finite, expected none"
            )
        num_removed = round(rate[name] * len(candidates))
        # Reversed, so that among equals the later one comes first and is removed first.
        ascending = len(values) - 1 - np.argsort(values[::-1], kind="stable")
        survivors = kept.copy()
        survivors.ravel()[candidates[ascending[:num_removed]]] = False
        selected[name] = survivors
    return Mask(selected)

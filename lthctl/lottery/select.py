"""Which of the remaining weights survive a round, to an exact count."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lthctl.artifacts.pruning import Scope
from lthctl.errors import MaskError
from lthctl.lottery.scores import Scores
from lthctl.mask import Bools, Mask, check_shapes


def select(
    scores: Scores, mask: Mask, *, rate: Mapping[str, float], scope: Scope = "layer"
) -> Mask:
    """Choose which of the remaining weights survive a round, to an exact count.

    In every parameter `round(rate[name] * remaining)` of the weights that `mask` keeps are removed:
    those with the lowest scores. With `scope` "global" all parameters are one such list, in the
    order of the mask. Equal scores are decided by position in row-major order: the earlier
    survives. Weights already removed stay removed.

    Args:
      scores: name -> scores of the parameter's shape, finite; high is kept. Not modified.
      mask: the mask so far. Not modified.
      rate: name -> fraction of the remaining weights to remove, in [0, 1). With `scope` "global"
        all are equal.
      scope: "layer" or "global".

    Returns:
      A mask on the same names and shapes, nested in `mask`.

    Raises:
      MaskError: scores and mask differ in names or shapes, every difference named; or scores are
        not finite; or rates differ where they may not.
    """
    shapes = {name: array.shape for name, array in scores.items()}
    check_shapes(shapes, {name: kept.shape for name, kept in mask.items()}, where="scores")
    candidates = {name: np.flatnonzero(kept) for name, kept in mask.items()}
    values = {name: scores[name].ravel()[places] for name, places in candidates.items()}
    for name, array in values.items():
        if not np.all(np.isfinite(array)):
            raise MaskError(
                f"scores: {name!r} has {np.count_nonzero(~np.isfinite(array))} that are not "
                "finite, expected none"
            )
    if scope == "global":
        survive = _best_of_all(values, rate)
    else:
        survive = {name: _best(array, rate[name]) for name, array in values.items()}
    selected: dict[str, Bools] = {}
    for name, kept in mask.items():
        survivors = kept.copy()
        survivors.ravel()[candidates[name]] = survive[name]
        selected[name] = survivors
    return Mask(selected)


def _best(values: NDArray[np.floating], rate: float) -> Bools:
    """Which of some values are not among the lowest `round(rate * n)`."""
    # Reversed, so that among equals the later one comes first and is removed first.
    ascending = len(values) - 1 - np.argsort(values[::-1], kind="stable")
    survive = np.ones(len(values), np.bool_)
    survive[ascending[: round(rate * len(values))]] = False
    return survive


def _best_of_all(
    values: Mapping[str, NDArray[np.floating]], rate: Mapping[str, float]
) -> dict[str, Bools]:
    rates = {rate[name] for name in values}
    if len(rates) > 1:
        raise MaskError(
            f"rate: has {len(rates)} values, expected one where all weights compete with each other"
        )
    lengths = [len(array) for array in values.values()]
    best = _best(np.concatenate(list(values.values())), rates.pop())
    return dict(zip(values, np.split(best, np.cumsum(lengths)[:-1]), strict=True))

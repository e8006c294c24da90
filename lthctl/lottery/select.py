"""Which of the remaining weights survive a round, to an exact count."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lthctl.errors import MaskError
from lthctl.lottery.scores import Scores
from lthctl.mask import Bools, Mask, check_shapes
from lthctl.parameter_types import Scope

T = TypeVar("T")

Removed = Mapping[str, int] | int
"""How many weights go: of each parameter, or of all together, which then compete."""


def select(
    scores: Scores, mask: Mask, *, rate: Mapping[str, float], scope: Scope = "layer"
) -> Mask:
    """Choose which of the remaining weights survive a round, to an exact count.

    In every parameter `round(rate[name] * remaining)` of the weights that `mask` keeps are removed:
    those with the lowest scores. With `scope` "global" all parameters are one such list, in the
    order of the mask, which is that of their names. Equal scores are decided by position in
    row-major order: the earlier survives. Weights already removed stay removed.

    Args:
      scores: name -> scores of the parameter's shape, finite; high is kept. Not modified.
      mask: the mask so far. Not modified.
      rate: name -> fraction of the remaining weights to remove, in [0, 1). With `scope` "global"
        all are equal, apart from those that are 0, which take no part.
      scope: "layer" or "global".

    Returns:
      A mask on the same names and shapes, nested in `mask`.

    Raises:
      MaskError: scores and mask differ in names or shapes, every difference named; or scores are
        not finite; or rates differ where they may not.
    """
    pruned = Mask(taking_part(rate, mask))
    removed = removed_at(rate, remaining_of(pruned), scope)
    return Mask({**mask, **remove_lowest(taking_part(rate, scores), pruned, removed)[0]})


def taking_part(rate: Mapping[str, float], arrays: Mapping[str, T]) -> dict[str, T]:
    """Those of some arrays whose parameters are pruned at all."""
    return {name: array for name, array in arrays.items() if rate.get(name, 1) > 0}


def remaining_of(mask: Mask) -> dict[str, int]:
    """Parameter -> number of its weights that are kept."""
    return {name: int(np.count_nonzero(kept)) for name, kept in mask.items()}


def removed_at(rate: Mapping[str, float], remaining: Mapping[str, int], scope: Scope) -> Removed:
    """How many weights go at some rates: `round(rate * remaining)`.

    Raises:
      MaskError: rates differ, though all weights compete with each other.
    """
    if scope == "layer":
        return {name: round(rate[name] * left) for name, left in remaining.items()}
    rates = {rate[name] for name in remaining}
    if len(rates) > 1:
        raise MaskError(
            f"rate: has {len(rates)} values, expected one where all weights compete with each other"
        )
    return round(rates.pop() * sum(remaining.values())) if rates else 0


def remove_lowest(scores: Scores, mask: Mask, removed: Removed) -> tuple[Mask, Mapping[str, int]]:
    """Remove the weights with the lowest scores; see `select`.

    Args:
      scores, mask: as in `select`.
      removed: how many go, at most as many as are left.

    Returns:
      The mask, and parameter -> how many of its weights went only because they come later than
      others of the same score; parameters without such weights are left out.
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
    if isinstance(removed, int):
        lengths = [len(array) for array in values.values()]
        together = np.concatenate(list(values.values())) if values else np.empty(0)
        parts = (
            dict(zip(values, np.split(part, np.cumsum(lengths)[:-1]), strict=True))
            for part in _lowest(together, removed)
        )
        gone, tied = parts
    else:
        each = {name: _lowest(array, removed[name]) for name, array in values.items()}
        gone = {name: pair[0] for name, pair in each.items()}
        tied = {name: pair[1] for name, pair in each.items()}
    selected: dict[str, Bools] = {}
    for name, kept in mask.items():
        survivors = kept.copy()
        survivors.ravel()[candidates[name][gone[name]]] = False
        selected[name] = survivors
    counts = {name: int(np.count_nonzero(flags)) for name, flags in tied.items()}
    return Mask(selected), {name: count for name, count in counts.items() if count}


def _lowest(values: NDArray[np.number], count: int) -> tuple[Bools, Bools]:
    """Which of some values are the lowest so many, the later ones among equals; and which of these
    equal one that is not."""
    gone, tied = np.zeros(len(values), np.bool_), np.zeros(len(values), np.bool_)
    if count == 0:
        return gone, tied
    border = np.partition(values, count - 1)[count - 1]
    gone |= values < border
    equal = np.flatnonzero(values == border)
    last = equal[len(equal) - (count - np.count_nonzero(gone)) :]
    gone[last] = True
    if len(last) < len(equal):
        tied[last] = True
    return gone, tied

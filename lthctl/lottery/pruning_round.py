"""One pruning: scores, how many weights go, and which; in several iterations where the method asks
for them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lthctl.artifacts.pruning import Pruning
from lthctl.errors import MaskError, TrainingError
from lthctl.lottery.rates import emptied, kept_by_density
from lthctl.lottery.scores import SCORES, ScoreContext, scored_by
from lthctl.lottery.select import Removed, remaining_of, remove_lowest, removed_at, taking_part
from lthctl.mask import Mask


@dataclass(frozen=True)
class Pruned:
    """What a pruning leaves.

    Attributes:
      mask: afterwards.
      tied: parameter -> how many of its weights went only because they come later than others of
        the same score. Parameters without such weights are left out.
    """

    mask: Mask
    tied: Mapping[str, int]


MOST_NAMED = 4
"""Parameters that are named; a network may have hundreds."""


def ties_in_words(tied: Mapping[str, int]) -> str:
    """Such as "23,520 in layers.0.weight, 30 in layers.0.bias", the most first."""
    ordered = sorted(tied.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count:,} in {name}" for name, count in ordered[:MOST_NAMED]]
    more = [f"some in {len(ordered) - MOST_NAMED} more"] if len(ordered) > MOST_NAMED else []
    return ", ".join([*named, *more])


def prune_once(
    pruning: Pruning, context: ScoreContext, rate: Mapping[str, float], number: int
) -> Pruned:
    """Prune as a round of a ticket does.

    Args:
      pruning: of the ticket.
      context: of its method, with the mask so far.
      rate: parameter -> rate per round.
      number: of the round, from 1.

    Raises:
      MaskError: the scores are not those of the parameters, or are not finite.
      TrainingError: the method fails, or a layer is left without weights.
    """
    method = pruning.method
    pruned = Mask(taking_part(rate, context.mask))
    total = _removed(pruning, pruned, rate, number)
    iterations = SCORES.get(method).iterations
    before, mask = remaining_of(pruned), context.mask
    tied: dict[str, int] = {}
    for iteration in range(1, iterations + 1):
        goal = _share(total, before, iteration / iterations)
        now = _less(goal, before, remaining_of(pruned))
        step = replace(context, mask=mask, weights=mask.apply(context.weights))
        try:
            pruned, ties = remove_lowest(taking_part(rate, scored_by(method, step)), pruned, now)
        except MaskError as error:
            raise MaskError(f"method {method}, round {number}: {error}") from error
        for name, count in ties.items():
            tied[name] = tied.get(name, 0) + count
        mask = Mask({**mask, **pruned})
    if fault := emptied(mask, number):
        way_out = "a lower ratio, or scope layer" if pruning.scope == "global" else "a lower ratio"
        raise TrainingError(f"{pruning.ticket_name}: {fault}; choose {way_out}")
    return Pruned(mask, tied)


def _removed(pruning: Pruning, mask: Mask, rate: Mapping[str, float], number: int) -> Removed:
    """How many weights go in a round."""
    remaining = remaining_of(mask)
    shapes = {name: array.shape for name, array in mask.items()}
    kept = kept_by_density(pruning.method, shapes, rate, number)
    if kept is None:
        return removed_at(rate, remaining, pruning.scope)
    return {name: max(left - kept[name], 0) for name, left in remaining.items()}


def _share(total: Removed, before: Mapping[str, int], done: float) -> Removed:
    """How many weights have gone when a part of the iterations is done, on an exponential
    schedule."""
    if isinstance(total, int):
        return _exponential(total, sum(before.values()), done)
    return {name: _exponential(count, before[name], done) for name, count in total.items()}


def _exponential(removed: int, before: int, done: float) -> int:
    if done == 1 or before == 0:
        return removed
    return round((1 - math.pow(1 - removed / before, done)) * before)


def _less(goal: Removed, before: Mapping[str, int], remaining: Mapping[str, int]) -> Removed:
    """How many are still to go until so many of those before have gone."""
    if isinstance(goal, int):
        return goal - (sum(before.values()) - sum(remaining.values()))
    return {name: count - (before[name] - remaining[name]) for name, count in goal.items()}

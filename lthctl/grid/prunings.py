"""The product of the lists of `prune`, and what each ticket of it asks for."""

from itertools import product

from lthctl.artifacts.pruning import Pruning
from lthctl.lottery.asked import RateAsked, refuse_unread, specify_pruning
from lthctl.models.base import Model
from lthctl.params import PruneParams


def asked_prunings(prune: PruneParams, model: Model) -> list[Pruning]:
    """The product of the lists, in their order; equal ones as often as they are asked for.

    Raises:
      ParamsError: one is impossible.
    """
    ratios: list[tuple[float | None, RateAsked, tuple[float, ...] | None]]
    if prune.rate is None and prune.layer_ratio is None:
        ratios = [(ratio, None, None) for ratio in prune.ratio]
    else:  # in the place of the ratios, but for the dense network
        ratios = [(0.0, None, None)] if 0 in prune.ratio else []
        ratios.append((None, prune.rate, prune.layer_ratio))
    rounds = range(1, max(prune.rounds) + 1) if prune.every_round else prune.rounds
    prunings = [
        specify_pruning(
            model,
            method=method,
            ratio=ratio,
            rounds=number,
            seed=seed,
            biases=prune.biases,
            rate=rate,
            layer_ratio=layer_ratio,
            exclude=prune.exclude,
            output_factor=prune.output_factor,
            scope=prune.scope,
            rewind_step=rewind_step,
        )
        for method, number, (ratio, rate, layer_ratio), rewind_step, seed in product(
            prune.method, rounds, ratios, prune.rewind_step, prune.seed
        )
    ]
    refuse_unread(prunings, output_factor=prune.output_factor, scope=prune.scope)
    return prunings

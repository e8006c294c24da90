"""How much is removed per round, and whether every layer survives that."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from lthctl.artifacts.pruning import Pruning, ratio_after
from lthctl.errors import ParamsError
from lthctl.lottery.layers import excluded_layers, layer_of, layers_of, rates_by_layer
from lthctl.lottery.scores import SCORES, densities_by
from lthctl.mask import Mask, Shapes
from lthctl.models.base import Model


def rate_per_round(ratio: float, rounds: int) -> float:
    """The fraction of the remaining weights to remove in each of `rounds` rounds, so that `ratio`
    of all are gone in the end.

    Args:
      ratio: final sparsity, in [0, 1).
      rounds: at least 1.
    """
    return ratio if rounds == 1 else 1 - (1 - ratio) ** (1 / rounds)


def kept_by_density(
    method: str, shapes: Shapes, rate: Mapping[str, float], number: int
) -> dict[str, int] | None:
    """Parameter -> how many of its weights a round leaves, where the method says how dense each is;
    None where it does not."""
    reached = densities_by(method, shapes, density_after(rate, number))
    if reached is None:
        return None
    return {name: round(reached[name] * math.prod(shape)) for name, shape in shapes.items()}


def density_after(rate: Mapping[str, float], number: int) -> float:
    """The density of all weights together after a round, where all have one rate."""
    return math.prod([1 - max(rate.values())] * number)


def sets_densities(method: str) -> bool:
    """Whether a method, if it is known here, says how dense each layer is."""
    score = SCORES.known(method)
    return score is not None and score.densities is not None


def rates_of(model: Model, shapes: Shapes, pruning: Pruning) -> dict[str, float]:
    """The rate per round of every prunable parameter.

    The output layer has `output_factor` of the rate of the others (half of it in Frankle & Carbin,
    2019, appendix G). Where all weights compete with each other, or the method says how dense each
    layer is, all parameters have one rate.

    Layers that are excluded have rate 0.

    Raises:
      ParamsError: `layer_ratio` is not one ratio for each layer; or `exclude` or `layer_rate` do
        not fit the layers.
    """
    if pruning.rounds == 0:
        return dict.fromkeys(shapes, 0.0)
    layers = layers_of(shapes)
    excluded = excluded_layers(layers, pruning.exclude)
    if pruning.layer_rate is not None:
        of_layer = rates_by_layer(layers, pruning.layer_rate, excluded)
        return {name: of_layer[layer_of(name)] for name in shapes}
    rates = _rates_of_all(model, shapes, pruning)
    return {name: 0.0 if layer_of(name) in excluded else rate for name, rate in rates.items()}


def _rates_of_all(model: Model, shapes: Shapes, pruning: Pruning) -> dict[str, float]:
    if pruning.layer_ratio is not None:
        ratios = _ratios_of_layers(shapes, pruning.layer_ratio)
        return {name: rate_per_round(ratio, pruning.rounds) for name, ratio in ratios.items()}
    rate = pruning.per_round
    if rate is None:
        rate = rate_per_round(pruning.ratio, pruning.rounds)
    if pruning.scope == "global" or sets_densities(pruning.method):
        return dict.fromkeys(shapes, rate)
    return {
        name: rate * pruning.output_factor if model.is_output(name) else rate for name in shapes
    }


def _ratios_of_layers(shapes: Shapes, ratios: Sequence[float]) -> dict[str, float]:
    layers = layers_of(shapes)
    if len(ratios) != len(layers):
        raise ParamsError(
            f"prune.layer_ratio: has {len(ratios)} ratios, expected {len(layers)}, one for each of "
            f"the layers {', '.join(layers)}"
        )
    of_layer = dict(zip(layers, ratios, strict=True))
    return {name: of_layer[layer_of(name)] for name in shapes}


def total_ratio(shapes: Shapes, ratios: Sequence[float]) -> float:
    """The sparsity of all prunable weights together, from the ratio of every layer.

    Raises:
      ParamsError: there is not one ratio for each layer.
    """
    of_name = _ratios_of_layers(shapes, ratios)
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    return sum(sizes[name] * ratio for name, ratio in of_name.items()) / sum(sizes.values())


def total_after(shapes: Shapes, rate: Mapping[str, float], rounds: int) -> float:
    """The sparsity of all prunable weights together, after rounds at a rate for each parameter."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    gone = math.fsum(sizes[name] * ratio_after(rate[name], rounds) for name in shapes)
    return gone / sum(sizes.values())


def desired_after(
    pruning: Pruning, rate: Mapping[str, float], sizes: Mapping[str, int], number: int
) -> float:
    """The sparsity asked for after a round, of all prunable weights.

    It is that of the hidden layers; with a ratio or a rate for each layer, the mean over all
    weights.

    Args:
      pruning: of the ticket.
      rate: parameter -> rate per round.
      sizes: parameter -> number of its weights.
      number: of the round, from 1.
    """
    if pruning.layer_ratio is None and pruning.layer_rate is None:
        return float(1 - (1 - max(rate.values())) ** number)
    asked = sum(size * (1 - (1 - rate[name]) ** number) for name, size in sizes.items())
    return float(asked / sum(sizes.values()))


def desired_of_layers(
    method: str, shapes: Shapes, rate: Mapping[str, float], number: int
) -> dict[str, float]:
    """The sparsity asked for after a round, parameter by parameter."""
    reached = densities_by(method, shapes, density_after(rate, number))
    if reached is None:
        return {name: 1 - (1 - rate[name]) ** number for name in shapes}
    return {name: 1 - reached[name] for name in shapes}


def steps_of_round(pruning: Pruning, steps: int) -> int:
    """How long the training before a pruning is: all steps on a ladder with a rate, and a share of
    them otherwise."""
    return steps if pruning.per_round is not None else steps // max(pruning.rounds, 1)


def check_survivable(shapes: Shapes, rate: Mapping[str, float], rounds: int) -> str | None:
    """Whether every layer keeps at least one weight after all rounds; biases may all go.

    Args:
      shapes: the prunable parameters, name -> shape.
      rate: name -> rate per round.
      rounds: at least 1.

    Returns:
      None, or which layer is left with no weight, and after which round.
    """
    for name, shape in shapes.items():
        remaining = int(np.prod(shape))
        for number in range(1, rounds + 1):
            remaining -= round(rate[name] * remaining)
            if remaining == 0 and len(shape) >= 2:
                return _none_left(name, shape, number, rounds)
    return None


def fault_beforehand(pruning: Pruning, shapes: Shapes, rate: Mapping[str, float]) -> str | None:
    """Which layer will be left with no weight, and after which round, as far as sizes and rates
    tell. Where all weights compete with each other they do not."""
    rounds = pruning.rounds
    if not sets_densities(pruning.method):
        return check_survivable(shapes, rate, rounds) if pruning.scope == "layer" else None
    for number in range(1, rounds + 1):
        kept = kept_by_density(pruning.method, shapes, rate, number) or {}
        for name, shape in shapes.items():
            if kept[name] == 0 and len(shape) >= 2:
                return _none_left(name, shape, number, rounds)
    return None


def _none_left(name: str, shape: tuple[int, ...], number: int, rounds: int) -> str:
    after = f" after round {number}" if rounds > 1 else ""
    return f"leaves none of the {math.prod(shape)} weights of {name!r}{after}"


def emptied(mask: Mask, number: int) -> str | None:
    """Which layer a round has left without weights, if any; biases may all go.

    Beforehand this is known of scope layer alone: see `check_survivable`.
    """
    for name, kept in mask.items():
        if kept.ndim >= 2 and not kept.any():
            return f"round {number} leaves none of the {kept.size} weights of {name!r}"
    return None

"""From what a person asks for to how a ticket is pruned, checked before anything is trained."""

from collections.abc import Mapping, Sequence

from lthctl.artifacts.pruning import Pruning, ratio_after
from lthctl.errors import ParamsError
from lthctl.lottery.layers import excluded_layers, layer_of, layers_of, rates_by_layer
from lthctl.lottery.rates import total_after, total_ratio
from lthctl.lottery.scores import SCORES
from lthctl.models.base import Model
from lthctl.parameter_types import Scope

RateAsked = float | Mapping[str, float] | Sequence[tuple[str, float]] | None
"""A rate for all layers; or pattern -> rate, as a mapping or as pairs."""


def specify_pruning(
    model: Model,
    *,
    method: str,
    ratio: float | None,
    rounds: int,
    seed: int,
    biases: bool = True,
    rate: RateAsked = None,
    layer_ratio: Sequence[float] | None = None,
    exclude: Sequence[str] = (),
    output_factor: float = 0.5,
    scope: Scope = "layer",
    rewind_step: int = 0,
) -> Pruning:
    """How a ticket is pruned; see `lthctl.find_ticket`.

    `ratio` is None where `rate` or `layer_ratio` says it.

    Where the outcome is the dense network, it is the dense ticket of the seed, whatever else was
    asked for. So tickets that rewind to a later step are judged against whole trainings. With
    method "dense" it rewinds to that step too, whatever the sizes are. What makes no difference is
    left at its default, so that equal tickets are one.

    Raises:
      ParamsError: a value is out of range, or two of them exclude each other.
    """
    sets_sizes = method != "dense" and SCORES.get(method).densities is not None
    if ratio is not None and not 0 <= ratio < 1:
        raise ParamsError(
            f"ratio: is {ratio}, expected in [0, 1): the fraction of weights to prune"
        )
    if rounds < 1:
        raise ParamsError(f"rounds: is {rounds}, expected at least 1")
    if not 0 <= output_factor <= 1:
        raise ParamsError(f"output_factor: is {output_factor}, expected in [0, 1]")
    if rewind_step < 0:
        raise ParamsError(
            f"rewind_step: is {rewind_step}, expected at least 0: the step whose weights tickets "
            "rewind to"
        )
    if exclude and (sets_sizes or layer_ratio is not None):
        other = f"method {method}" if sets_sizes else "layer_ratio"
        raise ParamsError(f"exclude: excludes {other}, which says itself how dense each layer is")
    dense = Pruning(method="dense", ratio=0.0, rounds=0, seed=seed, biases=biases)
    if method == "dense":
        return dense.model_copy(update={"rewind_step": rewind_step})
    layer_rate: tuple[tuple[str, float], ...] | None = None
    if layer_ratio is not None:
        if rate is not None:
            raise ParamsError("layer_ratio: excludes rate; give one of the two")
        if sets_sizes:
            raise ParamsError(
                f"layer_ratio: excludes method {method}, which says itself how dense each layer is"
            )
        if scope == "global":
            raise ParamsError(
                "layer_ratio: excludes scope global, where layers have no ratio of their own"
            )
        if wrong := [value for value in layer_ratio if not 0 <= value < 1]:
            raise ParamsError(f"layer_ratio: has {wrong[0]}, expected ratios in [0, 1)")
        ratio = total_ratio(model.prunable(biases=biases), layer_ratio)
    elif isinstance(rate, float | int):
        if not 0 < rate < 1:
            raise ParamsError(
                f"rate: is {rate}, expected in (0, 1): the fraction of the remaining weights that "
                "a round removes"
            )
        ratio = ratio_after(rate, rounds)
        if ratio >= 1:
            raise ParamsError(f"rate: {rate} in {rounds} rounds leaves no weight; ask for fewer")
    elif rate is not None:
        if sets_sizes:
            raise ParamsError(
                f"rate: for each layer excludes method {method}, which says itself how dense each "
                "layer is"
            )
        if scope == "global":
            raise ParamsError(
                "rate: for each layer excludes scope global, where layers have no rate of their "
                "own; give one rate, and name layers that are not pruned in prune.exclude"
            )
        layer_rate = _in_order(rate)
        shapes = model.prunable(biases=biases)
        layers = layers_of(shapes)
        of_layer = rates_by_layer(layers, layer_rate, excluded_layers(layers, exclude))
        ratio = total_after(shapes, {name: of_layer[layer_of(name)] for name in shapes}, rounds)
        rate = max(one for _, one in layer_rate)
    if ratio is None:
        raise ParamsError("ratio: is missing, expected it, or rate, or layer_ratio")
    if ratio == 0:
        return dense
    if sets_sizes:
        scope = "layer"  # its layers have their sizes either way
    has_factor = scope == "layer" and layer_ratio is None and layer_rate is None and not sets_sizes
    return Pruning(
        method=method,
        ratio=float(ratio),
        rounds=rounds,
        seed=seed,
        biases=biases,
        per_round=rate,
        layer_ratio=None if layer_ratio is None else tuple(map(float, layer_ratio)),
        layer_rate=layer_rate,
        exclude=tuple(sorted(set(exclude))),
        output_factor=output_factor if has_factor else 0.5,
        scope=scope,
        rewind_step=rewind_step,
    )


def refuse_unread(prunings: Sequence[Pruning], *, output_factor: float, scope: Scope) -> None:
    """Refuse what was asked for and none of the tickets has. The dense network never has it.

    Args:
      prunings: what came of it.
      output_factor, scope: what was asked for.

    Raises:
      ParamsError: one of them says nothing here.
    """
    pruned = [one for one in prunings if one.rounds > 0]
    if not pruned:
        return
    first = pruned[0]
    by_method = f"method {first.method} says itself how dense each layer is"
    if scope == "global" and all(one.scope == "layer" for one in pruned):
        raise ParamsError(f"scope: is global, but {by_method}; leave it out")
    if output_factor != 0.5 and all(one.output_factor == 0.5 for one in pruned):
        reason = by_method
        if first.scope == "global":
            reason = "with scope global the output layer has no rate of its own"
        elif first.layer_rate is not None or first.layer_ratio is not None:
            reason = f"{'rate' if first.layer_rate else 'layer_ratio'} says it of each layer"
        raise ParamsError(f"output_factor: is {output_factor}, but {reason}; leave it out")


def _in_order(
    rates: Mapping[str, float] | Sequence[tuple[str, float]],
) -> tuple[tuple[str, float], ...]:
    """Pattern and rate, in the order of the patterns.

    Raises:
      ParamsError: a rate is out of range, or none is above 0.
    """
    pairs = sorted(rates.items() if isinstance(rates, Mapping) else rates)
    if wrong := [f"{rate} of {name!r}" for name, rate in pairs if not 0 <= rate < 1]:
        raise ParamsError(f"rate: is {wrong[0]}, expected in [0, 1)")
    if not any(rate > 0 for _, rate in pairs):
        raise ParamsError("rate: is 0 of every layer, expected at least one above 0")
    return tuple((name, float(rate)) for name, rate in pairs)

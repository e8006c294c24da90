"""From what a person asks for to how a ticket is pruned, checked before anything is trained."""

from collections.abc import Sequence

from lthctl.artifacts.pruning import Pruning, ratio_after
from lthctl.errors import ParamsError
from lthctl.lottery.rates import total_ratio
from lthctl.lottery.scores import SCORES
from lthctl.models.base import Model
from lthctl.parameter_types import Scope


def specify_pruning(
    model: Model,
    *,
    method: str,
    ratio: float | None,
    rounds: int,
    seed: int,
    biases: bool = True,
    rate: float | None = None,
    layer_ratio: Sequence[float] | None = None,
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
    dense = Pruning(method="dense", ratio=0.0, rounds=0, seed=seed, biases=biases)
    if method == "dense":
        return dense.model_copy(update={"rewind_step": rewind_step})
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
    elif rate is not None:
        if not 0 < rate < 1:
            raise ParamsError(
                f"rate: is {rate}, expected in (0, 1): the fraction of the remaining weights that "
                "a round removes"
            )
        ratio = ratio_after(rate, rounds)
        if ratio >= 1:
            raise ParamsError(f"rate: {rate} in {rounds} rounds leaves no weight; ask for fewer")
    if ratio is None:
        raise ParamsError("ratio: is missing, expected it, or rate, or layer_ratio")
    if ratio == 0:
        return dense
    if sets_sizes:
        scope = "layer"  # its layers have their sizes either way
    has_factor = scope == "layer" and layer_ratio is None and not sets_sizes
    return Pruning(
        method=method,
        ratio=float(ratio),
        rounds=rounds,
        seed=seed,
        biases=biases,
        per_round=rate,
        layer_ratio=None if layer_ratio is None else tuple(map(float, layer_ratio)),
        output_factor=output_factor if has_factor else 0.5,
        scope=scope,
        rewind_step=rewind_step,
    )

"""Which layers a pattern means, and their rates.

A pattern is the name of a layer, in which `*` stands for anything: `conv*`, `*.downsample.*`.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from lthctl.errors import ParamsError
from lthctl.mask import Shapes


def layers_of(names: Sequence[str] | Shapes) -> list[str]:
    """The layers of some parameters, in their order: `layers.0` has `layers.0.weight`."""
    return list(dict.fromkeys(layer_of(name) for name in names))


def layer_of(name: str) -> str:
    """The layer of a parameter; a parameter of the network itself, such as `pos_embed`, is one."""
    return name.rpartition(".")[0] or name


def matching(pattern: str, layers: Sequence[str], key: str) -> list[str]:
    """The layers that a pattern means.

    Args:
      pattern: the name of a layer, or with `*` in it.
      layers: of the model.
      key: the parameter that the pattern is of, for the message.

    Raises:
      ParamsError: there is none.
    """
    found = [layer for layer in layers if fnmatchcase(layer, pattern)]
    if not found:
        wider = f"*{pattern.strip('*')}*"
        meant = [layer for layer in layers if fnmatchcase(layer, wider)]
        hint = f"did you mean {wider!r}? " if meant and wider != pattern else ""
        raise ParamsError(
            f"{key}: {pattern!r} is the name of no layer; {hint}the layers are {', '.join(layers)}"
        )
    return found


def excluded_layers(layers: Sequence[str], patterns: Sequence[str]) -> set[str]:
    """The layers that are never pruned.

    Raises:
      ParamsError: a pattern means none, or they are all.
    """
    found = {layer for pattern in patterns for layer in matching(pattern, layers, "prune.exclude")}
    if layers and found == set(layers):
        raise ParamsError(
            f"prune.exclude: leaves no layer to prune; the layers are {', '.join(layers)}"
        )
    return found


def rates_by_layer(
    layers: Sequence[str], rates: Sequence[tuple[str, float]], excluded: set[str]
) -> dict[str, float]:
    """Layer -> rate; 0 where it is excluded.

    A layer's own name wins over a pattern.

    Args:
      layers: of the model.
      rates: pattern and rate.
      excluded: layers that need none.

    Raises:
      ParamsError: a pattern means no layer, or a layer has no rate, or two of them.
    """
    of_layer: dict[str, tuple[str, float]] = {}
    for pattern, rate in sorted(rates, key=lambda pair: pair[0] in layers):
        for layer in matching(pattern, layers, "prune.rate"):
            before, other = of_layer.get(layer, ("", rate))
            if other != rate and pattern != layer:
                raise ParamsError(
                    f"prune.rate: {before!r} and {pattern!r} both mean the layer {layer!r}, at "
                    f"{other} and {rate}; give that layer a rate under its own name"
                )
            of_layer[layer] = pattern, rate
    without = [layer for layer in layers if layer not in of_layer and layer not in excluded]
    if without:
        raise ParamsError(
            f"prune.rate: says nothing of {', '.join(without)}; give them a rate, which may be 0, "
            "or name them in prune.exclude"
        )
    return {layer: 0.0 if layer in excluded else of_layer[layer][1] for layer in layers}

"""One name for a parameter in all files of an audit, whatever each file calls it."""

from collections.abc import Callable, Sequence

from lthctl.errors import CheckpointError
from lthctl.interop.matching import listed
from lthctl.interop.network_file import NetworkFile
from lthctl.mask import Shapes

SELECTIONS: tuple[Callable[[str, tuple[int, ...]], bool], ...] = (
    lambda name, shape: len(shape) >= 2,
    lambda name, shape: "weight" in name,
    lambda name, shape: True,
)
"""Which parameters a list of masks without names may be of: matrices, weights, everything."""


def shapes_of(network: NetworkFile) -> dict[str, tuple[int, ...]]:
    """The shapes of weights and masks, by name."""
    arrays = {**network.masks, **network.weights}
    # In the order of the file, in which masks without names stand as well.
    order = [*network.weights, *(name for name in network.masks if name not in network.weights)]
    return {name: arrays[name].shape for name in order}


def matched(network: NetworkFile, reference: Shapes) -> NetworkFile:
    """The file under the names of another.

    Names are the same, or differ by a prefix such as `module.`, or leave out `.weight`; else the
    shapes tell, in the order of the file, or where each occurs once.

    Raises:
      CheckpointError: masks or weights fit nowhere, or in several ways.
    """
    shapes = shapes_of(network)
    needed = [name for name in network.masks or shapes if len(shapes[name]) > 0]
    names = _by_name(shapes, reference)
    missing = [name for name in needed if name not in names and len(shapes[name]) >= 2]
    if missing:
        names = _by_shape({name: shapes[name] for name in needed}, reference) or {}
    if not names:
        raise CheckpointError(
            f"{network.path}: does not fit the initial weights, or fits in several ways: found "
            f"{listed(shapes)}; expected {listed(reference)}. Give files of one network"
        )
    return network.renamed(names)


def _by_name(shapes: Shapes, reference: Shapes) -> dict[str, str]:
    names: dict[str, str] = {}
    for name, shape in shapes.items():
        same = [other for other in reference if tuple(reference[other]) == tuple(shape)]
        for fits in (
            [other for other in same if other == name],
            [other for other in same if other == f"{name}.weight"],
            [o for o in same if name.endswith(f".{o}") or o.endswith(f".{name}")],
            [o for o in same if o.endswith(f".{name}.weight") or name.endswith(f".{o[:-7]}")],
            [o for o in same if o.replace(".", "_") == name.replace(".", "_").replace("-", "_")],
        ):
            if len(fits) == 1 and fits[0] not in names.values():
                names[name] = fits[0]
                break
    return names


def _by_shape(shapes: Shapes, reference: Shapes) -> dict[str, str] | None:
    for is_candidate in SELECTIONS:
        candidates = [name for name, shape in reference.items() if is_candidate(name, shape)]
        if _listed_alike([*shapes.values()], [reference[name] for name in candidates]):
            return dict(zip(shapes, candidates, strict=True))
    names = {}
    for name, shape in shapes.items():
        same = [other for other in reference if tuple(reference[other]) == tuple(shape)]
        if len(same) != 1:
            return None
        names[name] = same[0]
    return names if len(set(names.values())) == len(names) else None


def _listed_alike(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> bool:
    return [tuple(shape) for shape in a] == [tuple(shape) for shape in b]

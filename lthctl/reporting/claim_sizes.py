"""The experiments that a claim is about, found by the weights that are left.

A size is matched within the tolerance of the file, and the nearest counts.
"""

from collections.abc import Sequence

from lthctl.reporting.claims_file import DENSE, Claim, is_ladder
from lthctl.reporting.experiments import Experiment
from lthctl.reporting.ladders import LadderKey
from lthctl.reporting.verdicts import Group


def sizes_of(group: Group, claim: Claim, tolerance: float) -> list[Experiment]:
    """The experiments that a claim is about, densest first."""
    ladder = _ladder(group, claim.ladder, claim.control)
    if claim.size is not None:
        nearest = _nearest(ladder, claim.size, tolerance)
        return [nearest] if nearest else []
    if claim.sizes is None:
        return ladder
    first, last = claim.sizes[0] * (1 + tolerance), claim.sizes[1] * (1 - tolerance)
    return [size for size in ladder if first >= percent_left(size) >= last]


def _ladder(group: Group, name: str, control: str) -> list[Experiment]:
    keys = ((LadderKey.of(one.key), one) for one in group.experiments)
    found = [one for key, one in keys if key.name == name and key.control == control]
    return sorted(found, key=lambda one: one.sparsity)


def _nearest(ladder: Sequence[Experiment], size: float, tolerance: float) -> Experiment | None:
    """The experiment of a size, in percent, as near as the tolerance allows."""
    near = [one for one in ladder if abs(percent_left(one) - size) <= tolerance * size]
    return min(near, key=lambda one: abs(percent_left(one) - size), default=None)


def other_of(group: Group, claim: Claim, size: Experiment, tolerance: float) -> Experiment | None:
    """What the tickets of a size are compared with."""
    if claim.than == DENSE:
        return group.dense
    if is_ladder(claim.than):
        wanted = percent_left(size) if claim.than_size is None else claim.than_size
        return _nearest(_ladder(group, claim.than, "rewind"), wanted, tolerance)
    return group.experiment(size.key._replace(control=claim.than))


def percent_left(size: Experiment) -> float:
    """What is left of the weights, in percent."""
    return 100 * (1 - size.sparsity)


def absent_words(claim: Claim) -> str:
    """Which tickets a claim is about, that are not there."""
    if claim.size is not None:
        where = f" at {claim.size:g} %"
    else:
        where = f" from {claim.sizes[0]:g} to {claim.sizes[1]:g} %" if claim.sizes else ""
    return f"no {claim.ladder} {claim.control}{where}"

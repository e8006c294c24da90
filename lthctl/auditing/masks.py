"""Claims about masks alone: nested, of use, and of the size that they should have."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from lthctl.auditing.evidence import Evidence, Masks, Step
from lthctl.auditing.outcome import Observation, conclude, share
from lthctl.auditing.scores import best_agreement
from lthctl.verification.checks import Failed, Unchecked

NICE_RATES = [hundredths / 100 for hundredths in range(1, 100)]
"""What people choose; a rate is inferred only among these."""

Parts = list[tuple[str, int, int]]
"""Where weights were pruned, how many, and of how many: all at once, or layer by layer."""

CHANCE = 0.05
"""How likely counts may fit one of these by accident before they are believed."""


def prunes(evidence: Evidence) -> str:
    """The ticket's mask prunes something, and leaves something in every layer."""
    mask = evidence.ticket.mask
    if mask is None:
        raise Unchecked("--mask would tell")
    kept = sum(int(array.sum()) for array in mask.values())
    size = sum(array.size for array in mask.values())
    empty = [name for name, array in mask.items() if array.ndim >= 2 and not array.any()]
    if kept == size:
        raise Failed(f"it keeps all {size:,} weights: the network is dense")
    if empty:
        raise Failed(f"it keeps none of {', '.join(empty)}: such a layer passes nothing on")
    whole = [name for name, array in mask.items() if array.all()]
    untouched = f"; left whole: {', '.join(whole)}" if whole else ""
    return f"{kept:,} of {size:,} weights are kept, {share(kept, size)}{untouched}"


def nested(evidence: Evidence) -> str:
    """No round keeps what an earlier one pruned."""
    named = [(round_.name, round_.mask) for round_ in evidence.rounds if round_.mask is not None]
    observations = []
    for (before, wider), (after, narrower) in pairwise(named):
        again, back = _further(narrower, wider), _further(wider, narrower)
        if again == 0:
            observations.append(Observation(f"{after} in {before}", holds=True))
            continue
        order = "" if back else f", and {before} is nested in {after}: is --round in order?"
        text = f"{after} keeps {again:,} weights that {before} had pruned{order}"
        observations.append(Observation(text, holds=False))
    return conclude(observations, "masks of two rounds (--round) would tell")


def _further(mask: Masks, other: Masks) -> int:
    """How many weights a mask keeps that another prunes."""
    return sum(int((mask[name] & ~other[name]).sum()) for name in mask.keys() & other.keys())


def counts(evidence: Evidence) -> str:
    """Each round prunes as many weights as its rate says, and the last as many as the ratio."""
    observations = _of_ratio(evidence)
    steps = [step for step in evidence.steps() if _total(step)[0] > 0]  # else it is not nested
    if evidence.rate is not None:
        observations += [_of_rate(evidence, step, evidence.rate) for step in steps]
    elif not observations:
        inferred = _inferred(evidence, steps)
        if inferred is None:
            found = [_described(*_total(step)) for step in steps]
            observations = [Observation(text, holds=None) for text in found]
        else:
            observations = [_of_rate(evidence, step, inferred, " (inferred)") for step in steps]
    return conclude(observations, "--rate, the fraction a round prunes, or --ratio would tell")


def _total(step: Step) -> tuple[int, int]:
    return _sum(step.counts().values())


def _described(gone: int, left: int) -> str:
    return f"{gone:,} of {left:,} were pruned, {share(gone, left)}"


def _of_ratio(evidence: Evidence) -> list[Observation]:
    mask, ratio = evidence.ticket.mask, evidence.ratio
    if ratio is None or mask is None:
        return []
    size = sum(array.size for array in mask.values())
    kept = sum(int(array.sum()) for array in mask.values())
    pruned = size - kept
    # A layer rounds by itself, and the output layer may get half of the rate.
    slack = max(len(mask), 0.02 * size)
    if abs(pruned - ratio * size) <= slack:
        return [Observation(f"{_described(pruned, size)}, as asked", holds=True)]
    text = f"{_described(pruned, size)} where {share(ratio, 1)} were to be pruned"
    if abs(kept - ratio * size) <= slack:
        text += ": it is what was to be kept (kept and pruned are mistaken for each other)"
    return [Observation(text, holds=False)]


def off_by(gone: int, left: int, rate: float) -> int:
    """By how many weights a count is off, above 0 for too many; any rounding is right."""
    exact = rate * left
    low, high = math.floor(exact + 1e-9), math.ceil(exact - 1e-9)
    return gone - high if gone > high else min(gone - low, 0)


def _bases(evidence: Evidence, step: Step) -> list[Parts]:
    """What the rate may be of: all that the mask holds, the layers that it touches, or each."""
    found = step.counts()
    touched = {name: pair for name, pair in found.items() if pair[0]}
    each = [(f" in {name}", *pair) for name, pair in touched.items()]
    everything = [("", *_sum(found.values()))]
    in_touched = [("", *_sum(touched.values()))]
    agreement = best_agreement(evidence, step)
    if agreement is not None and agreement.is_exact:
        return [each] if agreement.scope == "per layer" else [everything, in_touched]
    return [everything, in_touched, each]


def _sum(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    pairs = list(pairs)
    return sum(gone for gone, _ in pairs), sum(left for _, left in pairs)


def _offs(parts: Parts, rate: float) -> list[int]:
    """By how many each is off. The last layer's rate may be half, as the paper has it."""
    offs = [off_by(gone, left, rate) for _, gone, left in parts]
    if len(parts) > 1:
        offs[-1] = min(offs[-1], off_by(*parts[-1][1:], rate / 2), key=abs)
    return offs


def _of_rate(evidence: Evidence, step: Step, rate: float, note: str = "") -> Observation:
    bases = _bases(evidence, step)
    parts, offs = _nearest(bases, rate)
    several = _rounds_at_once(step, rate)
    if any(offs) and several:
        text = f"{step.name}: as after {several} rounds of {share(rate, 1)}"
        return Observation(text, holds=True)
    wrong = [
        f"{gone:,} of {left:,}{where} where {gone - off:,} were due"
        f" ({abs(off):,} too {'many' if off > 0 else 'few'})"
        for (where, gone, left), off in zip(parts, offs, strict=True)
        if off
    ]
    if wrong:
        why = _why(evidence, step, bases, sum(offs), rate)
        return Observation(
            f"{step.name} at {share(rate, 1)}{note}: pruned {', '.join(wrong)}{why}", holds=False
        )
    gone, left = _sum([pair[1:] for pair in parts])
    return Observation(f"{step.name} at {share(rate, 1)}{note}: {gone:,} of {left:,}", holds=True)


def _nearest(bases: Sequence[Parts], rate: float) -> tuple[Parts, list[int]]:
    """The parts that a rate explains best, and by how many each is off."""
    found = [(parts, _offs(parts, rate)) for parts in bases]
    return min(found, key=lambda pair: sum(map(abs, pair[1])))


def _why(evidence: Evidence, step: Step, bases: Sequence[Parts], off: int, rate: float) -> str:
    """What the numbers that are off by come from, if that can be told."""
    if sum(map(abs, _nearest(bases, 1 - rate)[1])) < abs(off) / 10:
        return ": it is what was to be kept (kept and pruned are mistaken for each other)"
    best = best_agreement(evidence, step)
    if off > 0 and best is not None and best.is_exact and best.ties >= off / 2:
        return f": {best.ties:,} weights tie with the last that was due, and all of them went"
    return ""


def _rounds_at_once(step: Step, rate: float) -> int | None:
    """After how many rounds the first mask stands, if the files leave some out."""
    gone, size = _total(step)
    if not step.is_first or gone >= size:
        return None
    number = round(math.log((size - gone) / size) / math.log(1 - rate))
    due = size * (1 - rate) ** number
    return number if number > 1 and abs(size - gone - due) <= number * len(step.after) else None


def _inferred(evidence: Evidence, steps: Sequence[Step]) -> float | None:
    """A rate that explains all counts to a weight or two, and hardly by accident."""
    best: tuple[float, float] | None = None
    all_bases = [_bases(evidence, step) for step in steps]
    for rate in NICE_RATES:
        chance = 1.0
        worst = 0
        for bases in all_bases:
            parts, offs = _nearest(bases, rate)
            for (_, _, left), off in zip(parts, offs, strict=True):
                worst = max(worst, abs(off))
                chance *= min(1.0, (2 * abs(off) + 2) / (0.01 * left + 1))
        if steps and worst <= 2 and chance < CHANCE and (best is None or chance < best[0]):
            best = (chance, rate)
    return None if best is None else best[1]

"""Whether a ticket starts from the weights that it is said to start from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lthctl.auditing.evidence import Evidence, Masks, Round, is_matrix
from lthctl.auditing.outcome import Observation, conclude
from lthctl.auditing.precision import ROUNDINGS, coarse_type
from lthctl.auditing.scores import best_agreement
from lthctl.interop.network_file import Floats, NetworkFile

NO_WEIGHT = re.compile("running_|num_batches|n_averaged")
"""What a network counts while it trains, and no rewind concerns."""

FAR = 2.0
"""From how many times the distance of a round on weights hardly began where it did. Sound tickets
are at 0.9 to 1.3, those that were trained on at 2.6 and more."""

ENOUGH = 20
"""Weights that must be the same bit for bit before they prove where training began."""


@dataclass(frozen=True)
class _Likeness:
    """How many of a ticket's weights are those of another file.

    Attributes:
      equal: of them the same, in all bits that both files have.
      total: weights compared: the survivors, and what has no mask.
      differing: the parameters that are not the same.
      largest: the largest difference.
      coarse: the type of half precision that one of the files holds, to which both are rounded.
    """

    equal: int
    total: int
    differing: tuple[str, ...]
    largest: float
    coarse: str = ""

    @property
    def is_whole(self) -> bool:
        return self.total > 0 and self.equal == self.total


def _likeness(weights: Mapping[str, Floats], other: NetworkFile, mask: Masks | None) -> _Likeness:
    equal = total = 0
    differing, largest = [], 0.0
    coarse = coarse_type(weights) or coarse_type(other.weights)
    rounded = ROUNDINGS[coarse] if coarse else lambda array: array
    for name, array in weights.items():
        if name not in other.weights or NO_WEIGHT.search(name):
            continue
        here, there = array, other.weights[name]
        if mask is not None and name in mask:
            here, there = here[mask[name]], there[mask[name]]
        here, there = rounded(here), rounded(there)
        same = here == there
        equal, total = equal + int(same.sum()), total + same.size
        if not same.all():
            differing.append(name)
            largest = max(largest, float(np.abs(here - there).max()))
    return _Likeness(equal, total, tuple(differing), largest, coarse)


def rewound(evidence: Evidence) -> str:
    """Every round starts from the initial weights, where the mask keeps them."""
    if not evidence.inits:
        conclude([], "--init, the weights before any training, would tell")
    observations = [
        _of_round(evidence, round_, number)
        for number, round_ in enumerate(evidence.rounds)
        if round_.start is not None
    ]
    if not any(o.holds is not None for o in observations):
        observations += _of_ticket(evidence)
    return conclude(
        observations, "--start, the weights that the ticket was trained from, would tell"
    )


def _of_round(evidence: Evidence, round_: Round, number: int) -> Observation:
    if round_.start is None:
        return Observation(f"{round_.name} has no such file", holds=None)
    start, mask = round_.start.weights, round_.mask
    likenesses = {init.path.name: _likeness(start, init, mask) for init in evidence.inits}
    whole = [name for name, likeness in likenesses.items() if likeness.is_whole]
    if whole:
        others = [
            f"not of {name} ({like.equal:,} of {like.total:,} are equal)"
            for name, like in likenesses.items()
            if name not in whole
        ]
        coarse = likenesses[whole[0]].coarse
        how = f"in all bits that {coarse} has" if coarse else "bit for bit"
        found = f"{round_.name}: the weights of {' and of '.join(whole)}, {how}"
        return Observation(", ".join([found, *others]), holds=True)
    for earlier in evidence.rounds[: number + 1]:
        if earlier.trained is None or earlier is round_:
            continue
        if _likeness(start, earlier.trained, mask).is_whole:
            return Observation(
                f"{round_.name} starts from the weights trained in {earlier.name} "
                f"({earlier.trained.path.name}), bit for bit: it was not rewound",
                holds=False,
            )
    name, best = max(likenesses.items(), key=lambda pair: pair[1].equal)
    if best.total and best.largest < 1e-6:
        return Observation(
            f"{round_.name}: the weights of {name} but for rounding (at most {best.largest:.1e})",
            holds=True,
        )
    parts = ", ".join(best.differing[:6])
    what = _kind_of_start(round_, evidence.inits[0])
    return Observation(
        f"{round_.name} does not start from {name}: {best.equal:,} of {best.total:,} weights are "
        f"equal, different are those of {parts} (by up to {best.largest:.3g}){what}",
        holds=False,
    )


def _kind_of_start(round_: Round, init: NetworkFile) -> str:
    """What else the weights could be: drawn anew, or the initial signs alone."""
    here, there = [], []
    for name, array in round_.start.weights.items() if round_.start else ():
        if is_matrix(array) and name in init.weights:
            kept = array != 0
            if round_.mask is not None and name in round_.mask:
                kept = round_.mask[name]
            here.append(array[kept])
            there.append(init.weights[name][kept])
    if not here or sum(array.size for array in here) < ENOUGH:
        return ""
    a, b = np.concatenate(here), np.concatenate(there)
    same = float((np.sign(a) == np.sign(b)).mean())
    if same == 1:
        return "; every sign is the initial one"
    known = f"; {100 * same:.0f} % of the signs are the initial ones"
    if same > 0.7:
        return f"{known}, so these are trained weights"
    return f"{known}, as chance gives: drawn anew" if same < 0.5 + 2 / a.size**0.5 else known


def _of_ticket(evidence: Evidence) -> list[Observation]:
    """Without what training started from: whether the initial weights are trained ones, and what
    the weights that training left alone come from."""
    init, mask = evidence.inits[0], evidence.ticket.mask
    for round_ in evidence.rounds[:-1]:
        if round_.trained is None:
            continue
        if _likeness(init.weights, round_.trained, mask).is_whole:
            return [_same_as_a_round(evidence, round_, round_.trained)]
    if selected := _selected_by_itself(evidence):
        return [selected]
    beside = evidence.ticket.beside
    if beside is not None:
        return [
            Observation(
                f"{beside.path.name} holds other weights beside the mask; if the ticket was "
                "trained from these, it was not rewound",
                holds=None,
            )
        ]
    trained = evidence.ticket.trained
    if trained is None or mask is None:
        return []
    if _likeness(init.weights, trained, mask).is_whole:
        return [
            Observation(
                f"the initial weights are those after training ({trained.path.name}), bit for bit: "
                "they were saved late, or as a view of weights that were trained on",
                holds=False,
            )
        ]
    counts = {
        f"the initial weights ({candidate.path.name})": _unmoved(trained, candidate, mask)
        for candidate in evidence.inits
    }
    for round_ in evidence.rounds[:-1]:
        if round_.trained is not None:
            label = f"the weights trained in {round_.name} ({round_.trained.path.name})"
            counts[label] = _unmoved(trained, round_.trained, mask)
    first, most = next(iter(counts)), max(counts, key=lambda name: counts[name])
    if counts[most] < ENOUGH:
        return _by_distance(evidence, trained, init, mask)
    if counts[most] == counts[first]:
        return [
            Observation(
                f"{counts[first]:,} survivors never moved and are still {first}, bit for bit "
                "(biases are not covered)",
                holds=True,
            )
        ]
    if any(_decayed(trained, round_, init, mask) for round_ in evidence.rounds[:-1]):
        return _by_distance(evidence, trained, init, mask)
    return [
        Observation(
            f"{counts[most]:,} survivors never moved and are {most}, bit for bit; only "
            f"{counts[first]:,} are {first}: it was not rewound",
            holds=False,
        )
    ]


def _same_as_a_round(evidence: Evidence, round_: Round, weights: NetworkFile) -> Observation:
    """The initial weights are those given for a round: trained ones, if they were scored or had
    been pruned; else a step of an early training, to which a ticket may be rewound."""
    label = f"{round_.name} ({weights.path.name})"
    scored = any(
        best.is_exact and weights.path.name in best.weights
        for step in evidence.steps()
        if (best := best_agreement(evidence, step)) is not None
    )
    if scored or round_.mask is not None:
        return Observation(
            f"the initial weights are those trained in {label}, bit for bit: nothing was rewound",
            holds=False,
        )
    return Observation(f"the initial weights are those of {label}, bit for bit", holds=True)


def _selected_by_itself(evidence: Evidence) -> Observation | None:
    """Where the mask keeps the largest of the very weights that the ticket starts from."""
    for step in evidence.steps():
        best = best_agreement(evidence, step)
        if best is not None and best.is_exact and best.is_initial and best.score == "magnitude":
            return Observation(
                f"the mask keeps exactly the largest of the initial weights themselves "
                f"({evidence.inits[0].path.name}; chance {100 * (1 - best.chance):.1f} %): these "
                "are the weights that were scored, so trained ones; or pruning came before any "
                "training",
                holds=False,
            )
    return None


def _by_distance(
    evidence: Evidence, trained: NetworkFile, init: NetworkFile, mask: Masks
) -> list[Observation]:
    """How far training went from the initial weights, beside how far it went in a round. That is
    no proof of a rewind; but a training from there goes about as far as another."""
    rounds = {
        f"{round_.name} ({round_.trained.path.name})": _distance(round_.trained, init, mask)
        for round_ in evidence.rounds[:-1]
        if round_.trained is not None
    }
    distance = _distance(trained, init, mask)
    if not rounds or not distance or not min(rounds.values()):
        return []
    nearest = min(rounds, key=lambda name: rounds[name])
    times = distance / rounds[nearest]
    text = (
        f"the survivors end {distance:.3g} from their initial values, {times:.2g} times as far as "
        f"those of {nearest}"
    )
    if times > FAR:
        return [
            Observation(
                f"{text}: they began elsewhere, the optimizer kept its moments, or training "
                "was much longer",
                holds=False,
            )
        ]
    return [Observation(f"{text}, as if rewound, which is no proof", holds=None)]


def _distance(weights: NetworkFile, init: NetworkFile, mask: Masks) -> float:
    squares = [
        float(((weights.weights[name] - init.weights[name])[kept] ** 2).sum())
        for name, kept in mask.items()
        if name in weights.weights and name in init.weights
    ]
    return float(np.sqrt(sum(squares)))


def _decayed(trained: NetworkFile, round_: Round, init: NetworkFile, mask: Masks) -> bool:
    """Whether weights may agree with a round's though training did not begin there: weight decay
    alone shrinks them alike, a training is repeated, or they are rounded to a few values."""
    if round_.trained is None:
        return False
    alike, shrunk, total = 0, 0, 0
    values: list[Floats] = []
    for name, kept in mask.items():
        if name not in trained.weights or name not in init.weights:
            continue
        ours, theirs = trained.weights[name][kept], round_.trained.weights[name][kept]
        first = init.weights[name][kept]
        same = (ours == theirs) & (ours != first) & (ours != 0)
        alike, total = alike + int(same.sum()), total + same.size
        shrunk += int((np.abs(ours) < np.abs(first))[same].sum())
        values.append(ours[same])
    num_distinct = len(np.unique(np.concatenate(values))) if values else 0
    return alike > 0.95 * total or shrunk > 0.9 * max(alike, 1) or num_distinct < 0.9 * alike


def _unmoved(trained: NetworkFile, start: NetworkFile, mask: Masks) -> int:
    return sum(
        int(((array == start.weights[name]) & (array != 0))[mask[name]].sum())
        for name, array in trained.weights.items()
        if name in mask and name in start.weights
    )

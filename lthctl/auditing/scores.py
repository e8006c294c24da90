"""Which score selects a mask: of which weights, per layer or over all, the smallest or largest.

A score explains a mask exactly where no weight that went scores above one that stayed. Else the
share of what went that the score would have taken too stands beside what chance gives.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lthctl.auditing.evidence import Evidence, Step
from lthctl.auditing.outcome import Observation, conclude
from lthctl.interop.network_file import Floats, NetworkFile

Scored = Mapping[str, tuple[Floats, NDArray[np.bool_]]]
"""Parameter -> the scores of what was there before, and which of it went."""

SCORES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "magnitude": lambda weights, init: np.abs(weights),
    "value with its sign": lambda weights, init: weights,
    "distance from the initial weights": lambda weights, init: np.abs(weights - init),
    "growth in magnitude": lambda weights, init: np.abs(weights) - np.abs(init),
}
"""What tools prune the smallest of; the first is the usual one, the second a fault."""

NEED_INIT = ("distance from the initial weights", "growth in magnitude")

ENOUGH_WEIGHTS = 10
"""Weights that must have gone before they prove a score."""

SIGMAS = 6.0
"""Beyond how many standard deviations an overlap is no accident."""


@dataclass(frozen=True)
class Agreement:
    """How well a score explains what a step pruned.

    Attributes:
      score: what of the weights; a key of SCORES.
      weights: of which weights, and their file.
      path: of that file.
      scope: "per layer" or "global".
      left_out: parameters of the mask that the score does not concern.
      is_exact: whether it separates what went from what stayed.
      is_inverse: whether the largest went and not the smallest.
      overlap: the share of what went that the score would have taken, in [0, 1].
      chance: what a mask drawn by chance has there.
      sigma: the standard deviation of that.
      ties: how many of what went score the same as the last of them, beyond one a part.
    """

    score: str
    weights: str
    path: Path
    scope: str
    left_out: tuple[str, ...]
    is_exact: bool
    is_inverse: bool
    overlap: float
    chance: float
    sigma: float
    ties: int

    @property
    def is_initial(self) -> bool:
        """Whether weights were scored that nothing had trained."""
        return self.weights.startswith("initial")

    def __str__(self) -> str:
        left = f", {', '.join(self.left_out)} left out" if self.left_out else ""
        which = "largest" if self.is_inverse else "smallest"
        fit = "exactly the" if self.is_exact else f"{100 * self.overlap:.1f} % of it the"
        return (
            f"{fit} {which} by {self.score} of the weights {self.weights}, {self.scope}{left} "
            f"(chance {100 * self.chance:.1f} %)"
        )


def agreements(
    evidence: Evidence, step: Step, scores: Iterable[str] = tuple(SCORES)
) -> Iterator[Agreement]:
    """Some scores of all weights in the files, in the order in which they are preferred."""
    for label, network in evidence.weights():
        named = f"{label} ({network.path.name})"
        init = next((i for i in evidence.inits if i is not network), None)
        for score in scores:
            if score in NEED_INIT and (init is None or not label.startswith("trained")):
                continue
            scored = _scored(step, network, init or network, SCORES[score])
            if scored is not None:
                yield from _scopes(score, named, network.path, scored)


def _scored(
    step: Step,
    network: NetworkFile,
    init: NetworkFile,
    function: Callable[[Floats, Floats], Floats],
) -> Scored | None:
    """None where the weights do not tell: parameters are missing, or what went is 0 already."""
    scored = {}
    hidden = gone = 0
    for name, pruned in step.pruned.items():
        if name not in network.weights or name not in init.weights:
            return None
        before = step.before[name]
        weights = network.weights[name][before]
        went = pruned[before]
        hidden += int((weights[went] == 0).sum())
        gone += int(went.sum())
        scored[name] = (function(weights, init.weights[name][before]), went)
    return scored if gone >= ENOUGH_WEIGHTS and hidden < gone / 2 else None


def _scopes(score: str, weights: str, path: Path, scored: Scored) -> Iterator[Agreement]:
    touched = {name: pair for name, pair in scored.items() if pair[1].any()}
    left_out = tuple(name for name in scored if name not in touched)
    scopes: list[tuple[str, tuple[str, ...], list[tuple[Floats, NDArray[np.bool_]]]]] = [
        ("global", (), [_joined(scored)])
    ]
    if left_out:
        scopes.append(("global", left_out, [_joined(touched)]))
    if len(touched) > 1:
        scopes.append(("per layer", left_out, list(touched.values())))
    for scope, out, parts in scopes:
        for is_inverse in (False, True):
            yield _agreement(score, weights, path, scope, out, parts, is_inverse)


def _joined(scored: Scored) -> tuple[Floats, NDArray[np.bool_]]:
    pairs = list(scored.values())
    return np.concatenate([s for s, _ in pairs]), np.concatenate([went for _, went in pairs])


def _agreement(
    score: str, weights: str, path: Path, scope: str, left_out: tuple[str, ...],
    parts: list[tuple[Floats, NDArray[np.bool_]]], is_inverse: bool,
) -> Agreement:  # fmt: skip
    shared = expected = variance = 0.0
    is_exact, total, ties = True, 0, 0
    for scores, went in parts:
        scores = -scores if is_inverse else scores
        size, gone = went.size, int(went.sum())
        total += gone
        if 0 < gone < size:
            lowest = np.argpartition(scores, gone - 1)[:gone]
            shared += float(went[lowest].sum())
            last = scores[went].max()
            # What scores the same as the last to go could have gone as well, and proves nothing.
            is_exact &= bool(last <= scores[~went].min())
            is_exact &= int((scores[~went] == last).sum()) < gone / 2
            ties += int((scores[went] == last).sum()) - 1
        else:
            shared += gone
        expected += gone**2 / size
        if size > 1:
            variance += (gone * (size - gone) / size) ** 2 / (size - 1)
    return Agreement(
        score, weights, path, scope, left_out, is_exact, is_inverse,
        shared / total, expected / total, math.sqrt(variance) / total,
        ties,
    )  # fmt: skip


def best_agreement(evidence: Evidence, step: Step) -> Agreement | None:
    """The first score that explains a step exactly; else the one nearest to it."""
    return _best(_Key(evidence, step))


@dataclass(frozen=True, eq=False)
class _Key:
    """One step of one audit; the same for all claims that ask about it."""

    evidence: Evidence
    step: Step

    def __hash__(self) -> int:
        return hash((id(self.evidence), self.step.name))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Key)
            and self.evidence is other.evidence
            and self.step.name == other.step.name
        )


@lru_cache(maxsize=64)
def _best(key: _Key) -> Agreement | None:
    found = []
    for agreement in agreements(key.evidence, key.step):
        if agreement.is_exact:
            return agreement
        found.append(agreement)
    return max(found, key=lambda a: (a.overlap - a.chance) / (a.sigma or 1), default=None)


def score(evidence: Evidence) -> str:
    """What each round pruned is the smallest by a score of weights that were trained before."""
    return conclude(
        [_score_of(evidence, step) for step in evidence.steps()],
        "the weights that were scored, trained in the round before (--round), would tell",
    )


def _score_of(evidence: Evidence, step: Step) -> Observation:
    best = best_agreement(evidence, step)
    if best is None:
        return Observation(f"{step.name}: no weights in the files tell", holds=None)
    text = f"{step.name} pruned {best}"
    if best.is_exact:
        if best.is_inverse:
            return Observation(f"{text}: the mask is inverted", holds=False)
        if best.score == "value with its sign":
            return Observation(f"{text}: every negative weight goes first", holds=False)
        if best.is_initial:
            return Observation(
                f"{text}: either these are trained weights and no rewind, or nothing was trained "
                "before pruning",
                holds=False,
            )
        if _is_later(evidence, step, best):
            return Observation(
                f"{text}, which are of a later round; give --round in the order of training",
                holds=False,
            )
        return Observation(text, holds=True)
    if best.overlap < best.chance + SIGMAS * best.sigma and _has_trained(evidence, step):
        return Observation(f"{text}: no better than chance", holds=False)
    return Observation(f"{text}: what was scored is not among the files", holds=None)


def _is_later(evidence: Evidence, step: Step, best: Agreement) -> bool:
    """Whether the weights that select a mask were trained in rounds after it, and in no other."""
    names = [round_.name for round_ in evidence.rounds]
    rounds = [n for n, r in enumerate(evidence.rounds) if r.trained and r.trained.path == best.path]
    return bool(rounds) and min(rounds) > names.index(step.name)


def _has_trained(evidence: Evidence, step: Step) -> bool:
    """Whether the weights trained just before a step are in the files."""
    names = [round_.name for round_ in evidence.rounds]
    at = names.index(step.name)
    return at > 0 and evidence.rounds[at - 1].trained is not None


def keeps_large(evidence: Evidence) -> str:
    """The mask keeps the large weights and prunes the small ones, and not the other way round."""
    return conclude(
        [*_direction(evidence), *_complement(evidence)],
        "the weights that were scored (--round), or --init, would tell",
    )


def _direction(evidence: Evidence) -> Iterator[Observation]:
    for step in evidence.steps():
        exact = best_agreement(evidence, step)
        if exact is not None and exact.is_exact and exact.score == "value with its sign":
            yield Observation(
                f"{step.name} pruned negative weights whatever their size, so large ones too",
                holds=False,
            )
            continue
        found = [a for a in agreements(evidence, step, ["magnitude"]) if not a.is_inverse]
        if not found:
            continue
        best = max(found, key=lambda a: abs(a.overlap - a.chance) / (a.sigma or 1))
        away = (best.overlap - best.chance) / (best.sigma or 1)
        figures = (
            f"{100 * best.overlap:.1f} % of what {step.name} pruned is the smallest of the weights "
            f"{best.weights}, {best.scope}, where chance gives {100 * best.chance:.1f} %"
        )
        if away < -SIGMAS:
            yield Observation(f"{figures}: the mask is inverted, or 1 means pruned", holds=False)
        else:
            yield Observation(figures, holds=True if away > SIGMAS else None)


def _complement(evidence: Evidence) -> Iterator[Observation]:
    """Whether the trained weights are 0 where the mask keeps, and not where it prunes."""
    ticket = evidence.ticket
    if ticket.trained is None or ticket.mask is None:
        return
    weights = ticket.trained.effective
    kept = [weights[n][array] for n, array in ticket.mask.items() if n in weights]
    gone = [weights[n][~array] for n, array in ticket.mask.items() if n in weights]
    a, b = np.concatenate(kept or [np.ones(1)]), np.concatenate(gone or [np.zeros(1)])
    if a.size and b.size and (a == 0).mean() > 0.9 and (b == 0).mean() < 0.1:
        yield Observation(
            f"the trained weights are 0 in {share_of(a == 0)} of what the mask keeps, and in "
            f"{share_of(b == 0)} of what it prunes: 1 means pruned",
            holds=False,
        )


def share_of(where: NDArray[np.bool_]) -> str:
    return f"{100 * float(where.mean()):.1f} %"

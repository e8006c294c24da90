"""How much two masks keep in common, against what chance gives at their densities.

Chance is this: in every layer each mask keeps as many weights as it does, at places drawn uniformly
and independently. The number kept by both is then hypergeometric per layer, and a sum of
independent hypergeometrics over the layers.
Knows masks only: no files, no tickets, no training.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lthctl.mask import Mask

Floats = NDArray[np.float64]


LARGEST_LOG_ODDS = (
    100.0  # of being kept in both; beyond it nothing but the most (or the least) overlap is left
)


WINDOW_DEVIATIONS, WINDOW_LEAST = (
    12,
    40,
)  # what lies outside of it has less than 1e-20 of the weight


@dataclass(frozen=True)
class Overlap:
    """What two masks keep in common of some weights.

    Attributes:
      size: number of weights.
      kept_a, kept_b, kept_both: how many of them the first mask keeps, the second, and both.
      expected: what `kept_both` is on average by chance.
      log10_p: decimal logarithm of the two-sided p-value, at most 0. A logarithm, because masks
        that were found from the same weights share so much that p itself is often too small for a
        float.
    """

    size: int
    kept_a: int
    kept_b: int
    kept_both: int
    expected: float
    log10_p: float

    @property
    def ratio(self) -> float | None:
        """Kept by both over what chance gives: 1 is chance. None where a mask keeps nothing, so
        that there is none."""
        return self.kept_both / self.expected if self.expected else None

    @property
    def p(self) -> float:
        """Two-sided p-value of the overlap being chance; 0.0 where it is below the smallest
        float."""
        return math.pow(10, self.log10_p)


@dataclass(frozen=True)
class MaskOverlap:
    """What two masks keep in common.

    Attributes:
      layers: parameter name -> overlap there, in the order of the names.
      total: over all of them. What it expects is the sum over the layers, so layers that are denser
        than others in both masks do not count as overlap.
    """

    layers: Mapping[str, Overlap]
    total: Overlap


def overlap(a: Mask, b: Mask) -> MaskOverlap:
    """What two masks keep in common, per layer and in total.

    Args:
      a, b: masks over the same parameters; a and b exchanged give the same but for `kept_a` and
        `kept_b`.

    Raises:
      MaskError: they differ in names or shapes; all differences are named.

    Example:
      >>> a = Mask({"w": np.array([True, True, False, False])})
      >>> total = overlap(a, a).total
      >>> total.kept_both, total.expected, total.ratio, round(total.p, 4)
      (2, 1.0, 2.0, 0.3333)
    """
    b.check_fits(
        {name: array.shape for name, array in a.items()}, where="these masks cannot be compared"
    )
    counts = {
        name: (
            a[name].size,
            int(np.count_nonzero(a[name])),
            int(np.count_nonzero(b[name])),
            int(np.count_nonzero(a[name] & b[name])),
        )
        for name in a
    }
    return MaskOverlap(
        {name: _overlap([layer]) for name, layer in counts.items()}, _overlap(list(counts.values()))
    )


def _overlap(layers: Sequence[tuple[int, int, int, int]]) -> Overlap:
    size, kept_a, kept_b, both = (
        (sum(counts) for counts in zip(*layers, strict=True)) if layers else (0, 0, 0, 0)
    )
    drawn = [_Draw(*counts[:3]) for counts in layers]
    expected = math.fsum(draw.mean(0.0) for draw in drawn)
    return Overlap(size, kept_a, kept_b, both, expected, _log10_p(drawn, both))


@dataclass(frozen=True)
class _Draw:
    """The number of weights kept by both masks in a layer, when chance decides: hypergeometric.

    Tilted by `log_odds`, its probabilities are multiplied by exp(log_odds * number) and normalized:
    Fisher's noncentral hypergeometric distribution, in which these are the log odds of being kept
    in one mask, given the other.
    """

    size: int
    kept_a: int
    kept_b: int

    @property
    def least(self) -> int:
        return max(0, self.kept_a + self.kept_b - self.size)

    @property
    def most(self) -> int:
        return min(self.kept_a, self.kept_b)

    def mean(self, log_odds: float) -> float:
        """The mean when tilted: exact at 0, elsewhere where the odds of the counts are these
        (Cornfield, 1956)."""
        if not self.most:
            return 0.0
        odds, product = math.exp(log_odds), self.kept_a * self.kept_b
        if odds == 1:
            return product / self.size
        # The root of (odds - 1) x^2 - middle x + odds product, in the form that does not cancel.
        middle = odds * (self.kept_a + self.kept_b) + (self.size - self.kept_a - self.kept_b)
        root = math.sqrt(max(0.0, middle**2 - 4 * (odds - 1) * odds * product))
        mean = (
            2 * odds * product / (middle + root)
            if middle > 0
            else (root - middle) / (2 * (1 - odds))
        )
        return min(max(mean, self.least), self.most)

    def tilted(self, log_odds: float) -> tuple[int, Floats, float]:
        """The tilted distribution where it has weight.

        Returns:
          The smallest number; the tilted probabilities of it and those after it; and the logarithm
          of what the tilted weights sum to, so that the probability of a number x is tilted(x) *
          exp(this - log_odds * x).
        """
        from scipy.special import gammaln

        center = self.mean(log_odds)
        deviation = math.sqrt(
            1 / math.fsum(1 / max(float(cell), 1e-9) for cell in self._cells(np.array(center)))
        )
        reach = WINDOW_DEVIATIONS * deviation + WINDOW_LEAST
        first, last = (
            max(self.least, math.floor(center - reach)),
            min(self.most, math.ceil(center + reach)),
        )
        x = np.arange(first, last + 1, dtype=np.float64)
        margins = (self.kept_a, self.size - self.kept_a, self.kept_b, self.size - self.kept_b)
        log_ways = sum(float(gammaln(count + 1)) for count in margins) - float(
            gammaln(self.size + 1)
        )
        for cell in self._cells(x):
            log_ways = log_ways - gammaln(cell + 1)
        log_weights = log_ways + log_odds * x
        highest = float(np.max(log_weights))
        weights = np.exp(log_weights - highest)
        total = float(np.sum(weights))
        return first, weights / total, highest + math.log(total)

    def _cells(self, both: Floats) -> tuple[Floats, ...]:
        """Numbers of weights kept by both, by one alone, by the other alone, and by neither."""
        return (
            both,
            self.kept_a - both,
            self.kept_b - both,
            self.size - self.kept_a - self.kept_b + both,
        )


def _log10_p(draws: Sequence[_Draw], observed: int) -> float:
    """Decimal logarithm of the two-sided p-value of a sum of independent hypergeometric numbers.

    Twice the smaller tail, at most 1. Exact to rounding, in the farthest tails too; over several
    layers it is the exact conditional test of a common odds ratio, which Mantel and Haenszel's
    approximates by a normal distribution. Every layer's distribution is tilted until the mean of
    the sum is what was found, so that its weight lies where it matters; there they are convolved,
    and the tail of the sum is tilted back. What is left is the rounding of
    log-factorials, which is relative to p: about 1e-8 for layers of a million weights.

    Args:
      draws: the layers.
      observed: the sum, possible for these.
    """
    if sum(draw.least for draw in draws) == sum(draw.most for draw in draws):
        return 0.0  # chance has no choice
    # Such a sum is also one of independent yes-or-no draws (Vatutin and Mikhailov, 1982), so its
    # median is its mean, rounded up or down (Jogdeo and Samuels, 1968): the tail away from it is
    # the smaller, or both are a half or more.
    above = observed >= math.fsum(draw.mean(0.0) for draw in draws)
    log_odds = _log_odds(draws, observed)
    first, log_total, transformed = 0, 0.0, np.ones(1, np.complex128)
    parts = [draw.tilted(log_odds) for draw in draws]
    width = sum(len(probabilities) for _, probabilities, _ in parts)
    for start, probabilities, log_sum in parts:
        first, log_total = first + start, log_total + log_sum
        transformed = transformed * np.fft.rfft(probabilities, width)
    tilted = np.maximum(np.fft.irfft(transformed, width), 0.0)
    at = observed - first
    tail = tilted[at:] if above else tilted[at::-1]
    # Beside what was found, the farther ones count less and less when tilted back.
    shares = tail * np.exp(-abs(log_odds) * np.arange(len(tail)))
    log_tail = log_total - log_odds * observed + math.log(float(np.sum(shares)))
    return min(0.0, (log_tail + math.log(2)) / math.log(10))


def _log_odds(draws: Sequence[_Draw], observed: int) -> float:
    """The log odds with which the mean of the sum is what was found, by bisection."""
    low, high = -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS
    if observed == round(math.fsum(draw.mean(0.0) for draw in draws)):
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        below = math.fsum(draw.mean(middle) for draw in draws) < observed
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2

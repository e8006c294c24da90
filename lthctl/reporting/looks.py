"""Looking more than once: the level of each look, fixed beforehand, so that all of them together
keep the error.

Whoever adds seeds until something is shown will show something. Group-sequential bounds allow for
it where the looks are planned: the error is spent as O'Brien and Fleming (1979) would, little at
first, by the spending function of Lan and DeMets (Biometrika, 1983). Bounds are computed for the
normal distribution by recursive integration (Armitage, McPherson & Rowe, 1969). A t test takes its
level from them, as Jennison & Turnbull (2000, section 3.8) recommend.

Knows numbers of seeds, and nothing of runs.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POINTS = 801
REACH = 8.0
"""Standard deviations below 0 from which densities are integrated, at so many points."""


def level_at(level: float, n: int, looks: Sequence[int]) -> float:
    """The one-sided level of a test at a look.

    Args:
      level: of all looks together, in (0, 0.5).
      n: the number of seeds that there are.
      looks: the numbers of seeds at which one looks, ascending; empty for a single look at whatever
        there is.

    Returns:
      0 where no look is due at `n`: nothing can be shown then. Beyond the last look, the level of
      that: nothing corrects for seeds that were not planned.

    Example:
      >>> round(level_at(0.025, 10, (10, 20)), 5), round(level_at(0.025, 20, (10, 20)), 5)
      (0.00153, 0.0245)
    """
    if not looks:
        return level
    n = min(n, looks[-1])
    return nominal_levels(level, tuple(looks))[looks.index(n)] if n in looks else 0.0


def confidence_at(confidence: float, n: int, looks: Sequence[int]) -> float:
    """The confidence of the two-sided interval at a look; 1 where none is due."""
    return confidence if not looks else 1 - 2 * level_at((1 - confidence) / 2, n, looks)


@lru_cache(maxsize=256)
def nominal_levels(level: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """The one-sided level of the test at each look."""
    from scipy.special import ndtr

    return tuple(float(ndtr(-bound)) for bound in bounds(level, looks))


def bounds(level: float, looks: Sequence[int]) -> list[float]:
    """The bound of a standard normal statistic at each look.

    Example:
      >>> [round(bound, 2) for bound in bounds(0.025, (5, 10, 15))]
      [3.71, 2.51, 1.99]
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri

    def spent(time: float) -> float:
        return float(2 * ndtr(ndtri(level / 2) / math.sqrt(time)))

    times = [n / looks[-1] for n in looks]
    found: list[float] = []
    places, density, before = np.zeros(1), np.ones(1), 0.0  # a walk that begins at 0
    for number, time in enumerate(times):
        spread = math.sqrt(time - before)
        share = spent(time) - (spent(before) if before else 0.0)

        def excess(
            bound: float,
            time: float = time,
            spread: float = spread,
            share: float = share,
            places: Array = places,
            density: Array = density,
        ) -> float:
            beyond = ndtr((places - bound * math.sqrt(time)) / spread)
            return float(_integral(density * beyond, places)) - share

        found.append(float(brentq(excess, 0.0, 12.0, xtol=1e-10)))
        if number + 1 < len(times):
            ends = np.linspace(-REACH * math.sqrt(time), found[-1] * math.sqrt(time), POINTS)
            steps = (ends[:, None] - places[None, :]) / spread
            kernel = np.exp(-(steps**2) / 2) / (spread * math.sqrt(2 * math.pi))
            density = _integral(density[None, :] * kernel, places)
            places, before = ends, time
    return found


def _integral(values: Array, places: Array) -> Array:
    """Along the last axis; a single place holds all of it."""
    from scipy.integrate import simpson

    return values[..., 0] if len(places) == 1 else np.asarray(simpson(values, x=places))

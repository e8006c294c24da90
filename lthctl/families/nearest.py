"""What a person meant by a name that is none."""

import difflib
from collections.abc import Iterable
from itertools import takewhile

ALIKE = 0.6
"""Least likeness of two names, of which one may be meant by the other."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of some names that was meant; None if none is like it.

    Capitals do not count. Of several that are as like, it is the one that begins like it for
    longest, and then the first.

    Example:
      >>> nearest("ResNet21", ["resnet20", "resnet32"])
      'resnet20'
    """
    wanted = name.lower()

    def likeness(other: str) -> tuple[float, int]:
        lower = other.lower()
        ratio = difflib.SequenceMatcher(None, lower, wanted).ratio()
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(lower, wanted, strict=False))
        return ratio, sum(1 for _ in alike)

    best = max(names, key=likeness, default=None)
    return best if best is not None and likeness(best)[0] >= ALIKE else None

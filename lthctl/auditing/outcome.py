"""A claim's outcome: what was found of it in each round, and the verdict over all."""

from collections.abc import Sequence
from dataclasses import dataclass

from lthctl.verification.checks import Failed, Unchecked


@dataclass(frozen=True)
class Observation:
    """What one round shows of a claim.

    Attributes:
      text: what was found, for people.
      holds: whether the claim holds there; None where that cannot be told.
    """

    text: str
    holds: bool | None


def conclude(observations: Sequence[Observation], otherwise: str) -> str:
    """By what a claim holds, over all rounds.

    Args:
      observations: one a round.
      otherwise: why it cannot be checked where no round tells.

    Raises:
      Failed: it does not in some round.
      Unchecked: no round tells.
    """
    failed = [o.text for o in observations if o.holds is False]
    held = [o.text for o in observations if o.holds]
    if failed:
        raise Failed("; ".join(failed))
    if held:
        return "; ".join(held)
    raise Unchecked("; ".join([*(o.text for o in observations), otherwise]))


def share(part: float, whole: float) -> str:
    """A part in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "none"

"""The claims as JSON: all of them with every size, and as flat numbers for metrics.json."""

from collections.abc import Sequence

from lthctl.canonical import Json
from lthctl.reporting.claim_words import RULE, here_words, unit_of
from lthctl.reporting.claims import JudgedClaims, Outcome


def claims_json(judged: JudgedClaims) -> Json:
    """Everything: each claim, and each size at which it was measured."""
    return {
        "paper": judged.paper,
        "rule": RULE,
        "tolerance": judged.tolerance,
        "claims": [
            {
                **one.claim.model_dump(mode="json", exclude_none=True),
                "verdict": one.outcome,
                "why": one.why,
                "here": here_words(one),
                "leaves": one.leaves,
                "unit": unit_of(one.claim),
                "measured": [
                    {
                        "percent": size.percent,
                        "mean": size.value.mean,
                        "low": size.value.low,
                        "high": size.value.high,
                        "n": size.value.n,
                        "verdict": size.outcome,
                    }
                    for size in one.measured
                ],
            }
            for one in judged.claims
        ],
    }


def claim_metrics(judged: JudgedClaims | None) -> Json:
    """How many claims hold, fail, and so on, as flat numbers."""
    if judged is None:
        return {}
    outcomes = [one.outcome for one in judged.claims]
    names: Sequence[Outcome] = ("holds", "fails", "undecided", "not run")
    return {f"claims_{name.replace(' ', '_')}": outcomes.count(name) for name in names}

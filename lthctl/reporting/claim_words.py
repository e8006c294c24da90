"""The claims table: what a paper says, what was found here, and what that makes of the claim.

One row serves the terminal, the page and the files. Texts are plain: whoever shows them escapes
them.
"""

import re
from typing import NamedTuple

from lthctl.reporting.claim_quantities import QUANTITIES
from lthctl.reporting.claims import JudgedClaim, JudgedClaims, Outcome
from lthctl.reporting.claims_file import Bound, Claim
from lthctl.reporting.statistics import Interval

FORMS = {"%": "{:.1f} %", "times": "{:.2f} times", "points": "{:+.2f} points"}
"""Unit -> a value with it."""

AT_ITS_END: dict[Outcome, str] = {
    "holds": "as good down to",
    "undecided": "unknown at",
    "fails": "worse at",
}
"""What is shown of the last size on the walk down a ladder, in words."""

RULE = (
    "A claim is judged by the interval that is shown. It holds where the interval lies where the "
    "claim says, and fails where it lies elsewhere. Over several sizes it has to hold at every one "
    "that was run. Claims are not adjusted for how many there are. What the paper prints stands "
    "beside, and is not the bound."
)


class ClaimRow(NamedTuple):
    """A row of the table, as text.

    Attributes:
      id, sentence, source, printed: as the file has them.
      question: what was measured, where, and the bound.
      here: the mean with its interval and n, or why there is none.
      outcome: holds, fails, undecided, or not run.
    """

    id: str
    sentence: str
    source: str
    printed: str
    question: str
    here: str
    outcome: Outcome


def claim_rows(judged: JudgedClaims) -> list[ClaimRow]:
    """A row per claim, in the order of the file."""
    return [
        ClaimRow(
            one.claim.id,
            one.claim.sentence,
            one.claim.source,
            one.claim.printed,
            question_words(one.claim),
            here_words(one),
            one.outcome,
        )
        for one in judged.claims
    ]


def counts_words(judged: JudgedClaims) -> str:
    """How many claims hold, and so on, such as "5 of 9 hold, 1 fails, 3 undecided"."""
    outcomes = [one.outcome for one in judged.claims]
    number = {name: outcomes.count(name) for name in set(outcomes)}
    parts = [f"{number.get('holds', 0)} of {len(outcomes)} hold"]
    if fails := number.get("fails"):
        parts.append(f"{fails} fail{'s' * (fails == 1)}")
    parts += [f"{number[name]} {name}" for name in ("undecided", "not run") if name in number]
    return ", ".join(parts)


def question_words(claim: Claim) -> str:
    """What is measured, where, and what has to be so."""
    quantity = QUANTITIES[claim.quantity]
    where = claim.ladder + ("" if claim.control == "rewind" else f" {claim.control}")
    if claim.size is not None:
        where += f" at {claim.size:g} %"
    if claim.sizes is not None:
        where += f" from {claim.sizes[0]:g} to {claim.sizes[1]:g} %"
    than = claim.than if quantity.compares and quantity.where == "a size" else ""
    if than and claim.than_size is not None:
        than += f" at {claim.than_size:g} %"
    against = f", against {than}" if than else ""
    target = f" ({100 * claim.target:g} % accuracy)" if claim.target is not None else ""
    unit = {"%": " %", "points": " points", "times": ""}[quantity.unit]
    unit = " %" if quantity.where == "a ladder" else unit
    return f"{quantity.words}{target}; {where}{against}: {_bound_words(claim.bound)}{unit}"


def unit_of(claim: Claim) -> str:
    """Of the values; where a ladder is walked they are differences to dense."""
    quantity = QUANTITIES[claim.quantity]
    return "points" if quantity.where == "a ladder" else quantity.unit


def _bound_words(bound: Bound) -> str:
    if bound.above is None:
        return f"below {bound.below:g}"
    if bound.below is None:
        return f"above {bound.above:g}"
    return f"between {bound.above:g} and {bound.below:g}"


def here_words(one: JudgedClaim) -> str:
    """What was measured, such as "42.9 % (30.1 to 53.2, n 5)"; or why nothing was."""
    least, quantity = one.least, QUANTITIES[one.claim.quantity]
    if least is None:
        return one.why
    if quantity.where == "a ladder":
        inside = _value_words(least.value, "points").replace(" (", ", ").rstrip(")")
        found = f"{AT_ITS_END[least.outcome]} {least.percent:.3g} % ({inside})"
    else:
        found = _value_words(least.value, quantity.unit)
        if one.claim.sizes is not None and quantity.where == "a size":
            found = f"{found} at {least.percent:.3g} %"
            first, last, number = one.measured[0], one.measured[-1], len(one.measured)
            if number > 1:
                span = f"from {first.percent:.3g} to {last.percent:.3g} %"
                found += f", the least of {number} sizes {span}"
    return f"{found}; {one.why}" if one.why else found


def _value_words(value: Interval, unit: str) -> str:
    form = FORMS[unit]
    bare = form.partition("}")[0] + "}"
    if value.low is not None and value.high is not None:
        ends = f"{bare.format(value.low)} to {bare.format(value.high)}, n {value.n}"
        return f"{form.format(value.mean)} ({ends})"
    bound = "over " if value.low is not None else "at most " if value.high is not None else ""
    return f"{bound}{form.format(value.mean)} (n {value.n})"


def claims_markdown(judged: JudgedClaims) -> str:
    """The table for a README. Nothing in a sentence is markup there."""
    rows = [
        " | ".join(
            ["", *map(_markdown, (row.id, row.sentence, row.printed, row.here)), row.outcome]
        )
        for row in claim_rows(judged)
    ]
    head = "| | claim | paper | here (mean, interval, n) | verdict |\n|---|---|---|---|---|\n"
    return head + "".join(f"{row.lstrip()} |\n" for row in rows)


def _markdown(text: str) -> str:
    """Text in a cell: whatever could be markup is escaped, and a line's end is a space."""
    text = re.sub(r"\s+", " ", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", text)

"""The claims as files: claims.csv, a row per claim, and claims.json, with every size."""

from lthctl.canonical import canonical_json
from lthctl.reporting.claim_words import claim_rows, unit_of
from lthctl.reporting.claims import JudgedClaims
from lthctl.reporting.claims_json import claims_json
from lthctl.reporting.tables import csv_bytes


def claim_files(judged: JudgedClaims | None) -> dict[str, bytes]:
    """File name -> bytes: claims.csv, and claims.json with every size; none without claims."""
    if judged is None:
        return {}
    return {"claims.csv": _claims_csv(judged), "claims.json": canonical_json(claims_json(judged))}


def _claims_csv(judged: JudgedClaims) -> bytes:
    """A row per claim. Of several sizes the value is that which speaks least for the claim."""
    header = ["claim", "sentence", "source", "measured", "paper", "here", "verdict"]
    header += ["quantity", "unit", "size_percent", "value", "value_low", "value_high", "value_n"]
    rows = []
    for row, one in zip(claim_rows(judged), judged.claims, strict=True):
        cells: list[object] = [row.id, row.sentence, row.source, row.question, row.printed]
        cells += [row.here, row.outcome, one.claim.quantity, unit_of(one.claim)]
        least = one.least
        cells += [least and least.percent]
        value = least.value if least else None
        cells += [value.mean, value.low, value.high, value.n] if value else [None] * 4
        rows.append(cells)
    return csv_bytes(header, rows)

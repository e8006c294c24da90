"""The claims of a paper as a section of the page. No script takes part, so it is there without."""

from html import escape

from lthctl.reporting.claim_words import RULE, claim_rows, counts_words
from lthctl.reporting.claims import JudgedClaims, Outcome

CHIPS: dict[Outcome, tuple[str, str]] = {
    "holds": ("good", "✓"),
    "fails": ("bad", "✗"),
    "undecided": ("open", "?"),
    "not run": ("open", "–"),
}
"""What became of a claim -> the class of its colour, and a sign."""

LABELS = ("paper", "here: mean, interval, n", "verdict")


def claims_html(judged: JudgedClaims | None) -> str:
    """A section; nothing where there are no claims. All that comes from the file is escaped."""
    if judged is None:
        return ""
    rows = []
    for row in claim_rows(judged):
        kind, sign = CHIPS[row.outcome]
        chip = f'<span class="chip {kind}">{sign} {row.outcome}</span>'
        cells = zip(LABELS, (escape(row.printed), escape(row.here), chip), strict=True)
        rows.append(
            f'<tr><th scope="row">{escape(row.id)}</th>'
            f'<td data-label="claim"><div>{escape(row.sentence)} '
            f"<small>{escape(row.source)}. Measured: {escape(row.question)}.</small></div></td>"
            + "".join(f'<td data-label="{label}">{cell}</td>' for label, cell in cells)
            + "</tr>"
        )
    head = "".join(f'<th scope="col">{label}</th>' for label in ("", "claim", *LABELS))
    return (
        '<section id="claims" tabindex="-1" aria-labelledby="h-claims">'
        '<h2 id="h-claims">What the paper says, and what is found here</h2>'
        f'<p class="lede">{escape(judged.paper)}: {counts_words(judged)}. {RULE}</p>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Claims of the paper">'
        f'<table class="cards"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        "</div></section>"
    )

"""The claims of a paper in a terminal."""

from rich.console import RenderableType
from rich.text import Text

from lthctl.cli.terminal import new_table, plain
from lthctl.reporting.claim_words import RULE, claim_rows, counts_words
from lthctl.reporting.claims import JudgedClaims, Outcome

STYLES: dict[Outcome, str] = {
    "holds": "bold green",
    "fails": "red",
    "undecided": "yellow",
    "not run": "dim",
}


def claims_table(judged: JudgedClaims) -> list[RenderableType]:
    """What a paper says, beside what was found. Sentences of the file are text, never markup."""
    title = plain(f"Claims of {judged.paper}: {counts_words(judged)}", style="bold")
    table = new_table(title, "", "claim", "paper", "here", "verdict")
    for row in claim_rows(judged):
        outcome = Text(row.outcome, style=STYLES[row.outcome])
        table.add_row(*map(plain, (row.id, row.sentence, row.printed, row.here)), outcome)
    table.padding = (0, 2, 0, 0)
    for column in (0, 4):
        table.columns[column].no_wrap = True
    return [table, Text(RULE, style="dim")]

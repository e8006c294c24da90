"""The findings of an audit, claim by claim."""

from collections.abc import Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from lthctl.cli.check_view import CHECK_STYLES
from lthctl.cli.terminal import plain
from lthctl.verification.checks import Check
from lthctl.verification.checks import State as CheckState

WORDS: dict[CheckState, str] = {"held": "held", "failed": "FAILED", "unchecked": "not checked"}
WIDTH = max(map(len, WORDS.values())) + 2


def audit_lines(checks: Sequence[Check]) -> RenderableType:
    """Each claim with its verdict, and below it what was found, a line a finding."""
    parts: list[RenderableType] = []
    for check in checks:
        line = Text(f"{WORDS[check.state]:<{WIDTH}}", style=f"bold {CHECK_STYLES[check.state]}")
        parts.append(line + plain(check.claim))
        parts += [
            Padding(plain(finding), (0, 0, 0, WIDTH), expand=False)
            for finding in check.detail.split("; ")
        ]
    counts = {word: sum(check.state == state for check in checks) for state, word in WORDS.items()}
    summary = ", ".join(f"{count} {word.lower()}" for word, count in counts.items())
    return Lines(*parts, Text(), plain(f"{checks[0].path}: {summary}"))

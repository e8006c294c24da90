"""What becomes of a claim: held, failed, or could not be checked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["held", "failed", "unchecked"]


@dataclass(frozen=True)
class Check:
    """A claim about a folder, and what became of it.

    Attributes:
      path: the folder.
      claim: what is claimed, the same words for every folder.
      state: whether it held, failed, or could not be checked.
      detail: by what it held, what was there instead, or why it could not be checked.
    """

    path: Path
    claim: str
    state: State
    detail: str = ""


class Failed(Exception):  # noqa: N818 - a verdict
    """A claim does not hold; says what was found and expected."""


class Unchecked(Exception):  # noqa: N818 - a verdict
    """A claim cannot be checked; says why."""


def expect(what: str, actual: object, expected: object) -> None:
    """Raise Failed unless something is what is expected."""
    if actual != expected:
        raise Failed(f"{what}: found {short(actual)}, expected {short(expected)}")


def expect_digest(what: str, actual: str, stated: object) -> None:
    """Raise Failed unless a digest is the one stated."""
    if actual != stated:
        raise Failed(
            f"{what} has SHA-256 {actual[:12]}..., expected {str(stated)[:12]}...; it is truncated "
            "or altered"
        )


def expect_numbers(what: str, actual: Mapping[str, float], expected: Mapping[str, float]) -> None:
    """Equal but for the last bits, in which powers may differ between machines."""
    expect(f"the names in {what}", sorted(actual), sorted(expected))
    for name, value in expected.items():
        if not math.isclose(actual[name], value, rel_tol=1e-12, abs_tol=1e-15):
            raise Failed(f"{what}: {name} is {actual[name]!r}, expected {value!r}")


def short(value: object) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."

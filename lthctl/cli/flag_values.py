"""Values of flags: lists with commas, numbers, rates and seeds."""

from collections.abc import Callable, Sequence

from lthctl.errors import ParamsError


def listed_values(values: Sequence[str]) -> list[str]:
    """The values of a flag that may be repeated, each of which may be a list with commas."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def numbers(flag: str, values: Sequence[str], kind: Callable[[str], object]) -> list[object]:
    """The same as numbers.

    Args:
      flag: for the message.
      values: what was given.
      kind: `int` or `float`.

    Raises:
      ParamsError: one of them is no number.
    """
    parsed = []
    for text in listed_values(values):
        try:
            parsed.append(kind(text))
        except ValueError:
            expected = "a whole number" if kind is int else "a number"
            raise ParamsError(f"{flag}: is {text!r}, expected {expected}") from None
    return parsed


def rate_of(text: str) -> object:
    """A rate for all layers, or pattern -> rate; None for an empty text.

    Raises:
      ParamsError: a rate is no number.
    """
    if "=" not in text:
        return next(iter(numbers("--rate", [text], float)), None)
    pairs = [part.rpartition("=") for part in listed_values([text])]
    return {name: numbers("--rate", [rate], float)[0] for name, _, rate in pairs if rate}


def seeds(values: Sequence[str]) -> list[object]:
    """Seeds, as the parameters take them: whole numbers, and ranges such as "1-20"."""
    return [int(text) if text.isdecimal() else text for text in listed_values(values)]

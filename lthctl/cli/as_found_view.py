"""How tickets are retrained, and what of that is their own, in a line each."""

from collections.abc import Mapping, Sequence

from lthctl.cli.facts import settings_words
from lthctl.grid.as_found import Taken
from lthctl.params import RoundParams, TrainParams

MOST_LINES = 5


def taken_lines(taken: Mapping[str, Taken]) -> list[str]:
    """A line for each way in which tickets are retrained, and for each thing that params.yaml says
    otherwise.

    Args:
      taken: ticket name -> how it is retrained.
    """
    by_way: dict[tuple[TrainParams, RoundParams | None], list[str]] = {}
    for name, one in taken.items():
        by_way.setdefault((one.train, one.found), []).append(name)
    ways = [_line(names, taken[names[0]], is_only=len(by_way) == 1) for names in by_way.values()]
    more = len(ways) - MOST_LINES
    shown = [*ways[:MOST_LINES], *([f"and in {more} more ways"] if more > 0 else [])]
    otherwise = dict.fromkeys(text for one in taken.values() for text in one.otherwise)
    notes = [f"params.yaml says {text}: the tickets' own counts" for text in otherwise]
    return shown + notes


def _line(names: Sequence[str], taken: Taken, *, is_only: bool) -> str:
    train, found = taken.train, taken.found
    tickets = "the ticket" if len(names) == 1 else "the tickets"
    if not is_only:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        tickets = f"{names[0]}{others}"
    were = "was" if len(names) == 1 else "were"
    words = settings_words(train)
    if found is None:
        hold = "holds" if len(names) == 1 else "hold"
        return f"Training: {words} ({tickets} {hold} no settings; --steps N for others)"
    changed = [
        f"{name} {getattr(found, name)}"
        for name in RoundParams.model_fields
        if name not in ("engine", "device") and getattr(found, name) != getattr(train, name)
    ]
    if changed:
        return (
            f"Training: {words}, as a flag or params.yaml says ({tickets} {were} found with "
            f"{', '.join(changed)})"
        )
    way_out = "" if taken.is_stated else " (from the ticket; --steps N for others)"
    return f"Training as {tickets} {were} found: {words}{way_out}"

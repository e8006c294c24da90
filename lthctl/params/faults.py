"""What pydantic refuses, said for people."""

from collections.abc import Sequence

from pydantic_core import ErrorDetails

from lthctl.families import nearest
from lthctl.parameter_types import shown
from lthctl.params.section import Section
from lthctl.params.sections import SECTIONS

PLAIN = {
    "dict_type": "keys with values",
    "tuple_type": "a list",
    "invalid-json-value": "text, a number, true, false, or a list or keys with values of these",
}
"""Type of one of pydantic's errors -> what was expected, where its own words are of Python."""


def key_inside(fault: ErrorDetails, depth: int) -> str:
    """The key that a fault is of, for a value with keys that was given as a whole; else empty.

    Args:
      fault: one of pydantic's errors.
      depth: how many keys lead to the value that was given.
    """
    *before, last = fault["loc"]
    if len(before) != depth or depth != 2:  # sections in sections are no deeper
        return ""
    is_key = fault["type"] == "extra_forbidden" or last in _keys_at(before)
    return f"{last} " if is_key else ""


def explain(fault: ErrorDetails) -> str:
    """Found, expected and way out for one of pydantic's errors."""
    if fault["type"] == "extra_forbidden":
        keys = fault["loc"]
        known = _keys_at(keys[:-1])
        meant = nearest(str(keys[-1]), known)
        hint = f"did you mean {meant!r}? " if meant else ""
        return f"is not a parameter; {hint}known here: {', '.join(known)}"
    if fault["type"] == "model_type":
        known = _keys_at(fault["loc"])
        return (
            f"is {shown(fault['input'])}, expected keys with values; known here: {', '.join(known)}"
        )
    if fault["type"] in ("seed_range", "length"):
        return fault["msg"]
    if fault["type"] == "int_type" and fault["loc"][:2] == ("prune", "seed"):
        return f"is {shown(fault['input'])}, expected a seed such as 7, or a range such as 1-20"
    if fault["type"] == "too_short":
        lengths = fault["ctx"]
        return f"has {lengths['actual_length']} values, expected at least {lengths['min_length']}"
    if fault["type"] == "member" and (meant := fault["ctx"].get("nearest")):
        given, expected = shown(fault["input"]), fault["ctx"]["expected"]
        return f"is {given}; did you mean {meant!r}? Expected {expected}"
    words = fault["msg"].removeprefix("Input should be ").removeprefix("Input should have ")
    expected = PLAIN.get(fault["type"], words)
    given = "empty" if fault["input"] is None else shown(fault["input"])
    return f"is {given}, expected {expected}"


def _keys_at(place: Sequence[object]) -> list[str]:
    """The keys at the top, of a section, or of a section in it."""
    if not place:
        return list(SECTIONS)
    section: type[Section] = SECTIONS[str(place[0])]
    for key in place[1:]:
        annotation = section.model_fields[str(key)].annotation
        parts = [annotation, *getattr(annotation, "__args__", ())]
        section = next(
            (part for part in parts if isinstance(part, type) and issubclass(part, Section)),
            section,
        )
    return list(section.model_fields)

"""What pydantic refuses, said for people."""

import difflib

from pydantic_core import ErrorDetails

from lthctl.parameter_types import shown
from lthctl.params.sections import SECTIONS


def explain(fault: ErrorDetails) -> str:
    """Found, expected and way out for one of pydantic's errors."""
    if fault["type"] == "extra_forbidden":
        keys = fault["loc"]
        known = _keys_of(keys[0]) if len(keys) > 1 else list(SECTIONS)
        close = difflib.get_close_matches(str(keys[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"is not a parameter; {hint}known here: {', '.join(known)}"
    if fault["type"] == "model_type":
        known = _keys_of(fault["loc"][0]) if fault["loc"] else list(SECTIONS)
        return (
            f"is {shown(fault['input'])}, expected keys with values; known here: {', '.join(known)}"
        )
    if fault["type"] == "seed_range":
        return fault["msg"]
    if fault["type"] == "int_type" and fault["loc"][:2] == ("prune", "seed"):
        return f"is {shown(fault['input'])}, expected a seed such as 7, or a range such as 1-20"
    if fault["type"] == "too_short":
        lengths = fault["ctx"]
        return f"has {lengths['actual_length']} values, expected at least {lengths['min_length']}"
    if fault["type"] == "member" and (nearest := fault["ctx"].get("nearest")):
        given, expected = shown(fault["input"]), fault["ctx"]["expected"]
        return f"is {given}; did you mean {nearest!r}? Expected {expected}"
    expected = fault["msg"].removeprefix("Input should be ").removeprefix("Input should have ")
    return f"is {shown(fault['input'])}, expected {expected}"


def _keys_of(section: object) -> list[str]:
    return list(SECTIONS[str(section)].model_fields)

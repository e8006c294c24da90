"""How methods and controls are ordered, named and drawn; read from their families.

Somebody's own that is not imported here looks like any other of its kind. Nothing is imported to
make a report.
"""

from collections.abc import Iterable

from lthctl.canonical import Json
from lthctl.lottery.controls import CONTROLS, Control, own_control
from lthctl.lottery.scores import SCORES, Score, own_score

DENSE_METHOD = "dense"

DENSE_COLOUR = "#222222"

DENSE_PAGE_COLOURS = ("#1b1d21", "#f4f2ee")

PAGE_LINE_WIDTH = 1.8


def method_order(name: str) -> tuple[int, str]:
    """Sorts dense before the others, and those that are not known here last."""
    return (-1, name) if name == DENSE_METHOD else SCORES.order(name)


def is_known_method(name: str) -> bool:
    """Whether it is dense, or a name without a colon that this lthctl has."""
    return name == DENSE_METHOD or name in SCORES.names()


def control_order(name: str) -> tuple[int, str]:
    """Sorts rewind first, and those that are not known here last."""
    return CONTROLS.order(name)


def method_look(name: str) -> Score:
    """Words and colours of a method."""
    return SCORES.known(name) or own_score(name)


def control_look(name: str) -> Control:
    """Words, line and marker of a control."""
    return CONTROLS.known(name) or own_control(name)


def line_style(control: str) -> str | tuple[int, tuple[float, ...]]:
    """A control's line as matplotlib takes it."""
    line = control_look(control).line
    return (0, line) if line else "-"


def methods_for_page(names: Iterable[str]) -> list[Json]:
    """Name, words and colours of methods, on light and on dark ground, in order."""
    return [
        {
            "name": name,
            "words": "nothing is pruned" if name == DENSE_METHOD else method_look(name).words,
            "colours": DENSE_PAGE_COLOURS
            if name == DENSE_METHOD
            else method_look(name).page_colours,
        }
        for name in sorted(set(names), key=method_order)
    ]


def controls_for_page(names: Iterable[str]) -> list[Json]:
    """Name, words, dashes in pixels and marker of controls, in order."""
    return [
        {
            "name": name,
            "words": control_look(name).words,
            "dash": " ".join(f"{PAGE_LINE_WIDTH * part:.1f}" for part in control_look(name).line),
            "marker": control_look(name).marker,
        }
        for name in sorted(set(names), key=control_order)
    ]
